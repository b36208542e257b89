"""A canary in everything that a request may hold, sent down every path that goes wrong, and then
looked for in everything that is written: files, logs, tables, reports, arguments, environments. RAM is
not searched."""
import base64
import contextlib
import http.client
import json
import os
import signal
import socket
import time
from pathlib import Path
from urllib.parse import urlencode

import pytest

from appliance import Key, chat_body
from raw import request
from samples import WAV, form
from streaming import Stream
from test_http_edge import MALFORMED_CHUNKS, SMUGGLING, UNKNOWN
from test_vendor_faults import CASES
from vendor_process import wait_for

MARK = "cAnArY4b1e90a27c"
PASSWORD = f"password-{MARK}-of-the-operator"
ENVIRONMENT_KEY = f"environment-key-{MARK}"
FILE_KEY = f"file-key-{MARK}-abcdefghijklmnopqrstuvwxyz"
VENDOR_KEY = "00000000-0000-4000-8000-000000000000"
CHILDREN = ("vendor", "core", "edge", "admin")
CHAT_PATH = "/v1/chat/completions"
# In every field that a client may send.
HEADERS = {
    "User-Agent": MARK, "Cookie": f"session={MARK}", "Referer": f"https://x/{MARK}",
    "X-Forwarded-For": MARK, "X-Request-ID": MARK, "PM-Request-ID": MARK, "PM-Client-IP": MARK,
    f"X-{MARK}": "name", "Idempotency-Key": MARK, "Anthropic-Beta": MARK, "Accept": MARK,
    "Origin": f"https://{MARK}.example", "OpenAI-Organization": MARK, "TE": MARK}


def forms(text):
    """A text as it might be written."""
    raw = text.encode()
    yield from (raw, raw.hex().encode(), raw[::-1])
    # Where it stands in a longer text, base64 has three forms; their ends depend on neighbours.
    for shift in range(3):
        yield base64.b64encode(b"\0" * shift + raw)[4:-4]
    yield text.encode("utf-16-le")


def needles(*texts):
    return [needle.lower() for text in texts for needle in forms(text)]


def found_in(data, wanted):
    data = data.lower()
    return any(needle in data for needle in wanted)


def files_below(folder):
    for path in Path(folder).rglob("*"):
        if path.is_file():
            yield path


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "api_keys.json"
    path.write_text(json.dumps({"keys": [{"key_id": "from-file", "key": FILE_KEY}]}))
    return path


@pytest.fixture(scope="module")
def settings(keys_file):
    return {"keys": {"file": str(keys_file)},
            "environment": {"API_KEYS": ENVIRONMENT_KEY, "ADMIN_PASSWORD": PASSWORD}}


