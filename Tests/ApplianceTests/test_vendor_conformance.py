"""Conformance of a vendor binary with the contract that the appliance relies on.

PM_VENDOR_BINARY   path of the binary; default: the stand-in in the folder PM_BIN
PM_VENDOR_OFFLINE  set to run the offline set against a real binary on a machine without network
PM_VENDOR_ONLINE_KEY  vendor key: runs the online set, which costs cents; by hand, never in CI
PM_VENDOR_CAPTURES    folder for what the online set saw, stripped of keys and content

A difference between the two binaries is mended in the stand-in, never papered over in core.
"""

import base64
import concurrent.futures
import hashlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import time

import pytest

from vendor_process import Vendor, binary_path, chat_head, pinned, run, wait_for

BINARY = binary_path()
IS_STANDIN = BINARY is not None and "standin" in run(BINARY, "--version")[1]
ONLINE_KEY = os.environ.get("PM_VENDOR_ONLINE_KEY")

pytestmark = pytest.mark.skipif(BINARY is None, reason="neither PM_VENDOR_BINARY nor PM_BIN is set")
standin_only = pytest.mark.skipif(not IS_STANDIN, reason="needs the stand-in's control")
online = pytest.mark.skipif(not ONLINE_KEY, reason="PM_VENDOR_ONLINE_KEY is not set")
offline = pytest.mark.skipif(
    not IS_STANDIN and not os.environ.get("PM_VENDOR_OFFLINE"),
    reason="the offline set needs a machine without network: set PM_VENDOR_OFFLINE")

# The real binary ignores it; the stand-in then behaves like one without network.
NO_NETWORK = {"boot": "no_network"}
QUICK = {"delay_ms": 0, "time_scale": 0.02}
SALT = "a-salt-of-more-than-thirty-two-bytes"
WAV = b"RIFF" + struct.pack("<I4s4sIHHIIHH4sI", 36 + 96000, b"WAVE", b"fmt ", 16, 1, 1, 16000,
                            32000, 2, 16, b"data", 96000) + bytes(96000)


@pytest.fixture
def keyless(tmp_path):
    """Without --apiKey and without network."""
    with Vendor(BINARY, tmp_path, scenario=NO_NETWORK, key=None) as vendor:
        yield vendor.listening()


@pytest.fixture
def vendor(tmp_path):
    """The stand-in with its key, attested."""
    with Vendor(BINARY, tmp_path, scenario=QUICK) as vendor:
        yield vendor.listening()


# Offline: command line

def test_version_is_one_line_on_stdout():
    code, out, err = run(BINARY, "--version")
    assert code == 0 and err == ""
    assert re.fullmatch(r"privatemode-proxy version v\d+\.\d+\.\d+\S*\n", out)


def test_help_lists_the_flags_of_the_contract():
    code, out, _ = run(BINARY, "--help")
    shown = set(re.findall(r"--([A-Za-z-]+)", out))
    wanted = {
        "log-level", "log-format", "apiKey", "apiEndpoint", "port", "workspace", "manifestPath",
        "nvidiaOCSPAllowUnknown", "nvidiaOCSPRevokedGracePeriod", "sharedPromptCache",
        "promptCacheSalt", "tlsCertPath", "tlsKeyPath", "dumpRequests", "version", "help"}
    assert code == 0 and wanted <= shown
    assert not {"insecureAPIConnection", "cdnBaseURL"} & shown


@pytest.mark.parametrize("arguments, text", [
    (["--x"], "unknown flag: --x"),
    (["--log-format=x"],
     'invalid log format "x": --log-format must be one of ["json" "text"]'),
    (["--tlsCertPath=c"], "TLS certificate and key must be provided together"),
    (["--tlsKeyPath", "k"], "TLS certificate and key must be provided together"),
    (["--promptCacheSalt=s"],
     "getting prompt cache salt: promptCacheSalt is set but sharedPromptCache is not enabled"),
    (["--apiKey=@/none/key"],
     'failed to read API key file "/none/key": open /none/key: no such file or directory'),
    (["--nvidiaOCSPAllowUnknown=false"],
     "unknown OCSP statuses are disallowed, but revoked statuses are allowed. "
     "This is likely to be an erroneous configuration"),
    (["--manifestPath=/none/m"],
     "setting up secret manager configuration: failed to read manifest file: "),
    (["--port=127.0.0.1:1"], 'listening on port "127.0.0.1:1": listen tcp: '),
    (["--port"], "flag needs an argument: --port"),
    (["--dumpRequests=maybe"], 'invalid argument "maybe" for "--dumpRequests" flag: '),
    (["word"], 'unknown command "word" for "privatemode-proxy"'),
])
def test_argument_error_is_told_and_exits_1(tmp_path, arguments, text):
    code, _, err = run(BINARY, f"--workspace={tmp_path}", *arguments)
    assert code == 1
    assert f"Error: {text}" in err


def test_deprecated_flag_is_noticed(tmp_path):
    _, _, err = run(BINARY, f"--workspace={tmp_path}", "--ssEndpoint=x", "--log-format=x")
    assert "Flag --ssEndpoint has been deprecated, " in err


def test_busy_port_exits_1(tmp_path):
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, err = run(BINARY, f"--workspace={tmp_path}", f"--port={port}")
    assert code == 1
    words = f'listening on port "{port}": listen tcp :{port}: bind: address already in use'
    assert f"Error: {words}\n" in err


def test_unreadable_certificate_exits_1(tmp_path):
    files = ("--tlsCertPath=/none/c", "--tlsKeyPath=/none/k")
    code, _, err = run(BINARY, f"--workspace={tmp_path}", "--port=0", *files)
    assert code == 1 and "Error: loading TLS config: open /none/c: no such file" in err


# Offline: without a key

@offline
def test_keyless_start_listens_and_names_its_endpoint(keyless):
    assert "No API key provided. The proxy will not authenticate with the API." in keyless.log
    keyless.raw().close()


