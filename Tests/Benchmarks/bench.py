"""One interleaved run of all stacks; prints Markdown tables of ratios. Started by `run`."""
import argparse
import os
import pathlib
import platform
import resource
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager

import clients
import peers
import starts
from stacks import BASE, LOAD_CORE, NAMES, OURS, PROXY_CORE, Meter, Place, Stack, Vendor

CONNECTIONS = (1, 16, 64, 256)
STREAMS = 200
IDLE_CONNECTIONS = 1000
FIRST_PORT, PORTS = 18440, 26
RUN_SECONDS_MAX = 1800
UPLOAD = "the upload itself"
# Longest name of a socket below the run's folder; unix(7) allows 107 bytes in all.
SOCKET_NAME_BYTES_MAX = 107 - len("/ours/run/core-control.sock")


class Results:
    """Values of one kind by column and stack, one for each round."""

    def __init__(self):
        self.values = {}

    def add(self, column, stack, value):
        self.values.setdefault((column, stack), []).append(value)

    def cell(self, column, stack, base, form):
        """The median of the rounds' ratios to `base` in the same round, their spread, the value."""
        values, bases = self.values.get((column, stack)), self.values.get((column, base))
        if not values:
            return ""
        shown = form.format(statistics.median(values))
        ratios = sorted(value / other for value, other in zip(values, bases) if other > 0)
        if not ratios:
            return shown
        spread = f" ({ratios[0]:.2f}–{ratios[-1]:.2f})" if len(ratios) > 1 else ""
        return f"{statistics.median(ratios):.2f}{spread} {shown}"

    def show(self, title, form, base=BASE):
        columns = list(dict.fromkeys(column for column, _ in self.values))
        stacks = list(dict.fromkeys(stack for _, stack in self.values))
        rows = [["", *map(str, columns)]] + [
            [stack, *(self.cell(column, stack, base, form) for column in columns)] for stack in stacks]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        print(f"\n### {title}\n")
        for number, row in enumerate(rows):
            print("| " + " | ".join(text.ljust(width) for text, width in zip(row, widths)) + " |")
            if number == 0:
                print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
        sys.stdout.flush()


