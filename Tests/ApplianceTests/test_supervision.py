"""Each process killed, hung and restarted while clients are at work: nobody is refused, nobody but
the clients of what died notices, and the ledger agrees with the stand-in."""
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from appliance import Appliance
from load import NOTICE_SECONDS, Load, Streams
from streaming import Stream
from vendor_process import wait_for

STREAM_MODEL = "glm-5.3"
STREAM_CHUNKS = 60
OURS = ("core", "edge", "admin")
ALL = ("vendor", *OURS)
# A killed service is ready again so soon.
BACK_SECONDS_MAX = 10


@pytest.fixture
def slow_streams(vendor):
    """Streams of the stream model take three seconds; other requests take none."""
    vendor.rule(match={"model": STREAM_MODEL}, chunks=STREAM_CHUNKS, chunk_ms=50)
    return vendor


@pytest.fixture(autouse=True)
def steady(appliance):
    """Each test begins and ends with everything ready."""
    appliance.wait_ready()
    yield
    appliance.wait_ready()


def wait_for_next(appliance, name, old):
    wait_for(lambda: appliance.pids().get(name, old) != old, 40)
    appliance.wait_ready()


def kill(appliance, name, number=signal.SIGKILL):
    """Sends a signal to the main process; when, and its pid."""
    pid = appliance.pids()[name]
    os.kill(pid, number)
    if number == signal.SIGKILL:
        wait_for(lambda: is_dead(pid))
    return time.monotonic(), pid


