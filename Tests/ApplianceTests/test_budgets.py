"""Tokens, places and money: 200 requests at once on a limit for 10 of each kind, what a budget pays,
streams that are cut, and what a restart keeps."""
import collections
import contextlib
import json
import os
import signal
import time

import openai
import pytest

from appliance import chat_body
from load import volley
from streaming import Stream
from test_anthropic_sdk import make_client
from test_openai_sdk import Sdk, chat
from vendor_process import wait_for

MODEL = "gpt-oss-120b"
# Nano-euro for a token.
INPUT, OUTPUT = 430, 1700
CAP = 10
TEN = chat_body("hello", max_tokens=CAP)
NANO = 10**9
ANTHROPIC = {"model": MODEL, "max_tokens": 500, "messages": [{"role": "user", "content": "hello"}]}
# So long that every request of a volley is there before the first answer.
SLOW_MILLISECONDS = 6000
# Longer than a volley takes.
WINDOW_SECONDS = 20


@pytest.fixture(scope="module")
def settings():
    return {"edge": {"handshakesPerAddressPerSecond": 10_000, "connectionsPerAddressMax": 1000},
            "limits": {"global": {"requests": 1_000_000, "windowSeconds": WINDOW_SECONDS},
                       "address": {"requests": 1_000_000}}}


def worst(body, cap=None):
    """What is reserved for a chat: a token for each byte, and the whole cap."""
    cap = body["max_tokens"] if cap is None else cap
    return len(json.dumps(body)) * INPUT + cap * OUTPUT


def expected_tokens(body):
    return (len(json.dumps(body)) + 3) // 4 + body["max_tokens"]


def euro(nano_euro):
    return f"{nano_euro // NANO}.{nano_euro % NANO:09d}"


@contextlib.contextmanager
def in_force(appliance, **settings):
    """Settings, until the context is left."""
    appliance.control("PUT", "/settings", settings)
    try:
        yield
    finally:
        appliance.control("PUT", "/settings", dict.fromkeys(settings))


def spent(appliance, key):
    return sum(row["cost_nano_euro"] for row in appliance.rows(key))


def error(answer):
    return answer.json["error"]


LIMITS_FOR_TEN = {
    "requests": {"rate_limit": 10},
    "concurrency": {"concurrent_requests": 10},
    "tokens": {"tokens_per_minute": 10 * expected_tokens(TEN) + 1},
    "day budget": {"day_budget_eur": euro(10 * worst(TEN))},
    "month budget": {"month_budget_eur": euro(10 * worst(TEN))},
}
TEXTS = {
    "requests": ("Per-key rate", "Global rate"),
    "concurrency": ("Per-key limit of concurrent", "Global limit of concurrent"),
    "tokens": ("Per-key limit of tokens", "Global limit of tokens"),
    "day budget": ("The budget of this key", "The budget of this appliance"),
    "month budget": ("The budget of this key", "The budget of this appliance"),
}


@pytest.mark.parametrize("kind", LIMITS_FOR_TEN)
@pytest.mark.parametrize("scope", ["key", "all keys"])
def test_two_hundred_at_once_on_a_limit_for_ten(appliance, vendor, scope, kind):
    limits = LIMITS_FOR_TEN[kind]
    if scope == "all keys":
        if kind == "requests":
            time.sleep(WINDOW_SECONDS)
            limits = {"rate_limit_requests": 10}
        elif "budget" in kind:
            # What other tests have spent today counts.
            before = sum(row["cost_nano_euro"] or 0 for row in
                         appliance.control("GET", "/usage/rows?period=month&limit=10000")["rows"])
            name = next(iter(limits))
            limits = {name: euro(before + 10 * worst(TEN))}
    vendor.rule(first_byte_ms=SLOW_MILLISECONDS)
    keys = [appliance.create_key(**(limits if scope == "key" else {}))]
    if scope == "all keys":
        keys += [appliance.create_key() for _ in range(3)]
        force = in_force(appliance, **limits)
    else:
        force = contextlib.nullcontext()
    with force:
        answers = volley(appliance, [(keys[n % len(keys)], TEN) for n in range(200)])
    count = collections.Counter(answer.status for answer in answers)
    assert count == {200: 10, 429: 190}
    for refused in (answer for answer in answers if answer.status == 429):
        assert error(refused)["message"].startswith(TEXTS[kind][scope != "key"])
        if "budget" in kind:
            assert error(refused)["code"] == error(refused)["type"] == "insufficient_quota"
            assert refused.headers["x-should-retry"] == "false"
            assert "retry-after" not in refused.headers
        else:
            assert error(refused)["code"] == "rate_limit_exceeded"
            assert int(refused.headers["retry-after"]) >= 1
    rows = sum((appliance.rows(key) for key in keys), [])
    assert len(rows) == len(vendor.records(path="/v1/chat/completions")) == 10
    assert sum(row["cost_nano_euro"] for row in rows) <= 10 * worst(TEN)


