"""What a key is allowed, and what its holder may know: lists of endpoints, models and networks,
`/v1/key`, `/v1/usage`, rotation, and what clients can make core remember."""
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from appliance import chat_body
from samples import FORM_TYPE, WAV, form
from vendor_process import wait_for

MODEL, OTHER = "gpt-oss-120b", "gemma-3-27b"
CALLS = {
    "chat": ("/v1/chat/completions", chat_body()),
    "completions": ("/v1/completions", {"model": MODEL, "prompt": "hello"}),
    "messages": ("/v1/messages", chat_body(max_tokens=8)),
    "embeddings": ("/v1/embeddings", {"model": "qwen3-embedding-4b", "input": "hello"}),
    "transcriptions": ("/v1/audio/transcriptions",
                       form(("model", "whisper-large-v3"), ("file", "a.wav", WAV))),
}


@pytest.fixture(scope="module")
def settings():
    # So that a test can say where a request comes from.
    return {"edge": {"trustedProxies": ["127.0.0.1/32"]}}


def call(appliance, key, word, **options):
    path, body = CALLS[word]
    headers = FORM_TYPE if word == "transcriptions" else {}
    return appliance.ask("POST", path, body, key, {**headers, **options.pop("headers", {})}, **options)


def code(answer):
    """The one word of an error that both families of clients can act on, and its status."""
    error = answer.json["error"]
    if answer.json.get("type") == "error":
        assert set(answer.json) == {"type", "error", "request_id"}
        return answer.status, error["type"]
    assert set(error) == {"message", "type", "param", "code"}
    return answer.status, error["code"]


def models(appliance, key):
    return [model["id"] for model in appliance.ask("GET", "/v1/models", key=key).json["data"]]


def own(appliance, key, **options):
    return appliance.ask("GET", "/v1/key", key=key, **options)


def usage(appliance, key, query="", method="GET"):
    return appliance.ask(method, f"/v1/usage{query}", key=key)


# Lists

@pytest.mark.parametrize("allowed", list(CALLS))
def test_endpoints_of_a_list(appliance, vendor, allowed):
    key = appliance.create_key(allowed_endpoints=[allowed])
    for word in CALLS:
        answer = call(appliance, key, word)
        if word == allowed:
            assert answer.status == 200, answer.body
        else:
            refusal = "permission_error" if word == "messages" else "not_allowed"
            assert code(answer) == (403, refusal), word
            assert "retry-after" not in answer.headers
    # What tells of itself and of models is open to every key.
    for path in ("/v1/key", "/v1/usage", "/v1/models", f"/v1/models/{MODEL}", "/auth/key-info"):
        assert appliance.ask("GET", path, key=key).status == 200, path
    assert len(vendor.records()) == len(appliance.rows(key)) == 1


def test_models_of_a_list(appliance, vendor, key):
    everything = models(appliance, key)
    assert MODEL in everything and len(everything) > 2
    few = appliance.create_key(allowed_models=[MODEL, "not-offered-yet"])
    assert models(appliance, few) == [MODEL]
    assert appliance.ask("GET", f"/v1/models/{MODEL}", key=few).status == 200
    for path, body in (("/v1/chat/completions", chat_body(model=OTHER)),
                       ("/v1/chat/completions", chat_body(model=OTHER, stream=True)),
                       ("/v1/completions", {"model": OTHER, "prompt": "x"}),
                       CALLS["embeddings"]):
        assert code(appliance.ask("POST", path, body, few)) == (404, "model_not_found"), path
    refused = appliance.ask("POST", "/v1/messages", chat_body(model=OTHER, max_tokens=8), few)
    assert code(refused) == (404, "not_found_error")
    assert code(call(appliance, few, "transcriptions")) == (404, "model_not_found")
    assert code(appliance.ask("GET", f"/v1/models/{OTHER}", key=few)) == (404, "model_not_found")
    # A long body goes to the vendor while it arrives: its end must not.
    long = chat_body("x" * 300_000, model=OTHER)
    assert code(appliance.ask("POST", "/v1/chat/completions", long, few)) == (404, "model_not_found")
    assert vendor.runs() == 0 and appliance.rows(few) == []
    assert appliance.chat(few).status == 200 and len(appliance.rows(few)) == 1
    none = appliance.create_key(allowed_models=[])
    assert models(appliance, none) == [] and appliance.chat(none).status == 404


