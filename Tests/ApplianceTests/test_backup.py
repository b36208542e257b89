"""Backups of a running appliance: complete, readable by the written form alone, refused when one
bit is wrong, and restored whole or not at all."""
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from appliance import Appliance, program
from emulated import FIRST_ID, EmulatedAppliance, needs_emulation
from load import Load
from test_operations import SmallDisk, disks  # noqa: F401
from vendor_process import wait_for

PASSPHRASE = "correct horse battery staple"
HEAD, FRAME_HEAD, FRAME_PLAIN, TAG = 48, 8, 65536, 16
FRAME = FRAME_HEAD + FRAME_PLAIN + TAG
REFUSED, NO_ANSWER = 5, 4
# Memory that core may need beyond its rest while a backup goes out, and what the backup has.
GROWTH_MIB_MAX, FILLING_MIB = 48, 150
KILLS, STAGES = 12, ("ready", "placing")


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "passphrase"
    path.write_text(PASSPHRASE + "\n")
    return str(path)


def back_up(appliance, path, secret, *words):
    done = appliance.pmctl("backup", str(path), "--passphrase-file", secret, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(path)


def restore(appliance, path, secret):
    return appliance.pmctl("restore", str(path), "--passphrase-file", secret)


@contextlib.contextmanager
def restored(folder, backup, secret, **members):
    """An appliance with a state of its own, in which a backup was put before it started."""
    other = Appliance(folder, **members)
    done = restore(other, backup, secret)
    assert done.returncode == 0, done.stdout + done.stderr
    with other:
        yield other


def read(data, passphrase=PASSPHRASE):
    """The files of a backup, by the README alone."""
    magic, version, cost, block, parallel, plain, salt, check = struct.unpack(
        ">8sBBBBI16s16s", data[:HEAD])
    assert (magic, version, plain) == (b"PMBACKUP", 1, FRAME_PLAIN)
    derived = Scrypt(salt=salt, length=48, n=1 << cost, r=block, p=parallel).derive(
        passphrase.encode())
    assert derived[32:] == check
    cipher, parts, at, number, is_last = AESGCM(derived[:32]), [], HEAD, 0, False
    while not is_last:
        head = data[at:at + FRAME_HEAD]
        found, word = struct.unpack(">II", head)
        is_last, length = bool(word >> 31), word & 0x7FFFFFFF
        assert found == number and (is_last or length == FRAME_PLAIN)
        end = at + FRAME_HEAD + length + TAG
        parts.append(cipher.decrypt(bytes(4) + head, data[at + FRAME_HEAD:end], data[:HEAD]))
        at, number = end, number + 1
    assert at == len(data)
    plain = b"".join(parts)
    length = int.from_bytes(plain[:4], "big")
    manifest, at = json.loads(plain[4:4 + length]), 4 + length
    files = {}
    for entry in manifest["files"]:
        files[entry["name"]] = plain[at:at + entry["bytes"]]
        assert hashlib.sha256(files[entry["name"]]).hexdigest() == entry["sha256"]
        at += entry["bytes"]
    assert at == len(plain)
    return manifest, files


def ledger_rows(path):
    with contextlib.closing(sqlite3.connect(path)) as ledger:
        return ledger.execute("SELECT * FROM ended ORDER BY row").fetchall()


def is_sound(appliance):
    return appliance.control("GET", "/ledger/verify")["is_sound"]


def test_backup_under_load_is_restored_elsewhere(appliance, vendor, key, secret, tmp_path):
    path = tmp_path / "accounts"
    with Load(appliance, key) as load:
        wait_for(lambda: len(appliance.rows(key)) > 50)
        back_up(appliance, path, secret, "--reason", "drill")
        rows_then = len(appliance.rows(key))
        wait_for(lambda: len(appliance.rows(key)) > rows_then + 20)
    assert all(outcome.is_good for outcome in load.outcomes)
    assert path.stat().st_mode & 0o777 == 0o600
    entry = appliance.control("GET", "/audit?limit=1")["audit"][0]
    assert (entry["action"], entry["reason"]) == ("backup", "drill")
    assert "backup-made" in appliance.text()
    assert not list(appliance.state.glob("*snapshot*"))

    manifest, files = read(path.read_bytes())
    copy = tmp_path / "copy.sqlite"
    copy.write_bytes(files["ledger.sqlite"])
    held = ledger_rows(copy)
    assert manifest["counts"]["requests"] == len(held) >= 50
    assert len(files["pepper"]) == 32

    # The same key, rows and sums in another place; and it goes on from there.
    with restored(tmp_path / "other", path, secret) as other:
        assert not (other.state / "restore").exists()
        assert is_sound(other)
        mine, theirs = appliance.rows(key), other.rows(key)
        assert len(theirs) >= len(held)
        by_id = {row["request_id"]: row for row in mine}
        settled = [row for row in theirs if row["state"] == "settled"]
        assert all(by_id[row["request_id"]] == row for row in settled)
        total = other.usage("all", key_id=key.id)
        assert total["total_cost_nano_euro"] == sum(row["cost_nano_euro"] for row in theirs)
        assert other.chat(key).status == 200
        assert len(other.rows(key)) == len(theirs) + 1 and is_sound(other)


def test_nothing_is_overwritten(appliance, secret, tmp_path):
    path = tmp_path / "there"
    path.write_text("mine")
    done = appliance.pmctl("backup", str(path), "--passphrase-file", secret)
    assert done.returncode == REFUSED and "is there already" in done.stderr
    assert path.read_text() == "mine" and len(list(tmp_path.glob("there*"))) == 1


def test_words_that_are_wrong(appliance, secret, tmp_path):
    path = str(tmp_path / "file")
    (tmp_path / "short").write_text("short")
    for words in (("backup", path), ("restore", path)):
        assert appliance.pmctl(*words).returncode == 2
        done = appliance.pmctl(*words, "--passphrase-file", str(tmp_path / "short"))
        assert done.returncode == 1 and "12 to 1024" in done.stderr
        done = appliance.pmctl(*words, "--passphrase-file", str(tmp_path / "none"))
        assert done.returncode == 1 and "cannot be read" in done.stderr
    done = appliance.pmctl(
        "backup", str(tmp_path / "no" / "folder"), "--passphrase-file", secret)
    assert done.returncode == 1 and "cannot be written" in done.stderr


def test_restore_while_a_supervisor_runs(appliance, key, secret, tmp_path):
    path = back_up(appliance, tmp_path / "accounts", secret)
    done = restore(appliance, path, secret)
    assert done.returncode == REFUSED and "a supervisor runs" in done.stderr
    assert appliance.chat(key).status == 200


def test_secrets_are_in_no_argument(appliance, secret, tmp_path):
    """The passphrase goes by descriptors: while both commands run, nobody can read it."""
    seen, over = set(), threading.Event()

    def look():
        while not over.is_set():
            for path in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    with contextlib.suppress(OSError):
                        text = (path / name).read_bytes()
                        if PASSPHRASE.encode() in text:
                            seen.add((path.name, name))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        path = back_up(appliance, tmp_path / "accounts", secret)
        other = Appliance(tmp_path / "other")
        assert restore(other, path, secret).returncode == 0
    finally:
        over.set()
        watcher.join()
    assert not seen
    assert PASSPHRASE not in appliance.text()


def fill(appliance, mib):
    """A ledger that is larger by so much; nothing reads what is added."""
    with contextlib.closing(sqlite3.connect(appliance.state / "ledger.sqlite")) as ledger:
        ledger.execute("INSERT INTO setting VALUES ('filling', randomblob(?))", (mib << 20,))
        ledger.commit()


# Damage

def flip(at):
    return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


DAMAGE = {
    "no backup": (flip(0), "this is no backup"),
    "newer form": (flip(8), "form of this backup is newer"),
    "salt": (flip(20), "passphrase is wrong, or the head"),
    "first byte": (flip(HEAD + FRAME_HEAD), "altered at frame 0"),
    "last byte": (lambda data: flip(len(data) - 1)(data), "altered at frame"),
    "length": (flip(HEAD + 7), "altered at frame 0"),
    "cut at a frame": (lambda data: data[:HEAD + FRAME], "cut off at frame 1"),
    "cut in a frame": (lambda data: data[:-100], "cut off at frame"),
    "empty": (lambda data: b"", "this is no backup"),
    "swapped": (
        lambda data: data[:HEAD] + data[HEAD + FRAME:HEAD + 2 * FRAME] + data[HEAD:HEAD + FRAME]
        + data[HEAD + 2 * FRAME:], "not in order at frame 0"),
    "more": (lambda data: data + b"x", "something behind the end")}


@pytest.fixture(scope="module")
def backup(appliance, tmp_path_factory):
    """The bytes of a backup with many frames."""
    fill(appliance, 1)
    folder = tmp_path_factory.mktemp("backup")
    (folder / "passphrase").write_text(PASSPHRASE)
    return back_up(appliance, folder / "accounts", str(folder / "passphrase")).read_bytes()


@pytest.fixture(scope="module")
def idle(tmp_path_factory):
    """An appliance that does not run, with a state worth keeping."""
    idle = Appliance(tmp_path_factory.mktemp("idle"))
    with idle:
        idle.key = idle.create_key()
        idle.chat(idle.key)
    return idle


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_told_and_changes_nothing(idle, backup, secret, tmp_path, name):
    assert len(backup) > HEAD + 2 * FRAME
    change, message = DAMAGE[name]
    path = tmp_path / "damaged"
    path.write_bytes(change(backup))
    before = files_of(idle.state)
    done = restore(idle, path, secret)
    assert done.returncode == 1 and message in done.stderr, done.stderr
    assert files_of(idle.state) == before
    assert not list(idle.state.glob("restore*")) and not list(idle.state.glob("replaced*"))


def test_wrong_passphrase(idle, backup, tmp_path):
    (tmp_path / "wrong").write_text("incorrect horse battery")
    (tmp_path / "accounts").write_bytes(backup)
    done = restore(idle, tmp_path / "accounts", str(tmp_path / "wrong"))
    assert done.returncode == 1 and "passphrase is wrong" in done.stderr
    with pytest.raises((AssertionError, InvalidTag)):
        read(backup, "incorrect horse battery")


def test_restore_keeps_what_was_there(idle, backup, appliance, secret, tmp_path):
    (tmp_path / "accounts").write_bytes(backup)
    before = files_of(idle.state)
    done = restore(idle, tmp_path / "accounts", secret)
    assert done.returncode == 0 and "The old files are in" in done.stdout
    kept = next(idle.state.glob("replaced-*"))
    assert files_of(kept)["pepper"] == before["pepper"]
    with idle:
        assert idle.chat(idle.key).status == 401
        assert is_sound(idle)
    # The way back.
    for path in idle.state.glob("ledger.sqlite*"):
        path.unlink()
    for path in kept.iterdir():
        path.rename(idle.state / path.name)
    kept.rmdir()
    with idle:
        assert idle.chat(idle.key).status == 200


# Kills

def start_restore(appliance, path, secret):
    return subprocess.Popen(
        [program("pmctl"), "restore", str(path), "--passphrase-file", secret, "--configuration",
         str(appliance.path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=appliance.environment)


def core_of(pid):
    """The process that restores, once it is core's program."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with contextlib.suppress(OSError):
            if b"--restore" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
    return None


def state_of(folder):
    """Which of both states the folder would come to: its keys."""
    with contextlib.closing(sqlite3.connect(folder / "ledger.sqlite")) as ledger:
        return {row[0] for row in ledger.execute("SELECT id FROM key")}, \
            hashlib.sha256((folder / "pepper").read_bytes()).hexdigest()


def test_killed_at_any_moment_it_is_the_old_state_or_the_new(idle, backup, secret, tmp_path):
    """The moments are spread over the time that a restoration takes, most of them over its end,
    which the derivation of the key does not fill."""
    path = tmp_path / "accounts"
    path.write_bytes(backup)
    saved = tmp_path / "saved"
    shutil.copytree(idle.state, saved)
    began = time.monotonic()
    assert start_restore(idle, path, secret).wait(60) == 0
    whole = time.monotonic() - began
    new = state_of(idle.state)
    outcomes = []
    chance = random.Random(7)
    for number in range(KILLS):
        shutil.rmtree(idle.state)
        shutil.copytree(saved, idle.state)
        old = state_of(idle.state)
        process = start_restore(idle, path, secret)
        wait = whole * (chance.uniform(0, 1.1) if number % 3 == 0 else chance.uniform(0.7, 1.1))
        end = time.monotonic() + wait
        core = None
        while time.monotonic() < end and process.poll() is None:
            core = core or core_of(process.pid)
            if core and any((idle.state / f"restore.{name}").exists() for name in STAGES):
                break
        with contextlib.suppress(ProcessLookupError, TypeError):
            os.kill(core, signal.SIGKILL)
        process.wait(30)
        # The next start of core finishes or undoes it.
        with idle:
            pass
        found = state_of(idle.state)
        assert found in (old, new), number
        assert not list(idle.state.glob("restore*"))
        outcomes.append(found == new)
    shutil.rmtree(idle.state)
    shutil.copytree(saved, idle.state)
    assert False in outcomes, outcomes


# Scarcity

def core_socket(appliance):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(30)
    connection.connect(str(appliance.runtime / "core-control.sock"))
    return connection


def ask_backup(connection):
    body = json.dumps({"passphrase": PASSPHRASE}).encode()
    connection.sendall(
        b"POST /backup HTTP/1.1\r\nHost: core\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def resident_mib(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """An appliance whose ledger is far larger than what sockets hold."""
    large = Appliance(tmp_path_factory.mktemp("large"))
    with large:
        large.key = large.create_key()
    fill(large, FILLING_MIB)
    with large:
        yield large


def test_slow_reader_costs_no_memory_and_blocks_nobody(large, tmp_path, secret):
    pid = large.pids()["core"]
    large.chat(large.key)
    rest = resident_mib(pid)
    with contextlib.closing(core_socket(large)) as slow:
        ask_backup(slow)
        assert slow.recv(16).startswith(b"HTTP/1.1 200")
        for _ in range(5):
            assert large.chat(large.key).status == 200
            time.sleep(0.1)
        assert resident_mib(pid) - rest < GROWTH_MIB_MAX
        # One at a time, and this one is not over.
        done = large.pmctl("backup", str(tmp_path / "second"), "--passphrase-file", secret)
        assert done.returncode == REFUSED and "made already" in done.stderr
        assert not list(tmp_path.glob("second*"))

    # Its receiver has left: the next may come, and is whole.
    def is_free():
        words = ("backup", str(tmp_path / "third"), "--passphrase-file", secret)
        return large.pmctl(*words).returncode == 0

    wait_for(is_free, 30)
    assert (tmp_path / "third").stat().st_size > FILLING_MIB << 20
    assert resident_mib(pid) - rest < GROWTH_MIB_MAX
    assert large.pids()["core"] == pid


def test_backup_that_breaks_off_is_no_file(large, tmp_path, secret):
    """Core is killed while it sends; what came until then keeps no name."""
    words = [program("pmctl"), "backup", str(tmp_path / "half"), "--passphrase-file", secret,
             "--configuration", str(large.path)]
    for _ in range(5):
        pid = large.pids()["core"]
        process = subprocess.Popen(words, stderr=subprocess.DEVNULL, env=large.environment)
        wait_for(lambda: any(path.stat().st_size > 0 for path in tmp_path.glob("half.partial*"))
                 or process.poll() is not None, 30)
        os.kill(pid, signal.SIGKILL)
        code = process.wait(30)
        large.wait_ready(60)
        if code == NO_ANSWER:
            break
        # It was whole already.
        assert code == 0
        (tmp_path / "half").unlink()
    assert code == NO_ANSWER and not list(tmp_path.glob("half*"))
    assert not (large.state / "backup.snapshot").exists()


def test_core_that_dies_leaves_no_file(appliance, secret, tmp_path):
    """A backup that breaks off is none, and what it left in the state directory goes."""
    (appliance.state / "backup.snapshot").write_bytes(b"half a copy")
    os.kill(appliance.pids()["core"], signal.SIGKILL)
    appliance.wait_ready()
    assert not (appliance.state / "backup.snapshot").exists()
    assert appliance.pmctl("stop", "core").returncode == 0
    try:
        done = appliance.pmctl("backup", str(tmp_path / "none"), "--passphrase-file", secret)
        assert done.returncode == NO_ANSWER and not list(tmp_path.glob("none*"))
    finally:
        assert appliance.pmctl("start", "core").returncode == 0
        appliance.wait_ready()


@needs_emulation
def test_production_restores_with_the_rights_of_core(secret):
    """Of another machine's backup; what is put in place belongs to core alone, and works."""
    with EmulatedAppliance() as one:
        key = one.create_key()
        path = back_up(one, one.place / "accounts", secret)
        with EmulatedAppliance() as other:
            other.stop()
            words = ("restore", str(path), "--passphrase-file", secret)
            done = subprocess.run(other.command(*words), capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stdout + done.stderr
            for name in ("ledger.sqlite", "pepper"):
                status = (other.state / name).stat()
                assert (status.st_uid, status.st_mode & 0o777) == (FIRST_ID + 1, 0o600)
            other.start()
            assert other.chat(key).status == 200 and is_sound(other)


def test_full_disk(disks, tmp_path, secret):  # noqa: F811
    """No room for a copy: said before it is tried, and the service goes on."""
    with SmallDisk(tmp_path / "small") as small:
        key = small.create_key()
        done = small.pmctl("backup", str(tmp_path / "none"), "--passphrase-file", secret)
        assert done.returncode == 1 and "no room for a copy" in done.stderr
        assert not list(tmp_path.glob("none*"))
        assert not (small.disk / "backup.snapshot").exists()
        assert small.chat(key).status == 200
        assert small.control("GET", "/status")["ledger"]["state"] == "open"
