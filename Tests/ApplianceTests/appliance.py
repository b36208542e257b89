"""One appliance for tests: the real processes under `pmctl supervise`, with the stand-in as vendor.

Everything lies in a folder of its own, listens on free loopback ports, and ends with the test that
started it: only processes that it started are signalled, by pid."""
import json
import os
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

from vendor_process import Control, standin_binary

START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 60


def program(name):
    return str(Path(os.environ["PM_BIN"]) / name)


def free_ports(count):
    """Ports that were free a moment ago; all are held until the last is known, so they differ."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Appliance:
    def __init__(self, folder, scenario=None, environment=None, **members):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.https, self.http, self.vendor_port = free_ports(3)
        self.control_path = str(self.folder / "standin.sock")
        self.state = self.folder / "state"
        self.runtime = self.folder / "run"
        vendor_environment = {"PM_STANDIN_CONTROL": self.control_path}
        if scenario is not None:
            path = self.folder / "scenario.json"
            path.write_text(json.dumps(scenario))
            vendor_environment["PM_STANDIN_SCENARIO"] = str(path)
        key = self.folder / "vendor-key"
        key.write_text("00000000-0000-4000-8000-000000000000")
        key.chmod(0o600)
        self.configuration = {
            "profile": "development",
            "stateDirectory": str(self.state),
            "runtimeDirectory": str(self.runtime),
            "listen": {"https": self.https, "http": self.http},
            "limits": {"global": {"requests": 1_000_000}, "address": {"requests": 1_000_000}},
            "vendor": {
                "binary": standin_binary(),
                "apiKeyFile": str(key),
                "port": self.vendor_port,
                "environment": vendor_environment,
            },
        }
        for name, value in members.items():
            current = self.configuration.get(name)
            if isinstance(current, dict) and isinstance(value, dict):
                current.update(value)
            else:
                self.configuration[name] = value
        self.path = self.folder / "appliance.json"
        self.write_configuration()
        self.environment = {"PATH": "/usr/bin:/bin", **(environment or {})}
        self.process = None
        self.log = self.folder / "log"

    def write_configuration(self):
        self.path.write_text(json.dumps(self.configuration, indent=1))

    # Life

    def start(self, wait=True):
        self.process = subprocess.Popen(
            [program("pmctl"), "supervise", "--configuration", str(self.path)],
            stdin=subprocess.DEVNULL, stdout=self.log.open("ab"), stderr=subprocess.STDOUT,
            env=self.environment)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=START_SECONDS_MAX):
        end = time.monotonic() + seconds
        code = None
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"pmctl ended with {self.process.returncode}\n{self.text()}")
            code = self.pmctl("status").returncode
            if code == 0:
                return
            time.sleep(0.05)
        raise AssertionError(f"not ready, status {code}\n{self.pmctl('status').stdout}\n{self.text()}")

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return self.process and self.process.returncode
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"pmctl did not stop\n{self.text()}")

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    # Asking

    def pmctl(self, *words, stdin=None):
        return subprocess.run(
            [program("pmctl"), *words, "--configuration", str(self.path)], capture_output=True,
            text=True, timeout=90, env=self.environment, input=stdin)

    def pmctl_json(self, *words):
        done = self.pmctl(*words, "--json")
        return json.loads(done.stdout)

    def create_key(self, *words):
        """(id, secret) of a new key."""
        done = self.pmctl("keys", "create", "--json", *words)
        assert done.returncode == 0, done.stderr
        entry = json.loads(done.stdout)
        return entry["key_id"], entry["key"]

    def status(self):
        return self.pmctl_json("status")

    def pids(self):
        """Main pid of each service that runs."""
        return {s["service"]: s["pid"] for s in self.status()["services"] if s.get("pid")}

    def vendor(self):
        """The stand-in's control socket."""
        return Control(self.control_path)

    @property
    def url(self):
        return f"https://localhost:{self.https}"

    @property
    def certificate(self):
        return str(self.state / "tls" / "certificate.pem")

    def tls(self):
        return ssl.create_default_context(cafile=self.certificate)

    def connect(self, seconds=10):
        """A TLS connection to the public port."""
        plain = socket.create_connection(("127.0.0.1", self.https), seconds)
        return self.tls().wrap_socket(plain, server_hostname="localhost")

    def exchange(self, data, seconds=10):
        """Sends raw bytes and reads to the end of the connection."""
        with self.connect(seconds) as connection:
            connection.sendall(data)
            return read_all(connection)


def read_all(connection):
    parts = []
    while True:
        try:
            part = connection.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError):
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts)
