"""HTTP as the edge reads it: framing, bounds, routes, methods, fields, deadlines."""
import contextlib
import json
import socket
import threading
import time

import pytest

from appliance import chat_body, read_all
from raw import answers, request

CANARY = "CANARY7f3a"
CHAT = json.dumps(chat_body(CANARY)).encode()
POST = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
SECURITY_FIELDS = {
    "x-content-type-options": "nosniff", "x-frame-options": "DENY",
    "x-xss-protection": "1; mode=block", "referrer-policy": "strict-origin-when-cross-origin",
    "permissions-policy": "geolocation=(), microphone=(), camera=()"}
TRANSPORT_FIELD = "max-age=31536000; includeSubDomains"
POST_ROUTES = ["/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/embeddings",
               "/v1/audio/transcriptions"]
GET_ROUTES = ["/v1/models", "/v1/models/gpt-oss-120b", "/auth/key-info"]


def check_refusal(appliance, vendor, data, status):
    """One error answer with `status`, then the end of the connection; nothing of the request in the
    answer, and nothing of it at the vendor."""
    said = appliance.exchange(data)
    found = answers(said)
    assert [answer.status for answer in found] == [status]
    assert found[0].error["message"]
    assert found[0].headers["connection"] == "close"
    assert CANARY.encode() not in said
    assert vendor.records() == []


# Framing. `K` stands for the line with the key, `B` for a JSON body, `N` for its length.

SMUGGLING = {
    "length and chunks": ("K Content-Length: N|Transfer-Encoding: chunked||B", 400),
    "chunks and length": ("K Transfer-Encoding: chunked|Content-Length: N||B", 400),
    "two lengths": ("K Content-Length: N|Content-Length: 5||B", 400),
    "the same length twice": ("K Content-Length: N|Content-Length: N||B", 400),
    "list of lengths": ("K Content-Length: N, N||B", 400),
    "signed length": ("K Content-Length: +N||B", 400),
    "negative length": ("K Content-Length: -1||B", 400),
    "hexadecimal length": ("K Content-Length: 0x10||B", 400),
    "no digits in the length": ("K Content-Length: ||B", 400),
    "length over 64 bits": ("K Content-Length: 99999999999999999999||B", 400),
    "chunked twice": ("K Transfer-Encoding: chunked, chunked||0||", 501),
    "chunked in two lines": ("K Transfer-Encoding: chunked|Transfer-Encoding: chunked||0||", 400),
    "another coding": ("K Transfer-Encoding: gzip, chunked||0||", 501),
    "identity": ("K Transfer-Encoding: identity||B", 501),
    "nearly chunked": ("K Transfer-Encoding: xchunked||0||", 501),
    "vertical tab before chunked": ("K Transfer-Encoding: \vchunked||0||", 400),
    "blank before the colon": ("K Content-Length : N||B", 400),
    "folded line": ("K X-One: a| CANARY7f3a|Content-Length: N||B", 400),
    "first line folded": (" K Content-Length: N||B", 400),
    "bare line feed": ("K X-One: a\nContent-Length: N||B", 400),
    "bare carriage return": ("K X-One: a\rCANARY7f3a: b|Content-Length: N||B", 400),
    "null in a value": ("K X-One: CANARY7f3a\0|Content-Length: N||B", 400),
    "blank in a name": ("K X One: CANARY7f3a|Content-Length: N||B", 400),
    "no name": ("K : CANARY7f3a|Content-Length: N||B", 400),
    "no colon": ("K CANARY7f3a|Content-Length: N||B", 400),
    "second host": ("K Host: CANARY7f3a|Content-Length: N||B", 400),
}


@pytest.mark.parametrize("name", SMUGGLING)
def test_ambiguous_framing(appliance, vendor, key, name):
    text, status = SMUGGLING[name]
    text = text.replace("|", "\r\n").replace("N", str(len(CHAT)))
    text = text.replace("K ", f"Authorization: Bearer {key.secret}\r\n", 1)
    data = (POST + text).encode("latin-1").replace(b"B", CHAT, 1) if text.endswith("B") else (
        POST + text).encode("latin-1")
    check_refusal(appliance, vendor, data, status)
    assert appliance.rows(key) == []