@offline
@pytest.mark.parametrize("path", ["/", "/health", "/v1/responses", "/v1/models/x", "/v1/models/",
                                  "/v1/audio/translations", "/v1/messages/count_tokens"])
def test_unknown_path_is_the_exact_404(keyless, path):
    answer = keyless.ask("GET", path)
    assert answer.status == 404
    assert answer.body == b"404 page not found\n"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-length"] == "19"


@offline
@pytest.mark.parametrize("path, to", [
    ("//v1/models", "/v1/models"), ("/unstructured", "/unstructured/")])
def test_unclean_path_is_redirected(keyless, path, to):
    answer = keyless.ask("GET", path)
    assert (answer.status, answer.headers["location"]) == (307, to)


@offline
def test_chat_without_any_key_is_the_exact_500(keyless):
    answer = keyless.chat()
    assert answer.status == 500
    assert answer.body == (
        b'{"error":{"message":"creating request cipher: initializing renewable request cipher: '
        b'get latest secret: don\'t have an API key yet","type":""}}')
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["privatemode-encrypted"] == "false"
    assert answer.headers["x-content-type-options"] == "nosniff"


@offline
def test_errors_become_events_for_those_who_accept_only_events(keyless):
    answer = keyless.chat(headers={"Accept": "text/event-stream"})
    assert answer.status == 500
    assert answer.headers["content-type"] == "text/event-stream"
    assert re.fullmatch(rb'event: error\n\ndata: \{"error":.*\}\n\n', answer.body)


@offline
def test_bearer_without_network_is_401_after_three_attempts(keyless):
    began = time.monotonic()
    answer = keyless.chat(headers={"Authorization": "Bearer k"})
    assert 2 <= time.monotonic() - began <= 15
    assert answer.status == 401
    assert answer.message.startswith("trying API key: setting secrets: ")
    assert keyless.manifests() == []


# Offline: with a key

@offline
def test_start_without_network_gives_up_and_logs_no_manifest(tmp_path):
    with Vendor(BINARY, tmp_path, scenario=NO_NETWORK) as vendor:
        code, took = vendor.ended()
        assert code == 1 and 3 <= took <= 15
        assert ("Error: setting up secret manager configuration: trying API key: "
                "setting secrets: ") in vendor.log
        assert vendor.manifests() == []


@offline
@pytest.mark.parametrize("number, code", [
    (signal.SIGINT, 0), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGHUP, -signal.SIGHUP)])
def test_signal_while_idle(keyless, number, code):
    keyless.signal(number)
    assert keyless.ended()[0] == code
    if number == signal.SIGINT:
        assert keyless.process.stdout.read() == (
            b"\rSignal caught. Press ctrl+c again to terminate the program immediately.\n")


@offline
def test_json_log_has_time_level_and_message(tmp_path):
    with Vendor(BINARY, tmp_path, "--log-format=json", scenario=NO_NETWORK, key=None) as vendor:
        vendor.listening()
        lines = [json.loads(line) for line in vendor.lines]
    assert [line["msg"] for line in lines[:3]] == [
        "Privatemode encryption proxy",
        "No API key provided. The proxy will not authenticate with the API.", "Starting proxy"]
    assert [line["level"] for line in lines[:3]] == ["INFO", "WARN", "INFO"]
    assert lines[0]["version"].startswith("v")
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", line["time"]) for line in lines)


@offline
def test_format_text_in_capitals_gives_json(tmp_path):
    with Vendor(BINARY, tmp_path, "--log-format=TEXT", scenario=NO_NETWORK, key=None) as vendor:
        json.loads(vendor.listening().lines[0])


# Stand-in: start

@standin_only
def test_start_lines_come_in_order_and_leave_a_manifest(tmp_path):
    with Vendor(BINARY, tmp_path, "--log-format=json", scenario={"seed": 1}) as vendor:
        vendor.listening()
        assert [json.loads(line)["msg"] for line in vendor.lines] == [
            "Privatemode encryption proxy", "Starting proxy",
            "Coordinator manifest fetched successfully", "Validate succeeded", "Version",
            "Secret updated successfully", "Starting HTTP server without TLS"]
        assert vendor.manifests() == ["1.json", "log.txt"]
    manifest = json.loads((tmp_path / "manifests/1.json").read_text())
    assert set(manifest) == {"Policies", "ReferenceValues", "SeedshareOwnerPubKeys"}
    line = (tmp_path / "manifests/log.txt").read_text()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\S+ " + re.escape(f"{tmp_path}/manifests/1.json\n"), line)


@standin_only
@pytest.mark.parametrize("boot, text, manifests", [
    ("bad_key", 'getting attested certificate: doing attest request: Unauthorized: '
     '{"error":{"message":"invalid API key: invalid API key","type":""}}\n', 3),
    ("attestation_fail", "getting attested certificate: validating attestation: ", 3),
    ("manifest_mismatch", "active manifest does not match expected manifest", 1),
    ("manifest_unparseable", "validating attestation: unmarshalling manifest: ", 3),
])
def test_failed_start(tmp_path, boot, text, manifests):
    with Vendor(BINARY, tmp_path, scenario={**QUICK, "boot": boot}) as vendor:
        assert vendor.ended()[0] == 1
        assert "Error: setting up secret manager configuration: trying API key: " in vendor.log
        assert text in vendor.log
        assert len(vendor.manifests()) == manifests + 1


@standin_only
def test_empty_key_counts_as_set_and_is_refused(tmp_path):
    with Vendor(BINARY, tmp_path, "--apiKey=", scenario=QUICK, key=None) as vendor:
        assert vendor.ended()[0] == 1
        assert "Unauthorized" in vendor.log