def test_networks_of_a_list(appliance, vendor):
    key = appliance.create_key(allowed_networks=["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"])

    def status(address):
        return own(appliance, key, headers={"X-Forwarded-For": address}).status

    for address in ("10.0.0.1", "10.255.255.255", "::ffff:10.1.2.3", "2001:db8::1", "192.0.2.7"):
        assert status(address) == 200, address
    for address in ("11.0.0.1", "192.0.2.8", "2001:db9::1", "::ffff:11.0.0.1", "::1", "::10.1.2.3"):
        assert status(address) == 403, address
    # Not an address: the peer itself asked, and it is not on the list.
    assert status("10.0.0.1, nonsense") == 403
    assert code(call(appliance, key, "chat")) == (403, "not_allowed")
    assert code(call(appliance, key, "messages")) == (403, "permission_error")
    assert vendor.records() == [] and appliance.rows(key) == []
    inside = call(appliance, key, "chat", headers={"X-Forwarded-For": "10.9.9.9"})
    assert inside.status == 200


def test_who_has_a_secret_in_the_wrong_place_uses_up_nothing(appliance):
    key = appliance.create_key(allowed_networks=["10.0.0.0/8"], rate_limit=2)
    for _ in range(5):
        assert own(appliance, key).status == 403
    inside = {"X-Forwarded-For": "10.0.0.1"}
    assert own(appliance, key, headers=inside).headers["x-ratelimit-remaining"] == "1"
    # What its holder asks for in vain counts.
    appliance.control("PATCH", f"/keys/{key.id}", {"allowed_endpoints": ["embeddings"]})
    assert call(appliance, key, "chat", headers=inside).status == 403
    assert own(appliance, key, headers=inside).status == 429


def test_lists_change_on_an_open_connection(appliance, key):
    connection = appliance.https_connection()
    assert appliance.chat(key, connection=connection).status == 200
    appliance.control("PATCH", f"/keys/{key.id}", {"allowed_endpoints": ["embeddings"]})
    assert appliance.chat(key, connection=connection).status == 403
    appliance.control("PATCH", f"/keys/{key.id}", {"allowed_endpoints": None})
    assert appliance.chat(key, connection=connection).status == 200
    connection.close()


def test_lists_outlive_core(appliance):
    key = appliance.create_key(
        owner="Ada", tags=["search"], allowed_models=[MODEL], allowed_networks=["127.0.0.0/8"],
        allowed_endpoints=["chat"], day_budget_eur="1.5", prompt_cache=False)
    before = own(appliance, key).json
    assert appliance.pmctl("restart", "core", "--wait").returncode == 0
    after = own(appliance, key).json
    for member in ("owner", "tags", "allowed_models", "allowed_networks", "allowed_endpoints",
                   "day_budget_eur", "day_budget_nano_euro", "prompt_cache"):
        assert after[member] == before[member], member
    assert after["day_budget_nano_euro"] == 1_500_000_000
    assert call(appliance, key, "embeddings").status == 403


# What a holder may know

def test_key_tells_of_itself(appliance):
    members = {"description": "mine", "owner": "Ada", "tags": ["a", "b"], "rate_limit": 9,
               "expires_days": 3, "budget_warning_percent": 50, "concurrent_requests": 4}
    key = appliance.create_key(**members)
    answer = own(appliance, key)
    assert answer.headers["cache-control"] == "no-store"
    entry = answer.json
    assert entry["object"] == "key" and entry["key_id"] == key.id and entry["status"] == "enabled"
    for name, value in members.items():
        assert name == "expires_days" or entry[name] == value, name
    assert abs(entry["expires_at"] - time.time() - 3 * 86_400) < 60
    assert entry["allowed_models"] is entry["allowed_endpoints"] is None
    assert entry["secrets"] == [{"closes_at": None}] and entry["rotated_at"] is None
    assert entry["requests"]["limit"] == 9 and entry["requests"]["scope"] == "key"
    assert own(appliance, key).json["requests"]["remaining"] == 7
    assert key.secret not in answer.body.decode() and "hash" not in answer.body.decode()
    head = appliance.ask("HEAD", "/v1/key", key=key)
    assert head.status == 200 and head.body == b""


