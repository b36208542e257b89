#!/usr/bin/env python3
"""Kills core at random moments under mixed load, starts it again each time, and at the end holds the
ledger against what the stand-in vendor ran and what clients got.

    kill_core.py --bin FOLDER [--kills 300] [--seed N]

Core runs alone on listeners that stay, as under its supervisor, but without that one's pauses.
Clients give each request an id of their own, which core passes to the vendor, so every request is
known by name on all three sides. Prints a table; exit 0 if nothing is lost, doubled or wrong."""
import argparse
import contextlib
import json
import os
import pathlib
import random
import signal
import sqlite3
import sys
import tempfile
import threading
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "Benchmarks"))

from pair import NO_VENDOR_LIMITS, create_key, spawn, unix_listener  # noqa: E402

from appliance import UnixConnection, chat_body, free_ports  # noqa: E402
from samples import FORM_TYPE, WAV, form  # noqa: E402
from vendor_process import BINARY_NAME, Answer, Vendor, wait_for  # noqa: E402

CLIENTS = 8
# Between two kills, and between two looks at the stand-in, which keeps 8192 records.
LIFE_SECONDS = (0.02, 0.7)
KILLS_PER_LOOK = 5
QUIET_SECONDS_MAX = 30

KINDS = {
    "chat": ("/v1/chat/completions", chat_body("hello there")),
    "chat stream": ("/v1/chat/completions", chat_body("hello there", stream=True)),
    "messages stream": ("/v1/messages", chat_body("hello", stream=True, max_tokens=50)),
    "completions": ("/v1/completions", {"model": "gpt-oss-120b", "prompt": "hello there"}),
    "embeddings": ("/v1/embeddings", {"model": "qwen3-embedding-4b", "input": ["one", "two"]}),
    "audio": ("/v1/audio/transcriptions",
              form(("model", "whisper-large-v3"), ("file", "a.wav", WAV)))}
STATES = ("reserved", "settled", "released", "unsettled")


def request_id(chance):
    """UUID of version 7 (RFC 9562, 5.7), as the edge makes them."""
    bits = int(time.time() * 1000) << 80 | 7 << 76 | chance.getrandbits(12) << 64
    return str(uuid.UUID(int=bits | 2 << 62 | chance.getrandbits(62)))


class LoneCore:
    """pm-core on two sockets that outlive it."""

    def __init__(self, binaries, folder, vendor_port):
        self.program = str(pathlib.Path(binaries) / "pm-core")
        self.state, self.run = folder / "state", folder / "run"
        self.run.mkdir(parents=True)
        self.configuration = folder / "appliance.json"
        https, = free_ports(1)
        self.configuration.write_text(json.dumps({
            "profile": "development", "stateDirectory": str(self.state),
            "runtimeDirectory": str(self.run), "listen": {"https": https},
            "limits": {"global": {"requests": 1_000_000_000}},
            "vendor": {"port": vendor_port, "limits": NO_VENDOR_LIMITS}}))
        self.socket, self.control = str(self.run / "core.sock"), str(self.run / "core-control.sock")
        self.listeners = [
            ("core", unix_listener(self.socket)), ("core-control", unix_listener(self.control))]
        self.log = open(folder / "log", "ab")
        self.start()

    def start(self):
        self.process = spawn(self.program, str(self.configuration), self.listeners, self.log)

    def end(self, number):
        self.process.send_signal(number)
        return self.process.wait(QUIET_SECONDS_MAX)

    def ask(self, path):
        with contextlib.closing(UnixConnection(self.control)) as connection:
            connection.request("GET", path)
            return Answer(connection.getresponse()).json


