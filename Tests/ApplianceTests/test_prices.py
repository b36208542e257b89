"""Prices and models: what is charged by which row, what nobody has priced, what the vendor offers."""
import contextlib
import json

import pytest

from appliance import UnixConnection
from vendor_process import Answer, Control, wait_for

CHAT, OTHER, UNPRICED = "gpt-oss-120b", "glm-5.3", "a-model-without-a-price"


@pytest.fixture(scope="module")
def settings():
    models = [CHAT, OTHER, {"id": UNPRICED, "tasks": ["generate"]}]
    return {"scenario": {"models": models}}


def price(appliance, model=CHAT, **members):
    return appliance.control("POST", "/prices", {"model": model, "source": "tests", **members})


def refusal(appliance, body):
    """What core says to a price that it does not take."""
    path = str(appliance.runtime / "core-control.sock")
    with contextlib.closing(UnixConnection(path)) as connection:
        connection.request("POST", "/prices", json.dumps(body))
        answer = Answer(connection.getresponse())
    assert answer.status == 422
    return answer.json["error"]


def cost_of_one(appliance, key, model=CHAT):
    assert appliance.chat(key, model=model).status == 200
    return appliance.rows(key)[-1]


# Prices

def test_a_price_never_changes_what_was_charged(appliance, vendor, key):
    price(appliance, input=1_000_000, output=1_000_000)
    before = cost_of_one(appliance, key)
    listed = appliance.control("GET", "/prices")
    table = listed["table"]
    assert before["price_table"] == table and before["cost_nano_euro"] > 0
    assert before["price_table_sha256"] == listed["digest"]
    # From the past on, and so in force before the request that was charged.
    price(appliance, valid_from="2020-01-01", input=9_000_000, output=9_000_000)
    price(appliance, input=2_000_000, output=2_000_000)
    after = cost_of_one(appliance, key)
    kept, _ = appliance.rows(key)
    assert kept == before
    assert after["cost_nano_euro"] == 2 * before["cost_nano_euro"]
    assert after["price"] > before["price"] and after["price_table"] == table + 2
    assert appliance.usage(key_id=key.id)["total_cost_nano_euro"] == 3 * before["cost_nano_euro"]


def test_a_price_to_come_is_not_charged_yet(appliance, vendor, key):
    now = cost_of_one(appliance, key)
    entry = price(appliance, valid_from="9000-01-01", input=1, output=1)
    assert not entry["in_force"]
    assert cost_of_one(appliance, key)["price"] == now["price"]


def test_a_wrong_price_names_its_member(appliance):
    for member, body in (("input", {"model": "m"}), ("model", {"input": 1}),
                         ("model", {"model": "openai/gpt-oss-120b", "input": 1}),
                         ("per_mb", {"model": "m", "input": 1, "per_minute": 1, "per_mb": 1}),
                         ("valid_to", {"model": "m", "input": 1, "valid_to": "2020-01-01"})):
        error = refusal(appliance, body)
        assert error["param"] == member and error["message"].startswith(member)


def test_pmctl_prices(appliance):
    added = appliance.pmctl("prices", "add", "m-1", "--input", "0.43", "--output=1.7",
                            "--from", "2026-01-01", "--source", "us", "--reason", "test")
    assert added.returncode == 0 and "in force now" in added.stdout
    listed = appliance.pmctl("prices", "list").stdout
    assert [line for line in listed.split("\n") if line.startswith("m-1 ")][0].split()[:5] == [
        "m-1", "2026-01-01T00:00:00Z", "0.43", "1.70", "-"]
    history = appliance.pmctl_json("prices", "history", "m-1")
    assert history["table"] == appliance.control("GET", "/prices")["table"]
    assert len(history["digest"]) == 64
    assert "gpt-oss" not in appliance.pmctl("prices", "history", "m-1").stdout
    refused = appliance.pmctl("prices", "add", "m-1", "--output", "1")
    assert refused.returncode == 1 and "input" in refused.stderr
    entry = appliance.control("GET", "/audit?limit=1")["audit"][0]
    assert (entry["action"], entry["target"], entry["reason"]) == ("price", "m-1", "test")


# Models

def alarms(appliance, is_open=True):
    """Kinds and models, the oldest first."""
    listed = appliance.control("GET", "/alarms")["alarms"]
    return [(alarm["kind"], alarm.get("model")) for alarm in reversed(listed)
            if not is_open or alarm["acknowledged_at"] is None and alarm["ended_at"] is None]


