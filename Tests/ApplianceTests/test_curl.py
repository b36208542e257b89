"""curl, as the README shows it, and in its less usual ways."""
import json
import re
import subprocess

import pytest

from appliance import chat_body
from samples import WAV

CHAT = json.dumps(chat_body("hello there"))
JSON = ("-H", "Content-Type: application/json")


@pytest.fixture
def curl(appliance, vendor, key):
    def run(*words, stdin=None, secret=key.secret):
        options = ["-sS", "-m", "20", "--cacert", appliance.certificate]
        if secret:
            options += ["-H", f"Authorization: Bearer {secret}"]
        words = [word.replace("$URL", appliance.url) for word in words]
        done = subprocess.run(
            ["curl", *options, *words], capture_output=True, input=stdin, timeout=30)
        assert done.returncode == 0, done.stderr.decode()
        return done
    return run


def answer(done):
    return json.loads(done.stdout)


def test_chat(curl):
    said = answer(curl("$URL/v1/chat/completions", *JSON, "-d", CHAT))
    assert said["choices"][0]["message"]["content"] == "Echo: hello there"


def test_body_without_a_content_type_of_json(curl):
    assert answer(curl("$URL/v1/chat/completions", "-d", CHAT))["usage"]


def test_stream_ends_with_its_mark(curl):
    body = json.dumps(chat_body("hello there", stream=True))
    done = curl("-N", "$URL/v1/chat/completions", *JSON, "-d", body)
    events = done.stdout.decode().strip().split("\n\n")
    assert events[-1] == "data: [DONE]"
    assert all(event.startswith("data: ") for event in events)


def test_transcription(curl, tmp_path):
    (tmp_path / "talk.wav").write_bytes(WAV)
    said = answer(curl(
        "$URL/v1/audio/transcriptions", "-F", "model=whisper-large-v3",
        "-F", f"file=@{tmp_path}/talk.wav"))
    assert said["text"] and said["usage"]["seconds"] == 3


def test_models_and_key_information(curl, key):
    assert answer(curl("$URL/v1/models"))["object"] == "list"
    information = answer(curl("$URL/auth/key-info"))
    assert list(information) == ["key_id", "created_at", "expires_at", "rate_limit", "description"]
    assert information["key_id"] == key.id


def test_key_in_x_api_key(curl, key):
    done = curl("$URL/auth/key-info", "-H", f"X-API-Key: {key.secret}", secret=None)
    assert answer(done)["key_id"] == key.id


def test_head_has_the_fields_of_get_and_no_body(curl):
    done = curl("-I", "$URL/v1/models")
    assert done.stdout.startswith(b"HTTP/1.1 200")
    assert int(re.search(rb"(?i)content-length: (\d+)", done.stdout).group(1)) > 100


def test_expect_100_continue(curl, vendor):
    body = json.dumps(chat_body("x" * 100_000))
    done = curl("-v", "$URL/v1/chat/completions", *JSON, "-H", "Expect: 100-continue",
                "--data-binary", "@-", stdin=body.encode())
    assert b"< HTTP/1.1 100 Continue" in done.stderr
    assert answer(done)["usage"]
    assert vendor.records()[-1]["body_bytes"] >= len(body)


def test_expectation_is_refused_before_the_upload(curl, vendor):
    body = json.dumps(chat_body("x" * 100_000))
    done = curl("-v", "$URL/v1/chat/completions", *JSON, "-H", "Expect: 100-continue",
                "--data-binary", "@-", stdin=body.encode(), secret="pm_0000000000000000_wrong")
    assert b"< HTTP/1.1 401" in done.stderr and b"100 Continue" not in done.stderr
    assert vendor.records() == []


def test_upload_in_chunks(curl, vendor):
    body = json.dumps(chat_body("x" * 300_000))
    done = curl("-X", "POST", "-T", "-", "$URL/v1/chat/completions", *JSON, stdin=body.encode())
    assert answer(done)["usage"]["prompt_tokens"] == 75_000
    assert vendor.records()[-1]["body_bytes"] >= len(body)


def test_upload_of_a_file(curl, tmp_path):
    (tmp_path / "body.json").write_text(CHAT)
    done = curl("-X", "POST", "-T", f"{tmp_path}/body.json", "$URL/v1/chat/completions", *JSON)
    assert answer(done)["choices"]


def test_http_1_0(curl):
    done = curl("-i", "--http1.0", "$URL/v1/chat/completions", *JSON, "-d", CHAT)
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200") and b"chunked" not in head
    assert json.loads(body)["choices"]


def test_stream_by_http_1_0_ends_with_the_connection(curl):
    body = json.dumps(chat_body("hello there", stream=True))
    done = curl("-i", "--http1.0", "$URL/v1/chat/completions", *JSON, "-d", body)
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    assert b"chunked" not in head and b"Connection: close" in head
    assert body.endswith(b"data: [DONE]\n\n") and body.startswith(b"data: ")


def test_one_connection_serves_many_requests(curl):
    done = curl("-v", "$URL/v1/models", "$URL/auth/key-info", "$URL/health", "$URL/no/such")
    assert len(re.findall(rb"(?i)re-using existing", done.stderr)) == 3
    assert done.stderr.count(b"SSL connection using") == 1


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_tls_versions(curl, version):
    done = curl("-v", f"--tlsv{version}", "--tls-max", version, "$URL/health")
    assert f"SSL connection using TLSv{version}".encode() in done.stderr


def test_tls_1_1_is_refused(appliance):
    done = subprocess.run(
        ["curl", "-sS", "-k", "--tlsv1.0", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0",
         f"{appliance.url}/health"], capture_output=True, timeout=30)
    assert done.returncode == 35