@pytest.mark.parametrize("line, status", [
    ("GET  /health HTTP/1.1", 400), ("GET /health  HTTP/1.1", 400), ("GET /health HTTP/1.1 ", 400),
    (" GET /health HTTP/1.1", 400), ("GET /health", 400), ("GET /health http/1.1", 400),
    ("GET /health HTTP/1.01", 400), ("GET /health HTTP/2.0", 505), ("GET /health HTTP/1.2", 505),
    ("G\tT /health HTTP/1.1", 400), ("GET /CANARY7f3a\x01 HTTP/1.1", 400),
    ("GET CANARY7f3a HTTP/1.1", 400), ("\x16\x03\x01\x02", 400)])
def test_malformed_request_line(appliance, vendor, line, status):
    check_refusal(appliance, vendor, f"{line}\r\nHost: localhost\r\n\r\n".encode("latin-1"), status)


def test_one_blank_line_before_a_request(appliance, vendor):
    health = request("GET", "/health")
    found = answers(appliance.exchange(
        b"\r\n" + health + b"\r\n" + request("GET", "/health", "Connection: close")))
    assert [answer.status for answer in found] == [200, 200]
    check_refusal(appliance, vendor, b"\r\n\r\n" + health, 400)


def test_missing_host(appliance, vendor):
    check_refusal(appliance, vendor, b"GET /health HTTP/1.1\r\n\r\n", 400)