def test_places_are_free_again_when_requests_end(appliance, vendor):
    key = appliance.create_key(concurrent_requests=2)
    vendor.rule(first_byte_ms=500)
    for _ in range(3):
        answers = volley(appliance, [(key, TEN)] * 4)
        assert collections.Counter(answer.status for answer in answers) == {200: 2, 429: 2}
    # Nobody reads these: their places are free as soon as they are known to be lost.
    vendor.control("clear")
    vendor.rule(chunks=1000, chunk_ms=20)
    for _ in range(4):
        with Stream(appliance, "/v1/chat/completions", chat_body(stream=True), key):
            pass
    vendor.control("clear")
    wait_for(lambda: appliance.chat(key).status == 200)


# Headers

def test_headers_of_a_token_limit(appliance, vendor):
    key = appliance.create_key(tokens_per_minute=1000)
    body = chat_body("hello", max_tokens=300)
    answer = appliance.ask("POST", "/v1/chat/completions", body, key)
    used = answer.json["usage"]["total_tokens"]
    assert answer.headers["x-ratelimit-limit-tokens"] == "1000"
    # The truth already, not the estimate.
    assert answer.headers["x-ratelimit-remaining-tokens"] == str(1000 - used)
    assert 1 <= int(answer.headers["x-ratelimit-reset-tokens"].removesuffix("s")) <= 61
    appliance.ask("POST", "/v1/chat/completions", chat_body("x" * 2000, max_tokens=300), key)
    refused = appliance.ask("POST", "/v1/chat/completions", body, key)
    assert refused.status == 429 and int(refused.headers["retry-after"]) > 50
    assert int(refused.headers["x-ratelimit-remaining-tokens"]) < 300
    assert "x-ratelimit-limit-tokens" not in appliance.chat(appliance.create_key()).headers


def test_headers_of_both_families_on_messages(appliance, vendor):
    key = appliance.create_key(rate_limit=7, tokens_per_minute=5000)
    answer = appliance.ask("POST", "/v1/messages", ANTHROPIC, key)
    headers = answer.headers
    assert answer.status == 200
    for what, limit in (("requests", "7"), ("tokens", "5000")):
        assert headers[f"anthropic-ratelimit-{what}-limit"] == limit
        left = headers[f"anthropic-ratelimit-{what}-remaining"]
        assert left == headers[f"x-ratelimit-remaining-{what}"]
        moment = time.strptime(headers[f"anthropic-ratelimit-{what}-reset"], "%Y-%m-%dT%H:%M:%SZ")
        assert abs(time.mktime(moment) - time.mktime(time.gmtime())) < 70
    assert not any(name.startswith("anthropic") for name in appliance.chat(key).headers)


# What a budget pays

def test_the_output_is_capped_at_what_the_budget_pays(appliance, vendor):
    body = chat_body("word " * 100)
    budget = len(json.dumps(body)) * INPUT + 25 * OUTPUT
    key = appliance.create_key(day_budget_eur=euro(budget))
    answer = appliance.ask("POST", "/v1/chat/completions", body, key)
    assert answer.status == 200 and answer.json["choices"][0]["finish_reason"] == "length"
    assert answer.json["usage"]["completion_tokens"] == 25
    row = appliance.row(key)
    assert row["reserved_nano_euro"] == budget and row["cost_nano_euro"] <= budget