class Clients:
    """What clients send, and what each of them got: `whole` is an answer with its end."""

    def __init__(self, core, secret, seed):
        self.core, self.secret, self.seed = core, secret, seed
        self.fates = {}
        self.lock = threading.Lock()
        self.is_over, self.may_work = threading.Event(), threading.Event()
        self.may_work.set()
        self.threads = [
            threading.Thread(target=self.work, args=(n,), daemon=True) for n in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def work(self, number):
        chance = random.Random(self.seed * 1000 + number)
        while not self.is_over.is_set():
            self.may_work.wait()
            name = chance.choice(list(KINDS))
            identity = request_id(chance)
            with self.lock:
                self.fates[identity] = (name, "open")
            fate = self.send(name, identity)
            with self.lock:
                self.fates[identity] = (name, fate)

    def send(self, name, identity):
        path, body = KINDS[name]
        fields = {"Authorization": f"Bearer {self.secret}", "PM-Request-ID": identity,
                  "PM-Client-IP": "127.0.0.1", "Content-Type": "application/json"}
        if name == "audio":
            fields.update(FORM_TYPE)
        else:
            body = json.dumps(body).encode()
        with contextlib.closing(UnixConnection(self.core.socket)) as connection:
            try:
                connection.request("POST", path, body, fields)
                answer = Answer(connection.getresponse())
            except Exception:  # Whatever http.client calls the end of a connection.
                return "broken"
        if answer.is_cut:
            return "broken"
        if answer.status != 200:
            return f"status {answer.status}"
        if "stream" in name:
            marks = (b"[DONE]", b"message_stop")
            return "whole" if any(mark in answer.body for mark in marks) else "broken"
        return "whole"

    def quiet(self, vendor):
        """Waits until nothing is under way, so that the stand-in's records can be taken."""
        self.may_work.clear()

        def is_quiet():
            with self.lock:
                is_open = any(fate == "open" for _, fate in self.fates.values())
            return not is_open and vendor.control("state")["in_flight"] == 0

        wait_for(is_quiet, QUIET_SECONDS_MAX)

    def end(self):
        self.is_over.set()
        self.may_work.set()
        for thread in self.threads:
            thread.join(QUIET_SECONDS_MAX)


class Runs:
    """What the stand-in ran, by id."""

    def __init__(self, vendor):
        self.vendor, self.records = vendor, {}

    def take(self):
        told = self.vendor.control("records")
        assert told["dropped"] == 0, "records were lost: look more often"
        for record in told["records"]:
            headers = {name.lower(): value for name, value in record["headers"]}
            if record["path"] != "/v1/models" and record["upstream_runs"]:
                self.records.setdefault(headers["x-request-id"], []).append(record)
        self.vendor.control("forget")


def read_rows(state):
    """Every row of the ledger by id, from the file itself."""
    with contextlib.closing(sqlite3.connect(state / "ledger.sqlite")) as ledger:
        ledger.row_factory = sqlite3.Row
        rows = {}
        for row in ledger.execute("SELECT * FROM request"):
            rows.setdefault(str(uuid.UUID(bytes=row["id"])), []).append(dict(row))
        return rows


def usage_differs(row, record):
    """For an answer that the vendor gave whole and that is settled by its own word."""
    used = record["usage"]
    if row["usage_source"] != 1 or not record["complete"] or used is None:
        return False
    if used.get("seconds"):
        return row["audio_milliseconds"] != used["seconds"] * 1000
    return (row["fresh_tokens"] + row["cached_tokens"], row["output_tokens"]) != (
        used["prompt_tokens"], used["completion_tokens"])


def compare(rows, runs, fates):
    """What must not be: name and how often."""
    one = {name: found[0] for name, found in rows.items()}
    state = {name: STATES[row["state"]] for name, row in one.items()}
    return {
        "rows of nobody's request": sum(name not in fates for name in rows),
        "rows that stand twice": sum(len(found) > 1 for found in rows.values()),
        "rows still open": sum(word == "reserved" for word in state.values()),
        "runs without a charged row": sum(
            state.get(name) not in ("settled", "unsettled") for name in runs),
        "requests run twice": sum(len(found) > 1 for found in runs.values()),
        "whole answers without a settled row": sum(
            fate == "whole" and state.get(name) != "settled" for name, (_, fate) in fates.items()),
        "whole answers without a run": sum(
            fate == "whole" and name not in runs for name, (_, fate) in fates.items()),
        "unsettled rows not charged whole": sum(
            row["cost_nano_euro"] != row["reserved_nano_euro"]
            for name, row in one.items() if state[name] == "unsettled"),
        "usage that is not the vendor's": sum(
            usage_differs(one[name], found[0]) for name, found in runs.items()
            if state.get(name) == "settled")}


def kill(binaries, folder, kills, seed):
    """Does it all; figures to show, and what must be zero."""
    chance = random.Random(seed)
    folder = pathlib.Path(folder)
    rules = {"rules": [{"do": {"chunk_ms": 3, "first_byte_ms": 5}}]}
    with Vendor(str(pathlib.Path(binaries) / BINARY_NAME), folder / "vendor",
                scenario=rules) as vendor:
        core = LoneCore(binaries, folder, vendor.listening().port)
        try:
            clients = Clients(core, create_key(core.control), seed)
            runs = Runs(vendor)
            for number in range(1, kills + 1):
                time.sleep(chance.uniform(*LIFE_SECONDS))
                assert core.end(signal.SIGKILL) == -signal.SIGKILL, "it had died by itself"
                core.start()
                if number % KILLS_PER_LOOK == 0 or number == kills:
                    clients.quiet(vendor)
                    runs.take()
                    clients.may_work.set()
            time.sleep(LIFE_SECONDS[1])
            clients.quiet(vendor)
            clients.end()
            runs.take()
            is_sound = core.ask("/ledger/verify")["is_sound"]
        finally:
            core.end(signal.SIGTERM)
    rows = read_rows(core.state)
    fates = [fate for _, fate in clients.fates.values()]
    states = [STATES[found[0]["state"]] for found in rows.values()]
    figures = {
        "kills": kills, "requests": len(fates), "answered whole": fates.count("whole"),
        "broken": fates.count("broken"), "runs at the vendor": len(runs.records),
        "rows": len(rows), **{f"rows {word}": states.count(word) for word in STATES[1:]}}
    faults = {"chains that do not hold": int(not is_sound),
              **compare(rows, runs.records, clients.fates)}
    return figures, faults


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--bin", default=os.environ.get("PM_BIN"))
    options.add_argument("--kills", type=int, default=300)
    options.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures, faults = kill(chosen.bin, folder, chosen.kills, chosen.seed)
    print(f"seed {chosen.seed}")
    for name, value in {**figures, **faults}.items():
        print(f"{name:38}{value:>8}")
    return 1 if any(faults.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
