"""The edge as it is configured: addresses and their limits, trusted proxies, origins of browsers,
certificates that are replaced, and the plain port."""
import contextlib
import http.client
import socket
import ssl
import subprocess
import threading
import time

import pytest

from appliance import chat_body, read_all
from raw import answers, request
from streaming import Stream, content
from vendor_process import Answer, wait_for

ADDRESS_LIMIT = 3
WINDOW_SECONDS = 4
CONNECTIONS_MAX = 20
# The edge admits ten seconds' worth of both at once.
HANDSHAKES_PER_SECOND = 4
KEYLESS_PER_SECOND = 3
# The edge looks for new certificate files every two seconds.
LOOK_SECONDS = 2


def make_certificate(folder, name, days=30):
    """Writes NAME.pem and NAME.key."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", str(days), "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    certificate, key = make_certificate(folder, "first")
    certificate.rename(folder / "live.pem")
    key.rename(folder / "live.key")
    (folder / "challenges").mkdir()
    (folder / "challenges" / "token-1").write_text("token-1.thumbprint")
    (folder / "outside").write_text("not for the world")
    return folder


@pytest.fixture(scope="module")
def settings(files):
    return {
        "tls": {
            "certificate": str(files / "live.pem"), "key": str(files / "live.key"),
            "challengeDirectory": str(files / "challenges")},
        "edge": {
            "trustedProxies": ["127.0.0.1/32", "10.0.0.0/8"],
            "corsOrigins": ["https://good.example"],
            "connectionsPerAddressMax": CONNECTIONS_MAX,
            "handshakesPerAddressPerSecond": HANDSHAKES_PER_SECOND,
            "keylessRequestsPerAddressPerSecond": KEYLESS_PER_SECOND},
        "limits": {
            "global": {"requests": 1_000_000},
            "address": {"requests": ADDRESS_LIMIT, "windowSeconds": WINDOW_SECONDS}}}


@contextlib.contextmanager
def connected(appliance, source):
    """A TLS connection from a loopback address of its own, whatever certificate is shown."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    plain = socket.create_connection(("127.0.0.1", appliance.https), 10, (source, 0))
    with context.wrap_socket(plain, server_hostname="localhost") as connection:
        yield connection


def ask(appliance, key, *lines, source="127.0.0.1", path="/auth/key-info"):
    with connected(appliance, source) as connection:
        connection.sendall(request("GET", path, "Connection: close", *lines, key=key))
        return answers(read_all(connection))[0]


def ask_often(appliance, key, count, *lines, **options):
    return [ask(appliance, key, *lines, **options).status for _ in range(count)]


def forwarded(text):
    return f"X-Forwarded-For: {text}"


FULL = [200] * ADDRESS_LIMIT + [429]


# Limits of an address

def test_address_limit(appliance, key):
    source = "127.0.1.1"
    assert ask_often(appliance, key, ADDRESS_LIMIT, source=source) == [200] * ADDRESS_LIMIT
    refused = ask(appliance, key, source=source)
    assert refused.status == 429
    assert refused.error["message"] == "Per-IP rate limit exceeded"
    assert refused.error["code"] == "rate_limit_exceeded"
    assert refused.headers["x-ratelimit-limit"] == str(ADDRESS_LIMIT)
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert 1 <= int(refused.headers["retry-after"]) <= WINDOW_SECONDS
    assert 0 <= int(refused.headers["x-ratelimit-reset"]) - time.time() <= WINDOW_SECONDS + 1
    assert ask(appliance, key, source="127.0.1.2").status == 200
    time.sleep(int(refused.headers["retry-after"]))
    assert ask(appliance, key, source=source).status == 200


def test_refused_keys_count_and_health_does_not(appliance, key):
    source = "127.0.1.3"
    assert ask_often(appliance, None, ADDRESS_LIMIT, source=source) == [401] * ADDRESS_LIMIT
    assert ask(appliance, key, source=source).status == 429
    assert ask_often(appliance, None, 5, source=source, path="/health") == [200] * 5


