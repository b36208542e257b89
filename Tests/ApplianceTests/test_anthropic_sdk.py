"""The anthropic SDK on `/v1/messages`, with nothing changed but `base_url` and `api_key`."""
import re
import time
import uuid

import anthropic
import pytest

MODEL = "gpt-oss-120b"
HELLO = [{"role": "user", "content": "hello there my friend"}]


def make_client(appliance, secret, **options):
    http = anthropic.DefaultHttpxClient(verify=appliance.tls())
    return anthropic.Anthropic(
        base_url=appliance.url, api_key=secret, http_client=http,
        **{"max_retries": 0, "timeout": 20, **options})


@pytest.fixture
def client(appliance, vendor, key):
    with make_client(appliance, key.secret) as client:
        yield client


def create(client, **fields):
    return client.messages.create(**{
        "model": MODEL, "max_tokens": 100, "messages": HELLO, **fields})


def test_message(client, appliance, key):
    message = create(client, system="be brief")
    assert message.content[0].text == "Echo: hello there my friend"
    row = appliance.row(key)
    assert row["endpoint"] == "messages"
    assert (row["prompt_tokens"], row["completion_tokens"]) == (
        message.usage.input_tokens, message.usage.output_tokens) != (0, 0)
    assert message._request_id == row["request_id"] == str(uuid.UUID(row["request_id"]))


def test_key_goes_as_x_api_key_or_bearer(appliance, vendor, key):
    http = anthropic.DefaultHttpxClient(verify=appliance.tls())
    with anthropic.Anthropic(
            base_url=appliance.url, auth_token=key.secret, http_client=http) as client:
        assert create(client).content[0].text


def test_stream(client, appliance, key):
    with client.messages.stream(model=MODEL, max_tokens=100, messages=HELLO) as stream:
        texts = list(stream.text_stream)
        message = stream.get_final_message()
    assert texts == ["Echo:", " hello", " there", " my", " friend"]
    row = appliance.row(key)
    assert (row["prompt_tokens"], row["completion_tokens"]) == (
        message.usage.input_tokens, message.usage.output_tokens) != (0, 0)
    assert row["usage_source"] == "upstream"


def test_tools(client):
    tools = [{"name": "weather", "input_schema": {"type": "object", "properties": {"city": {}}}}]
    message = create(
        client, tools=tools,
        messages=[{"role": "user", "content": 'call:weather {"city":"Rome"}'}])
    call = message.content[-1]
    assert (call.type, call.name, call.input) == ("tool_use", "weather", {"city": "Rome"})


def test_beta_names_pass_and_the_query_does_not(client, vendor):
    client.beta.messages.create(
        model=MODEL, max_tokens=100, messages=HELLO, betas=["some-beta-2026-01-01"])
    record = vendor.records()[-1]
    names = {name.lower(): value for name, value in record["headers"]}
    assert record["query"] == ""
    assert names["anthropic-beta"] == "some-beta-2026-01-01"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", names["anthropic-version"])


def envelope(error):
    assert error.body["type"] == "error"
    assert error.body["request_id"] == error.response.headers["request-id"]
    return error.body["error"]["type"]


def test_wrong_key(appliance, vendor):
    with make_client(appliance, "pm_0000000000000000_wrong") as client:
        with pytest.raises(anthropic.AuthenticationError) as caught:
            create(client)
    assert envelope(caught.value) == "authentication_error"
    assert vendor.records() == []


def test_bad_request(client):
    with pytest.raises(anthropic.BadRequestError) as caught:
        create(client, model="")
    assert envelope(caught.value) == "invalid_request_error"


def test_unknown_model(client, vendor):
    vendor.rule(status=404, encrypted=True, message="no such model", code=404)
    with pytest.raises(anthropic.NotFoundError) as caught:
        create(client)
    assert envelope(caught.value) == "not_found_error"


def test_limit_of_the_vendor(client, vendor):
    vendor.rule(times=1, status=429, encrypted=False, headers={"Retry-After": "1"})
    with pytest.raises(anthropic.RateLimitError) as caught:
        create(client)
    assert envelope(caught.value) == "rate_limit_error"
    time.sleep(1)


@pytest.mark.parametrize("fault, status, kind", [
    ({"secret_error": True}, 503, "overloaded_error"),
    ({"status": 401, "encrypted": False}, 503, "api_error"),
    ({"truncated_json": True}, 502, "api_error"),
    ({"status": 504, "encrypted": False}, 504, "timeout_error"),
])
def test_faults_of_the_vendor(client, vendor, fault, status, kind):
    vendor.rule(**fault)
    with pytest.raises(anthropic.InternalServerError) as caught:
        create(client)
    assert (caught.value.status_code, envelope(caught.value)) == (status, kind)


def test_count_tokens_is_not_offered(appliance, vendor, key):
    with make_client(appliance, key.secret, max_retries=2) as client:
        with pytest.raises(anthropic.InternalServerError) as caught:
            client.messages.count_tokens(model=MODEL, messages=HELLO)
    assert caught.value.status_code == 501
    assert envelope(caught.value) == "invalid_request_error"
    assert caught.value.response.headers["x-should-retry"] == "false"


def test_stream_that_breaks_raises(client, vendor):
    vendor.rule(abort_after_chunks=2)
    with pytest.raises(anthropic.APIError):
        with client.messages.stream(model=MODEL, max_tokens=100, messages=HELLO) as stream:
            list(stream.text_stream)
