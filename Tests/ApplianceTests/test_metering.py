"""The ledger against what the stand-in knows it gave: usage in every form, streams that break, clients
that leave, processes that die."""
import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from appliance import chat_body
from samples import FORM_TYPE, WAV, form
from streaming import Stream, content
from vendor_process import wait_for

CHAT, EMBEDDING, AUDIO = "gpt-oss-120b", "qwen3-embedding-4b", "whisper-large-v3"
# Micro-euro per million tokens (that is, thousandths of a nano-euro per token) and per minute.
PRICES = {
    CHAT: {"input": 500_000, "output": 2_000_000, "cached": 50_000},
    EMBEDDING: {"input": 130_000}, AUDIO: {"per_minute": 14_000}}
# Upstream is closed so long after its client has left.
CANCEL_SECONDS_MAX = 5


UNPRICED = "a-model-without-a-price"


@pytest.fixture(scope="module")
def settings():
    models = [CHAT, EMBEDDING, AUDIO, {"id": UNPRICED, "tasks": ["generate"]}]
    return {"scenario": {"models": models}}


@pytest.fixture(scope="module", autouse=True)
def prices(appliance):
    for model, row in PRICES.items():
        appliance.control("POST", "/prices", {"model": model, "source": "tests", **row})


def messages_body(text="hello there", **fields):
    return chat_body(text, max_tokens=100, **fields)


ENDPOINTS = {
    "chat": ("/v1/chat/completions", chat_body("hello there")),
    "chat stream": ("/v1/chat/completions", chat_body("hello there", stream=True)),
    "completions": ("/v1/completions", {"model": CHAT, "prompt": "hello there"}),
    "completions stream": ("/v1/completions", {"model": CHAT, "prompt": "hello", "stream": True}),
    "messages": ("/v1/messages", messages_body()),
    "messages stream": ("/v1/messages", messages_body(stream=True)),
    "embeddings": ("/v1/embeddings", {"model": EMBEDDING, "input": ["one", "two"], "dimensions": 4})}