def test_http_1_0_needs_no_host_and_has_no_chunks(appliance, vendor):
    assert answers(appliance.exchange(b"GET /health HTTP/1.0\r\n\r\n"))[0].status == 200
    check_refusal(
        appliance, vendor,
        b"POST /v1/chat/completions HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400)


MALFORMED_CHUNKS = {
    "hexadecimal prefix": b"0x5\r\nhello\r\n0\r\n\r\n", "sign": b"-5\r\nhello\r\n0\r\n\r\n",
    "blank": b" 5\r\nhello\r\n0\r\n\r\n", "bare line feed": b"5\nhello\r\n0\r\n\r\n",
    "too much data": b"5\r\nhelloX\r\n0\r\n\r\n", "bare end": b"5\r\nhello\n0\r\n\r\n",
    "no size": b"\r\nhello\r\n0\r\n\r\n", "many digits": b"0000000000005\r\nhello\r\n0\r\n\r\n",
    "over 64 bits": b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "long extension": b"5;" + b"x" * 300 + b"\r\nhello\r\n0\r\n\r\n",
    "no number": CANARY.encode() + b"\r\nhello\r\n0\r\n\r\n",
    "long trailer": b"0\r\nT: " + b"t" * 5000 + b"\r\n\r\n"}


@pytest.mark.parametrize("name", MALFORMED_CHUNKS)
def test_malformed_chunk(appliance, vendor, key, name):
    head = request("POST", "/v1/chat/completions", "Transfer-Encoding: chunked", key=key)
    check_refusal(appliance, vendor, head + MALFORMED_CHUNKS[name], 400)


def test_chunked_body_in_single_bytes(appliance, vendor, key):
    chunks = b"".join(b"1;x=y\r\n%c\r\n" % byte for byte in CHAT) + b"0\r\nTrailer: x\r\n\r\n"
    head = request(
        "POST", "/v1/chat/completions", "Transfer-Encoding: chunked", "Connection: close", key=key)
    with appliance.connect() as connection:
        connection.sendall(head)
        for start in range(0, len(chunks), 50):
            connection.sendall(chunks[start:start + 50])
        assert answers(read_all(connection))[0].status == 200
    record = vendor.settled()
    assert record["body_bytes"] == len(CHAT) + len(f',"cache_salt":"{record["cache_salt"]}"')


def test_head_in_single_bytes(appliance, key):
    with appliance.connect() as connection:
        for byte in request("GET", "/auth/key-info", "Connection: close", key=key):
            connection.sendall(bytes([byte]))
        assert answers(read_all(connection))[0].json["key_id"] == key.id


# Bounds

def test_oversized_head(appliance, vendor):
    check_refusal(appliance, vendor, request("GET", "/health", "X: " + CANARY * 4000), 431)


def test_head_that_never_ends(appliance, vendor):
    check_refusal(appliance, vendor, b"GET /health HTTP/1.1\r\nX: " + b"x" * 100_000, 431)


def test_too_many_fields(appliance, vendor):
    lines = [f"X-{n}: {CANARY}" for n in range(120)]
    check_refusal(appliance, vendor, request("GET", "/health", *lines), 431)


def test_long_target(appliance, vendor):
    check_refusal(appliance, vendor, request("GET", "/v1/models?" + CANARY * 500), 414)


@pytest.mark.parametrize("path, mebibytes", [
    ("/v1/chat/completions", 17), ("/v1/messages", 17), ("/v1/audio/transcriptions", 51)])
def test_length_over_the_limit_is_refused_before_the_upload(
        appliance, vendor, key, path, mebibytes):
    head = request("POST", path, f"Content-Length: {mebibytes << 20}", key=key)
    began = time.monotonic()
    found = answers(appliance.exchange(head))
    assert [answer.status for answer in found] == [413]
    # The earliest deadline for what does not come is ten seconds.
    assert time.monotonic() - began < 8
    assert vendor.records() == []


def test_chunks_over_the_limit(appliance, vendor, key):
    head = request("POST", "/v1/chat/completions", "Transfer-Encoding: chunked", key=key)
    body = b'{"model":"gpt-oss-120b","messages":[{"role":"user","content":"'
    with appliance.connect() as connection:
        connection.sendall(head + b"%x\r\n%s\r\n" % (len(body), body))
        said = b""
        try:
            for _ in range(18):
                connection.sendall(b"100000\r\n" + b"x" * (1 << 20) + b"\r\n")
        except OSError:
            pass
        said = read_all(connection)
    found = answers(said)
    assert [answer.status for answer in found] == [413]
    assert vendor.runs() == 0
    assert appliance.rows(key) == []


# Routes and methods

UNKNOWN = [
    "/", "/v1", "/v1/", "/v1/chat", "/v1/chat/completions/", "/v1/chat/completionsx",
    "/v1/chat/completions/x", "/v1/chat/completions%00", "/v1/chat/completions%20",
    "/v1/chat/%63ompletions", "/v1/./models", "/v1/../v1/models", "/v1/%2e%2e/v1/models",
    "/v1/%2E/models", "//v1/models", "/v1//models", "/v1/models/", "/v1/models/..",
    "/v1/models/%2e%2e", "/v1/models/a%2fb", "/v1/models/../chat/completions", "/v1/modelsx",
    "/V1/models", "/v1/Models", "/v1%2fmodels", "/v1\\models", "/v1/models/..\\x", "/v1/models;x",
    "/_pm/ready", "/_pm", "/health/", "/healthx", "/health/ready/", "/adminx", "/admin/../v1/models",
    "/admin/%2e%2e/v1/models", "/v1/audio/translations", "/unstructured/general/v0/general",
    "/metrics", "/.env", "/" + CANARY]


@pytest.mark.parametrize("path", UNKNOWN)
def test_unknown_path(appliance, vendor, key, path):
    for method in ("GET", "POST"):
        said = appliance.exchange(request(method, path, "Connection: close", key=key))
        answer = answers(said)[0]
        assert answer.status in (400, 404), path
        assert answer.error["type"] == "invalid_request_error"
        if answer.status == 404:
            assert answer.error["code"] in ("unknown_url", "model_not_found")
        assert CANARY.encode() not in said
    assert vendor.records() == []


def test_unknown_path_of_the_anthropic_family(appliance, vendor, key):
    answer = answers(appliance.exchange(
        request("POST", "/v1/messages/none", "Connection: close", key=key)))[0]
    assert (answer.status, answer.json["type"]) == (404, "error")
    assert answer.error["type"] == "not_found_error"
    assert answer.json["request_id"] == answer.headers["request-id"]


@pytest.mark.parametrize("path, allowed", [
    *((path, "POST, OPTIONS") for path in POST_ROUTES),
    *((path, "GET, HEAD, OPTIONS") for path in GET_ROUTES), ("/health", "GET, HEAD")])
def test_other_methods(appliance, vendor, path, allowed):
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "FOO", "get"):
        if method in allowed.split(", "):
            continue
        answer = answers(appliance.exchange(request(method, path, "Connection: close")))[0] \
            if method != "HEAD" else head_answer(appliance, path)
        assert (answer.status, answer.headers["allow"]) == (405, allowed), method
    assert vendor.records() == []


def head_answer(appliance, path):
    said = appliance.exchange(request("HEAD", path, "Connection: close"))
    head, _, body = said.partition(b"\r\n\r\n")
    assert body == b""
    return answers(head.replace(b"Content-Length", b"X-Length") + b"\r\n\r\n")[0]


