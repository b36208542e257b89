"""What reaches the vendor, and when; bodies and streams of any length in little memory."""
import hashlib
import json
import os
import signal
import threading
import time

import pytest

from appliance import chat_body, read_all
from raw import answers, request
from samples import FORM_TYPE, WAV, form
from streaming import Stream

CHAT_PATH = "/v1/chat/completions"
# What edge and core may grow by, whatever passes: queues of 256 KiB on each side, and what the
# allocator keeps of them.
GROWTH_BYTES_MAX = 12 << 20
ALLOWED_NAMES = {"host", "content-type", "content-length", "transfer-encoding", "accept",
                 "x-request-id"}


class Memory:
    """Watches the resident memory of edge and core. Use as a context manager."""

    def __init__(self, appliance):
        pids = appliance.pids()
        self.pids = {name: pids[name] for name in ("edge", "core")}
        self.before = {name: self.resident(name) for name in self.pids}
        self.most = dict(self.before)
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def resident(self, name):
        with open(f"/proc/{self.pids[name]}/status", encoding="ascii") as file:
            line = next(line for line in file if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    def watch(self):
        while not self.is_over.wait(0.02):
            for name in self.pids:
                self.most[name] = max(self.most[name], self.resident(name))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join(5)

    @property
    def growth(self):
        return max(self.most[name] - self.before[name] for name in self.pids)


@pytest.fixture(autouse=True)
def warm(appliance, key):
    """What is allocated once is there before anything is measured."""
    for _ in range(5):
        assert appliance.chat(appliance.create_key()).status == 200


# The head that the vendor sees

SPOOFED = {
    "Cookie": "a=b", "User-Agent": "agent", "X-Forwarded-For": "203.0.113.1", "Forwarded": "for=x",
    "X-Request-ID": "mine", "PM-Request-ID": "mine", "PM-Client-IP": "203.0.113.1", "PM-Any": "x",
    "Privatemode-Encrypted": "false", "Accept-Encoding": "gzip", "Accept": "text/event-stream",
    "X-Stainless-Os": "Linux", "OpenAI-Organization": "", "Referer": "https://x", "TE": "trailers",
    "X-API-Key": "another", "Anthropic-Beta": "b", "Origin": "https://x", "Idempotency-Key": "k"}


@pytest.mark.parametrize("stream", [False, True])
def test_head_is_made_anew(appliance, vendor, key, stream):
    answer = appliance.chat(key, headers=SPOOFED, stream=stream)
    record = vendor.settled(path=CHAT_PATH)
    fields = {name.lower(): value for name, value in record["headers"]}
    assert set(fields) <= ALLOWED_NAMES and len(fields) == len(record["headers"])
    assert fields["accept"] == "application/json"
    assert fields["x-request-id"] == answer.headers["x-request-id"]
    assert record["query"] == ""
    said = json.dumps(record)
    assert key.secret not in said and key.id not in said and "203.0.113.1" not in said


def test_head_of_an_upload_is_made_anew(appliance, vendor, key):
    body = form(("model", "whisper-large-v3"), ("file", "secret-name.wav", WAV))
    answer = appliance.ask(
        "POST", "/v1/audio/transcriptions", body, key, {**SPOOFED, **FORM_TYPE})
    assert answer.status == 200
    fields = {name.lower(): value for name, value in vendor.settled(
        path="/v1/audio/transcriptions")["headers"]}
    assert set(fields) <= ALLOWED_NAMES


def test_anthropic_names_pass_there_only(appliance, vendor, key):
    headers = {"Anthropic-Version": "2023-06-01", "Anthropic-Beta": "one,two", "Cookie": "a=b"}
    appliance.ask("POST", "/v1/messages", chat_body(max_tokens=5), key, headers)
    names = {name.lower() for name, _ in vendor.settled(path="/v1/messages")["headers"]}
    assert names - ALLOWED_NAMES == {"anthropic-version", "anthropic-beta"}


def is_same_but_for_salt(record, body):
    """The vendor got what the client sent, with a salt as its last member."""
    salted = body[:-1] + f',"cache_salt":"{record["cache_salt"]}"}}'.encode()
    return record["body_sha256"] == hashlib.sha256(salted).hexdigest()


def test_body_passes_byte_for_byte(appliance, vendor, key):
    body = ('{ "messages" : [ {"role":"user","content":"h\\u00e9llo \\ud83d\\ude00"} ],\r\n\t'
            '"model":"gpt-oss-120b" , "unknown":{"a":[1.50,-0e0,true,null]}, "stream":false}').encode()
    assert appliance.ask("POST", CHAT_PATH, body, key).status == 200
    assert is_same_but_for_salt(vendor.settled(path=CHAT_PATH), body)


@pytest.mark.parametrize("body, expected", [
    ('{"model":"gpt-oss-120b","stream":true,"messages":[M]}', None),
    ('{"model":"gpt-oss-120b","stream":true,"stream_options":null,"messages":[M]}', None),
    ('{"model":"gpt-oss-120b","stream":true,"stream_options":{},"messages":[M]}', None),
    ('{"model":"gpt-oss-120b","stream":true,"stream_options":{"include_usage":false},"messages":[M]}',
     None),
    ('{"stream_options":{"include_usage":false,"x":1},"model":"gpt-oss-120b","messages":[M],'
     '"stream":true}', None),
    ('{"model":"gpt-oss-120b","stream":true,"messages":[M],"stream_options":{"include_usage":true}}',
     "same")])
def test_usage_is_asked_for_in_every_stream(appliance, vendor, key, body, expected):
    body = body.replace("[M]", '[{"role":"user","content":"hello"}]')
    vendor.rule(usage="as_asked")
    answer = appliance.ask("POST", CHAT_PATH, body.encode(), key)
    record = vendor.settled(path=CHAT_PATH)
    assert answer.status == 200 and record["usage"] is not None
    shows = any("usage" in event for event in answer.events[:-1])
    assert shows == (expected == "same")
    if expected == "same":
        assert is_same_but_for_salt(record, body.encode())
    assert appliance.row(key)["usage_source"] == "upstream"


# The salt of the vendor's cache

PREFIX = "many words that many requests begin with " * 20


def asked_salt(appliance, vendor, key, path=CHAT_PATH, **members):
    body = chat_body(PREFIX, max_tokens=5, **members)
    assert appliance.ask("POST", path, body, key).status == 200
    return vendor.settled(path=path)["cache_salt"]


@pytest.fixture
def same_day():
    """A salt is that of a UTC day; near its end a test of sameness would be one of the clock."""
    left = 86_400 - time.time() % 86_400
    if left < 30:
        time.sleep(left + 1)


def test_keys_never_share_a_salt(appliance, vendor, same_day):
    one, other = appliance.create_key(), appliance.create_key()
    salts = [asked_salt(appliance, vendor, key) for key in (one, other)]
    assert len(set(salts)) == 2 and all(len(salt) >= 32 for salt in salts)
    for stream in (False, True):
        assert asked_salt(appliance, vendor, one, stream=stream) == salts[0]
    assert asked_salt(appliance, vendor, other, "/v1/messages") == salts[1]
    assert not any(one.id in salt or one.secret in salt for salt in salts)
    # Cached is what the key itself has asked before, at the price of that class.
    row = appliance.rows(one)[-1]
    assert row["cached_tokens"] > 0
    first = appliance.rows(other)[0]
    assert first["cached_tokens"] == 0 and first["prompt_tokens"] == row["prompt_tokens"]


def test_own_salt_divides_and_never_reaches_another_key(appliance, vendor, same_day):
    one, other = appliance.create_key(), appliance.create_key()
    plain = asked_salt(appliance, vendor, one)
    own = asked_salt(appliance, vendor, one, cache_salt="short")
    assert own == asked_salt(appliance, vendor, one, cache_salt="short")
    rows = appliance.rows(one)
    assert [row["cached_tokens"] > 0 for row in rows] == [False, False, True]
    # Not even who knows another's salt, or its own salt, gets there.
    for guess in ("short", plain, own):
        assert asked_salt(appliance, vendor, other, cache_salt=guess) not in (plain, own)
    assert all(row["cached_tokens"] == 0 for row in appliance.rows(other))


def test_a_key_without_a_cache(appliance, vendor):
    key = appliance.create_key(prompt_cache=False)
    for salt in ({}, {"cache_salt": "a-salt-of-more-than-thirty-two-bytes"}):
        assert asked_salt(appliance, vendor, key, **salt) is None
    assert [row["cached_tokens"] for row in appliance.rows(key)] == [0, 0]


def test_other_routes_have_no_salt(appliance, vendor, key):
    body = {"model": "qwen3-embedding-4b", "input": "x"}
    assert appliance.ask("POST", "/v1/embeddings", body, key).status == 200
    record = vendor.settled(path="/v1/embeddings")
    assert record["cache_salt"] is None
    assert record["body_sha256"] == hashlib.sha256(json.dumps(body).encode()).hexdigest()


# When

@pytest.mark.parametrize("size", [100, 3 << 20])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_nothing_begins_before_the_end_of_the_body(appliance, vendor, key, size, is_chunked):
    body = json.dumps(chat_body("x" * size)).encode()
    line = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {len(body)}"
    with appliance.connect() as connection:
        connection.sendall(request("POST", CHAT_PATH, line, "Connection: close", key=key))
        if is_chunked:
            connection.sendall(b"%x\r\n%s\r\n" % (len(body), body))
        else:
            connection.sendall(body[:-1])
        time.sleep(0.5)
        assert vendor.runs() == 0
        assert all(record["upstream_us"] is None for record in vendor.records(path=CHAT_PATH))
        assert appliance.rows(key) == []
        connection.sendall(b"0\r\n\r\n" if is_chunked else body[-1:])
        assert answers(read_all(connection))[0].status == 200
    record = vendor.settled(path=CHAT_PATH)
    assert record["upstream_us"] >= record["body_last_us"]
    assert is_same_but_for_salt(record, body)


def test_body_that_turns_out_bad_at_its_end(appliance, vendor, key):
    """Its beginning may have gone to the vendor's proxy, but the request never begins."""
    body = json.dumps(chat_body("x" * (3 << 20))).encode()[:-1] + b',"model":"glm-5.3"}'
    assert appliance.ask("POST", CHAT_PATH, body, key).status == 400
    assert vendor.runs() == 0
    assert appliance.rows(key) == []


# Memory

def upload(appliance, key, mebibytes, is_chunked):
    """A form with so much audio, sent in pieces that are made as they go."""
    whole = form(("model", "whisper-large-v3"), ("file", "long.wav", b"@"))
    before, after = whole.split(b"@")
    piece = bytes(1 << 20)
    pieces = [before] + [piece] * mebibytes + [after]
    length = len(before) + len(after) + (mebibytes << 20)
    line = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {length}"
    digest = hashlib.sha256()
    with appliance.connect(60) as connection:
        connection.sendall(request(
            "POST", "/v1/audio/transcriptions", line, "Connection: close",
            f"Content-Type: {FORM_TYPE['Content-Type']}", key=key))
        for part in pieces:
            digest.update(part)
            connection.sendall(b"%x\r\n%s\r\n" % (len(part), part) if is_chunked else part)
        if is_chunked:
            connection.sendall(b"0\r\n\r\n")
        return answers(read_all(connection))[0], digest.hexdigest(), length


@pytest.mark.parametrize("is_chunked", [False, True])
def test_upload_of_fifty_megabytes_in_flat_memory(appliance, vendor, key, is_chunked):
    upload(appliance, appliance.create_key(), 2, is_chunked)
    with Memory(appliance) as memory:
        answer, digest, length = upload(appliance, key, 49, is_chunked)
    assert answer.status == 200
    assert vendor.settled(path="/v1/audio/transcriptions")["body_sha256"] == digest
    assert appliance.row(key)["audio_bytes"] == length
    assert memory.growth < GROWTH_BYTES_MAX


def test_endless_stream_in_flat_memory(appliance, vendor, key):
    vendor.rule(big_response=48 << 20)
    with Memory(appliance) as memory, Stream(
            appliance, CHAT_PATH, chat_body(stream=True), key) as stream:
        size = sum(map(len, stream.pieces()))
    assert stream.is_whole and size > 48 << 20
    assert memory.growth < GROWTH_BYTES_MAX


def test_client_that_does_not_read_stops_its_vendor(appliance, vendor, key):
    vendor.rule(times=1, big_response=24 << 20)
    with Memory(appliance) as memory, Stream(
            appliance, CHAT_PATH, chat_body(stream=True), key) as stream:
        time.sleep(4)
        assert vendor.records(path=CHAT_PATH)[-1]["end_us"] is None, "24 MiB went somewhere"
        assert appliance.chat(appliance.create_key()).status == 200, "others go on"
        assert sum(map(len, stream.pieces())) > 24 << 20
    assert stream.is_whole and memory.growth < GROWTH_BYTES_MAX


def test_vendor_that_does_not_read_stops_its_client(appliance, vendor, key):
    """A vendor that is stopped takes no more of a body; neither edge nor core collects it. The
    kernel's own buffers hold some 20 MiB of it."""
    pid = appliance.pids()["vendor"]
    said = []
    sender = threading.Thread(target=lambda: said.append(upload(appliance, key, 49, False)))
    with Memory(appliance) as memory:
        os.kill(pid, signal.SIGSTOP)
        try:
            sender.start()
            sender.join(3)
            assert sender.is_alive(), "49 MiB went somewhere"
        finally:
            os.kill(pid, signal.SIGCONT)
        sender.join(60)
    assert said[0][0].status == 200
    assert memory.growth < GROWTH_BYTES_MAX