def offer(vendor, *models):
    """From now on the vendor lists these."""
    vendor.control("clear")
    data = [{"id": model, "object": "model"} for model in models]
    Control.rule(vendor, match={"path": "/v1/models"}, status=200,
                 body=json.dumps({"object": "list", "data": data}))


def look_again(appliance, vendor):
    """Core asks for the list when it starts."""
    vendor.control("forget")
    assert appliance.pmctl("restart", "core").returncode == 0
    wait_for(lambda: any(record["end_us"] for record in Control.records(vendor, path="/v1/models")))
    appliance.wait_serving()


def test_models_that_come_and_go(appliance, vendor):
    unpriced = ("model_unpriced", UNPRICED)
    wait_for(lambda: unpriced in alarms(appliance))
    assert alarms(appliance) == [unpriced], "the first list is no news but for its prices"
    offer(vendor, CHAT, UNPRICED, "brand-new")
    look_again(appliance, vendor)
    news = [("model_appeared", "brand-new"), ("model_unpriced", "brand-new"),
            ("model_gone", OTHER)]
    wait_for(lambda: alarms(appliance) == [unpriced] + news)
    # A vendor that does not answer, or says nothing, has taken nothing away.
    for fault in ({"status": 500, "encrypted": False}, {"status": 200, "body": '{"data":[]}'}):
        vendor.control("clear")
        Control.rule(vendor, match={"path": "/v1/models"}, **fault)
        look_again(appliance, vendor)
        assert alarms(appliance) == [unpriced] + news
    # What somebody has seen, and what has its price now, is past.
    listed = appliance.pmctl("alarms", "list").stdout
    assert "brand-new" in listed and "model_gone" in listed
    number = next(alarm["row"] for alarm in appliance.control("GET", "/alarms")["alarms"]
                  if alarm["kind"] == "model_gone")
    assert appliance.pmctl("alarms", "acknowledge", str(number)).returncode == 0
    price(appliance, "brand-new", input=1, output=1)
    assert alarms(appliance) == [unpriced, news[0]]
    offer(vendor, CHAT, OTHER, UNPRICED)
    look_again(appliance, vendor)
    wait_for(lambda: ("model_gone", "brand-new") in alarms(appliance))
    assert ("model_appeared", OTHER) in alarms(appliance)
    assert appliance.pmctl("alarms", "acknowledge", "999").returncode == 1
    assert "alarm-raised" in appliance.text()


def test_an_unpriced_model_is_recorded_and_told(appliance, vendor, key):
    row = cost_of_one(appliance, key, UNPRICED)
    assert row["cost_nano_euro"] is None and "unpriced" in row["flags"].split()
    assert row["price"] == 0 and row["completion_tokens"] > 0
    assert ("model_unpriced", UNPRICED) in alarms(appliance)
    # A name that only a client has uttered is not repeated.
    assert appliance.chat(key, model="my-secret-name").status == 404
    assert "my-secret-name" not in json.dumps(appliance.control("GET", "/alarms"))


@pytest.fixture
def refusing(appliance):
    appliance.control("PUT", "/settings", {"refuse_unpriced": True})
    yield
    appliance.control("PUT", "/settings", {"refuse_unpriced": None})


def check_not_priced(appliance, vendor, key):
    for path, kind in (("/v1/chat/completions", "permission_error"), ("/v1/messages", None)):
        body = {"model": UNPRICED, "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
        refused = appliance.ask("POST", path, body, key)
        error = refused.json["error"]
        assert refused.status == 403 and error["type"] == "permission_error"
        assert kind is None or error["code"] == "model_not_priced"
    assert vendor.runs() == 0 and appliance.rows(key) == []


def test_a_setting_refuses_what_has_no_price(appliance, vendor, key, refusing):
    check_not_priced(appliance, vendor, key)
    assert appliance.chat(key, model=CHAT).status == 200


def test_a_budget_refuses_what_has_no_price(appliance, vendor):
    check_not_priced(appliance, vendor, appliance.create_key(day_budget_eur="1"))


def test_a_budget_that_is_spent_is_told(appliance, vendor):
    price(appliance, input=1_000_000_000, output=1_000_000_000)
    key = appliance.create_key(day_budget_eur="0.30")
    said = [appliance.chat(key, "hello " * 10, max_tokens=100).status for _ in range(6)]
    assert said[0] == 200 and said[-1] == 429
    mine = [alarm for alarm in appliance.control("GET", "/alarms")["alarms"]
            if alarm.get("key_id") == key.id]
    kinds = [alarm["kind"] for alarm in mine]
    assert "budget_spent" in kinds and len(set(kinds)) == len(kinds), "each is told once"
    assert all(len(alarm["period"]) == len("2026-11-22") for alarm in mine)
