"""Runs a vendor binary (the stand-in, or the real one) and talks to it. Standard library only."""

import contextlib
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import threading
import time

BINARY_NAME = "privatemode-proxy-standin"
START_SECONDS_MAX = 20
ANSWER_SECONDS_MAX = 20
ENDPOINT = re.compile(r"\[::\]:(\d+)")


def binary_path():
    """The binary under test: PM_VENDOR_BINARY, else the built stand-in in PM_BIN."""
    named = os.environ.get("PM_VENDOR_BINARY")
    folder = os.environ.get("PM_BIN")
    if named:
        return os.path.abspath(named)
    return os.path.join(os.path.abspath(folder), BINARY_NAME) if folder else None


class Answer:
    """One HTTP answer, read to its end; `is_cut` if that end never came."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.is_cut = False
        try:
            self.body = response.read()
        except http.client.IncompleteRead as broken:
            self.body, self.is_cut = broken.partial, True
        except ConnectionError:
            self.body, self.is_cut = b"", True

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def message(self):
        return self.json["error"]["message"]

    @property
    def events(self):
        """The JSON of each `data:` line, the end marker as a text."""
        lines = [line[6:] for line in self.body.split(b"\n") if line.startswith(b"data: ")]
        return ["[DONE]" if line == b"[DONE]" else json.loads(line) for line in lines]


class Control:
    """The stand-in's control socket."""

    def __init__(self, path):
        self.control_path = path

    def connect_control(self):
        """Waits for a stand-in that is just being started again."""
        end = time.monotonic() + START_SECONDS_MAX
        while True:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(ANSWER_SECONDS_MAX)
            try:
                connection.connect(self.control_path)
                return connection
            except (ConnectionRefusedError, FileNotFoundError):
                connection.close()
                if time.monotonic() > end:
                    raise
            time.sleep(0.01)

    def control(self, verb, **fields):
        with self.connect_control() as connection:
            connection.sendall(json.dumps({"verb": verb, **fields}).encode() + b"\n")
            reply = json.loads(connection.makefile().readline())
        assert reply["ok"], reply
        return reply

    def rule(self, times=None, match=None, **effect):
        rule = {"do": effect}
        if times is not None:
            rule["times"] = times
        if match is not None:
            rule["match"] = match
        self.control("rule", rule=rule)

    def event(self, name):
        self.control("event", name=name)

    def records(self, **filters):
        return self.control("records", **filters)["records"]

    def settled(self, **filters):
        """The last record, once its request is over."""
        wait_for(lambda: self.records(**filters)[-1]["end_us"] is not None)
        return self.records(**filters)[-1]


class Vendor(Control):
    """A running vendor binary in a workspace of its own. Use as a context manager."""

    def __init__(self, binary, folder, *flags, scenario=None, key="key-1", port="0"):
        self.folder = str(folder)
        os.makedirs(self.folder, exist_ok=True)
        self.control_path = os.path.join(self.folder, "control")
        self.environment = {"PM_STANDIN_CONTROL": self.control_path}
        if scenario is not None:
            path = os.path.join(self.folder, "scenario.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump(scenario, file)
            self.environment["PM_STANDIN_SCENARIO"] = path
        self.arguments = [binary, f"--port={port}", f"--workspace={self.folder}"]
        if key is not None:
            path = os.path.join(self.folder, "key")
            with open(path, "w", encoding="utf-8") as file:
                file.write(f" {key}\n")
            self.arguments.append(f"--apiKey=@{path}")
        self.arguments += flags
        self.lines = []
        self.port = None
        self.tls = None
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            self.arguments, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.reader = threading.Thread(target=self._drain, daemon=True)
        self.reader.start()

    def _drain(self):
        for line in self.process.stderr:
            self.lines.append(line.decode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join(5)
        self.process.stdout.close()
        self.process.stderr.close()

    @property
    def log(self):
        return "".join(self.lines)

    def listening(self):
        """Waits for the line that names the port."""
        wait_for(lambda: ENDPOINT.search(self.log) or self.process.poll() is not None)
        found = ENDPOINT.search(self.log)
        assert found, f"not listening: {self.log}"
        self.port = int(found.group(1))
        return self

    def ended(self, seconds=START_SECONDS_MAX):
        """Waits for the end; exit code (negative: the signal) and the seconds it took."""
        code = self.process.wait(seconds)
        took = time.monotonic() - self.started_at
        self.reader.join(5)
        return code, took

    def signal(self, number):
        self.process.send_signal(number)

    # Requests

    def connect(self):
        if self.tls:
            return http.client.HTTPSConnection(
                "localhost", self.port, timeout=ANSWER_SECONDS_MAX, context=self.tls)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS_MAX)

    def ask(self, method, path, body=None, headers=None):
        with contextlib.closing(self.connect()) as connection:
            if isinstance(body, dict):
                body = json.dumps(body).encode()
            connection.request(method, path, body, headers or {})
            return Answer(connection.getresponse())

    def chat(self, text="hello", model="gpt-oss-120b", headers=None, **fields):
        body = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
        return self.ask("POST", "/v1/chat/completions", body, headers)

    def raw(self):
        """A bare connection, for what no client library sends."""
        return socket.create_connection(("127.0.0.1", self.port), ANSWER_SECONDS_MAX)

    def manifests(self):
        folder = os.path.join(self.folder, "manifests")
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def chat_head(length, extra=""):
    return (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\n{extra}\r\n").encode()


def wait_for(condition, seconds=START_SECONDS_MAX, pause_seconds=0.01):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(pause_seconds)


def run(binary, *arguments, seconds=START_SECONDS_MAX, folder=None):
    """Runs to the end; exit code, stdout, stderr."""
    done = subprocess.run(
        [binary, *arguments], env={}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=seconds, cwd=folder)
    return done.returncode, done.stdout, done.stderr


def pinned(certificate):
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    return context