def test_key_tells_how_far_its_limits_are_used_up(appliance, vendor):
    key = appliance.create_key(
        rate_limit=50, tokens_per_minute=50_000, concurrent_requests=3, day_budget_eur=1,
        month_budget_eur="2.5")

    def budgets():
        entry = own(appliance, key).json
        return [entry[name] for name in ("day_budget", "month_budget")]

    for budget, limit in zip(budgets(), (1_000_000_000, 2_500_000_000)):
        assert budget["limit_nano_euro"] == budget["left_nano_euro"] == limit
        assert budget["spent_nano_euro"] == 0 and budget["resets_at"] > time.time()
    vendor.rule(times=1, first_byte_ms=1500)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(appliance.chat, key, max_tokens=100)
        wait_for(lambda: own(appliance, key).json["running_requests"] == 1)
        # What may yet be spent counts as spent.
        assert all(budget["spent_nano_euro"] > 0 for budget in budgets())
        assert own(appliance, key).json["tokens"]["remaining"] < 50_000
        assert running.result().status == 200
    row = appliance.row(key)
    for budget in budgets():
        assert budget["spent_nano_euro"] == row["cost_nano_euro"] > 0
        assert budget["left_nano_euro"] == budget["limit_nano_euro"] - row["cost_nano_euro"]
    entry = own(appliance, key).json
    used = row["prompt_tokens"] + row["completion_tokens"]
    assert entry["tokens"]["limit"] - entry["tokens"]["remaining"] == used
    assert entry["running_requests"] == 0
    # Nothing of it speaks of another key.
    fresh = own(appliance, appliance.create_key(day_budget_eur=1)).json
    assert fresh["day_budget"]["spent_nano_euro"] == 0 and fresh["month_budget"] is None


def test_usage_is_the_keys_own(appliance, vendor):
    mine, yours = appliance.create_key(), appliance.create_key(description="someone else's")
    for key, count in ((mine, 2), (yours, 3)):
        for _ in range(count):
            assert appliance.chat(key).status == 200
    answer = usage(appliance, mine, "?period=today")
    assert answer.status == 200 and answer.headers["cache-control"] == "no-store"
    assert answer.json["requests"] == 2
    assert list(answer.json["by_key"]) == [mine.id] and yours.id not in answer.body.decode()
    asked = appliance.usage("today", key_id=mine.id)
    rows = appliance.rows(mine)
    assert answer.json["total_cost_nano_euro"] == sum(row["cost_nano_euro"] for row in rows) > 0
    for name in set(asked) - {"end"}:
        assert answer.json[name] == asked[name], name
    now = time.time()
    assert usage(appliance, mine, f"?start={int(now) - 60}&end={int(now) + 60}").json["requests"] == 2
    assert usage(appliance, mine, "?start=2020-01-01&end=2020-01-02").json["requests"] == 0
    assert usage(appliance, yours).json["requests"] == 3
    head = usage(appliance, mine, method="HEAD")
    assert head.status == 200 and head.body == b"" and int(head.headers["content-length"]) > 0