def test_refused_requests_take_no_place(appliance, key):
    source = "127.0.1.4"
    assert ask_often(appliance, key, ADDRESS_LIMIT, source=source) == [200] * ADDRESS_LIMIT
    granted = time.monotonic()
    # Late in the window: whatever takes a place now has it when those above have none any more.
    time.sleep(WINDOW_SECONDS / 2)
    assert ask_often(appliance, key, 5, source=source)[-1] == 429
    time.sleep(max(0, WINDOW_SECONDS + 0.2 - (time.monotonic() - granted)))
    assert ask_often(appliance, key, ADDRESS_LIMIT, source=source) == [200] * ADDRESS_LIMIT


def test_connections_of_an_address(appliance):
    held = []
    for _ in range(CONNECTIONS_MAX):
        held.append(socket.create_connection(("127.0.0.1", appliance.https), 5, ("127.0.1.5", 0)))
    time.sleep(0.2)
    with socket.create_connection(("127.0.0.1", appliance.https), 5, ("127.0.1.5", 0)) as one_more:
        assert read_all(one_more) == b""
    with connected(appliance, "127.0.1.6") as other:
        other.sendall(request("GET", "/health", "Connection: close"))
        assert answers(read_all(other))[0].status == 200
    for connection in held:
        connection.close()


def shakes_hands(appliance, source):
    try:
        with connected(appliance, source):
            return True
    except OSError:
        return False


def test_handshakes_of_an_address(appliance):
    burst = HANDSHAKES_PER_SECOND * 10
    began = time.monotonic()
    admitted = 0
    while admitted < 3 * burst and shakes_hands(appliance, "127.0.1.20"):
        admitted += 1
    spent = time.monotonic() - began
    assert burst <= admitted <= burst + HANDSHAKES_PER_SECOND * spent + 1
    assert shakes_hands(appliance, "127.0.1.21")
    time.sleep(2 / HANDSHAKES_PER_SECOND)
    assert shakes_hands(appliance, "127.0.1.20")


@pytest.mark.parametrize("number, method, path, status", [
    (1, "GET", "/nothing", 404), (2, "GET", "/health/ready", 200), (3, "PUT", "/auth/key-info", 405),
    (4, "OPTIONS", "/v1/models", 204), (5, "GET", "/v1/files", 501), (6, "PUT", "/health/ready", 405)])
def test_requests_without_a_key(appliance, key, number, method, path, status):
    """Ten seconds' worth is answered, then 429; keys and the health check are not hindered."""
    client = forwarded(f"198.51.100.{number}")
    burst = KEYLESS_PER_SECOND * 10
    began = time.monotonic()
    with connected(appliance, "127.0.0.1") as connection:
        connection.sendall(
            request(method, path, client) * burst * 2 + request("GET", "/health", client)
            + request("GET", "/auth/key-info", client, "Connection: close", key=key))
        found = [answer.status for answer in answers(read_all(connection))]
    spent = time.monotonic() - began
    assert found[-2:] == [200, 200]
    limited = found[:-2]
    assert len(limited) == burst * 2 and limited[:burst] == [status] * burst
    assert set(limited[burst:]) <= {status, 429}
    assert limited.count(status) <= burst + KEYLESS_PER_SECOND * spent + 1


# Whom the edge believes

def test_without_trust_the_peer_counts(appliance, key):
    statuses = [
        ask(appliance, key, forwarded(f"203.0.113.{n}"), source="127.0.1.7").status
        for n in range(ADDRESS_LIMIT + 1)]
    assert statuses == FULL


def test_one_value_of_a_trusted_peer(appliance, key):
    assert ask_often(appliance, key, ADDRESS_LIMIT + 1, forwarded("203.0.113.50")) == FULL
    assert ask(appliance, key, forwarded("203.0.113.51")).status == 200


def test_rightmost_value_that_is_not_listed_counts(appliance, key):
    statuses = [
        ask(appliance, key, forwarded(f"198.51.100.{n}, 203.0.113.60")).status
        for n in range(ADDRESS_LIMIT + 1)]
    assert statuses == FULL