@standin_only
def test_hanging_start_neither_listens_nor_ends(tmp_path):
    with Vendor(BINARY, tmp_path, scenario={"boot": "hang"}) as vendor:
        with pytest.raises(subprocess.TimeoutExpired):
            vendor.ended(0.5)
        assert vendor.control("state")["port"] is None


@standin_only
def test_crash_looks_like_a_panic(tmp_path):
    with Vendor(BINARY, tmp_path, scenario={"crash_after_ms": 50}) as vendor:
        assert vendor.ended()[0] == 2
        assert vendor.log.count("goroutine 1 [running]:") == 1


@standin_only
def test_manifest_files_without_their_log_end_every_start(tmp_path):
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests/7.json").write_text("{}")
    with Vendor(BINARY, tmp_path, scenario=QUICK) as vendor:
        assert vendor.ended()[0] == 1
        assert "logging manifest: versioned manifest files exist but log.txt does not" in vendor.log


@standin_only
def test_given_manifest_is_neither_fetched_nor_logged(tmp_path):
    (tmp_path / "m.json").write_text("{}")
    with Vendor(BINARY, tmp_path, f"--manifestPath={tmp_path}/m.json", scenario=QUICK) as vendor:
        assert vendor.listening().chat().status == 200
        assert "fetched" not in vendor.log and vendor.manifests() == []


@standin_only
def test_mistake_in_the_scenario_ends_the_start(tmp_path):
    with Vendor(BINARY, tmp_path, scenario={"bot": "ok"}) as vendor:
        assert vendor.ended()[0] == 1
        assert 'unknown field "bot"' in vendor.log


@standin_only
def test_marker_is_in_the_file():
    with open(BINARY, "rb") as file:
        content = file.read()
    assert b"PRIVATEMODE-STANDIN-DO-NOT-TRUST 6f1d0c52-8e0b-4b7e-9a57-3f6c2d41b8e9" in content


@standin_only
def test_tls_files_are_read_at_each_handshake(tmp_path):
    certificate, key = str(tmp_path / "cert"), str(tmp_path / "tls-key")

    def renew():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", certificate],
            check=True, capture_output=True)

    renew()
    flags = (f"--tlsCertPath={certificate}", f"--tlsKeyPath={key}")
    with Vendor(BINARY, tmp_path / "w", *flags, scenario=QUICK) as vendor:
        vendor.listening()
        assert "Starting HTTPS server" in vendor.log
        for _ in range(2):
            vendor.tls = pinned(certificate)
            assert vendor.chat(stream=True).events[-1] == "[DONE]"
            renew()


@standin_only
def test_dumps_are_written_only_when_asked(tmp_path):
    with Vendor(BINARY, tmp_path / "a", scenario=QUICK) as vendor:
        vendor.listening().chat()
    with Vendor(BINARY, tmp_path / "b", "--dumpRequests", scenario=QUICK) as vendor:
        vendor.listening().chat("a secret")
        wait_for(lambda: len(list((tmp_path / "b/requests").iterdir())) == 2)
    assert not (tmp_path / "a/requests").exists()
    assert "a secret" in (tmp_path / "b/requests/000001_request.txt").read_text()


# Stand-in: keys

@standin_only
def test_unknown_key_is_the_gateways_401(tmp_path):
    scenario = {**QUICK, "keys": ["good"]}
    with Vendor(BINARY, tmp_path, scenario=scenario, key=None) as vendor:
        vendor.listening()
        assert vendor.ask("GET", "/v1/models").message.startswith("no auth found: ")
        answer = vendor.ask("GET", "/v1/models", headers={"Authorization": "Bearer good"})
        assert answer.status == 200
        answer = vendor.ask("GET", "/v1/models", headers={"Authorization": "Bearer bad"})
        assert (answer.status, answer.headers["privatemode-encrypted"]) == (401, "false")
        assert answer.message == "invalid API key: invalid API key"


@standin_only
def test_dropped_key_costs_one_connection(tmp_path):
    bearer = {"Authorization": "Bearer second"}
    with Vendor(BINARY, tmp_path, scenario=QUICK, key=None) as vendor:
        vendor.listening()
        assert vendor.chat(headers={"Authorization": "Bearer first"}).status == 200
        vendor.event("key_revoked")
        with pytest.raises(Exception, match="closed connection|reset"):
            vendor.chat(headers=bearer)
        assert vendor.chat(headers=bearer).status == 200


@standin_only
def test_hanging_attestation_stops_bearers_only(tmp_path):
    with Vendor(BINARY, tmp_path, scenario={"boot": "hang"}, key=None) as vendor:
        vendor.listening()
        with vendor.raw() as waiting:
            waiting.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n\r\n")
            assert vendor.ask("GET", "/").status == 404
            waiting.settimeout(0.3)
            with pytest.raises(TimeoutError):
                waiting.recv(1)


# Stand-in: before the upstream

@standin_only
def test_nothing_starts_upstream_before_the_last_byte(vendor):
    body = b'{"model":"gpt-oss-120b","messages":[{"role":"user","content":"x"}]}'
    with vendor.raw() as connection:
        connection.sendall(chat_head(len(body)) + body[:-1])
        wait_for(lambda: vendor.records())
        time.sleep(0.3)
        record = vendor.records()[-1]
        assert record["body_first_us"] is not None and record["body_bytes"] is None
        assert record["upstream_us"] is None and record["upstream_runs"] == 0
        assert "Mutating" not in vendor.log
        connection.sendall(body[-1:])
        assert connection.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")
    record = vendor.settled()
    assert record["upstream_us"] >= record["body_last_us"] >= record["body_first_us"] + 250_000
    assert record["body_sha256"] == hashlib.sha256(body).hexdigest()


