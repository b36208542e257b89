"""Request limits: of a key, of all keys, at once, and over a restart."""
import collections
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

GLOBAL_LIMIT = 10
WINDOW_SECONDS = 5


@pytest.fixture(scope="module")
def settings():
    return {"limits": {"global": {"requests": 1_000_000, "windowSeconds": WINDOW_SECONDS},
                       "address": {"requests": 1_000_000}}}


@pytest.fixture
def few(appliance):
    """A low global limit, and an empty window."""
    time.sleep(WINDOW_SECONDS)
    appliance.control("PUT", "/settings", {"rate_limit_requests": GLOBAL_LIMIT})
    yield
    appliance.control("PUT", "/settings", {"rate_limit_requests": None})


@pytest.fixture
def long_window(appliance):
    appliance.control("PUT", "/settings", {"rate_limit_window": 60})
    yield
    appliance.control("PUT", "/settings", {"rate_limit_window": None})


def limits(answer):
    return tuple(int(answer.headers[f"x-ratelimit-{name}"]) for name in ("limit", "remaining"))


def test_headers_of_a_limited_key(appliance, vendor):
    key = appliance.create_key(rate_limit=5)
    now = time.time()
    for remaining in (4, 3, 2, 1, 0):
        answer = appliance.chat(key)
        assert answer.status == 200 and limits(answer) == (5, remaining)
        assert answer.headers["x-ratelimit-limit-requests"] == "5"
        assert answer.headers["x-ratelimit-remaining-requests"] == str(remaining)
    refused = appliance.chat(key)
    assert refused.status == 429 and refused.message.startswith("Per-key rate limit exceeded")
    assert refused.json["error"]["code"] == "rate_limit_exceeded"
    assert limits(refused) == (5, 0)
    assert 1 <= int(refused.headers["retry-after"]) <= WINDOW_SECONDS
    assert 0 <= int(refused.headers["x-ratelimit-reset"]) - now <= WINDOW_SECONDS + 1
    assert len(appliance.rows(key)) == len(vendor.records(path="/v1/chat/completions")) == 5
    time.sleep(int(refused.headers["retry-after"]))
    assert appliance.chat(key).status == 200


def test_headers_of_a_key_without_a_limit(appliance, few, vendor, key):
    assert limits(appliance.chat(key)) == (GLOBAL_LIMIT, GLOBAL_LIMIT - 1)


def test_global_limit(appliance, few, vendor, key):
    statuses = [appliance.ask("GET", "/v1/models", key=key).status for _ in range(GLOBAL_LIMIT + 1)]
    assert statuses == [200] * GLOBAL_LIMIT + [429]
    other = appliance.create_key(rate_limit=100)
    refused = appliance.chat(other)
    assert refused.status == 429 and refused.message.startswith("Global rate limit exceeded")
    assert limits(refused) == (GLOBAL_LIMIT, 0)
    time.sleep(int(refused.headers["retry-after"]))
    assert appliance.chat(other).status == 200


def test_a_key_over_its_limit_takes_nothing_from_the_others(appliance, few, vendor, key):
    greedy = appliance.create_key(rate_limit=1)
    assert [appliance.chat(greedy).status for _ in range(2 * GLOBAL_LIMIT)].count(200) == 1
    assert appliance.chat(key).status == 200


def test_refused_keys_count_for_the_address_only(appliance, few, vendor, key):
    for _ in range(GLOBAL_LIMIT + 5):
        assert appliance.ask("GET", "/v1/models").status == 401
    assert limits(appliance.chat(key)) == (GLOBAL_LIMIT, GLOBAL_LIMIT - 1)


def test_two_hundred_at_once_on_a_limit_of_ten(appliance, long_window, vendor):
    key = appliance.create_key(rate_limit=10)
    start = threading.Barrier(50)

    def work(_):
        connection = appliance.https_connection()
        connection.connect()
        start.wait(20)
        statuses = [appliance.chat(key, connection=connection).status for _ in range(4)]
        connection.close()
        return statuses

    with ThreadPoolExecutor(50) as pool:
        count = collections.Counter(sum(pool.map(work, range(50)), []))
    assert count == {200: 10, 429: 190}
    assert len(appliance.rows(key)) == 10
    assert len(vendor.records(path="/v1/chat/completions")) == 10


def test_limit_is_changed_while_running(appliance, vendor, key):
    appliance.control("PATCH", f"/keys/{key.id}", {"rate_limit": 2})
    assert [appliance.chat(key).status for _ in range(3)] == [200, 200, 429]
    appliance.control("PATCH", f"/keys/{key.id}", {"rate_limit": None})
    assert limits(appliance.chat(key))[0] == 1_000_000


def test_windows_survive_a_restart_of_core(appliance, long_window, vendor):
    key = appliance.create_key(rate_limit=3)
    assert [appliance.chat(key).status for _ in range(2)] == [200, 200]
    assert appliance.pmctl("restart", "core", "--wait").returncode == 0
    answer = appliance.chat(key)
    assert answer.status == 200 and limits(answer) == (3, 0)
    refused = appliance.chat(key)
    assert refused.status == 429 and int(refused.headers["retry-after"]) > WINDOW_SECONDS