def test_listed_hops_are_skipped_and_blanks_trimmed(appliance, key):
    statuses = [
        ask(appliance, key, forwarded(f"203.0.113.70 ,  10.1.2.{n}  ,127.0.0.1")).status
        for n in range(ADDRESS_LIMIT + 1)]
    assert statuses == FULL


def test_several_lines_are_one_list(appliance, key):
    statuses = [
        ask(appliance, key, forwarded("203.0.113.80"), forwarded(f"10.9.9.{n}")).status
        for n in range(ADDRESS_LIMIT + 1)]
    assert statuses == FULL


def test_one_ipv6_network_is_one_client(appliance, key):
    statuses = [
        ask(appliance, key, forwarded(f"2001:db8:1:2::{n:x}")).status
        for n in range(1, ADDRESS_LIMIT + 2)]
    assert statuses == FULL
    assert ask(appliance, key, forwarded("2001:db8:1:3::1")).status == 200


def test_what_is_no_address_leaves_the_peer(appliance, key):
    time.sleep(WINDOW_SECONDS)
    statuses = [
        ask(appliance, key, forwarded(text)).status
        for text in ("unknown", "203.0.113.1:80x", "CANARY, 10.0.0.1", "999.1.1.1")]
    assert statuses == FULL


# Browsers

def test_only_configured_origins_are_allowed(appliance, key):
    for origin, allowed in (("https://good.example", True), ("https://evil.example", False)):
        answer = ask(appliance, key, f"Origin: {origin}", forwarded(f"203.0.113.9{int(allowed)}"))
        assert answer.status == 200
        assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)
        if allowed:
            assert answer.headers["vary"] == "Origin"


# Certificates

def shown_certificate(appliance):
    with connected(appliance, "127.0.1.8") as connection:
        return connection.getpeercert(binary_form=True)


def put(files, certificate, key):
    """Replaces the live pair, each file in one step."""
    for source, name in ((certificate, "live.pem"), (key, "live.key")):
        copy = files / f"{name}.new"
        copy.write_bytes(source.read_bytes())
        copy.rename(files / name)


def der(certificate):
    return ssl.PEM_cert_to_DER_cert(certificate.read_text())


class Load:
    """Requests on one kept connection and on new ones, until told to stop."""

    def __init__(self, appliance, key):
        self.appliance, self.key = appliance, key
        self.faults, self.count = [], 0
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=work, daemon=True)
                        for work in (self.keep, self.renew)]
        for thread in self.threads:
            thread.start()

    def note(self, work):
        try:
            work()
            self.count += 1
        except Exception as error:  # Every fault is told in the end.
            self.faults.append(repr(error))

    def keep(self):
        with connected(self.appliance, "127.0.1.9") as connection:
            while not self.is_over.wait(0.01):
                self.note(lambda: self.exchange(connection))

    def exchange(self, connection):
        connection.sendall(request("GET", "/health"))
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")

    def renew(self):
        while not self.is_over.wait(0.01):
            def once():
                with connected(self.appliance, "127.0.0.1") as connection:
                    self.exchange(connection)
            self.note(once)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join(20)


def test_certificate_is_replaced_under_load(appliance, files, vendor, key):
    before = shown_certificate(appliance)
    vendor.rule(chunks=50, chunk_ms=100)
    context = ssl.create_default_context(cafile=str(files / "live.pem"))
    appliance.tls = lambda: context
    body = chat_body(stream=True)
    origin = {"X-Forwarded-For": "203.0.113.99"}
    with Load(appliance, key) as load, Stream(
            appliance, "/v1/chat/completions", body, key, origin) as stream:
        events = stream.events()
        next(events)
        second = make_certificate(files, "second")
        put(files, *second)
        # Slower than an address may begin handshakes.
        wait_for(lambda: shown_certificate(appliance) == der(second[0]), 10 * LOOK_SECONDS, 0.2)
        rest = list(events)
    assert before != der(second[0])
    assert stream.is_whole and rest[-1] == "[DONE]"
    assert len([event for event in rest if content(event)]) == 50
    assert load.faults == [] and load.count > 100