@standin_only
@pytest.mark.parametrize("body, message", [
    (b"{", "extracting model: parsing request: decoding JSON: "),
    (b"", "extracting model: parsing request: decoding JSON: "),
    (b"[]", "extracting model: parsing request: decoding JSON: "),
    (b'{"messages":[]}', "extracting model: no model specified in request"),
    (b'{"model":"m","cache_salt":"short"}',
     "mutating request: cache_salt must be at least 32 characters long"),
    (b'{"model":"m","cache_salt":"%s","prompt":"%s"}' % (b"s" * 32, b"x" * 4_000_004),
     "generating shard key: context too large"),
])
def test_client_mistakes_are_500(vendor, body, message):
    answer = vendor.ask("POST", "/v1/chat/completions", body)
    assert answer.status == 500
    assert answer.message.startswith(
        "forwarding request: mutating request: mutating request: " + message)
    assert vendor.settled()["upstream_runs"] == 0


@standin_only
def test_options_on_an_inference_path_is_500(vendor):
    assert vendor.ask("OPTIONS", "/v1/chat/completions").status == 500


@standin_only
def test_model_is_read_in_any_case_and_the_last_one_wins(vendor):
    answer = vendor.ask("POST", "/v1/chat/completions", (
        b'{"model":"none","messages":[{"role":"user","content":"x"}],"MODEL":"glm-5.3"}'))
    assert answer.json["model"] == "glm-5.3"


@standin_only
def test_errors_are_escaped_as_go_escapes(vendor):
    vendor.rule(binary_error="<a&b>\u2028\n")
    assert vendor.chat().body == (
        b'{"error":{"message":"\\u003ca\\u0026b\\u003e\\u2028\\n","type":""}}')


@standin_only
def test_continue_is_sent_before_the_body(vendor):
    body = b'{"model":"gpt-oss-120b","prompt":"x"}'
    with vendor.raw() as connection:
        connection.sendall(chat_head(len(body), "Expect: 100-continue\r\n"))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert connection.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")


@standin_only
def test_chunked_body_is_read_whole(vendor):
    with vendor.raw() as connection:
        connection.sendall(
            b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            b'5;x=1\r\n{"mod\r\n1D\r\nel":"gpt-oss-120b","prompt":"\r\n3\r\nx"}\r\n'
            b"0\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")


# Stand-in: answers and usage

@standin_only
def test_same_request_and_scenario_give_the_same_bytes(tmp_path):
    bodies = []
    for name in ("a", "b"):
        with Vendor(BINARY, tmp_path / name, scenario=QUICK) as vendor:
            answer = vendor.listening().chat("same", stream=True)
            bodies.append((answer.headers, answer.body))
    assert bodies[0] == bodies[1]


@standin_only
def test_chat_usage_can_be_computed(vendor):
    answer = vendor.chat("héllo wörld", n=2, tools=[{"type": "function"}])
    tools = b'[{"type": "function"}]'
    assert answer.json["usage"] == {
        "prompt_tokens": -(-(13 + len(tools)) // 4), "completion_tokens": 2 * 5,
        "total_tokens": -(-(13 + len(tools)) // 4) + 10}
    assert [choice["index"] for choice in answer.json["choices"]] == [0, 1]
    assert answer.json["choices"][1]["message"]["content"] == "Echo: héllo wörld"


@standin_only
def test_images_and_token_limit(vendor):
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
    text = {"type": "text", "text": "abcd"}
    body = {"model": "glm-5.3-flash", "max_tokens": 2,
            "messages": [{"role": "user", "content": [part, text]}]}
    answer = vendor.ask("POST", "/v1/chat/completions", body)
    assert answer.json["usage"]["prompt_tokens"] == 971
    assert answer.json["usage"]["completion_tokens"] == 2
    assert answer.json["choices"][0]["finish_reason"] == "length"


@standin_only
def test_stream_has_running_usage_a_usage_chunk_and_a_marker(vendor):
    events = vendor.chat("one two", stream=True).events
    assert events[-1] == "[DONE]"
    assert events[-2]["choices"] == []
    assert [event["usage"]["completion_tokens"] for event in events[:-1]] == [0, 2, 3, 4, 4, 4]
    text = "".join(event["choices"][0]["delta"].get("content", "") for event in events[:-2])
    assert text == "Echo: one two"
    record = vendor.settled()
    assert record["complete"] and record["usage"] == {
        "prompt_tokens": 2, "completion_tokens": 4, "cached_tokens": 0, "seconds": 0}


@standin_only
@pytest.mark.parametrize("mode, counts", [
    ("continuous", [1, 1, 1, 1, 1]), ("final_only", [0, 0, 0, 0, 1]), ("none", [0, 0, 0, 0])])
def test_usage_modes(vendor, mode, counts):
    vendor.rule(usage=mode)
    events = vendor.chat("x", stream=True).events
    assert [int("usage" in event) for event in events[:-1]] == counts


@standin_only
def test_usage_as_asked(vendor):
    vendor.rule(usage="as_asked")
    assert not any("usage" in event for event in vendor.chat(stream=True).events[:-1])
    asked = vendor.chat(stream=True, stream_options={"include_usage": True}).events
    assert ["usage" in event for event in asked[:-1]] == [False] * (len(asked) - 2) + [True]


@standin_only
def test_cache_is_per_salt_and_model_in_blocks(vendor):
    def cached(text, salt, model="gpt-oss-120b"):
        answer = vendor.chat(text, model=model, **({"cache_salt": salt} if salt else {}))
        return answer.json["usage"].get("prompt_tokens_details", {}).get("cached_tokens")

    text = "x" * 200
    assert cached(text, SALT) is None
    assert cached(text, SALT) == 48
    assert cached("x" * 130 + "y" * 70, SALT) == 32
    assert cached(text, SALT + "2") is None
    assert cached(text, SALT, "glm-5.3") is None
    assert cached(text, None) is None
    vendor.rule(usage="details_absent")
    assert cached(text, SALT) is None


@standin_only
def test_tool_call_and_reasoning(vendor):
    vendor.rule(reasoning="let me think")
    tools = [{"type": "function", "function": {"name": "weather"}}]
    whole = vendor.chat('call:weather {"city":"Bochum"}', tools=tools).json["choices"][0]
    assert whole["finish_reason"] == "tool_calls" and whole["message"]["content"] is None
    assert whole["message"]["reasoning"] == whole["message"]["reasoning_content"] == "let me think"
    call = whole["message"]["tool_calls"][0]["function"]
    assert call == {"name": "weather", "arguments": '{"city":"Bochum"}'}
    events = vendor.chat('call:weather {"city":"Bochum"}', tools=tools, stream=True).events
    deltas = [e["choices"][0]["delta"].get("tool_calls") for e in events[:-2]]
    pieces = [d[0]["function"]["arguments"] for d in deltas if d]
    assert "".join(pieces) == '{"city":"Bochum"}' and len(pieces) > 2


@standin_only
def test_completions_both_ways(vendor):
    body = {"model": "gpt-oss-120b", "prompt": "one two"}
    whole = vendor.ask("POST", "/v1/completions", body).json
    assert whole["object"] == "text_completion" and whole["choices"][0]["text"] == "Echo: one two"
    events = vendor.ask("POST", "/v1/completions", {**body, "stream": True}).events
    assert "".join(e["choices"][0]["text"] for e in events[:-2]) == "Echo: one two"
    assert events[-1] == "[DONE]" and events[-2]["usage"] == whole["usage"]


@standin_only
def test_embeddings_keep_order_and_agree_in_both_forms(vendor):
    body = {"model": "qwen3-embedding-4b", "input": ["b", "a"]}
    floats = vendor.ask("POST", "/v1/embeddings", body).json
    swapped = vendor.ask("POST", "/v1/embeddings", {**body, "input": ["a", "b"]}).json
    packed = vendor.ask("POST", "/v1/embeddings", {**body, "encoding_format": "base64"}).json
    assert [len(entry["embedding"]) for entry in floats["data"]] == [2560, 2560]
    assert floats["data"][0]["embedding"] == swapped["data"][1]["embedding"]
    raw = base64.b64decode(packed["data"][0]["embedding"])
    assert [round(f, 4) for f in struct.unpack("<2560f", raw)] == floats["data"][0]["embedding"]
    assert floats["usage"]["prompt_tokens"] == floats["usage"]["total_tokens"] == 1


@standin_only
def test_messages_whole_and_streamed(vendor):
    body = {"model": "glm-5.3", "max_tokens": 100, "system": "abcd", "cache_salt": SALT,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "y" * 100}]}]}
    whole = vendor.ask("POST", "/v1/messages", body).json
    assert whole["type"] == "message" and whole["stop_reason"] == "end_turn"
    assert whole["usage"] == {"input_tokens": 26, "output_tokens": 27}
    stream = vendor.ask("POST", "/v1/messages", {**body, "stream": True})
    names = re.findall(rb"event: (\w+)\ndata: ", stream.body)
    assert names[0] == b"message_start" and names[-2:] == [b"message_delta", b"message_stop"]
    assert b"\n\nevent: content_block_delta\ndata: " in stream.body
    assert stream.events[-2]["usage"] == {
        "input_tokens": 10, "output_tokens": 27, "cache_read_input_tokens": 16}


