"""Clients, and a vendor, that want something for nothing, or that want others to suffer."""
import json
import socket
import struct
import threading
import time

import pytest

from appliance import chat_body, free_ports, read_all
from played_vendor import STREAM_HEAD, WHOLE, Pair, PlayedVendor, chunk, whole
from raw import RawAnswer, answers, exchange_both_ways, request
from samples import FORM_TYPE, form
from vendor_process import wait_for

MIB = 1 << 20
EVENT = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
USAGE_EVENT = b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4}}\n\n'
DONE = b"data: [DONE]\n\n"


@pytest.fixture(scope="module")
def vendor():
    vendor = PlayedVendor()
    yield vendor
    vendor.close()


@pytest.fixture(scope="module")
def pair(tmp_path_factory, vendor):
    pair = Pair(tmp_path_factory.mktemp("pair"), vendor.port)
    yield pair
    pair.close()


@pytest.fixture(autouse=True)
def well(vendor):
    """Each test finds a vendor that answers well."""
    vendor.act = vendor.answer_well


@pytest.fixture
def closed(tmp_path):
    """Edge and core before a port on which nobody listens."""
    port, = free_ports(1)
    pair = Pair(tmp_path, port)
    yield pair
    pair.close()


def read_next(file):
    """Status and body of the next answer that tells its length."""
    status = int(file.readline().split()[1])
    length = 0
    for line in iter(file.readline, b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return status, file.read(length)


def read_answer(connection):
    status, body = read_next(connection.makefile("rb"))
    return RawAnswer(status, {}, body)


def ask(pair, path, body, headers=None, seconds=20):
    head = request(
        "POST", path, *[f"{n}: {v}" for n, v in (headers or {}).items()],
        f"Authorization: Bearer {pair.secret}", f"Content-Length: {len(body)}")
    with pair.connect() as connection:
        connection.settimeout(seconds)
        connection.sendall(head + body)
        return read_answer(connection)


def new_rows(pair, before, count):
    wait_for(lambda: len(pair.rows()) >= before + count
             and all(row["state"] != "reserved" for row in pair.rows()))
    return pair.rows()[before:]


# Requests within requests

def test_body_of_a_readiness_check_is_no_request(pair):
    """It went to core without a length: its answer came to whoever asked next."""
    chat = json.dumps(chat_body()).encode()
    inner = request("POST", "/v1/chat/completions", f"X-API-Key: {pair.secret}", body=chat)
    before = len(pair.rows())
    for method in ("GET", "HEAD", "POST"):
        with pair.connect() as connection:
            connection.sendall(request(method, "/health/ready", body=inner))
            status = read_answer(connection).status if method != "HEAD" else 400
        assert status == (405 if method == "POST" else 400)
    with pair.connect() as connection:
        for _ in range(3):
            connection.sendall(request("GET", "/health/ready"))
            assert read_answer(connection).json["ready"]
    assert len(pair.rows()) == before


def test_head_of_readiness_has_no_body(pair):
    with pair.connect() as connection:
        connection.sendall(request("HEAD", "/health/ready") + request("GET", "/health/ready"))
        file = connection.makefile("rb")
        for _ in range(2):
            assert file.readline() == b"HTTP/1.1 200 OK\r\n"
            length = [int(line.split(b":")[1]) for line in iter(file.readline, b"\r\n")
                      if line.startswith(b"Content-Length")]
        assert json.loads(file.read(length[0]))["ready"]


def test_bytes_behind_a_vendors_answer_are_nobodys(pair, vendor):
    vendor.say(whole() + whole(b'{"smuggled":1}'))
    with pair.begin() as connection:
        assert read_answer(connection).body == WHOLE
    vendor.act = vendor.answer_well
    for _ in range(3):
        with pair.begin() as connection:
            assert read_answer(connection).body == WHOLE


def test_only_plain_names_pass_to_the_vendor(pair, vendor):
    heads = []

    def act(connection, head):
        heads.append(head)
        return vendor.answer_well(connection, head)

    vendor.act = act
    body = json.dumps(chat_body(max_tokens=5)).encode()
    head = pair.head(
        len(body), "anthropic-version: 2023-06-01", "anthropic-beta: tools-2024",
        "anthropic-beta: CANARY\t7f3a", "anthropic-beta: CANARY\xe4", "anthropic-beta: " + "C" * 257)
    with pair.connect() as connection:
        connection.sendall(head.replace(b"/v1/chat/completions", b"/v1/messages") + body)
        assert read_answer(connection).status == 200
    assert heads[0].count(b"anthropic-") == 2
    assert b"CANARY" not in heads[0]


# Answers without a row

def test_answer_before_the_end_of_the_request_is_not_relayed(pair, vendor):
    def act(connection, head):
        connection.recv(1000)
        connection.sendall(whole(b'{"early":1}'))
        time.sleep(0.5)

    vendor.act = act
    body = json.dumps(chat_body("x" * 300_000)).encode()
    with pair.connect() as connection:
        connection.sendall(pair.head(len(body)) + body[:-1])
        answer = read_answer(connection)
    assert answer.status == 502
    assert b"early" not in answer.body


def test_slow_answer_on_a_new_connection_is_charged(pair, vendor):
    """More requests at once than connections are kept, and each slower than a connect may be."""
    def act(connection, head):
        vendor.read_body(connection, head)
        time.sleep(3)
        connection.sendall(whole())

    vendor.act = act
    before = len(pair.rows())
    connections = [pair.begin() for _ in range(4)]
    assert [read_answer(connection).status for connection in connections] == [200] * 4
    assert [row["completion_tokens"] for row in new_rows(pair, before, 4)] == [5] * 4


@pytest.mark.parametrize("length", [True, False])
def test_long_answer_left_after_output_is_charged(pair, vendor, length):
    """The client read some of it, and so slowly that core stopped reading the vendor."""
    body = json.dumps({"choices": [], "text": "y" * 6 * MIB}).encode()
    vendor.say(whole(body) if length else
               STREAM_HEAD.replace(b"text/event-stream", b"application/json") + chunk(body))
    before = len(pair.rows())
    with pair.begin(receive_bytes=4096) as connection:
        read = 0
        while read < 200_000:
            read += len(connection.recv(1000))
        time.sleep(0.5)
    row, = new_rows(pair, before, 1)
    assert row["completion_tokens"] > 10_000
    assert {"unknown", "partial", "client_gone"} <= set(row["flags"].split())


@pytest.mark.parametrize("fields", [
    {"max_tokens": 2**63 - 1}, {"n": 2**63 - 1}, {"n": 2**40, "max_tokens": 2**40},
    {"max_tokens": -5}, {"max_tokens": 0}], ids=repr)
def test_absurd_wishes_reserve_something(pair, fields):
    before = len(pair.rows())
    with pair.begin(**fields) as connection:
        assert read_answer(connection).status == 200
    row, = new_rows(pair, before, 1)
    with pair.begin(max_tokens=16) as connection:
        read_answer(connection)
    _, plain = new_rows(pair, before, 2)
    assert row["reserved_nano_euro"] > 100 * plain["reserved_nano_euro"]


@pytest.mark.parametrize("fields, times", [
    ({"prompt": ["a"] * 5}, 5), ({"prompt": [[1, 2], [3]]}, 2), ({"prompt": "a", "best_of": 3}, 3),
    ({"prompt": ["a"] * 5, "n": 2, "best_of": 4}, 20)])
def test_every_answer_of_completions_is_reserved(pair, fields, times):
    """What an answer may cost far exceeds the prompt's share."""
    reserved = []
    for wish in ({"prompt": "a"}, fields):
        before = len(pair.rows())
        ask(pair, "/v1/completions", json.dumps(
            {"model": "gpt-oss-120b", "max_tokens": 1_000_000, **wish}).encode())
        row, = new_rows(pair, before, 1)
        reserved.append(row["reserved_nano_euro"])
    assert abs(reserved[1] / reserved[0] - times) < 0.01


# A vendor that breaks

@pytest.mark.parametrize("text", ["hello", "x" * 60_000])
def test_reset_behind_a_whole_request(pair, vendor, text):
    """It was sent, so what became of it is not known; nothing came, so nothing is charged."""
    def act(connection, head):
        vendor.read_body(connection, head)
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    vendor.act = act
    before = len(pair.rows())
    with pair.begin(text=text) as connection:
        assert read_answer(connection).error["code"] == "vendor_connection_lost"
    row, = new_rows(pair, before, 1)
    assert (row["state"], row["status"], row["cost_nano_euro"]) == ("settled", 502, 0)
    assert {"failed", "unknown"} <= set(row["flags"].split())


@pytest.mark.slow
def test_whole_answers_that_take_long_make_no_failing_vendor(pair, vendor):
    """Embeddings have a minute; whoever asks for too much at once harms nobody else."""
    def act(connection, head):
        vendor.read_body(connection, head)
        connection.recv(1)

    vendor.act = act
    body = json.dumps({"model": "qwen3-embedding-4b", "input": "x"}).encode()
    statuses = []
    threads = [
        threading.Thread(target=lambda: statuses.append(
            ask(pair, "/v1/embeddings", body, seconds=90).status))
        for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [504] * 4
    assert "failing" not in (pair.folder / "log").read_text()


def test_no_vendor_is_told_at_once(closed):
    """A connect that is refused is not waited for: that would take two seconds each time."""
    for text in ("hello", "x" * 300_000):
        times = []
        while not times or min(times) >= 2 and len(times) < 5:
            began = time.monotonic()
            with closed.begin(text=text) as connection:
                assert read_answer(connection).error["code"] == "vendor_starting"
            times.append(time.monotonic() - began)
        assert min(times) < 2, times
    assert all(row["state"] == "released" for row in closed.rows())


def test_reset_during_an_upload(pair, vendor):
    def act(connection, head):
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.recv(1000)

    vendor.act = act
    body = json.dumps(chat_body("x" * 4 * MIB)).encode()
    with pair.connect() as connection:
        said = exchange_both_ways(connection, pair.head(len(body)) + body)
    answer, = answers(said)
    assert answer.error["code"] == "vendor_connection_lost"
    vendor.act = vendor.answer_well
    with pair.begin() as connection:
        assert read_answer(connection).status == 200


@pytest.mark.parametrize("end", [
    chunk(DONE), chunk(DONE) + chunk(EVENT) * 1000 + b"0\r\n\r\n"], ids=["cut", "goes on"])
def test_stream_that_said_its_end_is_whole(pair, vendor, end):
    vendor.say(STREAM_HEAD + chunk(EVENT) + chunk(USAGE_EVENT), end)
    before = len(pair.rows())
    body = json.dumps(chat_body(stream=True)).encode()
    with pair.connect() as connection:
        connection.sendall(pair.head(len(body), "Connection: close") + body)
        answer, = answers(read_all(connection))
    assert answer.body == EVENT + DONE
    row, = new_rows(pair, before, 1)
    assert (row["prompt_tokens"], row["completion_tokens"], row["flags"]) == (9, 4, "")


@pytest.mark.parametrize("usage", [
    '"prompt_tokens":%s,"completion_tokens":%s' % ("9" * 18, "9" * 18),
    '"seconds":' + "9" * 18, ",".join(['"cache_read_input_tokens":' + "9" * 18] * 80)],
    ids=["tokens", "seconds", "eighty times cached"])
def test_absurd_usage_ends_nothing(pair, vendor, usage):
    vendor.say(whole(b'{"choices":[],"usage":{%s}}' % usage.encode()))
    with pair.begin() as connection:
        assert read_answer(connection).status == 200
    vendor.act = vendor.answer_well
    with pair.begin() as connection:
        assert read_answer(connection).status == 200


@pytest.mark.parametrize("excess, is_whole", [(0, True), (MIB, False)])
def test_longest_line_of_a_stream(pair, vendor, excess, is_whole):
    """An event of 16 MiB passes whole; one of 17 MiB ends the stream with an error."""
    event = b"data: " + b"x" * (16 * MIB + excess - 8) + b"\n\n"
    pieces = [chunk(event[at:at + MIB]) for at in range(0, len(event), MIB)]
    vendor.say(STREAM_HEAD, *pieces, chunk(DONE) + b"0\r\n\r\n")
    body = json.dumps(chat_body(stream=True)).encode()
    with pair.connect() as connection:
        connection.settimeout(60)
        connection.sendall(pair.head(len(body), "Connection: close") + body)
        said = read_all(connection)
    assert (said.count(b"x") >= 16 * MIB - 8) == is_whole
    assert said.endswith(b"0\r\n\r\n") == is_whole
    assert (b"vendor_stream_truncated" in said) != is_whole


# Memory and patience

def test_client_that_asks_and_does_not_read_is_not_read(pair):
    """Pipelined requests that the edge answers itself, each answer twenty times as long."""
    before = pair.resident_bytes(pair.edge)
    piece = request("GET", "/health") * 500
    with pair.connect(receive_bytes=4096) as connection:
        connection.settimeout(3)
        with pytest.raises(TimeoutError):
            for _ in range(2000):
                connection.sendall(piece)
        grown = pair.resident_bytes(pair.edge) - before
    assert grown < 16 * MIB


def test_pipelined_requests_are_all_answered(pair):
    """Also those that waited for the client to read."""
    count = 6000
    data = request("GET", "/health") * (count - 1) + request(
        "GET", "/health", "Connection: close")
    with pair.connect(receive_bytes=32768) as connection:
        said = exchange_both_ways(connection, data, deaf_seconds=0.5)
    assert [answer.status for answer in answers(said)] == [200] * count


@pytest.mark.slow
def test_upload_that_the_vendor_holds_back_is_not_given_up(pair, vendor):
    """Neither by the edge's wait for core (10 s) nor by its wait for the client (30 s): it is the
    edge that does not read."""
    def act(connection, head):
        time.sleep(33)
        return vendor.answer_well(connection, head)

    vendor.act = act
    body = json.dumps(chat_body("x" * 8 * MIB)).encode()
    with pair.connect() as connection:
        connection.settimeout(60)
        connection.sendall(pair.head(len(body)) + body)
        assert read_answer(connection).status == 200


def wave(byte_rate):
    """Ten seconds of 16 000 samples a second, whatever the byte rate says."""
    return b"RIFF" + struct.pack(
        "<I4s4sIHHIIHH4sI", 36 + 320_000, b"WAVE", b"fmt ", 16, 1, 1, 16_000, byte_rate, 2, 16,
        b"data", 320_000) + bytes(320_000)


@pytest.mark.parametrize("usage", [None, {"type": "tokens", "total_tokens": 0}])
@pytest.mark.parametrize("audio", [bytes(80_000), wave(2**32 - 1)], ids=["mp3", "wave"])
def test_audio_of_unknown_length_is_not_free(pair, vendor, audio, usage):
    """Neither the file nor the vendor tells a length: it is taken for speech at 32 kbit/s."""
    vendor.say(whole(json.dumps({"text": "hello", "usage": usage}).encode()))
    body = form(("model", "whisper-large-v3"), ("file", "talk.mp3", audio))
    before = len(pair.rows())
    assert ask(pair, "/v1/audio/transcriptions", body, FORM_TYPE).status == 200
    row, = new_rows(pair, before, 1)
    assert row["audio_milliseconds"] == len(body) // 4
    assert row["cost_nano_euro"] > 0 and "unknown" in row["flags"].split()


def test_length_of_a_wave_file_counts_where_the_vendor_is_silent(pair, vendor):
    vendor.say(whole(b'{"text":"hello"}'))
    body = form(("model", "whisper-large-v3"), ("file", "talk.wav", wave(32_000)))
    before = len(pair.rows())
    assert ask(pair, "/v1/audio/transcriptions", body, FORM_TYPE).status == 200
    row, = new_rows(pair, before, 1)
    assert row["audio_milliseconds"] == 10_000