@pytest.mark.parametrize("kind", ["mismatch", "garbage", "empty", "gone", "expired"])
def test_bad_pair_replaces_nothing(appliance, files, kind):
    good = shown_certificate(appliance)
    certificate, key = make_certificate(files, kind)
    if kind == "mismatch":
        key = make_certificate(files, "other")[1]
    elif kind in ("garbage", "empty"):
        certificate.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n" if kind == "garbage" else "")
    elif kind == "expired":
        expire(certificate, key)
    saved = (files / "live.pem").read_bytes(), (files / "live.key").read_bytes()
    if kind == "gone":
        (files / "live.pem").unlink()
    else:
        put(files, certificate, key)
    refusals = appliance.text().count("certificate-refused")
    time.sleep(LOOK_SECONDS + 0.5)
    assert shown_certificate(appliance) == good
    if kind != "gone":
        assert appliance.text().count("certificate-refused") > refusals
    (files / "live.pem").write_bytes(saved[0])
    (files / "live.key").write_bytes(saved[1])


def expire(certificate, key):
    """Signs the key again, for a time that is over."""
    request_file = certificate.with_suffix(".csr")
    subprocess.run(["openssl", "req", "-new", "-key", key, "-subj", "/CN=old", "-out", request_file],
                   check=True, capture_output=True)
    subprocess.run(["openssl", "x509", "-req", "-in", request_file, "-signkey", key, "-days", "-1",
                    "-out", certificate], check=True, capture_output=True)


# The plain port

def plain(appliance, method, path, headers=None):
    with contextlib.closing(http.client.HTTPConnection(
            "127.0.0.1", appliance.http, timeout=10)) as connection:
        connection.request(method, path, headers=headers or {})
        return Answer(connection.getresponse())


def test_plain_health(appliance):
    answer = plain(appliance, "GET", "/health")
    assert answer.status == 200 and answer.json["status"] == "healthy"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "strict-transport-security" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/admin", "/admin/login"])
def test_pages_are_sent_to_https(appliance, path):
    answer = plain(appliance, "GET", path, {"Host": f"localhost:{appliance.http}"})
    assert answer.status == 308
    assert answer.headers["location"] == f"https://localhost:{appliance.https}{path}"


def test_host_of_a_redirect_cannot_leave_its_place(appliance):
    answer = plain(appliance, "GET", "/", {"Host": "evil.example/@x"})
    assert answer.status in (400, 403) and "location" not in answer.headers


@pytest.mark.parametrize("method, path", [
    ("POST", "/v1/chat/completions"), ("GET", "/v1/models"), ("GET", "/auth/key-info"),
    ("POST", "/admin/login"), ("GET", "/x"), ("OPTIONS", "/v1/models"), ("POST", "/v1/messages")])
def test_plain_api_is_refused(appliance, vendor, key, method, path):
    answer = plain(appliance, method, path, key.bearer)
    assert answer.status == 403
    assert answer.message.startswith("HTTPS required. Please use a secure connection.")
    assert answer.headers["connection"] == "close"
    assert key.secret.encode() not in answer.body
    assert vendor.records() == []


def test_challenges_of_a_certificate_authority(appliance):
    prefix = "/.well-known/acme-challenge/"
    assert plain(appliance, "GET", prefix + "token-1").body == b"token-1.thumbprint"
    for name in ("none", "", "../outside", "%2e%2e%2foutside", "..%2foutside", "token-1/", "."):
        answer = plain(appliance, "GET", prefix + name)
        assert answer.status in (400, 404) and b"not for the world" not in answer.body


def test_tls_on_the_plain_port_and_plain_on_the_other(appliance):
    with socket.create_connection(("127.0.0.1", appliance.https), 5) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"HTTP" not in read_all(connection)
