"""Receipts, checked with nothing of ours (receipt_check.py) and by `pmctl receipt verify`."""
import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import receipt_check
from appliance import chat_body, program
from emulated import EmulatedAppliance, needs_emulation
from samples import FORM_TYPE, WAV, form
from streaming import Stream
from test_metering import AUDIO, CHAT, EMBEDDING, ENDPOINTS, PRICES, UNPRICED
from vendor_process import wait_for

FREE = "whisper-free"
CHECKS = ["form", "signature", "row", "link", "price", "evidence", "key", "heads", "vendor"]


@pytest.fixture(scope="module")
def settings():
    models = [CHAT, EMBEDDING, AUDIO, {"id": UNPRICED, "tasks": ["generate"]},
              {"id": FREE, "tasks": ["transcribe"]}]
    return {"scenario": {"models": models}}


@pytest.fixture(scope="module", autouse=True)
def prices(appliance):
    for model, row in [*PRICES.items(), (FREE, {"per_minute": 0})]:
        appliance.control("POST", "/prices", {"model": model, "source": "tests", **row})


def fetch(appliance, key, number, connection=None):
    return appliance.ask("GET", f"/v1/receipts/{number}", key=key, connection=connection)


def receipt_of(appliance, key, answer, request=None, response=None, connection=None):
    """The checked receipt of an answer, with what the script makes of the two bodies."""
    got = fetch(appliance, key, answer.headers["x-request-id"], connection)
    assert got.status == 200, got.body
    assert got.headers["cache-control"] == "no-store"
    receipt = receipt_check.check(got.body, request=request, response=response)
    assert receipt["key_id"] == key.id
    return receipt


