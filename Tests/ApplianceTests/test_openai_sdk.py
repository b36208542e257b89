"""The openai SDK with nothing changed but `base_url` and `api_key`."""
import asyncio
import time
import uuid

import openai
import pytest

from samples import WAV, WAV_SECONDS

CHAT = "gpt-oss-120b"
EMBEDDING = "qwen3-embedding-4b"
AUDIO = "whisper-large-v3"
HELLO = [{"role": "user", "content": "hello there my friend"}]
TOOLS = [{"type": "function", "function": {
    "name": "weather", "parameters": {"type": "object", "properties": {"city": {}}}}}]


class Sdk:
    """A client and the number of requests it has put on the wire."""

    def __init__(self, appliance, secret, **options):
        self.sent = 0
        self.http = openai.DefaultHttpxClient(
            verify=appliance.tls(), event_hooks={"request": [self.count]})
        self.client = openai.OpenAI(
            base_url=f"{appliance.url}/v1", api_key=secret, http_client=self.http,
            **{"max_retries": 0, "timeout": 20, **options})

    def count(self, _):
        self.sent += 1


@pytest.fixture
def sdk(appliance, vendor, key):
    sdk = Sdk(appliance, key.secret)
    yield sdk
    sdk.client.close()


@pytest.fixture
def retrying(appliance, vendor, key):
    """As the SDK comes: two retries."""
    sdk = Sdk(appliance, key.secret, max_retries=2)
    yield sdk
    sdk.client.close()


def chat(sdk, **fields):
    return sdk.client.chat.completions.create(**{"model": CHAT, "messages": HELLO, **fields})


# What works

def test_chat(sdk, appliance, key):
    answer = chat(sdk)
    assert answer.choices[0].message.content == "Echo: hello there my friend"
    assert answer.choices[0].finish_reason == "stop"
    row = appliance.row(key)
    assert (row["prompt_tokens"], row["completion_tokens"]) == (
        answer.usage.prompt_tokens, answer.usage.completion_tokens)
    assert row["request_id"] == answer._request_id == str(uuid.UUID(answer._request_id))


def test_chat_with_key_in_x_api_key(sdk, key):
    answer = chat(sdk, extra_headers={"Authorization": openai.omit, "X-API-Key": key.secret})
    assert answer.choices[0].message.content


def test_legacy_completion(sdk):
    assert sdk.client.completions.create(model=CHAT, prompt="two words").choices[0].text


def test_stream_hides_usage_that_was_not_asked_for(sdk, appliance, key):
    chunks = list(chat(sdk, stream=True))
    # The role, five words, the finish.
    assert len(chunks) == 7
    assert all(chunk.choices for chunk in chunks)
    assert all("usage" not in chunk.model_fields_set for chunk in chunks)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == "Echo: hello there my friend"
    assert appliance.row(key)["usage_source"] == "upstream"


def test_stream_shows_usage_that_was_asked_for(sdk, appliance, key):
    chunks = list(chat(sdk, stream=True, stream_options={"include_usage": True}))
    assert len(chunks) == 8
    assert chunks[-1].choices == []
    usage = chunks[-1].usage
    row = appliance.row(key)
    assert (row["prompt_tokens"], row["completion_tokens"]) == (
        usage.prompt_tokens, usage.completion_tokens) != (0, 0)


@pytest.mark.parametrize("asked", [False, True])
def test_usage_is_asked_of_a_vendor_that_gives_it_on_demand_only(sdk, vendor, appliance, key, asked):
    vendor.rule(usage="as_asked")
    options = {"stream_options": {"include_usage": True}} if asked else {}
    chunks = list(chat(sdk, stream=True, **options))
    assert len(chunks) == (8 if asked else 7)
    row = appliance.row(key)
    assert row["usage_source"] == "upstream" and row["completion_tokens"] == 7