class Bench:
    def __init__(self, place, is_quick):
        self.place, self.stacks, self.errors, self.answered = place, [], [], 0
        self.rounds, self.seconds = (1, 1) if is_quick else (5, 2)

    @contextmanager
    def running(self):
        """All stacks up at once."""
        try:
            with Vendor(self.place, "answers"):
                for name in NAMES:
                    self.stacks.append(Stack(self.place, name))
                    self.stacks[-1].start()
                for stack in self.stacks:
                    self.load(stack, clients.wrk, 8, 1)
            yield
        finally:
            for stack in self.stacks:
                stack.stop()

    def load(self, stack, client, *arguments, **more):
        """What the client says, with the stack's CPU time for each request."""
        with Meter(stack) as meter:
            said = client(stack, *arguments, **more)
        self.note(stack, said["requests"], said["errors"])
        requests = max(1, said["requests"])
        return {**said, "cpu": meter.total / requests, "ledger": meter.ledger / requests}

    def note(self, stack, answered, errors):
        if stack.name == OURS:
            self.answered += answered
        if errors:
            self.errors.append(f"{stack.name}: {errors}")

    @staticmethod
    def add_cpu(results, column, stack, said):
        results.add(column, stack.name, said["cpu"])
        if stack.name == OURS:
            results.add(column, "ours, ledger's thread apart", said["cpu"] - said["ledger"])

    def requests(self):
        cpu, rate = Results(), Results()
        with Vendor(self.place, "answers"):
            for _ in range(self.rounds):
                for count in CONNECTIONS:
                    for stack in self.stacks:
                        said = self.load(stack, clients.wrk, count, self.seconds)
                        self.add_cpu(cpu, count, stack, said)
                        rate.add(count, stack.name, said["rate"])
        cpu.show("CPU for each request, by keep-alive connections", "{:.1f} µs")
        rate.show("Requests each second, by keep-alive connections", "{:.0f}")

    def connections_and_bodies(self):
        handshakes, rate, large = Results(), Results(), Results()
        with Vendor(self.place, "answers"):
            for _ in range(self.rounds):
                for stack in self.stacks:
                    for kind, said in (
                            ("full", self.load(stack, clients.handshakes, self.seconds)),
                            ("resumed", self.load(stack, clients.wrk, 32, self.seconds, close=True))):
                        self.add_cpu(handshakes, kind, stack, said)
                        rate.add(kind, stack.name, said["rate"])
                    said = self.load(stack, clients.wrk, 16, self.seconds, peers.LARGE)
                    self.add_cpu(large, "CPU", stack, said)
        handshakes.show("CPU for each request on a connection of its own, by kind of handshake", "{:.0f} µs")
        rate.show("Requests each second on connections of their own, by kind of handshake", "{:.0f}")
        large.show("Answers of 100 KB, 16 connections", "{:.0f} µs")

    def first_bytes(self):
        p50, p99 = Results(), Results()
        with Vendor(self.place, "answers"):
            for _ in range(self.rounds):
                direct = clients.first_byte(self.place.vendor, "none", is_tls=False)
                for stack in self.stacks:
                    times = clients.first_byte(stack.port, stack.key)
                    self.note(stack, len(times), 0)
                    for results, part in ((p50, 0.5), (p99, 0.99)):
                        added = clients.percentile(times, part) - clients.percentile(direct, part)
                        results.add(f"p{part * 100:.0f}", stack.name, added)
        p50.values.update(p99.values)
        p50.show("Time added up to the first byte, 250 requests each second", "{:.0f} µs")

    def events(self):
        results = Results()
        with Vendor(self.place, "events"):
            for _ in range(self.rounds):
                direct = clients.Streams(self.place.vendor, STREAMS, "none", is_tls=False)
                direct.ask()
                direct = direct.result()
                for stack in self.stacks:
                    client = clients.Streams(stack.port, STREAMS, stack.key)
                    with Meter(stack) as meter:
                        client.ask()
                        said = client.result()
                    self.note(stack, STREAMS, said["errors"])
                    results.add("added p50, µs", stack.name, said["p50"] - direct["p50"])
                    results.add("added p99, µs", stack.name, said["p99"] - direct["p99"])
                    results.add("CPU, µs", stack.name, meter.total / max(1, said["events"]))
        results.show(f"Each event of {STREAMS} streams at once", "{:.0f}")

    def memory(self):
        """One stack after the other, each new for each question: what a process has once used, it
        keeps, and would give to the next question for nothing."""
        each, upload = Results(), Results()
        for name in NAMES:
            with Vendor(self.place, "sink"), self.alone(name) as stack:
                upload.add("MiB", UPLOAD, clients.UPLOAD_BYTES / 2**20)
                upload.add("MiB", name, clients.upload(stack))
                self.note(stack, 1, 0)
            with Vendor(self.place, "answers"), self.alone(name) as stack:
                each.add(f"one of {IDLE_CONNECTIONS} idle connections", name,
                         clients.idle(stack, IDLE_CONNECTIONS))
                self.note(stack, IDLE_CONNECTIONS, 0)
            with Vendor(self.place, "events"), self.alone(name) as stack:
                kibibytes, errors = clients.streaming(stack, STREAMS)
                each.add(f"one of {STREAMS} streams", name, kibibytes)
                self.note(stack, STREAMS, errors)
        each.show("Memory of TLS connections", "{:.1f} KiB")
        upload.show("Memory gained while 50 MB go to a slow vendor, as a part of them", "{:.1f}", UPLOAD)

    @contextmanager
    def alone(self, name):
        stack = Stack(self.place, name)
        try:
            stack.start()
            yield stack
        finally:
            stack.stop()

    def starts(self):
        first, programs = Results(), Results()
        for name, times in starts.first_answers(self.place, FIRST_PORT + 20, 10).items():
            for value in times:
                first.add("ms", name, value)
        for name, (milliseconds, size) in starts.programs(self.place, 30).items():
            programs.add("start to exit, ms", name, milliseconds)
            programs.add("size, MB", name, size / 1e6)
        first.show("From start to the first answer over TLS, every process and the vendor's stand-in", "{:.0f}")
        programs.show("Programs, to nginx's", "{:.1f}", base="nginx")

    def ledger(self):
        """What the ledger says it has metered, to be held against what clients were answered."""
        with sqlite3.connect(self.place.folder / "ours/state/ledger.sqlite") as ledger:
            states = dict(ledger.execute("SELECT state, count(*) FROM request GROUP BY state"))
        # Those that a load program left unanswered when its time was up are in the ledger, too.
        print(f"\nLedger: {states.get(1, 0)} settled rows for {self.answered} answers, "
              f"{sum(states.values()) - states.get(1, 0)} in other states.")
        print("Errors: " + ("; ".join(self.errors) or "none") + ".")
        return states.get(1, 0) >= self.answered