def test_query_is_not_forwarded(appliance, vendor, key):
    assert appliance.ask("POST", f"/v1/chat/completions?api_key={CANARY}", CHAT, key).status == 200
    record = vendor.settled()
    assert record["query"] == "" and CANARY not in json.dumps(record)


def test_key_in_the_query_is_no_key(appliance, vendor, key):
    answer = appliance.ask("POST", f"/v1/chat/completions?api_key={key.secret}", CHAT)
    assert answer.status == 401 and key.secret.encode() not in answer.body


@pytest.mark.parametrize("path", [
    "/v1/responses", "/v1/images/generations", "/v1/audio/speech", "/v1/realtime", "/v1/files",
    "/v1/messages/count_tokens"])
def test_known_api_that_is_not_offered(appliance, vendor, key, path):
    answer = appliance.ask("POST", path, {}, key)
    assert answer.status == 501 and answer.headers["x-should-retry"] == "false"
    assert vendor.records() == []


@pytest.mark.parametrize("path", ["/v1/realtime", "/v1/chat/completions", "/health", "/admin"])
def test_upgrade_is_refused(appliance, vendor, key, path):
    found = answers(appliance.exchange(request(
        "GET", path, "Connection: Upgrade, close", "Upgrade: websocket",
        "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==", "Sec-WebSocket-Version: 13", key=key)))
    assert [answer.status for answer in found] == [400]
    assert vendor.records() == []


# Connections

def test_pipelined_requests_are_answered_in_order(appliance, vendor, key):
    def chat(n):
        return request("POST", "/v1/chat/completions", key=key,
                       body=json.dumps(chat_body(f"number {n}")).encode())

    data = chat(1) + request("GET", "/health") + chat(2) + request(key=key) + chat(3)
    data += request("GET", "/none", "Connection: close")
    found = answers(appliance.exchange(data))
    assert [answer.status for answer in found] == [200, 200, 200, 200, 200, 404]
    texts = [found[n].json["choices"][0]["message"]["content"] for n in (0, 2, 4)]
    assert texts == ["Echo: number 1", "Echo: number 2", "Echo: number 3"]
    assert found[1].json["status"] == "healthy" and found[3].json["key_id"] == key.id


def test_connection_stays_after_an_error_with_a_short_body(appliance, vendor, key):
    connection = appliance.https_connection()
    connection.connect()
    first = connection.sock
    bodies = [(b"not json", 400), (CHAT, 200), (b"[1]", 400), (b"", 400), (CHAT, 200)]
    for body, status in bodies:
        assert appliance.ask(
            "POST", "/v1/chat/completions", body, key, connection=connection).status == status
        assert connection.sock is first
    connection.close()


def test_connection_close_is_kept(appliance):
    found = answers(appliance.exchange(request("GET", "/health", "Connection: close")))
    assert found[0].headers["connection"] == "close"


# Fields

def every_answer(appliance, key):
    """One answer of each kind."""
    chat = json.dumps(chat_body("hi")).encode()
    stream = json.dumps(chat_body("hi", stream=True)).encode()
    close = "Connection: close"
    return {
        "health": request("GET", "/health", close), "ready": request("GET", "/health/ready", close),
        "chat": request("POST", "/v1/chat/completions", close, key=key, body=chat),
        "stream": request("POST", "/v1/chat/completions", close, key=key, body=stream),
        "messages": request("POST", "/v1/messages", close, key=key, body=chat),
        "models": request("GET", "/v1/models", close, key=key),
        "key": request("GET", "/auth/key-info", close, key=key),
        "no key": request("GET", "/v1/models", close), "unknown": request("GET", "/none", close),
        "method": request("PUT", "/v1/models", close), "admin": request("GET", "/admin", close),
        "not offered": request("POST", "/v1/responses", close, key=key),
        "preflight": request("OPTIONS", "/v1/models", "Origin: https://a.example", close),
        "malformed": b"GET / HTTP/1.1\nHost: x\n\n", "version": b"GET / HTTP/3.0\r\nHost: x\r\n\r\n",
        "long": request("GET", "/" + "x" * 5000), "head": request("GET", "/", "X: " + "x" * 40_000),
        "large": request("POST", "/v1/chat/completions", f"Content-Length: {99 << 20}", key=key)}


