"""The vendor's limits, which all keys share: a queue in which keys take turns, its bound and its
deadline, and what becomes of those who wait when something restarts or they leave."""
import collections
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from appliance import chat_body
from load import volley
from vendor_process import wait_for

PATH = "/v1/chat/completions"
BODY = chat_body("hello", max_tokens=10)
# One each second, and sixty at once.
PER_MINUTE = 60


@pytest.fixture(scope="module")
def settings():
    return {"edge": {"handshakesPerAddressPerSecond": 10_000, "connectionsPerAddressMax": 1000}}


@pytest.fixture
def spent(appliance, vendor):
    """The vendor's share is used up by a key, which comes with it."""
    greedy = appliance.create_key()
    appliance.control("PUT", "/settings", {"vendor_requests_per_minute": PER_MINUTE})
    statuses = {answer.status for answer in volley(appliance, [(greedy, BODY)] * PER_MINUTE)}
    assert statuses == {200}
    yield greedy
    appliance.control("PUT", "/settings", {"vendor_requests_per_minute": 0})


def timed(appliance, key):
    """Status and seconds of one request."""
    began = time.monotonic()
    return appliance.ask("POST", PATH, BODY, key).status, time.monotonic() - began


def test_a_restart_gives_nobody_a_new_minute(appliance, vendor, spent):
    """The first test: requests that nobody limited count in the minute as well."""
    assert appliance.pmctl("restart", "core", "--wait").returncode == 0
    answers = volley(appliance, [(spent, BODY)] * 40)
    assert 5 <= collections.Counter(answer.status for answer in answers)[200] < 25


def test_one_greedy_key_starves_nobody(appliance, vendor, spent):
    with ThreadPoolExecutor(4) as pool:
        flood = pool.submit(volley, appliance, [(spent, BODY)] * 100)
        time.sleep(1.5)
        modest = [pool.submit(timed, appliance, appliance.create_key()) for _ in range(2)]
        for status, seconds in (each.result() for each in modest):
            assert status == 200 and seconds < 4
        answers = flood.result()
    count = collections.Counter(answer.status for answer in answers)
    # As many as fall free within the deadline waited; all others heard at once.
    assert 7 <= count[200] <= 12 and count[200] + count[429] == 100
    for refused in (answer for answer in answers if answer.status == 429):
        assert refused.message.startswith("All keys together have used their share")
        assert refused.json["error"]["code"] == "rate_limit_exceeded"
        assert 1 <= int(refused.headers["retry-after"]) <= 2 * PER_MINUTE
    assert len(appliance.rows(spent)) == PER_MINUTE + count[200]


def test_who_could_not_be_served_in_time_is_told_at_once(appliance, vendor, spent):
    appliance.control("PUT", "/settings", {"vendor_requests_per_minute": 3})
    status, seconds = timed(appliance, appliance.create_key())
    assert status == 429 and seconds < 1


def test_who_leaves_the_queue_is_forgotten(appliance, vendor, spent):
    key = appliance.create_key()
    connections = [appliance.https_connection() for _ in range(4)]
    for connection in connections:
        connection.request("POST", PATH, b"", {})
        connection.getresponse().read()
        connection.putrequest("POST", PATH)
        connection.putheader("Authorization", f"Bearer {key.secret}")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", "2000")
        connection.endheaders()
    for connection in connections:
        connection.send(b'{"model":"gpt-oss-120b","messages":[]}'.ljust(2000))
    time.sleep(0.2)
    for connection in connections:
        connection.close()
    status, seconds = timed(appliance, key)
    assert status == 200 and seconds < 4
    assert len(appliance.rows(key)) <= 2


@pytest.mark.parametrize("service", ["core", "vendor"])
def test_a_restart_loses_nobody_who_waits(appliance, vendor, spent, service):
    key = appliance.create_key()
    answers = []
    waiting = threading.Thread(
        target=lambda: answers.extend(volley(appliance, [(key, BODY)] * 6)))
    waiting.start()
    time.sleep(0.8)
    assert appliance.pmctl("restart", service, "--wait").returncode == 0
    waiting.join(40)
    assert [answer.status for answer in answers] == [200] * 6
    rows = appliance.rows(key)
    assert len(rows) == 6 and all(row["state"] == "settled" for row in rows)


def test_tokens_of_the_vendor_are_counted_as_they_were_used(appliance, vendor):
    appliance.control("PUT", "/settings", {"vendor_completion_tokens_per_minute": 3000})
    try:
        key = appliance.create_key()
        # Each expects two thousand tokens, and uses three.
        for _ in range(5):
            status, seconds = timed(appliance, key)
            assert status == 200 and seconds < 2
        vendor.rule(first_byte_ms=1500)
        body = chat_body("hello")
        answers = volley(appliance, [(key, body)] * 4)
        # One at a time: each waits for what the one before gives back.
        assert [answer.status for answer in answers] == [200] * 4
    finally:
        appliance.control("PUT", "/settings", {"vendor_completion_tokens_per_minute": 0})
    wait_for(lambda: all(row["state"] == "settled" for row in appliance.rows(key)))
