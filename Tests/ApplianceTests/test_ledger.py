"""The ledger as a stranger reads it: exports that are the rows, and the chains recomputed from the
file with nothing of ours."""
import csv
import hashlib
import io
import json
import sqlite3
import uuid
from contextlib import closing

import pytest

REQUESTS = 12


@pytest.fixture(scope="module", autouse=True)
def requests(appliance):
    """Two keys, chat and embeddings, and changes with reasons that are not ASCII."""
    keys = [appliance.create_key(description=name, reason="für n8n \"1\"") for name in ("a", "b")]
    for number in range(REQUESTS):
        assert appliance.chat(keys[number % 2]).status == 200
    body = {"model": "qwen3-embedding-4b", "input": ["one"]}
    assert appliance.ask("POST", "/v1/embeddings", body, keys[0]).status == 200


def rows_of_file(appliance, table):
    path = f"file:{appliance.state}/ledger.sqlite?mode=ro"
    with closing(sqlite3.connect(path, uri=True)) as base:
        base.row_factory = sqlite3.Row
        return [dict(row) for row in base.execute(f"SELECT * FROM {table}")]


def text(row):
    """The text of a row as Ledger/README.md says."""
    values = {
        name: value if not isinstance(value, bytes)
        else str(uuid.UUID(bytes=value)) if name == "id" else value.hex()
        for name, value in row.items() if name != "head"}
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def test_chains_recomputed_from_the_file(appliance):
    found = appliance.control("GET", "/ledger/verify")
    assert found["is_sound"]
    settings = {row["name"]: row["value"] for row in rows_of_file(appliance, "setting")}
    origin = settings["ledger_id"]
    assert origin.hex() == found["id"]
    for table, member in (("ended", "ledger"), ("audit", "audit")):
        head, rows = origin, rows_of_file(appliance, table)
        for row in rows:
            head = hashlib.sha256(head + text(row)).digest()
            assert row.get("head", head) == head
        assert len(rows) == found[member]["rows"] >= 2
        assert head.hex() == found[member]["head"]
    kept = found["ledger"]
    assert appliance.chat(appliance.create_key()).status == 200
    later = appliance.control("GET", f"/ledger/verify?row={kept['rows']}&head={kept['head']}")
    assert later["is_sound"] and later["ledger"]["rows"] > kept["rows"]
    wrong = appliance.control("GET", f"/ledger/verify?row={kept['rows']}&head={'0' * 64}")
    assert not wrong["is_sound"] and wrong["ledger"]["fault"]["last"] == kept["rows"]


@pytest.mark.parametrize("by", ["day", "key", "model", "key,model,endpoint"])
def test_exports_are_the_rows(appliance, by):
    rows = appliance.control("GET", "/usage/rows?period=all")["rows"]
    cost = sum(row["cost_nano_euro"] for row in rows)
    tokens = sum(row["completion_tokens"] for row in rows)
    assert len(rows) > REQUESTS and cost > 0
    written = appliance.pmctl("usage", "--by", by, "--period", "all", "--format", "csv").stdout
    lines = list(csv.DictReader(io.StringIO(written)))
    assert sum(int(line["cost_nano_euro"]) for line in lines) == cost
    assert sum(int(line["requests"]) for line in lines) == len(rows)
    export = appliance.pmctl_json("usage", "--by", by, "--period", "all")
    assert export["total"]["cost_nano_euro"] == cost
    assert export["total"]["completion_tokens"] == tokens
    assert len(export["rows"]) == len(lines)
    shown = appliance.pmctl("usage", "--by", by, "--period", "all").stdout
    assert shown.splitlines()[-1].startswith("total") and export["total"]["cost_eur"] in shown


def test_export_of_a_span_of_time(appliance):
    past = appliance.pmctl_json(
        "usage", "--by", "day", "--start", "2020-01-01", "--end", "2020-02-01T12:00:00Z")
    assert past["rows"] == [] and past["total"]["requests"] == 0
    assert appliance.pmctl("usage", "--by", "hour").returncode == 2


def test_audit_shows_what_was_before_and_after(appliance):
    made = appliance.control("POST", "/keys", {"reason": "new"})
    appliance.control("PATCH", f"/keys/{made['key_id']}", {"rate_limit": 7})
    later, earlier = appliance.control("GET", "/audit?limit=2")["audit"]
    assert earlier["before"] is None and later["before"] == earlier["after"] != later["after"]
    appliance.control("PATCH", f"/keys/{made['key_id']}", {"description": "Ann"})
    named, = appliance.control("GET", "/audit?limit=1")["audit"]
    # What names a holder leaves no trace that outlives it, not even a digest.
    assert named["before"] == named["after"]
