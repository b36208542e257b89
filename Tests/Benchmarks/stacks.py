"""The stacks that are measured: started on the first core, watched, ended by pid."""
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import time

import peers

HERE = pathlib.Path(__file__).parent
PEER_KEY = "sk-0123456789abcdef0123456789abcdef"
OURS, BASE = "ours", "nginx, two hops"
NAMES = (OURS, BASE, "nginx, one hop", "HAProxy, two hops", "HAProxy, one hop", "aiohttp, one hop")
START_SECONDS_MAX, STOP_SECONDS_MAX = 30, 10
# Between two looks at whether something answers.
LOOK_SECONDS = 0.002


def cores():
    """The core of what is measured and the core of what loads it; one and the same if there is one."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


PROXY_CORE, LOAD_CORE = cores()


class Place:
    """A folder for the run, the programs, and the ports."""

    def __init__(self, folder, programs, first_port):
        self.folder, self.programs = folder, programs
        self.vendor = first_port
        self.ports = {name: first_port + 1 + i for i, name in enumerate(NAMES)}

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def spawn(self, command, core, **more):
        """Ends with this process, whatever happens to it."""
        with open(self.folder / "log", "ab") as log:
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "taskset", "-c", str(core), *command],
                stderr=log, **{"stdout": log, "stdin": subprocess.DEVNULL, **more})

    def nginx(self, name, text):
        return ["nginx", "-e", f"{self.folder}/log", "-c", self.write(f"{name}.conf", text)]

    def haproxy(self, name, text):
        return ["haproxy", "-db", "-f", self.write(f"{name}.cfg", text)]

    def vendor_command(self, kind):
        if kind == "answers":
            return self.nginx("vendor", peers.nginx_vendor(self.folder, self.vendor))
        return [sys.executable, str(HERE / "vendors.py"), kind, str(self.vendor)]

    def commands(self, name):
        """What a stack of others consists of; the hop that clients reach comes last."""
        folder, port, vendor = self.folder, self.ports[name], f"127.0.0.1:{self.vendor}"
        nginx_socket, haproxy_socket = f"{folder}/nginx.sock", f"{folder}/haproxy.sock"
        return {
            BASE: lambda: [
                self.nginx("nginx-core", peers.nginx_core(folder, nginx_socket, PEER_KEY, self.vendor)),
                self.nginx("nginx-edge", peers.nginx_tls(
                    folder, "nginx-edge", port, f"unix:{nginx_socket}"))],
            "nginx, one hop": lambda: [
                self.nginx("nginx-one", peers.nginx_tls(folder, "nginx-one", port, vendor))],
            "HAProxy, two hops": lambda: [
                self.haproxy("haproxy-core", peers.haproxy_core(haproxy_socket, PEER_KEY, self.vendor)),
                self.haproxy("haproxy-edge", peers.haproxy_tls(
                    folder, port, f"unix@{haproxy_socket}"))],
            "HAProxy, one hop": lambda: [
                self.haproxy("haproxy-one", peers.haproxy_tls(folder, port, vendor))],
            "aiohttp, one hop": lambda: [
                [sys.executable, str(HERE / "aiohttp_proxy.py"), f"{folder}/both.pem",
                 f"{folder}/both.pem", str(port), str(self.vendor), PEER_KEY]],
        }[name]()


class Stack:
    """One of NAMES, serving from `start` to `stop`."""

    def __init__(self, place, name):
        self.place, self.name, self.port, self.key = place, name, place.ports[name], PEER_KEY
        self.started, self.roots = [], []

    def start(self):
        place = self.place
        if self.name == OURS:
            pair = place.spawn(
                [sys.executable, str(HERE / "pair.py"), "--bin", str(place.programs), "--folder",
                 str(place.folder / "ours"), "--https", str(self.port), "--vendor", str(place.vendor)],
                PROXY_CORE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self.started = [pair]
            said = json.loads(pair.stdout.readline() or sys.exit(f"ours: see {place.folder}/log"))
            self.key, self.roots = said["key"], said["pids"]
        else:
            self.started = [place.spawn(c, PROXY_CORE) for c in place.commands(self.name)]
            self.roots = [process.pid for process in self.started]
        wait_until_open(self.name, self.port)

    def stop(self):
        for process in self.started:
            if process.stdin:
                process.stdin.close()
            else:
                process.terminate()
        for process in self.started:
            end(process)
        self.started = []

    def pids(self):
        return [pid for root in self.roots for pid in tree(root)]

    def pss_kib(self):
        """Memory of all its processes, shared pages shared out (proc(5), smaps_rollup)."""
        return sum(
            int(re.search(r"^Pss:\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1])
            for pid in self.pids())


class Meter:
    """Scheduler time of all threads of a stack between `with` and its end; `ledger` is the part of
    the thread that has written most to disk, which in pm-core is the ledger's."""

    def __init__(self, stack):
        self.stack = stack

    def __enter__(self):
        self.before = self.times()
        return self

    def __exit__(self, *_):
        spent = {thread: ns - self.before.get(thread, 0) for thread, ns in self.times().items()}
        self.total = sum(spent.values()) / 1000
        self.ledger = spent[max(spent, key=self.written)] / 1000 if self.stack.name == OURS else 0

    def times(self):
        return {
            thread: int((thread / "schedstat").read_text().split()[0])
            for pid in self.stack.pids() for thread in pathlib.Path(f"/proc/{pid}/task").iterdir()}

    @staticmethod
    def written(thread):
        return int(re.search(r"^write_bytes: (\d+)", (thread / "io").read_text(), re.M)[1])


def tree(pid):
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in tree(int(child)))]


def wait_until_open(name, port, is_tls=True):
    context = ssl._create_unverified_context()
    end_of_patience = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < end_of_patience:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as plain:
                if is_tls:
                    context.wrap_socket(plain).close()
                return
        except OSError:
            time.sleep(LOOK_SECONDS)
    sys.exit(f"{name}: nothing answers on port {port}")


def end(process):
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Vendor:
    """The upstream of all stacks, for as long as `with` lasts: answers, events or sink."""

    def __init__(self, place, kind):
        self.place, self.kind = place, kind

    def __enter__(self):
        self.process = self.place.spawn(self.place.vendor_command(self.kind), LOAD_CORE)
        wait_until_open(self.kind, self.place.vendor, is_tls=False)

    def __exit__(self, *_):
        self.process.terminate()
        end(self.process)