def test_nobody_asks_for_another_keys_usage(appliance, key):
    other = appliance.create_key()
    for query in (f"key_id={other.id}", f"period=all&key_id={other.id}", f"key={other.id}",
                  "period=decade", "period=", "format=csv", "start=1", "start=2&end=1",
                  "period=all&start=1&end=2", "period=%zz", "period=all&" * 40, "x=" + "y" * 3000):
        answer = usage(appliance, key, f"?{query}")
        assert code(answer) == (400, "invalid_query"), query
        assert other.id not in answer.body.decode()
    for path in (f"/v1/usage/{other.id}", "/v1/usage/", f"/v1/key/{other.id}", "/v1/keys"):
        assert code(appliance.ask("GET", path, key=key)) == (404, "unknown_url"), path
    for path in ("/v1/usage", "/v1/key"):
        assert appliance.ask("POST", path, {}, key).status == 405
        assert appliance.ask("GET", path).status == 401


def test_many_questions_of_one_key(appliance, key):
    """Each is answered or told to come back; no other key waits for them."""
    def ask(_):
        answer = usage(appliance, key, "?period=all")
        assert answer.status == 200 or (
            answer.status == 429 and answer.headers["retry-after"] == "1"), answer.body
        return answer.status

    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(ask, range(64)))
    assert 200 in statuses
    assert usage(appliance, appliance.create_key()).status == 200
    assert appliance.usage("today")["requests"] >= 0


# Rotation

def test_the_old_secret_closes_by_itself(appliance, key):
    overlap = 2
    began = time.monotonic()
    rotated = appliance.control("POST", f"/keys/{key.id}/rotate", {"overlap_seconds": overlap})
    new = type(key)(key.id, rotated["key"])
    assert own(appliance, key).status == own(appliance, new).status == 200
    ends = [secret["closes_at"] for secret in own(appliance, new).json["secrets"]]
    assert ends[0] is None and 0 < ends[1] - time.time() <= overlap
    # Each other secret would cut the first off before its time.
    with pytest.raises(AssertionError, match="overlap_under_way"):
        appliance.control("POST", f"/keys/{key.id}/rotate", {"overlap_seconds": 1})
    wait_for(lambda: own(appliance, key).status == 401)
    assert overlap - 0.1 < time.monotonic() - began < overlap + 2
    assert "expired" in own(appliance, key).message
    entry = own(appliance, new).json
    assert entry["secrets"] == [{"closes_at": None}] and entry["rotated_at"] is not None
    # And then there may be another.
    newest = appliance.control("POST", f"/keys/{key.id}/rotate", {"overlap_seconds": 60})["key"]
    assert own(appliance, new).status == own(appliance, type(key)(key.id, newest)).status == 200
    assert own(appliance, key).status == 401


# pmctl

def test_command_line(appliance):
    def keys(*words, code=0):
        done = appliance.pmctl("keys", *words)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    made = json.loads(keys(
        "create", "--description", "search", "--owner", "Ada", "--tags", "team:x, y",
        "--allowed-models", MODEL, "--allowed-endpoints", "chat,embeddings", "--allowed-networks",
        "127.0.0.0/8", "--prompt-cache", "off", "--rate-limit", "50", "--tokens-per-minute", "60",
        "--concurrent-requests", "7", "--day-budget-eur", "0.5", "--month-budget-eur", "8",
        "--budget-warning-percent", "90", "--expires-days", "9", "--reason", "a test", "--json"))
    number = made["key_id"]
    expected = {
        "description": "search", "owner": "Ada", "tags": ["team:x", "y"], "allowed_models": [MODEL],
        "allowed_endpoints": ["chat", "embeddings"], "allowed_networks": ["127.0.0.0/8"],
        "prompt_cache": False, "rate_limit": 50, "tokens_per_minute": 60, "concurrent_requests": 7,
        "day_budget_nano_euro": 500_000_000, "month_budget_eur": "8.00",
        "budget_warning_percent": 90}
    assert {name: made[name] for name in expected} == expected
    shown = keys("show", number)
    for line in ("Owner: Ada", "Tags: team:x, y", "Allowed endpoints: chat, embeddings",
                 "Prompt cache: off", "Day budget eur: 0.50", "Concurrent requests: 7"):
        assert line in shown.splitlines()
    assert number in keys("list", "--tag", "y") and number in keys("list", "--owner", "Ada")
    assert number not in keys("list", "--tag", "z") + keys("list", "--owner", "Eve")
    changed = json.loads(keys(
        "change", number, "--allowed-models", "all", "--allowed-networks", "none", "--tags", "",
        "--day-budget-eur", "none", "--expires-at", "none", "--json"))
    assert changed["allowed_models"] is changed["day_budget_eur"] is changed["expires_at"] is None
    assert changed["allowed_networks"] == changed["tags"] == [] and changed["owner"] == "Ada"
    rotated = keys("rotate", number, "--overlap-seconds", "60")
    assert "New API Key: pm_" in rotated and "Old secret: works until" in keys("show", number)
    assert "still works" in appliance.pmctl("keys", "rotate", number, "--overlap-hours", "1").stderr
    keys("rotate", number)
    assert "Old secret" not in keys("show", number)
    audit = appliance.control("GET", "/audit?limit=20")["audit"]
    mine = [entry for entry in audit if entry["target"] == number]
    assert [entry["action"] for entry in mine] == ["rotate", "rotate", "change", "create"]
    assert mine[-1]["reason"] == "a test" and mine[-1]["changes"]["allowed_models"] == [MODEL]
    # The audit is for ever; a holder's name goes with the key.
    assert mine[-1]["changes"]["renamed"] == ["description", "owner", "tags"]
    assert "Ada" not in json.dumps(audit) and "team:x" not in json.dumps(audit)
    for wrong in (["--tags", ","], ["--allowed-networks", "10.0.0.0/33"], ["--prompt-cache", "x"],
                  ["--day-budget-eur", "-1"], ["--budget-warning-percent", "101"]):
        keys("change", number, *wrong, code=2)