def refuse_wrong_builds(programs):
    """A debug build is many times slower, and a dynamic one is not what is shipped."""
    for name in starts.PROGRAMS:
        if name.startswith("pm"):
            content = (programs / name).read_bytes()
            if b".symtab" in content or b"libswiftCore.so" in content:
                sys.exit(f"{programs / name} is not a stripped static release build")


def refuse_taken_ports():
    """Two servers on one port would share the load, and halve both figures."""
    for port in range(FIRST_PORT, FIRST_PORT + PORTS):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                sys.exit(f"port {port} is taken")


def commit_microseconds(folder):
    """Median time of a small write that reaches the disk."""
    times = []
    with open(folder / "sync", "wb", buffering=0) as file:
        for _ in range(200):
            start = time.perf_counter()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - start) * 1e6)
    return statistics.median(times)


def describe(folder):
    def first_line(*command):
        said = subprocess.run(command, capture_output=True, text=True)
        return (said.stdout + said.stderr).strip().splitlines()[0].strip()
    kind = subprocess.check_output(["df", "--output=fstype", folder], text=True).split()[-1]
    if kind == "tmpfs":
        sys.exit(f"{folder} is a tmpfs, where nothing is durable: set PM_BENCH_DIRECTORY")
    print(f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}. {os.cpu_count()} cores, load "
          f"{os.getloadavg()[0]:.1f} at start; proxies on core {PROXY_CORE}, load on core {LOAD_CORE}. "
          f"Linux {platform.release()}; {kind}, fdatasync {commit_microseconds(folder):.0f} µs.")
    print("; ".join([
        first_line("swift", "--version"), first_line("openssl", "version").split(" (")[0], first_line("nginx", "-v"),
        first_line("haproxy", "-v").split(" - ")[0], first_line("wrk", "-v").split(" [")[0],
        f"Python {platform.python_version()}"]) + ".")
    print(f"\nEach cell: median of the ratios to {BASE} in the same round (lowest–highest), value.")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--bin", required=True, type=pathlib.Path)
    options.add_argument("--work", required=True, type=pathlib.Path)
    options.add_argument("--quick", action="store_true")
    chosen = options.parse_args()
    programs = chosen.bin.resolve()
    refuse_wrong_builds(programs)
    refuse_taken_ports()
    folder = chosen.work.resolve() / "run"
    if len(str(folder)) > SOCKET_NAME_BYTES_MAX:
        sys.exit(f"{folder} is too long for the sockets in it: set PM_BENCH_DIRECTORY")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)

    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    for ending in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(ending, lambda number, _: sys.exit(128 + number))
    signal.alarm(RUN_SECONDS_MAX)
    place = Place(folder, programs, FIRST_PORT)
    place.write(peers.LARGE_ANSWER, peers.chat_answer(100_000))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", "key.pem", "-out", "certificate.pem", "-days", "1", "-subj", "/CN=localhost"],
        cwd=folder, check=True, capture_output=True)
    place.write("both.pem", (folder / "certificate.pem").read_text() + (folder / "key.pem").read_text())
    describe(folder)
    usable = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {LOAD_CORE})

    bench = Bench(place, chosen.quick)
    with bench.running():
        bench.requests()
        if not chosen.quick:
            bench.connections_and_bodies()
            bench.first_bytes()
            bench.events()
    if not chosen.quick:
        bench.memory()
    is_metered = bench.ledger()
    os.sched_setaffinity(0, usable)
    if not chosen.quick:
        bench.starts()
    sys.exit(0 if is_metered else "the ledger has fewer rows than clients had answers")


if __name__ == "__main__":
    main()