class Mischief:
    """Every way of going wrong, with the canary in it; what was said to the client."""

    def __init__(self, appliance):
        self.appliance = appliance
        self.vendor = appliance.vendor()
        self.key = appliance.create_key()
        self.said = []

    def body(self, **fields):
        return chat_body(
            f"prompt {MARK}", user=MARK, metadata={MARK: MARK}, stop=[MARK],
            tools=[{"type": "function", "function": {"name": MARK, "parameters": {}}}], **fields)

    def ask(self, method, path, body=None, key=None, headers=None):
        """The answer is kept: nothing in it may be the client's own."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            answer = self.appliance.ask(method, path, body, key, {**HEADERS, **(headers or {})})
            self.said.append(answer.body + str(answer.headers).encode())

    def send(self, data):
        with contextlib.suppress(OSError):
            self.said.append(self.appliance.exchange(data, 3))

    def keys(self):
        wrong = [f"pm_0000000000000000_{MARK}", MARK, self.key.secret + MARK, FILE_KEY + "x"]
        for secret in wrong:
            self.ask("POST", CHAT_PATH, self.body(), Key("", secret))
            self.ask("GET", "/v1/models", headers={"X-API-Key": secret})
        self.ask("GET", f"/v1/models?api_key={MARK}")
        gone = self.appliance.create_key()
        self.appliance.control("POST", f"/keys/{gone.id}/revoke")
        self.ask("POST", CHAT_PATH, self.body(), gone)
        for secret in (FILE_KEY, ENVIRONMENT_KEY):
            assert self.appliance.chat(Key("", secret), MARK).status == 200

    def framing(self):
        mark = MARK.encode()
        for text, _ in SMUGGLING.values():
            text = text.replace("CANARY7f3a", MARK).replace("|", "\r\n").replace("N", "5")
            text = text.replace("K ", f"X-{MARK}: {MARK}\r\n", 1)
            self.send(f"POST /{MARK} HTTP/1.1\r\nHost: {MARK}\r\n{text}".encode("latin-1"))
        for chunks in MALFORMED_CHUNKS.values():
            self.send(request("POST", CHAT_PATH, "Transfer-Encoding: chunked", key=self.key)
                      + b"10\r\n" + mark + b"\r\n" + chunks)
        for data in (mark, b"GET /" + mark, mark * 5000, b"GET / HTTP/1.1\r\n" + mark * 4000,
                     b"\x16\x03\x01" + mark):
            self.send(data)

    def routes(self):
        for path in [*UNKNOWN[:20], f"/{MARK}", f"/v1/models/{MARK}", f"/v1/{MARK}?{MARK}={MARK}",
                     f"/admin/{MARK}", f"/health?{MARK}", f"/auth/key-info/{MARK}"]:
            for method in ("GET", "POST", "OPTIONS", MARK):
                self.ask(method, path, self.body() if method == "POST" else None, self.key)
        self.ask("GET", "/v1/models", key=self.key, headers={"Upgrade": MARK})

    def bodies(self):
        mark = MARK.encode()
        for body in (mark, b'{"model":"' + mark, b'{"' + mark + b'":1}', b"[1," + mark,
                     b'{"model":"' + mark + b' ","messages":[]}',
                     b'{"model":"gpt-oss-120b","model":"' + mark + b'"}',
                     b'{"model":"gpt-oss-120b","a.' + mark + b'":1}', mark * 2_000_000):
            self.ask("POST", CHAT_PATH, body, self.key)
        # The model server's words name the model, to the asker alone.
        assert self.appliance.ask("POST", CHAT_PATH, self.body(model=MARK), self.key).status == 404
        boundary = f"boundary{MARK}"
        kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        whole = [("model", "whisper-large-v3"), ("prompt", MARK), (MARK, MARK),
                 ("file", f"{MARK}.wav", WAV + mark)]
        for parts in (whole, whole[1:], whole + whole[:1], whole + [("response_format", MARK)]):
            self.ask("POST", "/v1/audio/transcriptions", form(*parts, boundary=boundary), self.key,
                     kind)

    def faults(self):
        for name, case in CASES.items():
            if case.status == 429 or "503" in name:
                continue
            fault = json.loads(json.dumps(case.fault).replace("CANARY7f3a", MARK))
            if "status" in fault and fault["status"] not in (400, 404, 422):
                fault["message"] = MARK
            self.vendor.rule(**fault)
            self.ask("POST", CHAT_PATH, self.body(), self.key)
            self.vendor.control("clear")
            # After three failures in a row the vendor would be replaced, and the next rule with it.
            assert self.appliance.chat(self.key, MARK).status == 200
        # Where the model server speaks to the asker, the asker hears it, and nobody writes it down.
        for status in (400, 422):
            self.vendor.rule(status=status, encrypted=True, message=MARK)
            assert self.appliance.ask("POST", CHAT_PATH, self.body(), self.key).status == status
            self.vendor.control("clear")

    def streams(self):
        for fault in ({"abort_after_chunks": 2}, {"long_line": 2}, {"hard_abort_after_chunks": 2},
                      {"stream_error_event": True}, {"chat_as_json": True}, {"usage": "none"}):
            for path in (CHAT_PATH, "/v1/messages"):
                self.vendor.rule(text=f"answer {MARK} and more words", **fault)
                answer = self.appliance.ask(
                    "POST", path, self.body(stream=True, max_tokens=50), self.key)
                assert answer.status == 200
                self.vendor.control("clear")

    def leaving(self):
        self.vendor.rule(chunks=100, chunk_ms=20, text=f"answer {MARK} and more words")
        with Stream(self.appliance, CHAT_PATH, self.body(stream=True), self.key) as stream:
            next(stream.events())
        with self.appliance.connect() as connection:
            connection.sendall(request("POST", CHAT_PATH, "Content-Length: 900", key=self.key)
                               + MARK.encode())

    def pages(self):
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        for _ in range(3):
            self.ask("POST", "/admin/login", urlencode(
                {"csrf_token": MARK, "password": f"wrong {MARK}"}).encode(), headers=kind)
        self.ask("GET", f"/admin/usage?period={MARK}")
        self.ask("GET", f"/admin/login?error={MARK}")
        self.ask("POST", f"/admin/keys/{MARK}/revoke", b"csrf_token=" + MARK.encode(), headers=kind)

    def plain_port(self):
        for path in (CHAT_PATH, f"/{MARK}", f"/.well-known/acme-challenge/{MARK}"):
            with contextlib.suppress(OSError), socket.create_connection(
                    ("127.0.0.1", self.appliance.http), 3) as connection:
                connection.sendall(request("POST", path, f"Authorization: Bearer {MARK}"))
                self.said.append(connection.recv(65536))

    def command_line(self):
        for words in (["keys", "show", MARK], ["keys", "revoke", MARK], ["restart", MARK], [MARK],
                      ["usage", "--period", MARK]):
            self.appliance.pmctl(*words)

    def deaths(self):
        """Each process killed with the canary in hand."""
        for name in ("core", "edge", "vendor", "admin"):
            self.vendor.rule(chunks=200, chunk_ms=20, text=f"answer {MARK} and more words")
            with Stream(self.appliance, CHAT_PATH, self.body(stream=True), self.key) as stream:
                next(stream.events())
                old = self.appliance.pids()[name]
                os.kill(old, signal.SIGABRT if name != "vendor" else signal.SIGKILL)
                wait_for(lambda: self.appliance.pids().get(name, old) != old)
                self.appliance.wait_ready()

    def all(self):
        for act in (self.keys, self.framing, self.routes, self.bodies, self.faults, self.streams,
                    self.leaving, self.pages, self.plain_port, self.command_line, self.deaths):
            act()
        time.sleep(0.5)
        assert len(self.said) > 150
        return self


@pytest.fixture(scope="module")
def mischief(appliance):
    return Mischief(appliance).all()


def secrets(mischief):
    # What follows the id; underscores are among its characters.
    return [mischief.key.secret.split("_", 2)[2]]


def test_the_search_finds_what_is_there(tmp_path):
    for number, text in enumerate(needles(MARK)):
        (tmp_path / str(number)).write_bytes(b"\x00before " + text + b" after")
    assert all(found_in(path.read_bytes(), needles(MARK)) for path in files_below(tmp_path))
    assert found_in(base64.b64encode(f"some words {MARK} and more".encode()), needles(MARK))


def test_no_answer_repeats_what_was_sent(mischief):
    for said in mischief.said:
        assert not found_in(said, needles(MARK, *secrets(mischief))), said[:400]


def test_no_file_holds_it(appliance, mischief):
    wanted = needles(MARK, *secrets(mischief))
    credentials = appliance.runtime / "credentials"
    searched = 0
    for folder in (appliance.state, appliance.runtime):
        for path in files_below(folder):
            # Secrets of the operator on their way to one process, in memory-backed files.
            if credentials in path.parents:
                continue
            assert not found_in(path.read_bytes(), wanted), path
            assert MARK.lower() not in str(path).lower()
            searched += 1
    assert searched > 5 and any(path.name.startswith("ledger") for path in files_below(appliance.state))


def test_no_log_holds_it(appliance, mischief):
    log = appliance.log.read_bytes()
    assert log.count(b"\n") > 50
    assert not found_in(log, needles(MARK, VENDOR_KEY, *secrets(mischief)))
    for line in log.decode().splitlines():
        if line.startswith("{"):
            json.loads(line)


def test_no_report_holds_it(appliance, mischief):
    reports = [appliance.pmctl(*words) for words in (
        ["status"], ["status", "--json"], ["logs"], ["keys", "list"], ["keys", "list", "--json"],
        ["usage"], ["usage", "--json"], *(["why", name, "--json"] for name in CHILDREN))]
    text = "".join(done.stdout + done.stderr for done in reports)
    for path in ("/usage?period=all", "/usage/rows?period=all&limit=10000", "/audit?limit=1000",
                 "/keys", "/status", "/settings"):
        text += json.dumps(appliance.control("GET", path))
    assert len(text) > 10_000 and mischief.key.id in text
    assert not found_in(text.encode(), needles(MARK, VENDOR_KEY, *secrets(mischief)))


def test_no_argument_or_environment_holds_it(appliance, mischief):
    wanted = needles(MARK, VENDOR_KEY, *secrets(mischief))
    pids = appliance.pids()
    assert set(pids) == set(CHILDREN)
    for name, pid in [*pids.items(), ("pmctl", appliance.process.pid)]:
        for file in ("cmdline", "environ", "comm"):
            # The predecessor's variables are secrets in the environment of who was given them.
            if (name, file) == ("pmctl", "environ"):
                continue
            assert not found_in(Path(f"/proc/{pid}/{file}").read_bytes(), wanted), (name, file)
        assert Path(f"/proc/{pid}/cmdline").read_bytes()


def test_no_core_file_is_left(appliance, mischief):
    for name, pid in appliance.pids().items():
        limits = Path(f"/proc/{pid}/limits").read_text()
        line = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
        assert line.split()[4] == "0", name
        folder = Path(os.readlink(f"/proc/{pid}/cwd"))
        assert not list(folder.glob("core*")) or folder == Path("/")


def test_rows_name_keys_by_id_only(appliance, mischief):
    rows = appliance.rows(mischief.key)
    assert len(rows) > 40
    assert {row["key_id"] for row in rows} == {mischief.key.id}
    assert MARK not in {row["model"] for row in rows}
    assert "unlisted" in {row["model"] for row in rows}
