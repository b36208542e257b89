#!/usr/bin/env python3
"""What the ledger costs: bytes, the time of reports, and the work of its thread for each request.

    ledger.py size --bin FOLDER [--rows N]   a ledger of N rows: bytes, start, reports
    ledger.py pairs --bin FOLDER             a reservation and a settlement, by connections

`size` fills a file that core has made, takes its sums and links away, and lets core make them again
as it does for a file of an earlier version. Both run core alone, on sockets of their own, in a new
folder below --work (a disk, not a tmpfs), which they remove."""
import argparse
import contextlib
import http.client
import json
import multiprocessing
import os
import pathlib
import random
import re
import select
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import time

from pair import NO_VENDOR_LIMITS, create_key, spawn, unix_listener

DAY_MILLISECONDS = 86_400_000
DAYS, KEYS, MODELS = 365, 20, 4
ROUNDS = 5
START_SECONDS_MAX = 600
LOAD_SECONDS = 3
ANSWER = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"gpt-oss-120b",'
    b'"choices":[{"index":0,"message":{"role":"assistant","content":"fine"},'
    b'"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}')


class Core:
    """One pm-core and its folder."""

    def __init__(self, programs, folder, vendor=9):
        self.folder, self.run = folder, folder / "run"
        self.run.mkdir(parents=True, exist_ok=True)
        self.ledger = folder / "state" / "ledger.sqlite"
        configuration = folder / "appliance.json"
        many = {"requests": 1_000_000_000}
        configuration.write_text(json.dumps({
            "profile": "development", "stateDirectory": str(folder / "state"),
            "runtimeDirectory": str(self.run),
            "vendor": {"port": vendor, "limits": NO_VENDOR_LIMITS},
            "limits": {"global": many, "address": many}}))
        self.control = str(self.run / "core-control.sock")
        self.process = spawn(f"{programs}/pm-core", str(configuration), [
            ("core", unix_listener(str(self.run / "core.sock"))),
            ("core-control", unix_listener(self.control))], open(folder / "log", "ab"))

    def ask(self, path):
        connection = http.client.HTTPConnection("core", timeout=START_SECONDS_MAX)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(START_SECONDS_MAX)
        connection.sock.connect(self.control)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def ledger_thread(self):
        """Processor time in ns, and the number of the thread that has used the most but the first."""
        found = []
        for thread in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            if thread.name != str(self.process.pid):
                found.append((int((thread / "schedstat").read_text().split()[0]), thread.name))
        return max(found)


def fill(path, count, keys):
    """Rows of a year that ends now, evenly, as a file of the earlier version has them."""
    now = int(time.time() * 1000)
    step = DAYS * DAY_MILLISECONDS / count
    rng = random.Random(1)

    def rows():
        for row in range(1, count + 1):
            at = int(now - (count - row) * step)
            head = at << 80 | 7 << 76 | rng.getrandbits(12) << 64 | 2 << 62 | rng.getrandbits(62)
            fresh, output = rng.randrange(20, 4000), rng.randrange(1, 800)
            yield (row, head.to_bytes(16, "big"), keys[rng.randrange(len(keys))],
                   rng.randrange(1, MODELS + 1), 0, 1, 60_000_000, 3, 1, fresh, 0, output, 0, 0,
                   fresh * 500 + output * 2000, 1, 0, 200, 180, 2400)

    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as base:
        base.execute("PRAGMA synchronous=OFF")
        base.execute("BEGIN")
        base.executemany(
            "INSERT INTO ended (row, id, key, model, route, state, reserved_nano_euro, price,"
            " price_table, fresh_tokens, cached_tokens, output_tokens, audio_milliseconds,"
            " audio_bytes, cost_nano_euro, usage_source, flags, status, first_byte_milliseconds,"
            f" total_milliseconds) VALUES ({','.join('?' * 20)})", rows())
        base.execute("DELETE FROM span")
        base.execute("DELETE FROM total")
        base.execute("PRAGMA user_version=2")
        base.execute("COMMIT")
        base.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def measure_size(programs, folder, count):
    core = Core(programs, folder)
    for _ in range(KEYS):
        create_key(core.control)
    core.stop()
    empty = core.ledger.stat().st_size
    fill(core.ledger, count, list(range(1, KEYS + 1)))
    started = time.monotonic()
    core = Core(programs, folder)
    try:
        core.ask("/status")
        print(f"sums and links of {count} rows made at start, with the copy: "
              f"{time.monotonic() - started:.1f} s")
        print(f"{(core.ledger.stat().st_size - empty) * 1_000_000 / count / 1e6:.1f} MB "
              "for each million requests")
        for path in ("/usage?period=today", "/usage?period=month", "/usage?period=all",
                     "/usage?period=all&key_id=" + core.ask("/keys")[1]["keys"][0]["key_id"],
                     "/usage/export?by=day,key,model&period=all",
                     "/usage/rows?period=month&limit=100", "/ledger/verify"):
            times = []
            for _ in range(1 if "verify" in path else ROUNDS):
                begun = time.monotonic()
                status, answer = core.ask(path)
                times.append((time.monotonic() - begun) * 1000)
                assert status == 200 and answer.get("is_sound", True), answer
            print(f"{re.sub('key_id=.*', 'key_id=…', path):45} {statistics.median(times):9.1f} ms")
    finally:
        core.stop()


