"""The numbers for a monitor: read by the parser that monitors use, compared with the ledger's rows,
bounded whatever clients send, and without a word of theirs."""
import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client.parser import text_string_to_metric_families

from appliance import UnixConnection, chat_body
from samples import FORM_TYPE, WAV, form
from streaming import Stream
from vendor_process import Answer, wait_for

OWNER = "canary-owner"
LABELS = {"gen_ai_operation_name", "gen_ai_request_model", "gen_ai_token_type", "le", "route",
          "status_class", "error_code", "state", "service", "kind"}
MODELS_SHOWN_MAX = 16
MANY_MODELS = [f"model-{number}" for number in range(3 * MODELS_SHOWN_MAX)]


@pytest.fixture(scope="module")
def settings():
    models = [{"id": name, "tasks": ["generate"]} for name in MANY_MODELS]
    return {"scenario": {"models": ["gpt-oss-120b", "whisper-large-v3", *models]}}


def parse(text):
    """Every sample by name and labels; a sample that stands twice, or no family, is an error."""
    samples = {}
    for family in text_string_to_metric_families(text):
        assert family.type != "unknown" and family.documentation is not None
        for sample in family.samples:
            assert sample.name.startswith(("gen_ai_", "privatemode_")), sample
            assert set(sample.labels) <= LABELS, sample
            at = (sample.name, frozenset(sample.labels.items()))
            assert at not in samples, sample
            samples[at] = sample.value
    return samples


def read(appliance):
    with contextlib.closing(UnixConnection(str(appliance.runtime / "core-control.sock"))) as core:
        core.request("GET", "/metrics")
        answer = Answer(core.getresponse())
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return parse(answer.body.decode())


def value(samples, name, **labels):
    """The sum over all samples of a name that have these labels."""
    wanted = set(labels.items())
    return sum(v for (n, have), v in samples.items() if n == name and wanted <= have)


def grown(appliance, work):
    """How much each number has grown by some work."""
    before = read(appliance)
    work()
    after = read(appliance)
    return {at: v - before.get(at, 0) for at, v in after.items()}


@pytest.mark.parametrize("is_stream", [False, True])
def test_numbers_are_those_of_the_rows(appliance, vendor, is_stream):
    key = appliance.create_key(description=OWNER)

    def work():
        for _ in range(3):
            if is_stream:
                body = chat_body(stream=True)
                with Stream(appliance, "/v1/chat/completions", body, key) as stream:
                    assert list(stream.texts())
            else:
                assert appliance.chat(key).status == 200
        body = form(("model", "whisper-large-v3"), ("file", "a.wav", WAV))
        path = "/v1/audio/transcriptions"
        assert appliance.ask("POST", path, body, key, FORM_TYPE).status == 200
        assert len(appliance.rows(key)) == 4

    samples = grown(appliance, work)
    rows = [row for row in appliance.rows(key) if row["endpoint"] == "chat"]
    chat = {"gen_ai_operation_name": "chat", "gen_ai_request_model": "gpt-oss-120b"}

    def tokens(kind):
        return value(samples, "gen_ai_client_token_usage_sum", gen_ai_token_type=kind, **chat)

    assert tokens("input") == sum(row["prompt_tokens"] for row in rows)
    assert tokens("cached") == sum(row["cached_tokens"] for row in rows)
    assert tokens("output") == sum(row["completion_tokens"] for row in rows)
    assert value(samples, "privatemode_cost_nano_euro_total",
                 gen_ai_request_model="gpt-oss-120b") == sum(row["cost_nano_euro"] for row in rows)
    assert value(samples, "gen_ai_server_request_duration_seconds_count", **chat) == 3
    for name in ("time_to_first_token", "time_per_output_token"):
        count = value(samples, f"gen_ai_server_{name}_seconds_count", **chat)
        assert count == (3 if is_stream else 0)
    assert value(samples, "privatemode_audio_seconds_total") == 3
    assert value(samples, "privatemode_requests_total", route="chat", status_class="2xx") == 3
    assert value(samples, "privatemode_requests_total", route="transcriptions") == 1
    assert value(samples, "privatemode_ledger_commit_seconds_count") >= 8
    assert value(samples, "privatemode_reservations_open") == 0