def post(appliance, key, path, body, headers=None):
    """The answer, and the receipt with both bodies checked."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = appliance.ask("POST", path, data, key, headers)
    return answer, receipt_of(appliance, key, answer, data, answer.body)


def verify(path, *words, binary=None):
    run = subprocess.run([binary or program("pmctl"), "receipt", "verify", path, *words, "--json"],
                         capture_output=True, text=True, timeout=60)
    return run.returncode, json.loads(run.stdout) if run.stdout else run.stderr


def kill(appliance, service):
    pid = appliance.pids()[service]
    os.kill(pid, signal.SIGKILL)
    return pid


# What a receipt says

@pytest.mark.parametrize("name", ENDPOINTS)
def test_a_receipt_says_what_the_ledger_says(appliance, vendor, key, name):
    path, body = ENDPOINTS[name]
    answer, receipt = post(appliance, key, path, body)
    row = appliance.row(key)
    assert answer.status == receipt["status"] == 200
    assert receipt["request_id"] == row["request_id"] and receipt["state"] == "settled"
    assert receipt["route"] == row["endpoint"] and receipt["model"] == row["model"]
    assert receipt["cost_nano_euro"] == row["cost_nano_euro"] > 0
    assert receipt["usage"]["output_tokens"] == row["completion_tokens"]
    assert receipt["usage"]["source"] == "upstream" and receipt["usage"]["flags"] == []
    assert receipt["price"]["standing"] == "operator"
    assert receipt["price_table_sha256"] == appliance.control("GET", "/prices")["digest"]
    assert receipt["vendor_sha256"] is None


def test_bodies_in_pieces_have_the_digest_of_the_whole(appliance, vendor, key):
    """A long upload goes on while it comes, and a long answer too."""
    audio = form(("model", AUDIO), ("file", "talk.wav", WAV * 5))
    answer, receipt = post(appliance, key, "/v1/audio/transcriptions", audio, FORM_TYPE)
    assert receipt["usage"]["audio_bytes"] == len(audio) and receipt["cost_nano_euro"] > 0
    vendor.rule(big_response=1 << 20)
    for stream in (False, True):
        answer, _ = post(appliance, key, "/v1/chat/completions", chat_body("x" * 300_000, stream=stream))
        assert len(answer.body) > 1 << 20


def test_a_chunked_request_is_hashed_without_its_coding(appliance, vendor, key):
    body = json.dumps(chat_body()).encode()
    with appliance.connect() as connection:
        connection.sendall((
            "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Authorization: Bearer {key.secret}\r\nTransfer-Encoding: chunked\r\n\r\n").encode())
        for at in range(0, len(body), 7):
            piece = body[at:at + 7]
            connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        connection.sendall(b"0\r\n\r\n")
        connection.makefile("rb").readline()
        wait_for(lambda: appliance.rows(key) and appliance.rows(key)[-1]["state"] == "settled")
    got = fetch(appliance, key, appliance.row(key)["request_id"])
    receipt_check.check(got.body, request=body)


def test_equal_requests_have_digests_of_their_own(appliance, vendor, key):
    receipts = [post(appliance, key, *ENDPOINTS["chat"])[1] for _ in range(2)]
    assert receipts[0]["salt"] != receipts[1]["salt"]
    assert receipts[0]["request_sha256"] != receipts[1]["request_sha256"]


def test_free_unpriced_and_failed(appliance, vendor, key):
    audio = form(("model", FREE), ("file", "talk.wav", WAV))
    _, free = post(appliance, key, "/v1/audio/transcriptions", audio, FORM_TYPE)
    assert free["cost_nano_euro"] == 0 and free["usage"]["audio_milliseconds"] == 3000
    _, unpriced = post(appliance, key, "/v1/chat/completions", chat_body(model=UNPRICED))
    assert unpriced["cost_nano_euro"] is None and unpriced["price"] is None
    assert unpriced["usage"]["flags"] == ["unpriced"]
    vendor.rule(status=500, body='{"message":"no"}')
    answer, failed = post(appliance, key, *ENDPOINTS["chat"])
    assert failed["status"] == answer.status == 502
    assert failed["cost_nano_euro"] == 0 and "failed" in failed["usage"]["flags"]


def test_broken_stream(appliance, vendor, key):
    vendor.rule(text="one two three four five six", abort_after_chunks=3)
    answer, receipt = post(appliance, key, *ENDPOINTS["chat stream"])
    assert answer.is_cut and receipt["usage"]["flags"] == ["partial"]
    assert receipt["cost_nano_euro"] > 0 and receipt["status"] == 502


def test_stream_that_was_cut_at_the_budget(appliance, vendor):
    """The vendor does not keep to the cap it was given: it is cut off, and paid up to the cap."""
    key = appliance.create_key(day_budget_eur="0.0005")
    chunk = {"choices": [{"index": 0, "delta": {"content": "too much"}}],
             "usage": {"prompt_tokens": 3, "completion_tokens": 9000}}
    vendor.rule(status=200, headers={"Content-Type": "text/event-stream"},
                body=f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n")
    answer, receipt = post(appliance, key, *ENDPOINTS["chat stream"])
    assert answer.is_cut and answer.events[-1]["error"]["code"] == "insufficient_quota"
    assert "cut" in receipt["usage"]["flags"]
    assert receipt["cost_nano_euro"] == receipt["ledger"]["row"]["reserved_nano_euro"] <= 500_000


def test_client_that_left(appliance, vendor, key):
    vendor.rule(chunks=1000, chunk_ms=20)
    with Stream(appliance, *ENDPOINTS["chat stream"], key) as stream:
        next(stream.events())
    appliance.settled_row(key)
    receipt = receipt_of(appliance, key, stream)
    assert set(receipt["usage"]["flags"]) >= {"partial", "client_gone"} and receipt["status"] == 499


# Who gets one

def test_under_way_there_is_none_yet(appliance, vendor, key):
    vendor.rule(chunks=1000, chunk_ms=20)
    other = appliance.create_key()
    with Stream(appliance, *ENDPOINTS["chat stream"], key) as stream:
        next(stream.events())
        number = stream.headers["x-request-id"]
        early = fetch(appliance, key, number)
        assert early.status == 409 and early.json["error"]["code"] == "receipt_not_ready"
        assert early.headers["retry-after"] == "1"
        assert fetch(appliance, other, number).status == 404
    appliance.settled_row(key)
    assert fetch(appliance, key, number).status == 200
    assert fetch(appliance, other, number).json["error"]["code"] == "receipt_not_found"


@pytest.mark.parametrize("number, status, code", [
    ("", 404, "unknown_url"), ("x", 400, "invalid_request_id"), ("a/b", 400, "invalid_request_id"),
    ("0190A5D2-7C3E-7ABC-8DEF-0123456789AB", 400, "invalid_request_id"),
    (str(uuid.uuid4()), 400, "invalid_request_id"),
    ("0190a5d2-7c3e-7abc-8def-0123456789ab", 404, "receipt_not_found")])
def test_ids_that_name_nothing(appliance, key, number, status, code):
    answer = fetch(appliance, key, number)
    assert (answer.status, answer.json["error"]["code"]) == (status, code)


def test_without_a_key_nobody_learns_anything(appliance, vendor, key):
    number = appliance.chat(key).headers["x-request-id"]
    assert appliance.ask("GET", f"/v1/receipts/{number}").status == 401
    assert appliance.ask("POST", f"/v1/receipts/{number}", {}, key).status == 405
    head = appliance.ask("HEAD", f"/v1/receipts/{number}", key=key)
    assert head.status == 200 and head.body == b""


def test_what_has_no_row_has_no_receipt(appliance, vendor, key):
    for answer in (appliance.ask("GET", "/v1/models", key=key), appliance.chat(key, model="a b")):
        assert fetch(appliance, key, answer.headers["x-request-id"]).status == 404


# The chain

def test_receipts_of_a_crowd_are_links_of_one_chain(appliance, vendor):
    """Over the end of a span of 1024 rows, asked for while others are written."""
    key = appliance.create_key()

    def work(_):
        with contextlib.closing(appliance.https_connection()) as connection:
            return [receipt_of(appliance, key, appliance.chat(key, connection=connection),
                               connection=connection) for _ in range(140)]

    with ThreadPoolExecutor(8) as pool:
        receipts = sorted(sum(pool.map(work, range(8)), []), key=lambda r: r["ledger"]["index"])
    for first, second in zip(receipts, receipts[1:]):
        assert first["ledger"]["index"] + 1 == second["ledger"]["index"]
        assert first["ledger"]["head"] == second["ledger"]["previous_head"]
    old = fetch(appliance, key, receipts[0]["request_id"]).json["receipt"]
    assert old == receipts[0]


def test_crash_and_restart(appliance, vendor, key):
    """A killed core charges the reservation, forgets what contents were, and keeps its key."""
    before = fetch(appliance, key, appliance.chat(key).headers["x-request-id"])
    vendor.rule(chunks=500, chunk_ms=20)
    with Stream(appliance, *ENDPOINTS["chat stream"], key) as stream:
        next(stream.events())
        old = kill(appliance, "core")
    wait_for(lambda: appliance.pids().get("core", old) != old)
    appliance.wait_serving()
    unsettled = receipt_of(appliance, key, stream)
    assert unsettled["state"] == "unsettled" and unsettled["usage"]["source"] == "reservation"
    assert unsettled["cost_nano_euro"] == unsettled["ledger"]["row"]["reserved_nano_euro"] > 0
    assert unsettled["request_sha256"] is unsettled["response_sha256"] is unsettled["salt"] is None
    again = fetch(appliance, key, before.json["receipt"]["request_id"])
    forgotten = {"request_sha256": None, "response_sha256": None, "salt": None}
    assert again.json["receipt"] == {**before.json["receipt"], **forgotten}
    assert again.json["public_key"] == before.json["public_key"]
    receipt_check.check(again.body, key=before.json["public_key"])


def test_released(appliance, vendor, key):
    """The vendor is away: nothing was sent, and the receipt says so."""
    kill(appliance, "vendor")
    answers = [appliance.chat(key) for _ in range(20)]
    appliance.wait_serving()
    numbers = {row["request_id"] for row in appliance.rows(key) if row["state"] == "released"}
    released = [a for a in answers if a.headers["x-request-id"] in numbers]
    assert released, "no request met a vendor that was away"
    receipt = receipt_of(appliance, key, released[0], response=released[0].body)
    assert receipt["state"] == "released" and receipt["cost_nano_euro"] == 0
    assert receipt["usage"]["flags"] == ["not_sent"]


def test_the_ledger_holds_what_a_receipt_says(appliance, vendor, key, tmp_path):
    got = fetch(appliance, key, appliance.chat(key).headers["x-request-id"])
    path = tmp_path / "receipt.json"
    path.write_bytes(got.body)
    for words in ([], ["--receipt", str(path)]):
        done = appliance.pmctl("ledger", "verify", *words)
        assert done.returncode == 0 and "The ledger is sound." in done.stdout, done
    other = json.loads(got.body)
    other["receipt"]["ledger"]["head"] = "00" * 32
    path.write_bytes(receipt_check.canonical(other))
    done = appliance.pmctl("ledger", "verify", "--receipt", str(path))
    assert done.returncode == 1 and "NOT sound" in done.stdout
    path.write_bytes(b"{}")
    assert appliance.pmctl("ledger", "verify", "--receipt", str(path)).returncode == 2


# Forgery

@pytest.fixture(scope="module")
def genuine(appliance):
    key = appliance.create_key()
    return fetch(appliance, key, appliance.chat(key).headers["x-request-id"]).body


def script_refuses(text):
    with pytest.raises((SystemExit, ValueError, KeyError, TypeError)):
        receipt_check.check(text)


def test_pmctl_says_what_is_not_proven(genuine, tmp_path):
    path = tmp_path / "receipt.json"
    path.write_bytes(genuine + b"\n")
    code, report = verify(path)
    states = {check["name"]: check["state"] for check in report["checks"]}
    assert list(states) == CHECKS
    assert (code, report["verdict"]) == (1, "not-proven")
    assert set(list(states.values())[:5]) == {"PASS"} and set(list(states.values())[5:]) == {"NOT PROVEN"}
    assert verify(path, "--at", "2026-01-01")[0] == 3
    assert verify(tmp_path / "none")[0] == 3
    assert verify(path, "--evidence", str(tmp_path / "none"))[0] == 3


def test_every_changed_byte_is_refused(genuine):
    for at in range(len(genuine)):
        for bit in (1, 0x20):
            script_refuses(genuine[:at] + bytes([genuine[at] ^ bit]) + genuine[at + 1:])


def test_pmctl_refuses_changed_bytes(genuine, tmp_path):
    path = tmp_path / "receipt.json"
    for at in range(0, len(genuine), 29):
        path.write_bytes(genuine[:at] + bytes([genuine[at] ^ 1]) + genuine[at + 1:])
        code, report = verify(path)
        assert (code, report["verdict"]) == (1, "rejected"), at


def edit(*names, value):
    def change(receipt):
        for name in names[:-1]:
            receipt = receipt[name]
        receipt[names[-1]] = value
    return change


@pytest.mark.parametrize("change, check", [
    (edit("ledger", "row", "cost_nano_euro", value=1), "row"),
    (edit("ledger", "row", "output_tokens", value=1), "row"),
    (edit("cost_nano_euro", value=0), "row"),
    (edit("usage", "flags", value=["partial"]), "row"),
    (edit("route", value="messages"), "row"),
    (edit("time", value="2020-01-01T00:00:00Z"), "row"),
    (edit("state", value="released"), "row"),
    (edit("ledger", "row", "flags", value=1 << 40), "row"),
    (edit("ledger", "previous_head", value="00" * 32), "link"),
    (edit("ledger", "head", value="00" * 32), "link"),
    (edit("ledger", "head", value="0"), "link"),
    (edit("ledger", "index", value=7_000_000), "link"),
    (edit("ledger", "row", "key", value=99), "link"),
    (edit("price", "output", value=1), "price"),
    (edit("price", "price", value=1), "price"),
    (edit("price", value=None), "price"),
    (edit("version", value=2), "form")])
def test_a_forger_with_a_key_of_his_own_is_found_out(genuine, tmp_path, change, check):
    document = json.loads(genuine)
    change(document["receipt"])
    own = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    document["public_key"] = own.public_key().public_bytes_raw().hex()
    document["signature"] = own.sign(
        b"privatemode receipt 1\n" + receipt_check.canonical(document["receipt"])).hex()
    path = tmp_path / "receipt.json"
    path.write_bytes(receipt_check.canonical(document))
    code, report = verify(path)
    states = {found["name"]: found["state"] for found in report["checks"]}
    assert (code, report["verdict"], states[check]) == (1, "rejected", "FAIL")
    assert check == "form" or states["signature"] == "PASS"


# Settings

def test_contents_need_not_be_hashed(tmp_path):
    from appliance import Appliance
    with Appliance(tmp_path, receipts={"contentDigests": False}) as box:
        key = box.create_key()
        receipt = receipt_of(box, key, box.chat(key))
        assert receipt["request_sha256"] is receipt["response_sha256"] is receipt["salt"] is None
        assert receipt["cost_nano_euro"] >= 0
        key_file = box.state / "receipt.key"
        assert key_file.stat().st_mode & 0o777 == 0o600 and len(key_file.read_bytes()) == 32


# The machine's own word

@needs_emulation
def test_evidence_shows_whose_receipt_it_is(tmp_path):
    """The whole way: claims in evidence, a receipt, and both together."""
    with EmulatedAppliance() as box:
        key = box.create_key()
        got = fetch(box, key, box.chat(key).headers["x-request-id"])
        path = tmp_path / "receipt.json"
        path.write_bytes(got.body)
        early, late = tmp_path / "early", tmp_path / "late"
        assert box.verify("--save", str(early))[0] == 0
        # The next run of the gate names the end of the ledger as it is now.
        assert box.pmctl("gate").returncode == 0
        assert box.verify("--save", str(late))[0] == 0
        pmctl = box.bin / "pmctl"
        # When the gate ran first there was no ledger yet.
        for folder, heads in ((early, "NOT PROVEN"), (late, "PASS")):
            code, report = verify(path, "--evidence", str(folder), binary=pmctl)
            states = {check["name"]: check["state"] for check in report["checks"]}
            assert (code, report["verdict"]) == (0, "proven"), report
            assert states == {**dict.fromkeys(CHECKS, "PASS"), "heads": heads}
        claims = json.loads(base64.b64decode(json.loads((late / "evidence.json").read_text())["claims"]))
        receipt = receipt_check.check(got.body, key=claims["receipt_key"])
        assert claims["heads"]["ledger"] == {"rows": 1, "head": receipt["ledger"]["head"]}
        assert claims["heads"]["audit"]["rows"] >= 1
        assert receipt["vendor_sha256"] == claims["vendor"]["privatemode-proxy"]
        # AMD's own roots do not vouch for this machine; neither does another receipt's key.
        assert verify(path, "--evidence", str(late))[1]["verdict"] == "rejected"
        forged = json.loads(got.body)
        own = Ed25519PrivateKey.generate()
        forged["public_key"] = own.public_key().public_bytes_raw().hex()
        forged["signature"] = own.sign(
            b"privatemode receipt 1\n" + receipt_check.canonical(forged["receipt"])).hex()
        path.write_bytes(receipt_check.canonical(forged))
        code, report = verify(path, "--evidence", str(late), binary=pmctl)
        states = {check["name"]: check["state"] for check in report["checks"]}
        assert (code, report["verdict"], states["key"]) == (1, "rejected", "FAIL")


def test_the_script_runs_alone(genuine, tmp_path):
    path = tmp_path / "receipt.json"
    path.write_bytes(genuine)
    run = subprocess.run([sys.executable, receipt_check.__file__, path], capture_output=True,
                         text=True, timeout=60)
    assert run.returncode == 0 and "NOT PROVEN" in run.stdout
    run = subprocess.run([sys.executable, receipt_check.__file__, path, "00" * 32],
                         capture_output=True, text=True, timeout=60)
    assert run.returncode == 1 and "another key" in run.stderr