def test_a_cap_of_the_client_is_lowered_and_never_raised(appliance, vendor):
    for fields, paid, given in (
            ({"max_tokens": 7}, 25, 7), ({"max_completion_tokens": 90}, 25, 25),
            ({"max_tokens": 90}, 25, 25), ({"max_tokens": 90}, 10**6, 90)):
        body = chat_body("word " * 100, **fields)
        budget = len(json.dumps(body)) * INPUT + paid * OUTPUT
        key = appliance.create_key(month_budget_eur=euro(budget))
        answer = appliance.ask("POST", "/v1/chat/completions", body, key)
        assert answer.json["usage"]["completion_tokens"] == given


def test_a_budget_is_used_up_and_never_passed(appliance, vendor):
    body = chat_body("hello there my friend")
    budget = 20 * worst(body, cap=6)
    key = appliance.create_key(day_budget_eur=euro(budget))
    statuses = []
    while not statuses or statuses[-1] == 200:
        statuses.append(appliance.ask("POST", "/v1/chat/completions", body, key).status)
    assert statuses[-1] == 429 and len(statuses) > 20
    assert budget - worst(body, cap=1) < spent(appliance, key) <= budget
    own = appliance.ask("GET", "/v1/key", key=key).json
    assert own["day_budget"]["spent_nano_euro"] == spent(appliance, key)
    assert own["day_budget"]["left_nano_euro"] == budget - spent(appliance, key)
    assert own["month_budget"] is None
    kinds = {a["kind"] for a in appliance.control("GET", "/alarms")["alarms"]
             if a.get("key_id") == key.id}
    assert kinds == {"budget_near", "budget_spent"}


def test_without_a_price_no_budget_is_spent(appliance, vendor, key):
    poor = appliance.create_key(month_budget_eur="1")
    unknown = chat_body(model="no-such-model")
    refused = appliance.ask("POST", "/v1/chat/completions", unknown, poor)
    assert refused.status == 403 and error(refused)["code"] == "model_not_priced"
    assert appliance.ask("POST", "/v1/chat/completions", unknown, key).status == 404
    with in_force(appliance, refuse_unpriced=True):
        assert appliance.ask("POST", "/v1/chat/completions", unknown, key).status == 403
    assert not appliance.rows(poor)


def test_limits_of_all_keys_by_command(appliance, vendor, key):
    def limits(*words):
        done = appliance.pmctl("limits", *words)
        assert done.returncode == 0, done.stderr
        return dict(line.split(None, 1) for line in done.stdout.splitlines())

    assert limits("show")["day-budget-eur"] == "none"
    assert limits("set", "day-budget-eur", "0", "--reason", "test")["day-budget-eur"] == "0.00"
    assert error(appliance.chat(key))["message"].startswith("The budget of this appliance")
    assert appliance.pmctl("limits", "set", "day-budget-eur", "1,5").returncode != 0
    assert limits("set", "day-budget-eur", "none")["day-budget-eur"] == "none"
    assert appliance.chat(key).status == 200


# Streams that are cut

