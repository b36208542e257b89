"""Each situation at the vendor and the one answer that clients get for it."""
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from appliance import chat_body
from streaming import Stream
from vendor_process import wait_for

CANARY = "CANARY7f3a"
GATEWAY, SERVER = {"encrypted": False}, {"encrypted": True}
PLAIN = {"headers": {"Content-Type": "text/plain; charset=utf-8"}, "body": "404 page not found"}


def status(number, *parts, **fields):
    merged = {"status": number, **fields}
    for part in parts:
        merged.update(part)
    return merged


class Case:
    """A fault of the stand-in, and what comes of it. `retry` are the seconds of Retry-After."""

    def __init__(self, fault, status, code, anthropic, retry=None, no_retry=False, kind=None):
        self.fault, self.status, self.code, self.anthropic = fault, status, code, anthropic
        self.retry, self.no_retry = retry, no_retry
        self.type = kind or ("server_error" if status >= 500 else "invalid_request_error")


def ours(fault):
    return Case(fault, 503, "vendor_unavailable", "api_error", no_retry=True)


def limited(fault, retry):
    return Case(
        fault, 429, "rate_limit_exceeded", "rate_limit_error", retry, kind="rate_limit_error")


def broken(fault):
    return Case(fault, 502, "vendor_error", "api_error")


def rejected(fault):
    return Case(fault, 400, "vendor_rejected", "invalid_request_error")


def attestation(fault):
    return Case(fault, 503, "vendor_attestation", "overloaded_error", 10)


SECOND = {"headers": {"Retry-After": "1"}}
CASES = {
    "401 of the gateway": ours(status(401, GATEWAY)),
    "401 of the model server": ours(status(401, SERVER)),
    "402 of the gateway": ours(status(402, GATEWAY)),
    "403 of the gateway": ours(status(403, GATEWAY)),
    "403 of the model server": rejected(status(403, SERVER)),
    "429 of the gateway": limited(status(429, GATEWAY, SECOND), 1),
    "429 of the model server": limited(status(429, SERVER, SECOND), 1),
    "429 without a time": limited(status(429, GATEWAY), 2),
    "404 of the binary": Case(status(404, PLAIN), 502, "vendor_incompatible", "api_error"),
    "404 of the gateway": rejected(status(404, GATEWAY)),
    "404 of the model server": Case(
        status(404, SERVER, code=404), 404, "model_not_found", "not_found_error"),
    "400 of the gateway": rejected(status(400, GATEWAY)),
    "418 of the gateway": rejected(status(418, GATEWAY)),
    "400 of the model server": Case(status(400, SERVER), 400, None, "invalid_request_error"),
    "422 of the model server": Case(status(422, SERVER), 422, None, "invalid_request_error"),
    "413 of the gateway": Case(status(413, GATEWAY), 413, "request_too_large", "request_too_large"),
    "413 of the model server": Case(
        status(413, SERVER), 413, "request_too_large", "request_too_large"),
    "secret": attestation({"secret_error": True}),
    "certificate of a GPU": attestation({"gpu_policy": True}),
    "context": Case(
        {"binary_error": "forwarding request: mutating request: context too large: " + CANARY},
        400, "context_length_exceeded", "invalid_request_error"),
    "mutation": rejected({"binary_error": "forwarding request: mutating request: " + CANARY}),
    "unreachable": Case({"unreachable": True}, 502, "vendor_unreachable", "api_error", 5),
    "balancer page": Case({"html": 502}, 502, "vendor_bad_gateway", "api_error", 5),
    "truncated": Case({"truncated_json": True}, 502, "vendor_response_truncated", "api_error"),
    "503 of the gateway": Case(
        status(503, GATEWAY, SECOND), 503, "vendor_overloaded", "overloaded_error", 1),
    "504 of the gateway": Case(status(504, GATEWAY), 504, "vendor_timeout", "timeout_error"),
    "500 of the gateway": broken(status(500, GATEWAY)),
    "502 of the gateway": broken(status(502, GATEWAY)),
    "unknown 500": broken({"binary_error": "something new: " + CANARY}),
    "500 of the model server": broken(status(500, SERVER)),
    "502 of the model server": broken(status(502, SERVER)),
    "503 of the model server": broken(status(503, SERVER)),
    "504 of the model server": broken(status(504, SERVER)),
    "301": broken(status(301, GATEWAY, {"headers": {"Location": "/elsewhere"}})),
    "302": broken(status(302, SERVER)),
    "200 with text": broken(status(200, body="no JSON " + CANARY)),
    "200 with nothing": broken(status(200, body="")),
    "200 with half an object": broken(status(200, body='{"id":"x","usage":{"prompt_tokens":5')),
}
# Only the model server speaks of the request itself.
PASSED_ON = {"404 of the model server", "400 of the model server", "422 of the model server"}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize("name", CASES)
def test_situation(appliance, vendor, key, name, path):
    case = CASES[name]
    fault = dict(case.fault)
    if "status" in fault and "body" not in fault:
        fault["message"] = f"the words of the vendor {CANARY}"
    vendor.rule(**fault)
    # Half of the cases as a stream: before its head an error is told in the same way.
    body = chat_body(max_tokens=50, stream=path == "/v1/messages")
    answer = appliance.ask("POST", path, body, key)
    check_envelope(case, answer, path)
    assert answer.headers.get("retry-after") == (str(case.retry) if case.retry else None)
    assert answer.headers.get("x-should-retry") == ("false" if case.no_retry else None)
    assert (CANARY in answer.body.decode()) == (name in PASSED_ON)
    row = appliance.row(key)
    assert (row["state"], row["status"], row["cost_nano_euro"]) == ("settled", case.status, 0)
    assert "failed" in row["flags"].split()
    assert row["prompt_tokens"] == row["completion_tokens"] == 0
    if case.status in (429, 503) and case.retry in (1, 2):
        time.sleep(case.retry)
    # After three failures in a row the vendor would be replaced, and the next rule with it.
    vendor.control("clear")
    assert appliance.chat(key).status == 200