def test_stream_of_completions(sdk):
    chunks = list(sdk.client.completions.create(model=CHAT, prompt="two words", stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == "Echo: two words"


def test_tool_call(sdk):
    answer = chat(
        sdk, tools=TOOLS, messages=[{"role": "user", "content": 'call:weather {"city":"Rome"}'}])
    call = answer.choices[0].message.tool_calls[0]
    assert answer.choices[0].finish_reason == "tool_calls"
    assert (call.function.name, call.function.arguments) == ("weather", '{"city":"Rome"}')


def test_tool_call_in_a_stream(sdk):
    messages = [{"role": "user", "content": 'call:weather {"city":"Rome"}'}]
    with sdk.client.chat.completions.stream(
            model=CHAT, tools=TOOLS, messages=messages) as stream:
        message = stream.get_final_completion().choices[0].message
    assert message.tool_calls[0].function.name == "weather"
    assert message.tool_calls[0].function.arguments == '{"city":"Rome"}'


def test_unknown_fields_pass(sdk, vendor):
    chat(sdk, extra_body={"chat_template_kwargs": {"enable_thinking": False}}, temperature=0.5)
    assert vendor.records()[-1]["status"] == 200


def test_embeddings_as_base64_and_as_floats_agree(sdk):
    texts = ["first", "second"]
    create = sdk.client.embeddings.create
    default = create(model=EMBEDDING, input=texts, dimensions=8)
    floats = create(model=EMBEDDING, input=texts, dimensions=8, encoding_format="float")
    for one, other in zip(default.data, floats.data, strict=True):
        assert one.index == other.index and len(one.embedding) == 8
        assert one.embedding == pytest.approx(other.embedding, abs=1e-3)


def test_embeddings_of_token_lists(sdk, appliance, key):
    answer = sdk.client.embeddings.create(model=EMBEDDING, input=[[1, 2, 3], [4, 5]])
    assert len(answer.data) == 2
    assert appliance.row(key)["prompt_tokens"] == 5


def test_transcription(sdk, appliance, key):
    answer = sdk.client.audio.transcriptions.create(model=AUDIO, file=("talk.wav", WAV))
    assert answer.text
    row = appliance.row(key)
    assert (row["endpoint"], row["audio_milliseconds"]) == ("transcriptions", WAV_SECONDS * 1000)


def test_verbose_transcription(sdk):
    answer = sdk.client.audio.transcriptions.create(
        model=AUDIO, file=("talk.wav", WAV), response_format="verbose_json", language="en")
    assert answer.text


@pytest.mark.parametrize("form", ["text", "srt", "vtt"])
def test_transcription_formats_that_the_vendor_cannot_give(sdk, vendor, form):
    with pytest.raises(openai.BadRequestError):
        sdk.client.audio.transcriptions.create(
            model=AUDIO, file=("talk.wav", WAV), response_format=form)
    assert vendor.runs() == 0


def test_models(sdk):
    ids = [model.id for model in sdk.client.models.list()]
    assert CHAT in ids and EMBEDDING in ids and AUDIO in ids
    assert sdk.client.models.retrieve(CHAT).id == CHAT


def test_every_answer_has_a_request_id_of_ours(sdk):
    raw = sdk.client.chat.completions.with_raw_response.create(
        model=CHAT, messages=HELLO, extra_headers={"X-Request-ID": "from-the-client"})
    assert str(uuid.UUID(raw.headers["x-request-id"])) == raw.headers["x-request-id"]
    assert int(raw.headers["x-ratelimit-remaining-requests"]) >= 0


def test_fifty_calls_at_once(appliance, vendor, key):
    async def ask_all():
        http = openai.DefaultAsyncHttpxClient(verify=appliance.tls())
        async with openai.AsyncOpenAI(
                base_url=f"{appliance.url}/v1", api_key=key.secret, http_client=http) as client:
            calls = [
                client.chat.completions.create(
                    model=CHAT, messages=[{"role": "user", "content": f"number {n}"}])
                for n in range(50)]
            return await asyncio.gather(*calls)

    texts = [answer.choices[0].message.content for answer in asyncio.run(ask_all())]
    assert texts == [f"Echo: number {n}" for n in range(50)]
    assert len(appliance.rows(key)) == 50


# Errors, as the SDK names them

def test_wrong_key(appliance, vendor):
    sdk = Sdk(appliance, "pm_0000000000000000_wrong")
    with pytest.raises(openai.AuthenticationError) as caught:
        chat(sdk)
    assert caught.value.code == "invalid_api_key"
    assert caught.value.request_id
    assert vendor.records() == []


def test_unknown_model_of_the_list(sdk):
    with pytest.raises(openai.NotFoundError) as caught:
        sdk.client.models.retrieve("no-such-model")
    assert caught.value.code == "model_not_found"


def test_unknown_model_of_the_vendor(sdk, vendor):
    vendor.rule(status=404, encrypted=True, message="no such model", code=404)
    with pytest.raises(openai.NotFoundError) as caught:
        chat(sdk)
    assert caught.value.code == "model_not_found"


def test_unknown_url(sdk):
    with pytest.raises(openai.NotFoundError) as caught:
        sdk.client.post("/no/such/thing", cast_to=object, body={})
    assert caught.value.code == "unknown_url"


def test_endpoint_that_is_not_offered_is_not_tried_again(retrying):
    with pytest.raises(openai.InternalServerError) as caught:
        retrying.client.responses.create(model=CHAT, input="hello")
    assert (caught.value.status_code, caught.value.code) == (501, "unsupported_endpoint")
    assert retrying.sent == 1


def test_bad_request_of_ours(sdk, vendor):
    with pytest.raises(openai.BadRequestError) as caught:
        chat(sdk, model="")
    assert caught.value.code == "model_required"
    assert vendor.records() == []


@pytest.mark.parametrize("status, kind", [
    (400, openai.BadRequestError), (422, openai.UnprocessableEntityError)])
def test_bad_request_of_the_model_server_keeps_its_words(sdk, vendor, status, kind):
    vendor.rule(status=status, encrypted=True, message="temperature must be below 2", code=status)
    with pytest.raises(kind) as caught:
        chat(sdk)
    assert "temperature must be below 2" in caught.value.message
    assert caught.value.type == "invalid_request_error"


def test_body_over_the_limit(sdk, vendor):
    with pytest.raises(openai.APIStatusError) as caught:
        chat(sdk, messages=[{"role": "user", "content": "x" * (17 << 20)}])
    assert (caught.value.status_code, caught.value.code) == (413, "request_too_large")
    assert vendor.records() == []


@pytest.mark.parametrize("fault, status, code", [
    ({"truncated_json": True}, 502, "vendor_response_truncated"),
    ({"html": 502}, 502, "vendor_bad_gateway"),
    ({"status": 504, "encrypted": False}, 504, "vendor_timeout"),
    ({"status": 500, "encrypted": True}, 502, "vendor_error"),
])
def test_faults_of_the_vendor(sdk, vendor, fault, status, code):
    vendor.rule(**fault)
    with pytest.raises(openai.InternalServerError) as caught:
        chat(sdk)
    assert (caught.value.status_code, caught.value.code) == (status, code)


def test_slow_vendor_and_hasty_client(sdk, vendor):
    vendor.rule(first_byte_ms=3000)
    with pytest.raises(openai.APITimeoutError):
        chat(sdk, timeout=0.3)


def test_stream_that_breaks_raises(sdk, vendor):
    vendor.rule(abort_after_chunks=2)
    texts = []
    with pytest.raises(openai.APIError) as caught:
        for chunk in chat(sdk, stream=True):
            texts.append(chunk.choices[0].delta.content or "")
    assert "".join(texts) == "Echo: hello"
    assert caught.value.code == "vendor_stream_truncated"


# Retries

def test_vendors_limit_is_waited_out(retrying, vendor):
    vendor.rule(times=1, status=429, encrypted=False, headers={"Retry-After": "1"})
    began = time.monotonic()
    assert chat(retrying).choices[0].message.content
    assert time.monotonic() - began >= 1
    assert retrying.sent == 2


def test_vendors_limit_without_retries(sdk, vendor):
    vendor.rule(times=1, status=429, encrypted=False, headers={"Retry-After": "1"})
    with pytest.raises(openai.RateLimitError) as caught:
        chat(sdk)
    assert caught.value.response.headers["retry-after"] == "1"
    assert caught.value.type == "rate_limit_error"
    time.sleep(1)


def test_limit_of_the_key(appliance, vendor):
    sdk = Sdk(appliance, appliance.create_key(rate_limit=1).secret)
    chat(sdk)
    with pytest.raises(openai.RateLimitError) as caught:
        chat(sdk)
    assert caught.value.message.find("Per-key rate limit exceeded") >= 0
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 60


def test_broken_answer_is_asked_for_again(retrying, vendor, appliance, key):
    vendor.rule(times=1, truncated_json=True)
    assert chat(retrying).choices[0].message.content
    assert retrying.sent == 2
    assert [row["status"] for row in appliance.rows(key)] == [502, 200]


def test_refusal_of_our_own_key_is_not_tried_again(retrying, vendor):
    vendor.rule(status=401, encrypted=False)
    with pytest.raises(openai.InternalServerError) as caught:
        chat(retrying)
    assert (caught.value.status_code, caught.value.code) == (503, "vendor_unavailable")
    assert retrying.sent == 1