def test_every_answer_has_the_common_fields(appliance, vendor, key):
    seen = set()
    for name, data in every_answer(appliance, key).items():
        answer = answers(appliance.exchange(data))[0]
        for field, value in SECURITY_FIELDS.items():
            assert answer.headers.get(field) == value, (name, field)
        assert answer.headers.get("strict-transport-security") == TRANSPORT_FIELD, name
        assert "server" not in answer.headers and "x-powered-by" not in answer.headers, name
        assert len(answer.headers["x-request-id"]) == 36, name
        seen.add(answer.headers["x-request-id"])
    assert len(seen) == len(every_answer(appliance, key))


def test_fields_of_a_stream(appliance, vendor, key):
    answer = appliance.chat(key, stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache, no-transform"
    assert answer.headers["x-accel-buffering"] == "no"
    assert "content-encoding" not in answer.headers


def test_health_is_constant(appliance):
    for method in ("GET", "HEAD"):
        answer = appliance.ask(method, "/health")
        assert answer.status == 200
        if method == "GET":
            assert answer.body == b'{"status": "healthy", "attestation": "not attested"}'


# Browsers

def test_preflight(appliance, vendor):
    asked = "authorization, x-stainless-retry-count, x-stainless-os"
    answer = appliance.ask("OPTIONS", "/v1/chat/completions", headers={
        "Origin": "https://app.example", "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": asked})
    assert answer.status == 204 and answer.body == b""
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "POST" in answer.headers["access-control-allow-methods"]
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert all(name in allowed for name in asked.split(", "))
    assert "*" not in allowed


def test_errors_are_readable_for_browsers(appliance, vendor, key):
    origin = {"Origin": "https://app.example"}
    for answer in (appliance.chat(key, headers=origin),
                   appliance.ask("GET", "/v1/models", headers=origin)):
        assert answer.headers["access-control-allow-origin"] == "*"
        exposed = answer.headers["access-control-expose-headers"].lower()
        assert "x-request-id" in exposed and "retry-after" in exposed
    for path in ("/admin", "/health"):
        assert "access-control-allow-origin" not in appliance.ask(
            "GET", path, headers=origin).headers


# Deadlines. The stalled connections are opened first and looked at last.

STALLED_SECONDS_MAX = 120


class Stalled:
    """A connection that says something and then nothing; when and how the other side ended it."""

    def __init__(self, connection, data):
        self.connection = connection
        connection.settimeout(STALLED_SECONDS_MAX)
        connection.sendall(data)
        self.began = time.monotonic()
        self.thread = threading.Thread(target=self.wait, daemon=True)
        self.thread.start()

    def wait(self):
        self.said = read_all(self.connection)
        self.seconds = time.monotonic() - self.began
        self.connection.close()

    def abandon(self):
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def ended(self):
        self.thread.join(STALLED_SECONDS_MAX)
        return self.seconds, self.said


@pytest.fixture(scope="module", autouse=True)
def stalled(appliance):
    key = appliance.create_key()
    address = ("127.0.0.1", appliance.https)
    half_body = request("POST", "/v1/chat/completions", "Content-Length: 100", key=key) + b'{"mod'
    stalled = {
        "no handshake": Stalled(socket.create_connection(address), b""),
        "half a handshake": Stalled(socket.create_connection(address), b"\x16\x03\x01\x02\x00\x01"),
        "no head": Stalled(appliance.connect(), b""),
        "half a head": Stalled(appliance.connect(), b"GET /health HTTP/1.1\r\nHo"),
        "half a body": Stalled(appliance.connect(), half_body),
        "kept alive": Stalled(appliance.connect(), request("GET", "/health"))}
    yield stalled
    for one in stalled.values():
        one.abandon()


@pytest.mark.slow
@pytest.mark.parametrize("name, seconds", [
    ("no handshake", 10), ("half a handshake", 10), ("no head", 10), ("half a head", 10),
    ("half a body", 30), ("kept alive", 75)])
def test_stalled_connection_ends(stalled, appliance, name, seconds):
    took, said = stalled[name].ended()
    assert seconds - 1 <= took <= seconds + 10
    if name in ("half a head", "half a body"):
        assert [answer.status for answer in answers(said)] == [408]
    if name == "kept alive":
        assert [answer.status for answer in answers(said)] == [200]
    assert appliance.ask("GET", "/health").status == 200