def check_envelope(case, answer, path):
    assert answer.status == case.status
    assert answer.headers["content-type"] == "application/json"
    error = answer.json["error"]
    if path == "/v1/messages":
        assert answer.json["type"] == "error" and error["type"] == case.anthropic
        assert answer.json["request_id"] == answer.headers["request-id"]
    else:
        assert list(error) == ["message", "type", "param", "code"]
        assert (error["type"], error["param"], error["code"]) == (case.type, None, case.code)
    assert error["message"]


def test_502_and_504_begin_with_the_predecessors_words(appliance, vendor, key):
    for fault, words in (({"html": 502}, "Proxy error"),
                         ({"status": 504, "encrypted": False}, "Upstream timeout")):
        vendor.control("clear")
        vendor.rule(**fault)
        assert appliance.chat(key).message.startswith(words)


def test_cool_down_after_the_vendors_limit(appliance, vendor, key):
    vendor.rule(times=1, status=429, encrypted=False, headers={"Retry-After": "2"})
    first, second = appliance.chat(key), appliance.chat(key)
    assert (first.status, second.status) == (429, 429)
    assert 1 <= int(second.headers["retry-after"]) <= 2
    assert len(vendor.records()) == 1, "the second was not sent"
    time.sleep(2)
    assert appliance.chat(key).status == 200


def test_retry_after_may_be_a_date(appliance, vendor, key):
    date = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=4), usegmt=True)
    vendor.rule(times=1, status=429, encrypted=False, headers={"Retry-After": date})
    assert 3 <= int(appliance.chat(key).headers["retry-after"]) <= 4
    assert appliance.chat(key).status == 429
    time.sleep(4)
    assert appliance.chat(key).status == 200


@pytest.mark.parametrize("size", [10_000, 300_000, 3_000_000])
def test_requests_of_any_size_wait_for_a_restart(appliance, vendor, key, size):
    """The vendor ends its stream first; meanwhile others wait, and none is refused."""
    vendor.rule(times=1, chunks=20, chunk_ms=100)
    with Stream(appliance, "/v1/chat/completions", chat_body(stream=True), key) as stream:
        next(stream.events())
        with ThreadPoolExecutor(2) as pool:
            restart = pool.submit(appliance.pmctl, "restart", "vendor", "--wait")
            wait_for(lambda: b"vendor_draining" in appliance.ask("GET", "/health/ready").body)
            began = time.monotonic()
            answer = appliance.chat(key, "x" * size)
            waited = time.monotonic() - began
            list(stream.events())
            assert restart.result().returncode == 0
    assert answer.status == 200 and stream.is_whole
    assert waited > 0.5, "the vendor was not away"


@pytest.mark.parametrize("fault", [{"no_secret_once": True}, {"reset_once": True}])
def test_retries_of_the_binary_are_not_ours(appliance, vendor, key, fault):
    vendor.rule(**fault)
    assert appliance.chat(key).status == 200
    assert vendor.runs() == 2
    assert len(appliance.rows(key)) == 1


def test_core_replays_nothing(appliance, vendor, key):
    vendor.rule(unreachable=True)
    appliance.chat(key)
    vendor.control("clear")
    vendor.rule(status=500, encrypted=False)
    appliance.chat(key)
    assert len(vendor.records()) == 2


def test_nothing_of_the_vendors_head_passes(appliance, vendor, key):
    vendor.rule(status=200, body='{"choices":[]}', headers={
        "X-Vendor": CANARY, "Set-Cookie": f"a={CANARY}", "Server": CANARY, "X-Request-Id": CANARY,
        "Access-Control-Allow-Origin": CANARY, "Content-Type": "application/json"})
    answer = appliance.chat(key)
    assert answer.status == 200
    assert CANARY not in str(answer.headers)