def form(fields):
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"'.encode()
        + (b'; filename="f.wav"\r\n\r\n' if name == "file" else b"\r\n\r\n") + value + b"\r\n"
        for name, value in fields]
    return b"".join(parts) + b"--b--\r\n", {"Content-Type": 'multipart/form-data; boundary="b"'}


@standin_only
def test_transcriptions(vendor):
    def ask(*fields):
        return vendor.ask("POST", "/v1/audio/transcriptions", *form(fields))

    model, file = ("model", b"whisper-large-v3"), ("file", WAV)
    answer = ask(model, ("model", b"none"), file, ("file", b"x"))
    assert answer.json["usage"] == {"type": "duration", "seconds": 3}
    assert ask(model, ("file", b"x" * 16001)).json["usage"]["seconds"] == 2
    verbose = ("response_format", b"verbose_json")
    assert ask(model, file, verbose).status == 400
    assert ask(model, file, verbose, ("language", b"de")).json["duration"] == "3.0"
    assert ask(model, file, ("response_format", b"srt")).message.endswith("invalid JSON data")
    assert ask(file).message.endswith("extracting model: no model specified in request")
    assert ask(model, ("file", b"")).json["usage"]["seconds"] == 0
    big = ask(model, ("file", bytes((50 << 20) + 1)))
    assert (big.status, big.message) == (413, "maximum request size exceeded (max 50MB)")
    assert vendor.ask("POST", "/v1/audio/transcriptions", b"x").status == 500


@standin_only
def test_unstructured(vendor):
    answer = vendor.ask("POST", "/unstructured/general/v0/general", b"x")
    assert answer.json[0]["type"] == "NarrativeText"
    answer = vendor.ask("POST", "/unstructured/general/v0/general", bytes((25 << 20) + 1))
    assert (answer.status, answer.message) == (413, "file too large (max 25MB)")


@standin_only
def test_wrong_model_and_wrong_kind(vendor):
    answer = vendor.chat(model="none")
    assert (answer.status, answer.json["error"]["code"]) == (404, 404)
    assert answer.headers["privatemode-encrypted"] == "true"
    assert vendor.chat(model="whisper-large-v3").status == 400
    assert vendor.chat(model="openai/gpt-oss-120b").json["model"] == "openai/gpt-oss-120b"


# Stand-in: faults

@standin_only
def test_status_from_the_gateway(vendor):
    vendor.rule(status=429, headers={"Retry-After": "7"}, message="slow down", times=1)
    answer = vendor.chat()
    assert (answer.status, answer.headers["retry-after"]) == (429, "7")
    assert answer.headers["privatemode-encrypted"] == "false"
    assert answer.message == "slow down"
    assert vendor.chat().status == 200


