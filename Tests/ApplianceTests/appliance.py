"""One appliance for tests: the real processes under `pmctl supervise`, with the stand-in as vendor.

Everything lies in a folder of its own, listens on free loopback ports, and ends with the test that
started it: only processes that it started are signalled, by pid."""
import contextlib
import http.client
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from vendor_process import BINARY_NAME, Answer, Control, wait_for

START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 60
ANSWER_SECONDS_MAX = 20
# What a request passes through; pm-admin is not among them.
PATH_SERVICES = ("vendor", "core", "edge")

# The stand-in has none.
NO_VENDOR_LIMITS = {f"{name}PerMinute": 0 for name in (
    "requests", "promptTokens", "completionTokens", "cachedTokens", "audioSeconds")}


@dataclass
class Key:
    """A key of the appliance; `secret` is what clients send."""
    id: str
    secret: str

    @property
    def bearer(self):
        return {"Authorization": f"Bearer {self.secret}"}


# What clients ask of the vendor. Core asks for the list of models besides, when it sees fit.
VENDOR_PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/embeddings",
                "/v1/audio/transcriptions")


# What core and the supervisor ask on their own account: the list of models, and whether it lives.
OWN_PATHS = ("/v1/models", "/")


class VendorControl(Control):
    """The stand-in's control, without what the appliance asks on its own account."""

    def rule(self, times=None, match=None, **effect):
        for path in VENDOR_PATHS:
            super().rule(times, {"path": path, **(match or {})}, **effect)

    def records(self, **filters):
        return [record for record in super().records(**filters) if record["path"] not in OWN_PATHS]

    def runs(self):
        """Requests that went on to the pretend gateway."""
        return sum(record["upstream_runs"] for record in self.records())


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__("core", timeout=ANSWER_SECONDS_MAX)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def program(name):
    return str(Path(os.environ["PM_BIN"]) / name)


def free_ports(count):
    """Ports that were free a moment ago, below those that the kernel gives to clients: one of these
    could be taken between now and the start. All are held until the last is known."""
    held = []
    for port in random.sample(range(10_000, 32_000), 1000):
        with contextlib.suppress(OSError):
            held.append(socket.create_server(("", port)))
        if len(held) == count:
            break
    ports = [s.getsockname()[1] for s in held]
    for s in held:
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
                "binary": program(BINARY_NAME),
                "apiKeyFile": str(key),
                "port": self.vendor_port,
                "environment": vendor_environment,
                "limits": NO_VENDOR_LIMITS,
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

    def command(self):
        """What starts it."""
        return [program("pmctl"), "supervise", "--configuration", str(self.path)]

    def start(self, wait=True):
        self.process = subprocess.Popen(
            self.command(), stdin=subprocess.DEVNULL, stdout=self.log.open("ab"),
            stderr=subprocess.STDOUT, env=self.environment)
        if wait:
            self.wait_ready()
        return self

    def wait_serving(self, seconds=START_SECONDS_MAX):
        """Waits until a request can pass; the admin pages may be away."""
        def is_serving():
            assert self.process.poll() is None, f"pmctl has ended\n{self.text()}"
            states = self.states()
            return all(states.get(name) == "ready" for name in PATH_SERVICES)

        wait_for(is_serving, seconds)
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
        self.start(wait=False)
        try:
            self.wait_ready()
            return self
        except BaseException:
            self.stop()
            raise

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

    def control(self, method, path, body=None):
        """What pmctl and the admin pages ask core; the answer's JSON."""
        with contextlib.closing(UnixConnection(str(self.runtime / "core-control.sock"))) as connection:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = Answer(connection.getresponse())
        assert answer.status < 300, (answer.status, answer.body)
        return answer.json if answer.body else None

    def create_key(self, **members):
        entry = self.control("POST", "/keys", {"description": "test", **members})
        return Key(entry["key_id"], entry["key"])

    def rows(self, key):
        """The ledger's lines of a key, oldest first."""
        return self.control("GET", f"/usage/rows?period=all&limit=10000&key_id={key.id}")["rows"]

    def row(self, key):
        """The only line of a key."""
        rows = self.rows(key)
        assert len(rows) == 1, rows
        return rows[0]

    def settled_row(self, key):
        """The only line of a key, once it is not open any more."""
        wait_for(lambda: self.rows(key) and self.rows(key)[-1]["state"] != "reserved")
        return self.row(key)

    def usage(self, period="all", **query):
        words = "".join(f"&{name}={value}" for name, value in query.items())
        return self.control("GET", f"/usage?period={period}{words}")

    def status(self):
        return self.pmctl_json("status")

    def services(self):
        return {s["service"]: s for s in self.status()["services"]}

    def states(self):
        """State of each service; empty as long as pmctl does not answer."""
        done = self.pmctl("status", "--json")
        services = json.loads(done.stdout or "{}").get("services", [])
        return {s["service"]: s["state"] for s in services}

    def pids(self):
        """Main pid of each service that runs."""
        return {name: s["pid"] for name, s in self.services().items() if s.get("pid")}

    def vendor(self):
        """The stand-in's control socket."""
        return VendorControl(self.control_path)

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

    def https_connection(self, seconds=ANSWER_SECONDS_MAX):
        return http.client.HTTPSConnection(
            "localhost", self.https, timeout=seconds, context=self.tls())

    def ask(self, method, path, body=None, key=None, headers=None, connection=None):
        """One request and its whole answer, on a connection of its own unless one is given."""
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        headers = {**(key.bearer if key else {}), **(headers or {})}
        if body is not None and "Content-Type" not in headers:
            headers["Content-Type"] = "application/json"
        if connection is not None:
            connection.request(method, path, body, headers)
            return Answer(connection.getresponse())
        with contextlib.closing(self.https_connection()) as connection:
            connection.request(method, path, body, headers)
            return Answer(connection.getresponse())

    def chat(self, key, text="hello", connection=None, headers=None, **fields):
        return self.ask(
            "POST", "/v1/chat/completions", chat_body(text, **fields), key, headers, connection)

    def exchange(self, data, seconds=10):
        """Sends raw bytes and reads to the end of the connection."""
        with self.connect(seconds) as connection:
            connection.sendall(data)
            return read_all(connection)


def chat_body(text="hello", model="gpt-oss-120b", **fields):
    return {"model": model, "messages": [{"role": "user", "content": text}], **fields}


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