# Whatever clients send

def core_bytes(appliance):
    with open(f"/proc/{appliance.pids()['core']}/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS:"))


def test_unknown_secrets_leave_nothing_behind(appliance, key):
    def knock(lane):
        connection = appliance.https_connection()
        for number in range(1250):
            stranger = {"Authorization": f"Bearer pm_{lane}_{number}_" + "x" * (number % 500)}
            answer = appliance.ask("GET", "/v1/key", headers=stranger, connection=connection)
            assert answer.status == 401
        connection.close()

    keys = len(appliance.control("GET", "/keys")["keys"])
    knock("warm")
    before = core_bytes(appliance)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(knock, range(8)))
    assert core_bytes(appliance) - before < 4 << 20
    assert len(appliance.control("GET", "/keys")["keys"]) == keys
    assert own(appliance, key).status == 200


def test_terms_at_their_bounds(appliance):
    terms = {"owner": "o" * 128, "tags": ["é" * 63 + str(number % 10) for number in range(32)],
             "allowed_models": [MODEL] + [f"{number:0128}" for number in range(63)],
             "allowed_networks": ["127.0.0.0/8"] + [f"2001:db8:{n:x}::/48" for n in range(63)],
             "description": "d" * 256}
    key = appliance.create_key(**terms)
    entry = own(appliance, key).json
    assert len(entry["allowed_networks"]) == len(entry["allowed_models"]) == 64
    assert entry["tags"] == terms["tags"] and appliance.chat(key).status == 200
    for name, value in (("tags", terms["tags"] + ["x"]), ("tags", ["é" * 65]), ("owner", "o" * 129),
                        ("allowed_models", terms["allowed_models"] + ["x"]),
                        ("allowed_networks", terms["allowed_networks"] + ["::1"]),
                        ("allowed_networks", ["10.0.0.0/33"]), ("allowed_endpoints", ["all"]),
                        ("allowed_endpoints", ["chat"] * 12), ("day_budget_eur", "0.0000000001"),
                        ("day_budget_eur", 1e7), ("tokens_per_minute", 0), ("colour", "red")):
        with pytest.raises(AssertionError) as refusal:
            appliance.control("PATCH", f"/keys/{key.id}", {name: value})
        assert json.loads(refusal.value.args[0][1])["error"]["param"] == name
    unchanged = own(appliance, key).json
    assert {n: unchanged[n] for n in terms} == {n: entry[n] for n in terms}