@standin_only
def test_status_from_the_model_server(vendor):
    vendor.rule(status=400, encrypted=True, message="too long", code=17)
    answer = vendor.chat()
    assert answer.headers["privatemode-encrypted"] == "true"
    assert answer.json["error"] == {
        "message": "too long", "type": "BadRequestError", "param": None, "code": 17}


@standin_only
@pytest.mark.parametrize("effect, prefix, runs", [
    ({"html": 502}, "mapping response: mutating response body: mutation on invalid JSON data", 1),
    ({"truncated_json": True},
     "mapping response: reading upstream response body: unexpected EOF", 1),
    ({"secret_error": True}, "creating request cipher: ", 0),
    ({"unreachable": True}, 'forwarding request: Post "https://', 0),
    ({"gpu_policy": True}, "GPU attestation returned a driver OCSP status that is not accepted", 0),
])
def test_binary_errors(vendor, effect, prefix, runs):
    vendor.rule(**effect)
    answer = vendor.chat()
    assert (answer.status, answer.headers["privatemode-encrypted"]) == (500, "false")
    assert answer.message.startswith(prefix)
    assert vendor.settled()["upstream_runs"] == runs


@standin_only
@pytest.mark.parametrize("effect", ["no_secret_once", "reset_once"])
def test_retries_run_twice(vendor, effect):
    vendor.rule(**{effect: True})
    assert vendor.chat().status == 200
    assert vendor.settled()["upstream_runs"] == 2
    assert "Request failed, checking retry conditions" in vendor.log


@standin_only
@pytest.mark.parametrize("effect, words", [
    ("abort_after_chunks", "unexpected EOF"), ("long_line", "bufio.Scanner: token too long")])
def test_broken_upstream_ends_cleanly(vendor, effect, words):
    vendor.rule(chunks=9, **{effect: 3})
    answer = vendor.chat(stream=True)
    assert not answer.is_cut and "[DONE]" not in answer.events
    record = vendor.settled()
    assert not record["complete"] and record["content_events"] == 3
    assert record["usage"]["completion_tokens"] == answer.events[-1]["usage"]["completion_tokens"]
    assert "Failed sending response to downstream client" in vendor.log and words in vendor.log


@standin_only
def test_short_text_does_not_save_a_broken_stream(vendor):
    vendor.rule(abort_after_chunks=99)
    events = vendor.chat("x", stream=True).events
    assert events[-1]["choices"][0]["finish_reason"] is None


@standin_only
def test_hard_abort_is_no_clean_end(vendor):
    vendor.rule(chunks=9, chunk_ms=5, hard_abort_after_chunks=3)
    assert vendor.chat(stream=True).is_cut


@standin_only
def test_error_event_in_a_stream(vendor):
    vendor.rule(stream_error_event="done")
    events = vendor.chat(stream=True).events
    assert "error" in events[-2] and events[-1] == "[DONE]"
    assert not vendor.settled()["complete"]


@standin_only
def test_delays_and_chunks(vendor):
    vendor.rule(first_byte_ms=200, chunk_ms=20, chunks=10)
    began = time.monotonic()
    answer = vendor.chat(stream=True)
    assert 0.4 <= time.monotonic() - began <= 15
    assert vendor.settled()["content_events"] == 10 and answer.events[-1] == "[DONE]"


@standin_only
@pytest.mark.parametrize("effect", [
    {"hang_before_headers": True}, {"hang_mid_stream": 2}, {"first_byte_ms": 60000},
    {"chunk_ms": 60000}])
def test_leaving_client_is_noticed(vendor, effect):
    vendor.rule(**effect)
    body = b'{"model":"gpt-oss-120b","stream":true,"messages":[{"role":"user","content":"x"}]}'
    with vendor.raw() as connection:
        connection.sendall(chat_head(len(body)) + body)
        wait_for(lambda: vendor.records() and vendor.records()[-1]["upstream_us"])
        time.sleep(0.1)
        assert vendor.records()[-1]["end_us"] is None
    record = vendor.settled()
    assert record["client_left"] and not record["complete"]
    assert vendor.control("totals")["client_left"] == 1


@standin_only
def test_big_unary_and_renamed_answers(vendor):
    vendor.rule(big_response=100_000, chat_as_json=True, model_renamed=True)
    answer = vendor.chat(stream=True)
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.json["choices"][0]["message"]["content"]) == 100_000
    assert answer.json["model"] == "openai/gpt-oss-120b"


@standin_only
@pytest.mark.parametrize("stream", [False, True])
def test_answers_past_their_cap(vendor, stream):
    messages = [{"role": "user", "content": "word " * 40}]
    body = {"model": "gpt-oss-120b", "messages": messages, "stream": stream}
    for path in ("/v1/chat/completions", "/v1/messages"):
        vendor.rule(times=1, ignores_cap=True, chunks=40)
        vendor.ask("POST", path, {**body, "max_tokens": 3})
        assert vendor.settled()["usage"]["completion_tokens"] > 30
        vendor.ask("POST", path, {**body, "max_tokens": 3})
        assert vendor.settled()["usage"]["completion_tokens"] == 3


@standin_only
def test_rules_count_and_choose(vendor):
    vendor.rule(match={"path": "/v1/chat/completions", "nth": 2}, status=503)
    vendor.rule(match={"model": "glm-5.3"}, status=402)
    assert [vendor.chat().status for _ in range(3)] == [200, 503, 200]
    assert vendor.chat(model="glm-5.3").status == 402
    vendor.control("clear")
    assert vendor.chat(model="glm-5.3").status == 200