def play_vendor(listener):
    """Answers whatever comes with the same."""
    poll, connections = select.epoll(), {}
    poll.register(listener.fileno(), select.EPOLLIN)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    whole = head % len(ANSWER) + ANSWER
    while True:
        for number, _ in poll.poll():
            if number == listener.fileno():
                connection = listener.accept()[0]
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections[connection.fileno()] = connection
                poll.register(connection.fileno(), select.EPOLLIN)
                continue
            read = connections[number].recv(65536)
            if not read:
                connections.pop(number).close()
            elif read.endswith((b"0\r\n\r\n", b"}")):
                connections[number].sendall(whole)


def load(path, key, count, seconds):
    """Keeps so many requests under way; how many were answered."""
    body = b'{"model":"gpt-oss-120b","messages":[{"role":"user","content":"hello"}]}'
    request = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: core\r\nAuthorization: Bearer %s\r\n"
        b"PM-Client-IP: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
        % (key.encode(), len(body), body))
    poll, connections, answered = select.epoll(), {}, 0
    for _ in range(count):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        connections[connection.fileno()] = (connection, bytearray())
        poll.register(connection.fileno(), select.EPOLLIN)
        connection.sendall(request)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for number, _ in poll.poll(0.1):
            connection, seen = connections[number]
            seen += connection.recv(65536)
            if seen.endswith((b"}}", b"0\r\n\r\n")):
                assert seen.startswith(b"HTTP/1.1 200"), bytes(seen)
                answered += 1
                seen.clear()
                connection.sendall(request)
    for connection, _ in connections.values():
        connection.close()
    return answered


def written_frames(core):
    """Pages that commits have written, by the log's and the file's own writing."""
    lines = pathlib.Path(f"/proc/{core.process.pid}/io").read_text()
    return int(re.search(r"^write_bytes: (\d+)", lines, re.M)[1])


def count_syncs(thread, folder, work):
    """Runs `work` under strace of that thread; its result, and the syncs meanwhile."""
    log = folder / "strace"
    trace = subprocess.Popen(
        ["strace", "-c", "-e", "trace=fdatasync,fsync", "-p", thread, "-o", str(log)],
        stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    result = work()
    trace.send_signal(signal.SIGINT)
    trace.wait()
    found = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+).*(?:fsync|fdatasync)$", log.read_text(), re.M)
    return result, sum(map(int, found))


def measure_pairs(programs, folder):
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    vendor = multiprocessing.Process(target=play_vendor, args=(listener,), daemon=True)
    vendor.start()
    core = Core(programs, folder, listener.getsockname()[1])
    try:
        key, path = create_key(core.control), str(core.run / "core.sock")
        print("connections  requests/s  ledger's thread, µs  bytes written  syncs, each request")
        for count in (1, 16, 64):
            load(path, key, count, 1)
            costs = []
            for _ in range(ROUNDS):
                before, bytes_before = core.ledger_thread()[0], written_frames(core)
                answered = load(path, key, count, LOAD_SECONDS)
                used = (core.ledger_thread()[0] - before) / 1000 / answered
                costs.append((used, (written_frames(core) - bytes_before) / answered,
                              answered / LOAD_SECONDS))
            syncs = "-"
            if shutil.which("strace"):
                answered, calls = count_syncs(
                    core.ledger_thread()[1], folder, lambda: load(path, key, count, 1))
                syncs = f"{calls / answered:.2f}"
            used, written, rate = (statistics.median(column) for column in zip(*costs))
            print(f"{count:11} {rate:11.0f} {used:14.1f} ({min(costs)[0]:.1f}) {written:14.0f}  {syncs}")
    finally:
        core.stop()
        vendor.terminate()


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("what", choices=["size", "pairs"])
    options.add_argument("--bin", required=True)
    options.add_argument("--work", default=".build-bench")
    options.add_argument("--rows", type=int, default=10_000_000)
    chosen = options.parse_args()
    folder = pathlib.Path(chosen.work).resolve() / f"ledger-{os.getpid()}"
    try:
        if chosen.what == "size":
            measure_size(chosen.bin, folder, chosen.rows)
        else:
            measure_pairs(chosen.bin, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