def is_dead(pid):
    """True once its sockets are closed: it is gone, or only its exit status is left. Its first thread
    may be a zombie while others still have the sockets (proc_pid_stat(5): state, num_threads)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return fields[0] in "ZX" and int(fields[17]) <= 1


def check_ledger(appliance, vendor, key):
    """Each request that the vendor ran has one row, and each answer that went out whole is charged
    as the vendor counted it."""
    rows = {row["request_id"]: row for row in appliance.rows(key)}
    assert len(rows) == len(appliance.rows(key))
    reply = vendor.control("records", path="/v1/chat/completions")
    assert reply["dropped"] == 0
    for record in reply["records"]:
        if not record["upstream_runs"]:
            continue
        row = rows[dict(record["headers"])["X-Request-ID"]]
        if record["complete"] and row["state"] == "settled" and row["status"] == 200:
            assert row["prompt_tokens"] == record["usage"]["prompt_tokens"]
            assert row["completion_tokens"] == record["usage"]["completion_tokens"]
    assert not [row for row in rows.values() if row["state"] == "reserved"]
    return rows


def check_answers(load, rows):
    """Whoever got a whole answer was charged for it, once."""
    for outcome in load.outcomes:
        if outcome.is_good:
            assert rows[outcome.request_id]["state"] == "settled"


# Kills

@pytest.mark.parametrize("name", OURS)
def test_kill_under_load(appliance, slow_streams, key, name):
    """A kill costs the requests that the process had in hand, and nothing else."""
    before = appliance.pids()
    streams = Streams(appliance, key, 3, STREAM_MODEL)
    with Load(appliance, key) as load:
        moment, pid = kill(appliance, name)
        wait_for_next(appliance, name, pid)
        assert time.monotonic() - moment < BACK_SECONDS_MAX
        wait_for(lambda: len(load.good_after(moment + NOTICE_SECONDS)) > 20)
    assert load.refused == 0
    if name == "admin":
        assert load.bad == []
    for bad in load.bad:
        if name == "edge":
            assert bad.opened <= moment, bad
        else:
            assert bad.began <= moment + NOTICE_SECONDS and bad.status == 502, bad
    whole = streams.ended()
    assert whole == [name == "admin"] * 3
    after = appliance.pids()
    assert {n for n in ALL if after[n] != before[n]} == {name}
    rows = check_ledger(appliance, slow_streams, key)
    check_answers(load, rows)
    unsettled = [row for row in rows.values() if row["state"] == "unsettled"]
    assert (len(unsettled) >= 3) == (name == "core")


def test_kill_of_the_vendor_under_load(appliance, slow_streams, key):
    """Requests are told so until it is back; nothing of ours restarts."""
    before = appliance.pids()
    streams = Streams(appliance, key, 3, STREAM_MODEL)
    with Load(appliance, key) as load:
        moment, pid = kill(appliance, "vendor")
        wait_for(lambda: appliance.ask("GET", "/health/ready").status == 503)
        assert appliance.ask("GET", "/health").status == 200
        wait_for_next(appliance, "vendor", pid)
        wait_for(lambda: appliance.ask("GET", "/health/ready").status == 200)
        back = time.monotonic()
        wait_for(lambda: len(load.good_after(back)) > 20)
    assert back - moment < BACK_SECONDS_MAX
    assert load.refused == 0
    assert {bad.status for bad in load.bad} <= {502, 503} and len(load.bad) > 0
    assert all(bad.began < back for bad in load.bad)
    assert streams.ended() == [False] * 3
    assert all(events[-1]["error"]["code"] == "vendor_stream_truncated"
               for events in streams.events)
    after = appliance.pids()
    assert {n for n in ALL if after[n] != before[n]} == {"vendor"}
    rows = check_ledger(appliance, slow_streams, key)
    check_answers(load, rows)


@pytest.mark.parametrize("name", ["edge", "core", "admin"])
def test_unasked_end_under_load(appliance, slow_streams, key, name):
    """SIGTERM from elsewhere: the process drains and leaves, and is started again."""
    with Load(appliance, key) as load:
        _, pid = kill(appliance, name, signal.SIGTERM)
        wait_for_next(appliance, name, pid)
        time.sleep(0.2)
    assert load.refused == 0 and load.bad == []
    check_answers(load, check_ledger(appliance, slow_streams, key))


# Pauses and hangs

@pytest.mark.parametrize("name", ALL)
def test_pause_of_a_second(appliance, slow_streams, key, name):
    """Whoever asks waits, and nothing restarts."""
    before = appliance.pids()
    with Load(appliance, key) as load:
        _, pid = kill(appliance, name, signal.SIGSTOP)
        time.sleep(1)
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.3)
    assert load.refused == 0 and load.bad == []
    assert appliance.pids() == before
    check_answers(load, check_ledger(appliance, slow_streams, key))


@pytest.mark.slow
def test_hang_is_noticed_and_ended(appliance, vendor, key):
    """A stopped process misses its watchdog (10 s), has its grace (10 s), and is replaced."""
    stopped = {name: kill(appliance, name, signal.SIGSTOP)[1] for name in OURS}
    began = time.monotonic()
    wait_for(lambda: appliance.pmctl("status").returncode == 150, 30)
    wait_for(lambda: all(appliance.pids().get(n, p) != p for n, p in stopped.items()), 60)
    appliance.wait_ready()
    assert 15 < time.monotonic() - began < 70
    assert appliance.chat(key).status == 200
    for name in OURS:
        assert "watchdog" in appliance.pmctl("why", name).stdout


# Orders

@pytest.mark.parametrize("name", [*ALL, "all"])
def test_restart_under_load(appliance, slow_streams, key, name):
    """An ordered restart costs no request, and no stream that ends within the drain time."""
    before = appliance.pids()
    streams = Streams(appliance, key, 3, STREAM_MODEL)
    with Load(appliance, key) as load:
        done = appliance.pmctl("restart", name, "--wait", "--timeout", "60")
        assert done.returncode == 0, done.stdout + done.stderr
        appliance.wait_ready()
        time.sleep(0.3)
    assert load.refused == 0
    assert load.bad == []
    assert streams.ended() == [True] * 3
    assert streams.contents() == [STREAM_CHUNKS] * 3
    after = appliance.pids()
    assert {n for n in ALL if after[n] != before[n]} == (set(ALL) if name == "all" else {name})
    rows = {row["request_id"]: row for row in appliance.rows(key)}
    check_answers(load, rows)
    if name not in ("vendor", "all"):
        check_ledger(appliance, slow_streams, key)


def test_restarts_in_a_row(appliance, slow_streams, key):
    with Load(appliance, key) as load:
        for name in ("edge", "core", "edge", "admin", "edge", "core"):
            done = appliance.pmctl("restart", name, "--wait")
            assert done.returncode == 0, done.stdout + done.stderr
    assert load.refused == 0 and load.bad == []
    check_answers(load, check_ledger(appliance, slow_streams, key))


def test_memory_of_ends(appliance, vendor):
    """`status` and `why` tell what happened, in words and as JSON."""
    for name in ALL:
        _, pid = kill(appliance, name)
        wait_for(lambda: appliance.pmctl("status").returncode == 150, 3)
        line = next(line for line in appliance.pmctl("status").stdout.splitlines()
                    if line.startswith(name))
        assert name in line and ("SIGKILL" in line or "backing-off" in line), line
        wait_for_next(appliance, name, pid)
        assert appliance.pmctl("status").returncode == 0
        newest = appliance.pmctl("why", name).stdout.splitlines()[0]
        assert "SIGKILL" in newest
        assert appliance.services()[name]["restarts"] > 0
    status = appliance.pmctl("status").stdout
    assert "not attested" in status.splitlines()[0]


def test_stop_and_start_of_a_service(appliance, vendor, key):
    assert appliance.pmctl("stop", "admin", "--wait").returncode == 0
    assert appliance.states()["admin"] == "off"
    assert appliance.pmctl("status").returncode == 150
    assert appliance.chat(key).status == 200
    assert appliance.ask("GET", "/admin").status == 503
    assert appliance.pmctl("start", "admin", "--wait").returncode == 0
    assert appliance.pmctl("status").returncode == 0


def test_wrong_usage(appliance):
    for words in (["restart"], ["restart", "nobody"], ["status", "--nonsense"], ["nothing"], []):
        done = appliance.pmctl(*words)
        assert done.returncode == 2, words
        assert "\n" in done.stderr or "\n" in done.stdout


@pytest.mark.slow
def test_vendor_that_does_not_start(tmp_path):
    """Core waits ten seconds for it, and then all the rest works and says what is missing."""
    appliance = Appliance(tmp_path, scenario={"boot": "hang"})
    appliance.start(wait=False)
    try:
        wait_for(lambda: [appliance.states().get(name) for name in OURS] == ["ready"] * 3, 15)
        assert appliance.pmctl("status").returncode == 150
        key = appliance.create_key()
        answer = appliance.chat(key)
        assert (answer.status, answer.json["error"]["code"]) == (503, "vendor_starting")
        assert answer.headers["retry-after"] == "5"
        assert appliance.row(key)["state"] == "released"
        assert appliance.ask("GET", "/health").status == 200
        ready = appliance.ask("GET", "/health/ready")
        assert ready.status == 503 and ready.json["reasons"] == ["vendor_starting"]
        assert appliance.ask("GET", "/admin").status == 403
        # Probes come every ten seconds; core passes them.
        time.sleep(11)
        assert appliance.services()["core"]["restarts"] == 0
        assert appliance.services()["core"]["state"] == "ready"
    finally:
        appliance.stop()


# The supervisor itself

def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_kill_of_the_supervisor_takes_our_processes_with_it(tmp_path):
    """Ours leave by their lifeline. The vendor's has none: there it is the unit's cgroup that ends it,
    and here the test."""
    with Appliance(tmp_path) as appliance:
        key = appliance.create_key()
        assert appliance.chat(key).status == 200
        pids = appliance.pids()
        appliance.process.kill()
        appliance.process.wait()
        wait_for(lambda: all(is_dead(pids[name]) for name in OURS), 10)
        os.kill(pids["vendor"], signal.SIGKILL)
        wait_for(lambda: is_dead(pids["vendor"]))
        assert not listens(appliance.https) and not listens(appliance.vendor_port)
        assert appliance.pmctl("status").returncode == 4
        appliance.start(wait=False)
        appliance.wait_ready()
        assert appliance.chat(key).status == 200
        assert len(appliance.rows(key)) == 2


def test_stop_of_the_supervisor_finishes_streams(tmp_path):
    with Appliance(tmp_path) as appliance:
        key, vendor = appliance.create_key(), appliance.vendor()
        vendor.rule(chunks=30, chunk_ms=50)
        streams = Streams(appliance, key, 3)
        time.sleep(0.3)
        pids = appliance.pids()
        assert appliance.stop() == 0
        assert streams.ended() == [True] * 3
        assert all(map(is_dead, pids.values()))


def test_one_appliance_per_folder(appliance):
    other = Appliance.__new__(Appliance)
    other.__dict__.update(appliance.__dict__)
    other.process = None
    other.start(wait=False)
    assert other.process.wait(30) != 0
    assert appliance.pmctl("status").returncode == 0


def test_stream_survives_the_restart_of_edge_and_new_ones_come_from_the_new(appliance, vendor, key):
    vendor.rule(chunks=40, chunk_ms=50)
    body = {"model": STREAM_MODEL, "stream": True, "messages": [{"role": "user", "content": "x"}]}
    with Stream(appliance, "/v1/chat/completions", body, key) as stream:
        events = stream.events()
        next(events)
        assert appliance.pmctl("restart", "edge", "--wait").returncode == 0
        assert appliance.services()["edge"]["generation"] > 1
        assert list(events)[-1] == "[DONE]" and stream.is_whole
