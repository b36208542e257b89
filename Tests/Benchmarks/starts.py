"""How long things take to start: the whole appliance and nginx up to their first answer over TLS,
and each program from start to exit."""
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

import clients
from pair import NO_VENDOR_LIMITS
from stacks import BASE, LOAD_CORE, LOOK_SECONDS, START_SECONDS_MAX, Stack, Vendor

STOP_SECONDS_MAX = 60
# Each asked something that it answers at once: its version, or a configuration that is not there.
PROGRAMS = {
    "pmctl": ["version"], "pm-edge": ["--configuration", "/nonexistent"],
    "pm-core": ["--configuration", "/nonexistent"], "pm-admin": ["--configuration", "/nonexistent"],
    "pm-launch": [], "nginx": ["-v"], "haproxy": ["-v"],
}


def wait_for_answer(port, key):
    give_up = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < give_up:
        try:
            with clients.connect(port) as connection:
                connection.sendall(clients.chat(key))
                clients.answer(connection)
                return
        except OSError:
            time.sleep(LOOK_SECONDS)
    sys.exit(f"port {port}: no answer in {START_SECONDS_MAX} s after start")


class Appliance:
    """`pmctl supervise` in the development profile: every process, with the stand-in as vendor, whose
    played attestation takes its time."""

    def __init__(self, place, name, first_port, attestation_milliseconds):
        folder = place.folder / name
        folder.mkdir()
        scenario, vendor_key = folder / "scenario.json", folder / "vendor-key"
        scenario.write_text(json.dumps({"delay_ms": attestation_milliseconds}))
        vendor_key.touch(mode=0o600)
        vendor_key.write_text("00000000-0000-4000-8000-000000000000")
        self.place, self.port, self.configuration = place, first_port, folder / "appliance.json"
        self.configuration.write_text(json.dumps({
            "profile": "development", "stateDirectory": f"{folder}/state",
            "runtimeDirectory": f"{folder}/run",
            "vendor": {
                "port": first_port + 1, "binary": f"{place.programs}/privatemode-proxy-standin",
                "apiKeyFile": str(vendor_key), "environment": {"PM_STANDIN_SCENARIO": str(scenario)},
                "limits": NO_VENDOR_LIMITS},
            "listen": {"https": first_port, "http": first_port + 2},
            "limits": {"global": {"requests": 1_000_000}, "address": {"requests": 1_000_000}}}))

    def start(self):
        self.process = self.place.spawn(
            [f"{self.place.programs}/pmctl", "supervise", "--configuration", str(self.configuration)],
            f"{min(os.sched_getaffinity(0))}-{LOAD_CORE}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(STOP_SECONDS_MAX)

    def new_key(self):
        """A first start, which makes certificate and ledger, too."""
        self.start()
        try:
            give_up = time.monotonic() + START_SECONDS_MAX
            while time.monotonic() < give_up:
                made = subprocess.run(
                    [f"{self.place.programs}/pmctl", "keys", "create", "--description", "benchmark",
                     "--configuration", str(self.configuration)], capture_output=True, text=True)
                if found := re.search(r"^API Key: *(\S+)", made.stdout, re.M):
                    return found[1]
                time.sleep(LOOK_SECONDS)
            sys.exit(f"no key could be made: {made.stderr}")
        finally:
            self.stop()


def first_answers(place, first_port, rounds):
    """Milliseconds from start to first answer, in turn: {name: [ms]}."""
    appliances = {
        "ours, vendor's attestation played in 300 ms": Appliance(place, "slow", first_port, 300),
        "ours, vendor up at once": Appliance(place, "prompt", first_port + 3, 0)}
    keys = {name: appliance.new_key() for name, appliance in appliances.items()}
    times = {name: [] for name in (*appliances, BASE)}
    for _ in range(rounds):
        for name, appliance in appliances.items():
            start = time.perf_counter()
            appliance.start()
            try:
                wait_for_answer(appliance.port, keys[name])
                times[name].append((time.perf_counter() - start) * 1000)
            finally:
                appliance.stop()
        stack, start = Stack(place, BASE), time.perf_counter()
        with Vendor(place, "answers"):
            try:
                stack.start()
                wait_for_answer(stack.port, stack.key)
                times[BASE].append((time.perf_counter() - start) * 1000)
            finally:
                stack.stop()
    return times


def milliseconds_to_exit(command):
    start = time.perf_counter()
    subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return (time.perf_counter() - start) * 1000


def programs(place, rounds):
    """{program: (median milliseconds, bytes of the file)}"""
    found = {}
    for name, arguments in PROGRAMS.items():
        path = place.programs / name if name.startswith("pm") else shutil.which(name)
        times = [milliseconds_to_exit([str(path), *arguments]) for _ in range(rounds)]
        found[name] = statistics.median(times), os.stat(path).st_size
    return found