def nano_euro(usage):
    """The price of chat usage as the stand-in counts it."""
    price = PRICES[CHAT]
    fresh = usage["prompt_tokens"] - usage["cached_tokens"]
    pico = fresh * price["input"] + usage["cached_tokens"] * price["cached"]
    pico += usage["completion_tokens"] * price["output"]
    return -(-pico // 1000)


def check_counts(row, usage):
    assert row["prompt_tokens"] == usage["prompt_tokens"]
    assert row["cached_tokens"] == usage["cached_tokens"]
    assert row["completion_tokens"] == usage["completion_tokens"]


# Whole answers

@pytest.mark.parametrize("mode", [
    "continuous", "final_only", "details_absent", "wrong_total", "as_asked"])
@pytest.mark.parametrize("name", ENDPOINTS)
def test_usage_that_was_given(appliance, vendor, key, name, mode):
    if (name, mode) == ("messages stream", "as_asked"):
        pytest.skip("this API has nothing to ask by")
    path, body = ENDPOINTS[name]
    vendor.rule(usage=mode)
    assert appliance.ask("POST", path, body, key).status == 200
    row, usage = appliance.row(key), vendor.settled()["usage"]
    check_counts(row, usage)
    assert (row["state"], row["usage_source"], row["flags"]) == ("settled", "upstream", "")
    assert row["endpoint"] == name.split()[0] and row["status"] == 200
    if name != "embeddings":
        assert row["cost_nano_euro"] == nano_euro(usage)
    else:
        assert row["cost_nano_euro"] == usage["prompt_tokens"] * 130


@pytest.mark.parametrize("name", ENDPOINTS)
def test_usage_that_is_missing_is_estimated_and_said(appliance, vendor, key, name):
    path, body = ENDPOINTS[name]
    vendor.rule(usage="none")
    answer = appliance.ask("POST", path, body, key)
    assert answer.status == 200 and b'"usage"' not in answer.body.replace(b'"usage":null', b"")
    row = appliance.row(key)
    assert (row["state"], row["usage_source"]) == ("settled", "estimate")
    assert "unknown" in row["flags"].split()
    assert row["prompt_tokens"] > 0 and row["cost_nano_euro"] > 0
    if name != "embeddings":
        assert row["completion_tokens"] > 0


def test_usage_of_zero_stays_zero(appliance, vendor, key):
    vendor.rule(status=200, body=json.dumps({
        "choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}}))
    appliance.chat(key)
    row = appliance.row(key)
    assert (row["prompt_tokens"], row["completion_tokens"], row["cost_nano_euro"]) == (0, 0, 0)
    assert (row["usage_source"], row["flags"]) == ("upstream", "")


@pytest.mark.parametrize("usage, prompt, completion", [
    ({"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}, 10, 20),
    ({"prompt_tokens": 10, "completion_tokens": 20}, 10, 20), ({"total_tokens": 50}, 50, 0)])
def test_forms_of_usage(appliance, vendor, key, usage, prompt, completion):
    vendor.rule(status=200, body=json.dumps({"choices": [], "usage": usage}))
    appliance.chat(key)
    row = appliance.row(key)
    assert (row["prompt_tokens"], row["completion_tokens"]) == (prompt, completion)


def test_a_million_embedding_tokens(appliance, vendor, key):
    vendor.rule(status=200, body=json.dumps({
        "data": [], "usage": {"prompt_tokens": 1_000_000, "total_tokens": 1_000_000}}))
    appliance.ask("POST", *ENDPOINTS["embeddings"], key)
    assert appliance.row(key)["cost_nano_euro"] == 130_000_000


def test_cached_tokens(appliance, vendor, key):
    for _ in range(2):
        appliance.chat(key, "many words " * 40)
    first, second = appliance.rows(key)
    usage = vendor.settled()["usage"]
    assert first["cached_tokens"] == 0 < second["cached_tokens"]
    check_counts(second, usage)
    assert second["cost_nano_euro"] == nano_euro(usage) < first["cost_nano_euro"]


def test_audio_is_charged_by_its_length(appliance, vendor, key):
    body = form(("model", AUDIO), ("file", "talk.wav", WAV))
    assert appliance.ask("POST", "/v1/audio/transcriptions", body, key, FORM_TYPE).status == 200
    row = appliance.row(key)
    assert (row["audio_milliseconds"], row["audio_bytes"]) == (3000, len(body))
    assert row["cost_nano_euro"] == 3 * 14_000 * 1000 // 60


def test_model_of_the_request_counts(appliance, vendor, key):
    vendor.rule(model_renamed=True)
    answer = appliance.chat(key)
    assert answer.json["model"] != CHAT
    assert appliance.row(key)["model"] == CHAT


def test_alias_is_its_model(appliance, vendor, key):
    appliance.chat(key, model="openai/gpt-oss-120b")
    row = appliance.row(key)
    assert row["model"] == CHAT and row["cost_nano_euro"] > 0


def test_model_without_a_price(appliance, vendor, key):
    appliance.chat(key, model=UNPRICED)
    row = appliance.row(key)
    assert row["cost_nano_euro"] is None and "unpriced" in row["flags"].split()
    assert row["prompt_tokens"] > 0


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/gpt-oss-120b", "/auth/key-info"])
def test_what_is_free_leaves_no_row(appliance, vendor, key, path):
    assert appliance.ask("GET", path, key=key).status == 200
    assert appliance.rows(key) == []


@pytest.mark.parametrize("body", [
    b"", b"not json", b"[1]", b"null", b"5", b'"x"', b"{}", b'{"model":5,"messages":[]}',
    b'{"model":"","messages":[]}', b'{"model":"a b","messages":[]}',
    b'{"model":"gpt-oss-120b","model":"glm-5.3","messages":[]}',
    b'{"model":"gpt-oss-120b","MODEL":"glm-5.3","messages":[]}',
    b'{"model":"gpt-oss-120b","mod\\u0065l":"glm-5.3","messages":[]}',
    b'{"model":"gpt-oss-120b","a.b":1,"messages":[]}', b'{"model":"gpt-oss-120b","messages":[]}x',
    b'{"model":"gpt-oss-120b","messages":["\xff"]}', b'{"model":"gpt-oss-120b","messages":[',
    b'{"model":"gpt-oss-120b","messages":' + b"[" * 100_000,
    b'{"model":"gpt-oss-120b","messages":' + b"[" * 200 + b"]" * 200 + b"}"],
    ids=lambda body: body[:40].decode("latin-1") or "nothing")
def test_unusable_bodies_go_nowhere(appliance, vendor, key, body):
    answer = appliance.ask("POST", "/v1/chat/completions", body, key)
    assert answer.status == 400 and answer.json["error"]["type"] == "invalid_request_error"
    assert vendor.runs() == 0
    assert appliance.rows(key) == []


@pytest.mark.parametrize("parts", [
    [], [("model", AUDIO)], [("file", "a.wav", WAV)],
    [("model", AUDIO), ("model", CHAT), ("file", "a.wav", WAV)],
    [("model", AUDIO), ("file", "a.wav", WAV), ("file", "b.wav", WAV)],
    [("model", AUDIO), ("stream", "true"), ("file", "a.wav", WAV)],
    [("model", AUDIO), ("response_format", "srt"), ("file", "a.wav", WAV)]])
def test_unusable_forms_go_nowhere(appliance, vendor, key, parts):
    answer = appliance.ask("POST", "/v1/audio/transcriptions", form(*parts), key, FORM_TYPE)
    assert answer.status == 400
    assert vendor.runs() == 0
    assert appliance.rows(key) == []


# Streams

def test_fifty_chunks_arrive_one_by_one(appliance, vendor, key):
    vendor.rule(chunks=50, chunk_ms=20)
    for asked, count in ((False, 53), (True, 54)):
        body = chat_body(stream=True, **({"stream_options": {"include_usage": True}} if asked else {}))
        with Stream(appliance, "/v1/chat/completions", body, key) as stream:
            times, events = [], []
            for event in stream.events():
                events.append(event)
                times.append(time.monotonic())
        # Role, fifty words, finish, the usage if asked, the mark.
        assert len(events) == count and stream.is_whole
        assert times[-3] - times[0] > 0.3, "events wait for each other"
        assert any("usage" in event for event in events[:-1]) == asked
    for row, record in zip(appliance.rows(key), vendor.records(), strict=True):
        check_counts(row, record["usage"])


@pytest.mark.parametrize("kind", ["chat stream", "messages stream", "completions stream"])
@pytest.mark.parametrize("fault", [
    {"abort_after_chunks": 3}, {"long_line": 3}, {"hard_abort_after_chunks": 3},
    {"stream_error_event": True}], ids=lambda fault: next(iter(fault)))
def test_stream_that_breaks(appliance, vendor, key, kind, fault):
    vendor.rule(text="one two three four five six", **fault)
    path, body = ENDPOINTS[kind]
    with Stream(appliance, path, body, key) as stream:
        texts = list(stream.texts())
    assert not stream.is_whole, "a broken stream must not end cleanly"
    assert "[DONE]" not in texts[-1] and "message_stop" not in texts[-1]
    last = json.loads(texts[-1].split("data: ")[1])
    if kind == "messages stream":
        assert texts[-1].startswith("event: error\n")
        assert last["type"] == "error" and last["error"]["type"] == "api_error"
    else:
        assert last["error"]["code"] == "vendor_stream_truncated"
    row, record = appliance.row(key), vendor.settled()
    assert row["state"] == "settled" and "partial" in row["flags"].split()
    assert row["prompt_tokens"] == record["usage"]["prompt_tokens"]
    if kind == "messages stream":
        # Its output is reported at the end only: what was delivered is no gift all the same.
        assert row["usage_source"] == "estimate"
        assert row["completion_tokens"] == record["content_events"] > 0
    else:
        assert row["usage_source"] == "upstream"
        assert row["completion_tokens"] == record["usage"]["completion_tokens"] > 0


def test_broken_stream_without_usage_is_estimated(appliance, vendor, key):
    vendor.rule(usage="none", abort_after_chunks=4, text="one two three four five six")
    assert appliance.chat(key, stream=True).is_cut
    row, record = appliance.row(key), vendor.settled()
    assert row["usage_source"] == "estimate"
    assert {"partial", "unknown"} <= set(row["flags"].split())
    assert record["content_events"] <= row["completion_tokens"] <= record["content_events"] + 1


def test_stream_that_breaks_before_any_event_is_free(appliance, vendor, key):
    vendor.rule(status=200, body="", headers={"Content-Type": "text/event-stream"})
    answer = appliance.chat(key, stream=True)
    assert answer.is_cut or answer.status == 502
    row = appliance.row(key)
    assert row["cost_nano_euro"] == 0 and {"failed", "unknown"} <= set(row["flags"].split())


def test_error_event_before_the_mark_is_passed_on(appliance, vendor, key):
    vendor.rule(stream_error_event="done")
    with Stream(appliance, *ENDPOINTS["chat stream"], key) as stream:
        events = list(stream.events())
    assert "error" in events[-2] and events[-1] == "[DONE]" and stream.is_whole
    row = appliance.row(key)
    assert row["state"] == "settled" and "failed" in row["flags"].split()
    assert row["usage_source"] == "upstream"


def test_stream_answered_as_one_object(appliance, vendor, key):
    vendor.rule(chat_as_json=True)
    answer = appliance.chat(key, stream=True)
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json["choices"][0]["message"]["content"] == "Echo: hello"
    check_counts(appliance.row(key), vendor.settled()["usage"])


@pytest.mark.parametrize("stream", [False, True])
def test_big_answer_passes_whole(appliance, vendor, key, stream):
    vendor.rule(big_response=8 << 20)
    answer = appliance.chat(key, stream=stream)
    assert answer.status == 200 and not answer.is_cut
    text = "".join(map(content, answer.events)) if stream \
        else answer.json["choices"][0]["message"]["content"]
    assert text == "x" * (8 << 20)
    check_counts(appliance.row(key), vendor.settled()["usage"])


def test_long_event_passes_whole(appliance, vendor, key):
    arguments = "y" * (2 << 20)
    chunk = json.dumps({"choices": [{"index": 0, "delta": {"content": arguments}}]})
    usage = json.dumps({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 9}})
    vendor.rule(
        status=200, headers={"Content-Type": "text/event-stream"},
        body=f"data: {chunk}\n\n: a comment\n\ndata: {usage}\n\ndata: [DONE]\n\n")
    answer = appliance.chat(key, stream=True)
    assert len(answer.events) == 2 and content(answer.events[0]) == arguments
    assert b": a comment\n\n" in answer.body and not answer.is_cut
    assert appliance.row(key)["completion_tokens"] == 9


# Clients that leave

@pytest.mark.parametrize("usage", ["continuous", "none"])
def test_client_leaves_in_mid_stream(appliance, vendor, key, usage):
    vendor.rule(chunks=1000, chunk_ms=20, usage=usage)
    with Stream(appliance, *ENDPOINTS["chat stream"], key) as stream:
        seen = [event for event, _ in zip(stream.events(), range(10))]
    began = time.monotonic()
    record = vendor.settled()
    assert time.monotonic() - began < CANCEL_SECONDS_MAX
    assert record["client_left"] and record["content_events"] < 500
    row = appliance.settled_row(key)
    assert {"partial", "client_gone"} <= set(row["flags"].split())
    assert row["usage_source"] == ("upstream" if usage == "continuous" else "estimate")
    assert row["completion_tokens"] >= len([e for e in seen if content(e)])
    assert 0 < row["cost_nano_euro"] <= row["reserved_nano_euro"]


def leave_early(appliance, key, body):
    """Sends a request and goes before a byte of the answer."""
    with appliance.connect() as connection:
        payload = json.dumps(body).encode()
        connection.sendall((
            "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {key.secret}\r\nContent-Length: {len(payload)}\r\n\r\n"
        ).encode() + payload)
        wait_for(lambda: any(
            record["upstream_us"] for record in appliance.vendor().records()))


def test_client_leaves_before_the_stream_begins(appliance, vendor, key):
    vendor.rule(hang_before_headers=True)
    leave_early(appliance, key, chat_body(stream=True))
    began = time.monotonic()
    assert vendor.settled()["client_left"]
    assert time.monotonic() - began < CANCEL_SECONDS_MAX
    row = appliance.settled_row(key)
    assert {"partial", "client_gone"} <= set(row["flags"].split())
    assert row["usage_source"] == "estimate" and row["prompt_tokens"] > 0


def test_answer_goes_on_without_its_client_to_learn_its_cost(appliance, vendor, key):
    # Long enough that even on a busy machine the client has gone before the answer comes.
    vendor.rule(first_byte_ms=3000)
    leave_early(appliance, key, chat_body())
    row = appliance.settled_row(key)
    record = vendor.settled()
    assert record["complete"] and not record["client_left"], (record, row)
    check_counts(row, record["usage"])
    assert row["usage_source"] == "upstream" and "client_gone" in row["flags"].split()


def test_client_leaves_within_its_body(appliance, vendor, key):
    with appliance.connect() as connection:
        connection.sendall((
            "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {key.secret}\r\nContent-Length: 1000000\r\n\r\n").encode()
            + b'{"model":"gpt-oss-120b","messages":[{"role":"user","content":"' + b"x" * 500_000)
    time.sleep(0.3)
    assert vendor.runs() == 0
    assert appliance.rows(key) == []
    assert vendor.control("state")["in_flight"] == 0


# Sums

def test_sums_equal_the_vendors(appliance, vendor):
    keys = [appliance.create_key() for _ in range(4)]

    def work(n):
        name = list(ENDPOINTS)[n % len(ENDPOINTS)]
        answer = appliance.ask("POST", *ENDPOINTS[name], keys[n % 4])
        assert answer.status == 200

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(210)))
    rows = [row for key in keys for row in appliance.rows(key)]
    totals = vendor.control("totals")
    assert len(rows) == totals["upstream_runs"] == totals["complete"] == 210
    assert len({row["request_id"] for row in rows}) == 210
    for name in ("prompt_tokens", "completion_tokens", "cached_tokens"):
        assert sum(row[name] for row in rows) == totals["usage"][name]
    for key in keys:
        own, usage = appliance.rows(key), appliance.usage(key_id=key.id)
        assert usage["requests"] == len(own)
        assert usage["total_tokens"] == sum(
            row["prompt_tokens"] + row["completion_tokens"] for row in own)
        assert usage["total_cost_nano_euro"] == sum(row["cost_nano_euro"] for row in own)
        assert set(usage["by_endpoint"]) == {row["endpoint"] for row in own}
        assert set(usage["by_key"]) == {key.id}
    assert appliance.usage()["open_requests"] == 0


# Processes that die

def test_vendor_dies_in_mid_stream(appliance, vendor, key):
    vendor.rule(chunks=100, chunk_ms=20)
    with Stream(appliance, *ENDPOINTS["chat stream"], key) as stream:
        events = stream.events()
        seen = [next(events) for _ in range(5)]
        os.kill(appliance.pids()["vendor"], signal.SIGKILL)
        seen += list(events)
    assert seen[-1]["error"]["code"] == "vendor_stream_truncated" and not stream.is_whole
    row = appliance.settled_row(key)
    assert "partial" in row["flags"].split() and row["usage_source"] == "upstream"
    assert row["completion_tokens"] >= len([e for e in seen[:-1] if content(e)])
    appliance.wait_serving()


def test_kill_of_core_leaves_unsettled_rows(appliance, vendor, key):
    """Charged as reserved, once; what was settled before stays as it was."""
    for _ in range(3):
        assert appliance.chat(key).status == 200
    before = appliance.rows(key)
    vendor.rule(chunks=500, chunk_ms=20)
    with Stream(appliance, *ENDPOINTS["chat stream"], key) as stream:
        next(stream.events())
        old = appliance.pids()["core"]
        os.kill(old, signal.SIGKILL)
        list(stream.events())
        assert not stream.is_whole
    wait_for(lambda: appliance.pids().get("core", old) != old)
    appliance.wait_serving()
    rows = appliance.rows(key)
    assert rows[:3] == before and len(rows) == 4
    assert rows[3]["state"] == "unsettled" and rows[3]["usage_source"] == "reservation"
    assert rows[3]["cost_nano_euro"] == rows[3]["reserved_nano_euro"] > 0
    assert appliance.usage(key_id=key.id)["unsettled_requests"] == 1


def test_kills_of_core_lose_and_double_nothing(appliance, vendor, key):
    """Kills at random moments of many single requests: each that the vendor ran has one row."""
    stop, answered = threading.Event(), []

    def work():
        while not stop.is_set():
            try:
                answer = appliance.chat(key)
            except OSError:
                continue
            if answer.status == 200 and not answer.is_cut:
                answered.append(answer.headers["x-request-id"])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for pause in (0.31, 0.17, 0.23):
        time.sleep(pause)
        old = appliance.pids()["core"]
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: appliance.pids().get("core", old) != old)
        appliance.wait_serving()
    stop.set()
    for thread in threads:
        thread.join(30)
    rows = {row["request_id"]: row for row in appliance.rows(key)}
    assert len(rows) == len(appliance.rows(key))
    assert all(rows[number]["state"] == "settled" for number in answered)
    ran = {dict(record["headers"])["X-Request-ID"]
           for record in vendor.records(path="/v1/chat/completions") if record["upstream_runs"]}
    assert ran <= set(rows), "the vendor ran what the ledger does not know"
    assert len(answered) > 10
