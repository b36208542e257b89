"""What an operator does and what happens to a machine: the README's commands, a changed
configuration, a full and a read-only disk."""
import os
import re
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from appliance import Appliance
from vendor_process import wait_for

TOP = Path(__file__).parents[2]
STATE_MIB = 4
# What a command of the README needs besides; `supervise` is what the fixture runs.
NOT_RUN = {"supervise": "the fixture runs it",
           "verify": "in development there is nothing to verify; test_gate.py and test_verify.py run it"}

# A key and a file that only a reader has; test_accounts.py and test_receipts.py run these.
OF_THE_READER = {"ID", "receipt.json"}


def readme_commands():
    """The lines of README.md that call pmctl, in its blocks of commands."""
    lines, fence = [], None
    for line in (TOP / "README.md").read_text().splitlines():
        if line.startswith("```"):
            fence = line if fence is None else None
        elif fence == "```" and line.startswith("pmctl "):
            lines.append(shlex.split(line, comments=True))
    return [words[1:] for words in lines]


def test_commands_of_the_readme(appliance):
    commands = readme_commands()
    assert len(commands) > 4 and {"supervise"} < {words[0] for words in commands}
    for words in commands:
        if words[0] in NOT_RUN or set(words) & OF_THE_READER:
            continue
        done = appliance.pmctl(*words)
        # In development there is no gate, and `attest` says so by its code, too.
        good = 151 if words[0] == "attest" else 0
        assert done.returncode == good, (words, done.stdout, done.stderr)
        assert done.stdout.strip(), words


def test_build_server_runs_what_the_readme_tells():
    """The two commands for newcomers take minutes and a release build; `.ci/run` runs them."""
    script = (TOP / ".ci" / "run").read_text()
    for command in ("appliance/quickstart", "Tests/run"):
        assert command in (TOP / "README.md").read_text()
        assert re.search(rf"^(exec )?{command}\b", script, re.MULTILINE), command


# A changed configuration

@pytest.fixture
def changed(appliance):
    """Gives the configuration back as it was."""
    saved = dict(appliance.configuration)
    yield appliance.configuration
    appliance.configuration.clear()
    appliance.configuration.update(saved)
    appliance.write_configuration()
    assert appliance.pmctl("reload").returncode == 0
    appliance.wait_ready()


def test_reload_takes_a_changed_limit(appliance, changed, key):
    before = appliance.pids()
    changed["limits"] = {**changed["limits"], "global": {"requests": 2, "windowSeconds": 60}}
    appliance.write_configuration()
    done = appliance.pmctl("reload")
    assert done.returncode == 0, done.stdout + done.stderr
    appliance.wait_ready()
    assert [appliance.chat(key).status for _ in range(3)][-1] == 429
    assert appliance.pids()["vendor"] == before["vendor"]


def test_reload_of_the_same_restarts_nothing(appliance):
    before = appliance.pids()
    assert appliance.pmctl("reload").returncode == 0
    assert appliance.pids() == before


def test_reload_refuses_a_wrong_configuration(appliance, changed, key):
    """By signal: pmctl itself finds no socket in a file that it cannot read."""
    before = appliance.pids()
    appliance.path.write_text('{"profile": "development", "limist": {}}')
    appliance.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "configuration-refused" in appliance.text())
    appliance.write_configuration()
    assert appliance.pids() == before
    assert appliance.chat(key).status == 200


# Disks

class SmallDisk(Appliance):
    """An appliance whose state lies on a small disk in memory, in a mount namespace of its own."""
    mode = "rw"

    def command(self):
        self.state.mkdir(exist_ok=True)
        mount = f"mount -t tmpfs -o {self.mode},size={STATE_MIB}m,mode=700 tmpfs {self.state}"
        return ["unshare", "-m", "sh", "-c", f'{mount} && exec "$0" "$@"', *super().command()]

    @property
    def disk(self):
        """The folder as the appliance sees it."""
        return Path(f"/proc/{self.process.pid}/root{self.state}")

    def fill(self):
        with open(self.disk / "filling", "wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass

    @property
    def certificate(self):
        return str(self.disk / "tls" / "certificate.pem")


@pytest.fixture
def disks():
    if os.geteuid() != 0:
        pytest.skip("only root may mount a disk in a namespace of its own")
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, timeout=10).returncode:
        pytest.skip("this kernel or container allows no mount namespaces")


def is_refused(appliance, key):
    answer = appliance.chat(key)
    assert answer.status in (200, 503)
    return answer.status == 503 and answer.json["error"]["code"] == "ledger_unavailable"


def check_nothing_is_free(appliance, key, good):
    """The vendor ran only what has a row, and each whole answer is charged."""
    rows = appliance.rows(key)
    assert not [row for row in rows if row["state"] == "reserved"]
    assert len([row for row in rows if row["state"] == "settled"]) >= good
    assert appliance.vendor().runs() <= len(rows)


def test_full_disk(disks, tmp_path):
    """Nothing is asked without a reservation, and room on the disk is all it takes to go on."""
    with SmallDisk(tmp_path) as small:
        key = small.create_key()
        assert small.chat(key).status == 200
        pids = small.pids()
        small.fill()
        wait_for(lambda: is_refused(small, key))
        runs = small.vendor().runs()
        assert is_refused(small, key) and small.vendor().runs() == runs
        assert small.ask("GET", "/health").status == 200
        (small.disk / "filling").unlink()
        wait_for(lambda: small.chat(key).status == 200)
        check_nothing_is_free(small, key, 2)
        assert small.pids() == pids


def test_read_only_disk(disks, tmp_path):
    """A ledger that cannot be written from the start: core says so and never becomes ready."""
    small = SmallDisk(tmp_path)
    small.mode = "ro"
    small.start(wait=False)
    try:
        wait_for(lambda: "ledger-refused" in small.text())
        assert small.states().get("core") != "ready"
        assert small.pmctl("status").returncode != 0
        assert small.process.poll() is None
    finally:
        small.stop()