@standin_only
def test_models_trigger_faults_when_listed(tmp_path):
    listed = [
        "gpt-oss-120b", "standin-status-418", "standin-abort_after_chunks", "standin-usage-none"]
    with Vendor(BINARY, tmp_path, scenario={**QUICK, "models": listed}) as vendor:
        vendor.listening()
        assert vendor.chat(model="standin-status-418").status == 418
        assert "[DONE]" not in vendor.chat(model="standin-abort_after_chunks", stream=True).events
        assert "usage" not in vendor.chat(model="standin-usage-none").json
        assert vendor.chat(model="standin-status-500").status == 404
        listed_now = vendor.ask("GET", "/v1/models").json["data"]
        assert [model["id"] for model in listed_now] == listed


@standin_only
def test_extra_headers_are_on_every_upstream_answer(tmp_path):
    scenario = {**QUICK, "extra_headers": {"X-RateLimit-Remaining": "3"}}
    with Vendor(BINARY, tmp_path, scenario=scenario) as vendor:
        answer = vendor.listening().chat()
        assert answer.headers["x-ratelimit-remaining"] == "3"
        assert "x-ratelimit-remaining" not in vendor.ask("GET", "/").headers


# Stand-in: mid-life

@standin_only
def test_failed_refresh_is_made_up_lazily(vendor):
    vendor.event("refresh_fail")
    for words in ("Set secrets", "Failed to updated secret", "Secret update loop exited"):
        wait_for(lambda words=words: words in vendor.log)
    assert "2.json" in vendor.manifests()
    assert vendor.chat().status == 200


@standin_only
def test_lasting_refresh_failure_is_500_until_released(vendor):
    vendor.event("refresh_fail_lasting")
    assert vendor.chat().message.startswith(
        "creating request cipher: initializing renewable request cipher: get latest secret: "
        "setting secrets: ")
    assert vendor.ask("GET", "/v1/models").status == 200
    vendor.event("refresh_release")
    assert vendor.chat().status == 200


@standin_only
def test_hanging_refresh_stalls_what_takes_the_lock(vendor):
    vendor.event("refresh_hang")
    assert vendor.ask("GET", "/").status == 404
    assert vendor.ask("GET", "/v1/models").status == 200
    with concurrent.futures.ThreadPoolExecutor() as pool:
        chat = pool.submit(vendor.chat)
        probe = pool.submit(vendor.ask, "GET", "/", None, {"Authorization": "Bearer x"})
        time.sleep(0.3)
        assert not chat.done() and not probe.done()
        vendor.event("refresh_release")
        assert chat.result().status == 200 and probe.result().status == 404


@standin_only
def test_roll_out_leaves_a_manifest(vendor):
    vendor.event("manifest_update")
    wait_for(lambda: vendor.log.count("Secret updated successfully") == 2)
    assert vendor.manifests() == ["1.json", "2.json", "log.txt"]
    assert vendor.chat().status == 200


@standin_only
def test_revoked_key_is_401_and_fails_the_refresh(vendor):
    vendor.event("key_revoked")
    assert vendor.chat().status == 401
    vendor.event("refresh_due")
    assert "Unauthorized" in vendor.chat().message
    vendor.event("key_restored")
    assert vendor.chat().status == 200


@standin_only
def test_totals_add_up(vendor):
    for _ in range(3):
        vendor.chat("abcd")
    vendor.rule(abort_after_chunks=1)
    vendor.chat("abcd", stream=True)
    wait_for(lambda: vendor.control("totals")["requests"] == 4)
    totals = vendor.control("totals")
    assert (totals["upstream_runs"], totals["complete"], totals["in_flight"]) == (4, 3, 0)
    assert totals["usage"]["prompt_tokens"] == 3 and totals["usage"]["completion_tokens"] == 9
    assert totals["usage_of_broken"] == {
        "prompt_tokens": 1, "completion_tokens": 2, "cached_tokens": 0, "seconds": 0}
    assert totals["by"][0]["model"] == "gpt-oss-120b"
    vendor.control("forget")
    assert vendor.control("totals")["requests"] == 0 and vendor.records() == []


# Stand-in: signals and pipes

@standin_only
def test_interrupt_while_busy_cuts_and_exits_1(vendor):
    vendor.rule(hang_mid_stream=1)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        stream = pool.submit(vendor.chat, stream=True)
        wait_for(lambda: vendor.records() and vendor.records()[-1]["content_events"] == 1)
        vendor.signal(signal.SIGINT)
        assert vendor.ended(5)[0] == 1
        assert stream.result().is_cut
    assert "Error: context canceled\n" in vendor.log


@standin_only
@pytest.mark.parametrize("how, code", [({"code": 7}, 7), ({"signal": 9}, -9)])
def test_death_on_order(vendor, how, code):
    vendor.control("die", **how)
    assert vendor.ended(5)[0] == code


@standin_only
def test_death_in_mid_stream(vendor):
    vendor.rule(chunks=9, die={"code": 2, "after_chunks": 3})
    assert vendor.chat(stream=True).is_cut
    assert vendor.ended(5)[0] == 2


@standin_only
def test_undrained_pipe_stops_requests_and_closed_pipe_kills(tmp_path):
    environment = {"PM_STANDIN_CONTROL": str(tmp_path / "control")}
    with socket.create_server(("", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [BINARY, f"--port={port}", f"--workspace={tmp_path}", "--apiKey=k"], env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        wait_for(lambda: is_open(port))
        request = b"GET /v1/models?" + b"x" * 3000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.settimeout(0.5)
            with pytest.raises(TimeoutError):
                for _ in range(100):
                    connection.sendall(request)
                    assert connection.recv(65536)
        process.stderr.close()
        assert process.wait(5) == -signal.SIGPIPE
    finally:
        process.kill()
        process.wait()


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@standin_only
def test_many_streams_at_once(vendor):
    vendor.rule(chunks=20, chunk_ms=10)
    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda _: vendor.chat(stream=True), range(100)))
    assert all(answer.events[-1] == "[DONE]" for answer in answers)


# Online: by a person, with a key. What is unknown is recorded, not asserted.