def test_alarms_by_kind(appliance, vendor, key):
    """One of the models of this appliance is used without a price."""
    appliance.chat(key, model=MANY_MODELS[0])
    samples = read(appliance)
    unpriced = value(samples, "privatemode_alarms_open", kind="model_unpriced")
    open_now = [alarm for alarm in appliance.control("GET", "/alarms")["alarms"]
                if alarm["kind"] == "model_unpriced" and not alarm["acknowledged_at"]]
    assert unpriced == len(open_now) >= 1
    assert value(samples, "privatemode_alarms_open", kind="budget_spent") == 0


def test_queue_for_the_vendors_limits(appliance, vendor, key):
    """Thirty a minute: those beyond wait two seconds each, and are counted while they do."""
    appliance.control("PUT", "/settings", {"vendor_requests_per_minute": 30})
    try:
        with ThreadPoolExecutor(34) as pool:
            asked = [pool.submit(appliance.chat, key) for _ in range(34)]
            wait_for(lambda: value(read(appliance), "privatemode_vendor_queue") > 0)
        assert {future.result().status for future in asked} <= {200, 429}
    finally:
        appliance.control("PUT", "/settings", {"vendor_requests_per_minute": None})
    assert value(read(appliance), "privatemode_vendor_queue") == 0


def test_errors_by_route_and_code(appliance, vendor, key):
    def work():
        for _ in range(2):
            assert appliance.ask("POST", "/v1/embeddings", {"model": "m"}).status == 401
        assert appliance.ask("POST", "/v1/messages", b"{}", key).status == 400
        vendor.rule(status=500, body="no")
        assert appliance.chat(key).status == 502
        vendor.control("clear")
        vendor.rule(abort_after_chunks=2, text="one two three four")
        assert appliance.chat(key, stream=True).is_cut

    samples = grown(appliance, work)

    def count(route, code, status_class):
        return value(samples, "privatemode_requests_total", route=route, error_code=code,
                     status_class=status_class)

    assert count("embeddings", "invalid_api_key", "4xx") == 2
    assert count("messages", "model_required", "4xx") == 1
    assert count("chat", "vendor_error", "5xx") == 1
    assert value(samples, "privatemode_answers_broken_total", route="chat") == 1


def test_clients_add_no_lines(appliance, vendor, key):
    """Names of models, paths and keys that only clients uttered."""
    def ask(number):
        appliance.chat(key, model=f"canary-model-{number}")
        appliance.ask("GET", f"/v1/canary-path-{number}", key=key)
        appliance.ask("GET", "/v1/models", headers={"X-API-Key": f"canary-key-{number}"})

    ask(0)
    before = read(appliance)
    for number in range(1, 30):
        ask(number)
    after = read(appliance)
    assert set(after) == set(before)
    assert value(after, "gen_ai_server_request_duration_seconds_count",
                 gen_ai_request_model="unlisted") >= 30
    text = repr(after)
    assert "canary" not in text and key.id not in text and OWNER not in text


def test_models_of_the_vendor_are_bounded(appliance, vendor, key):
    """Lines for the first of them, one for all others."""
    for name in MANY_MODELS:
        assert appliance.chat(key, model=name).status == 200
    samples = read(appliance)
    shown = {dict(labels).get("gen_ai_request_model") for _, labels in samples} - {None}
    assert len(shown - {"other", "unlisted"}) == MODELS_SHOWN_MAX and "other" in shown
    assert value(samples, "gen_ai_server_request_duration_seconds_count") >= len(MANY_MODELS)


# The command

def test_command_prints_both(appliance, key):
    appliance.chat(key)
    samples = parse(appliance.pmctl("metrics").stdout)
    assert value(samples, "privatemode_service_state", service="core", state="ready") == 1
    assert value(samples, "privatemode_ledger_open") == 1
    assert value(samples, "privatemode_requests_total") >= 1


def test_command_without_core(appliance):
    assert appliance.pmctl("stop", "core").returncode == 0
    try:
        done = appliance.pmctl("metrics")
        assert done.returncode == 0 and done.stdout.endswith("# core does not answer\n")
        samples = parse(done.stdout)
        assert value(samples, "privatemode_service_state", service="core", state="ready") == 0
        assert value(samples, "privatemode_ledger_open") == 0
    finally:
        assert appliance.pmctl("start", "core").returncode == 0
        appliance.wait_ready()