@pytest.mark.parametrize("usage", ["continuous", "none", "final_only"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/messages"])
def test_a_stream_beyond_its_budget_is_cut(appliance, vendor, path, usage):
    body = {
        "/v1/chat/completions": chat_body("hello", stream=True),
        "/v1/completions": {"model": MODEL, "prompt": "hello", "stream": True},
        "/v1/messages": {**ANTHROPIC, "stream": True},
    }[path]
    budget = len(json.dumps(body)) * INPUT + 20 * OUTPUT
    key = appliance.create_key(day_budget_eur=euro(budget))
    vendor.rule(ignores_cap=True, chunks=2000, chunk_ms=5, usage=usage)
    with Stream(appliance, path, body, key) as stream:
        texts = list(stream.texts())
    assert not stream.is_whole, "a stream that is cut must not end cleanly"
    last = json.loads(texts[-1].split("data: ")[1])
    assert not any("[DONE]" in text or "message_stop" in text for text in texts)
    if path == "/v1/messages":
        assert texts[-1].startswith("event: error\n") and last["type"] == "error"
        assert last["error"]["type"] == "rate_limit_error"
    else:
        assert last["error"]["code"] == last["error"]["type"] == "insufficient_quota"
    row = appliance.settled_row(key)
    assert "cut" in row["flags"] and row["status"] == 429
    assert row["cost_nano_euro"] <= row["reserved_nano_euro"] <= budget
    record = vendor.settled(path=path)
    assert record["client_left"] and record["content_events"] < 2000
    assert appliance.ask("POST", path, body, key).status == 429


def test_what_is_cut_keeps_the_global_budget_too(appliance, vendor, key):
    before = sum(row["cost_nano_euro"] or 0 for row in
                 appliance.control("GET", "/usage/rows?period=month&limit=10000")["rows"])
    vendor.rule(ignores_cap=True, chunks=2000, chunk_ms=5)
    body = chat_body("hello", stream=True)
    with in_force(appliance, month_budget_eur=euro(before + worst(body, cap=30))):
        with Stream(appliance, "/v1/chat/completions", body, key) as stream:
            assert "insufficient_quota" in list(stream.texts())[-1]
    assert "cut" in appliance.settled_row(key)["flags"]


# Stock clients

def test_openai_sdk_does_not_retry_a_spent_budget(appliance, vendor):
    sdk = Sdk(appliance, appliance.create_key(day_budget_eur="0").secret, max_retries=2)
    with pytest.raises(openai.RateLimitError) as caught:
        chat(sdk)
    assert caught.value.code == "insufficient_quota" and sdk.sent == 1
    sdk.client.close()


def test_openai_sdk_retries_what_time_cures(appliance, vendor):
    key = appliance.create_key(concurrent_requests=1)
    vendor.rule(first_byte_ms=700)
    sdk = Sdk(appliance, key.secret, max_retries=2)
    with Stream(appliance, "/v1/chat/completions", chat_body(stream=True), key):
        assert chat(sdk).choices[0].message.content
    assert sdk.sent >= 1
    sdk.client.close()


def test_anthropic_sdk_sees_its_own_error(appliance, vendor):
    key = appliance.create_key(month_budget_eur="0")
    with make_client(appliance, key.secret, max_retries=2) as client:
        with pytest.raises(Exception) as caught:
            client.messages.create(**ANTHROPIC)
    assert caught.value.status_code == 429
    assert caught.value.body["error"]["type"] == "rate_limit_error"


# What a restart keeps

@pytest.mark.parametrize("how", ["restart", "kill"])
def test_windows_and_budgets_survive(appliance, vendor, how):
    budget = 4 * worst(TEN)
    key = appliance.create_key(day_budget_eur=euro(budget), tokens_per_minute=400)
    assert appliance.ask("POST", "/v1/chat/completions", TEN, key).status == 200
    vendor.rule(chunks=1000, chunk_ms=20)
    stream = None
    if how == "kill":
        stream = Stream(appliance, "/v1/chat/completions", {**TEN, "stream": True}, key)
        next(stream.events())
        old = appliance.pids()["core"]
        os.kill(old, signal.SIGKILL)
        stream.close()
        wait_for(lambda: appliance.pids().get("core", old) != old)
        appliance.wait_serving()
    else:
        assert appliance.pmctl("restart", "core", "--wait").returncode == 0
    vendor.control("clear")
    own = appliance.ask("GET", "/v1/key", key=key).json
    rows = appliance.rows(key)
    # A request that nobody knows the end of counts as it was reserved.
    assert own["day_budget"]["spent_nano_euro"] == sum(row["cost_nano_euro"] for row in rows)
    tokens = rows[0]["prompt_tokens"] + rows[0]["completion_tokens"]
    if how == "kill":
        assert rows[1]["state"] == "unsettled"
        tokens += expected_tokens({**TEN, "stream": True})
    assert own["tokens"]["remaining"] == 400 - tokens