@pytest.fixture(scope="module")
def live(tmp_path_factory):
    folder = tmp_path_factory.mktemp("online")
    with Vendor(BINARY, folder, "--log-format=json", key=ONLINE_KEY) as vendor:
        yield vendor.listening()


def capture(name, answer, **facts):
    """Keeps what an answer was like: status, header names, shape of the body; no content."""
    folder = os.environ.get("PM_VENDOR_CAPTURES")
    if not folder:
        return
    os.makedirs(folder, exist_ok=True)
    kept = {"status": answer.status, "headers": sorted(answer.headers), "bytes": len(answer.body)}
    kept["retry_after"] = answer.headers.get("retry-after")
    with open(os.path.join(folder, f"{name}.json"), "w", encoding="utf-8") as file:
        json.dump({**kept, **facts}, file, indent=2)


@online
def test_online_start_lines(live):
    messages = [json.loads(line)["msg"] for line in live.lines]
    assert messages.index("Starting proxy") < messages.index("Validate succeeded")
    assert live.manifests() == ["1.json", "log.txt"]


@online
def test_online_models(live):
    answer = live.ask("GET", "/v1/models")
    capture("models", answer, models=answer.json["data"])
    assert answer.status == 200 and all(model["id"] for model in answer.json["data"])


@online
def test_online_chat_whole(live):
    answer = live.chat("Say yes.", max_tokens=16)
    capture("chat", answer, keys=sorted(answer.json), usage=answer.json["usage"])
    usage = answer.json["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


@online
@pytest.mark.parametrize("asked", [None, True, False])
def test_online_stream_settles_how_usage_comes(live, asked):
    options = {} if asked is None else {"stream_options": {"include_usage": asked}}
    answer = live.chat("Say yes.", max_tokens=16, stream=True, **options)
    events = answer.events
    with_usage = [bool(event.get("usage")) for event in events[:-1]]
    capture(f"stream-{asked}", answer, usage_in_events=with_usage,
            details="prompt_tokens_details" in json.dumps(events))
    assert events[-1] == "[DONE]"


@online
def test_online_embeddings(live):
    answer = live.ask("POST", "/v1/embeddings", {"model": "qwen3-embedding-4b", "input": "x"})
    capture("embeddings", answer, usage=answer.json["usage"])
    assert answer.status == 200 and answer.json["usage"]["prompt_tokens"] >= 1


@online
def test_online_three_seconds_of_audio(live):
    answer = live.ask("POST", "/v1/audio/transcriptions",
                      *form([("model", b"whisper-large-v3"), ("file", WAV)]))
    capture("transcription", answer, usage=answer.json.get("usage"))
    assert answer.json["usage"] == {"type": "duration", "seconds": 3}


@online
@pytest.mark.parametrize("stream", [False, True])
def test_online_messages(live, stream):
    body = {"model": "gpt-oss-120b", "max_tokens": 16, "stream": stream,
            "messages": [{"role": "user", "content": "Say yes."}]}
    answer = live.ask("POST", "/v1/messages", body)
    usage = [event.get("usage") for event in answer.events] if stream else answer.json["usage"]
    capture(f"messages-{stream}", answer, usage=usage)
    assert answer.status == 200
    assert not stream or b"event: message_stop" in answer.body


@online
def test_online_salts_and_cached_tokens(live):
    text, salt = "The same long text. " * 100, hashlib.sha256(os.urandom(32)).hexdigest()
    answers = [live.chat(text, max_tokens=1, cache_salt=salt) for _ in range(2)]
    capture("cached", answers[1], usage=[answer.json["usage"] for answer in answers])
    assert live.chat(cache_salt="s" * 33, max_tokens=1).status == 200
    short = live.chat(cache_salt="s" * 5)
    assert short.status == 500 and short.message.endswith(
        "cache_salt must be at least 32 characters long")


@online
def test_online_wrong_model(live):
    answer = live.chat(model="no-such-model")
    capture("wrong-model", answer, error=answer.json)
    assert answer.status >= 400


@online
def test_online_client_that_leaves(live):
    if IS_STANDIN:
        live.rule(chunks=100, chunk_ms=50, times=1)
    body = json.dumps({"model": "gpt-oss-120b", "stream": True, "max_tokens": 500,
                       "messages": [{"role": "user", "content": "Count to 300."}]}).encode()
    with live.raw() as connection:
        connection.sendall(chat_head(len(body)) + body)
        assert connection.recv(12) == b"HTTP/1.1 200"
    wait_for(lambda: "Connection closed by client" in live.log)


@online
def test_online_nothing_is_mutated_before_the_last_byte(live):
    body = b'{"model":"gpt-oss-120b","max_tokens":1,"messages":[{"role":"user","content":"x"}]}'
    with live.raw() as connection:
        connection.sendall(chat_head(len(body)) + body[:-1])
        time.sleep(1)
        before = live.log.count("Mutating")
        time.sleep(4)
        assert live.log.count("Mutating") == before
        connection.sendall(body[-1:])
        assert connection.recv(12) == b"HTTP/1.1 200"


@online
def test_online_sixty_megabytes_of_audio(live):
    answer = live.ask("POST", "/v1/audio/transcriptions",
                      *form([("model", b"whisper-large-v3"), ("file", bytes(60 << 20))]))
    capture("too-large", answer)
    assert answer.status == 413


@online
def test_online_bad_key(tmp_path):
    key = "00000000-0000-4000-8000-000000000000"
    scenario = {"boot": "bad_key"} if IS_STANDIN else None
    with Vendor(BINARY, tmp_path, key=key, scenario=scenario) as vendor:
        assert vendor.ended(120)[0] == 1
        assert "Unauthorized" in vendor.log


@online
def test_online_twenty_one_requests_in_a_minute(live):
    answers = [live.chat("x", max_tokens=1) for _ in range(21)]
    statuses = [answer.status for answer in answers]
    capture("rate-limit", answers[-1], statuses=statuses)
    assert set(statuses) <= {200, 429}
