"""`pmctl verify` against servers that are not what they should be.

The evidence is well formed under synthetic roots, so the shipped pmctl must refuse all of it, at
the root at the latest. `pmctl-emulated` is the same command with those roots; it shows the way to
PROVEN, and that each fault alone turns it."""
import datetime
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

import played_appliance as played
from played_appliance import answer, https, nonce_of

PM_BIN = Path(os.environ.get("PM_BIN", "."))
EMULATED = PM_BIN / "pmctl-emulated"
FACTORS = [
    "connection", "web-pki", "document", "fresh", "tls-key", "amd-root", "amd-signature",
    "chip-and-tcb", "paravisor", "quote", "guest-policy", "firmware-level", "product",
    "measurement", "boot-chain", "claims", "machine", "revocation", "location",
]
pytestmark = pytest.mark.skipif(
    played.vectors() is None, reason="no vectors: PM_VECTORS names no folder")
emulated_only = pytest.mark.skipif(not EMULATED.exists(), reason="pmctl-emulated is not built")


class Verdict:
    """One run: its exit code, its text, and its document where it was asked for."""

    def __init__(self, run):
        self.code, self.text, self.errors = run.returncode, run.stdout, run.stderr
        self.json = json.loads(run.stdout) if run.stdout.startswith("{") else {}
        self.states = {row["name"]: row["state"] for row in self.json.get("factors", [])}

    @property
    def summary(self):
        return self.code, self.json["verdict"], self.json["token"]


def verify(*words, program="pmctl", json=True, environment=None):
    words = [PM_BIN / program, "verify", *words, *(["--json"] if json else [])]
    clean = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    run = subprocess.run(words, env={**clean, **(environment or {})}, capture_output=True,
                         text=True, timeout=60)
    return Verdict(run)


@pytest.fixture
def evidence(generate, world, own):
    """Builds the body of a good answer to a request; keyword arguments spoil it."""
    def body(head, azure=False, **parts):
        make = world.azure_document if azure else world.snp_document
        return generate.compact(make(nonce=nonce_of(head), k=own.digest, **parts))
    return body


@pytest.fixture
def box(own, evidence):
    with https(own, lambda head: answer(200, evidence(head))) as box:
        yield box


# --- the shipped pmctl trusts AMD only


@pytest.mark.parametrize("azure", [False, True])
def test_synthetic_roots_are_refused_by_the_shipped_program(own, evidence, azure):
    with https(own, lambda head: answer(200, evidence(head, azure=azure))) as box:
        verdict = verify(box.url, "--no-webpki")
    assert verdict.summary == (1, "rejected", "ark-pin")
    passed = {name for name, state in verdict.states.items() if state == "PASS"}
    assert passed == {"connection", "document"}
    assert verdict.states["amd-root"] == "FAIL" and verdict.states["web-pki"] == "SKIP"


def test_one_line_for_each_factor_and_the_meaning_last(box):
    verdict = verify(box.url, "--no-webpki", json=False)
    lines = verdict.text.splitlines()
    assert [line[12:].split()[0] for line in lines[2:2 + len(FACTORS)]] == FACTORS
    assert lines[-1].startswith("REJECTED: ") and "(ark-pin)" in lines[-1]
    assert box.url in lines[0] and "baseline" in lines[0]


def test_the_document_has_its_members(box):
    document = verify(box.url).json
    assert list(document)[:11] == [
        "verdict", "token", "url", "time", "platform", "profile", "product", "warnings", "factors",
        "report", "claims"]
    assert [row["name"] for row in document["factors"]] == FACTORS
    for row in document["factors"]:
        assert set(row) == {"name", "state", "token", "detail"}
        assert row["state"] in ("PASS", "FAIL", "SKIP", "NOT PROVEN")
    assert document["url"] == box.url and document["platform"] == "snp"


def test_each_run_asks_with_a_nonce_of_its_own(box):
    nonces = {bytes(nonce_of(head)) for _ in range(3) if verify(box.url) for head in box.heads}
    assert len(nonces) == 3 and bytes(32) not in nonces


# --- whose key


def test_a_proxy_that_ends_tls_is_found_out(tmp_path, box):
    with played.terminating_relay(played.identity(tmp_path / "other"), box.port) as relay:
        verdict = verify(relay.url, "--no-webpki")
    assert verdict.summary == (1, "rejected", "tls-key")
    assert box.connections == 1, "the relay did reach the genuine machine"


def test_evidence_for_the_key_of_another_connection_is_refused(tmp_path, generate, world, own):
    other = played.identity(tmp_path / "other")
    reply = lambda head: answer(200, generate.compact(
        world.snp_document(nonce=nonce_of(head), k=other.digest)))
    with https(own, reply) as box:
        assert verify(box.url, "--no-webpki").summary == (1, "rejected", "tls-key")


def test_a_connect_proxy_is_a_tunnel_to_the_same_key(box):
    with played.tunnel(box.port) as proxy:
        environment = {"https_proxy": f"http://127.0.0.1:{proxy.port}"}
        verdict = verify("https://box.example:8443", "--no-webpki", environment=environment)
        assert verdict.summary == (1, "rejected", "ark-pin")
        assert proxy.heads[0].startswith(b"CONNECT box.example:8443 HTTP/1.1\r\n")
    assert b"Host: box.example:8443\r\n" in box.heads[0]


# --- which answer


@pytest.mark.parametrize("nonce", [b"\x07" * 32, bytes(32)])
def test_an_answer_to_another_nonce_is_refused(generate, world, own, nonce):
    body = generate.compact(world.snp_document(nonce=nonce, k=own.digest))
    with https(own, lambda head: answer(200, body)) as box:
        assert verify(box.url, "--no-webpki").summary == (1, "rejected", "nonce")


def test_a_redirect_is_not_followed(own, box):
    location = f"Location: {box.url}/.well-known/pmctl-attestation"
    with https(own, lambda head: answer(302, b"", location)) as server:
        assert verify(server.url, "--no-webpki").summary == (1, "rejected", "redirect")
    assert box.connections == 0


def test_a_body_that_breaks_off_is_no_answer(own, evidence):
    with https(own, lambda head: answer(200, evidence(head))[:-1]) as server:
        assert verify(server.url).summary == (2, "unreachable", "connect")


def test_a_body_without_a_length_is_no_answer(own, evidence):
    reply = lambda head: b"HTTP/1.1 200 OK\r\n\r\n" + evidence(head)
    with https(own, reply) as server:
        assert verify(server.url).summary == (1, "rejected", "http-status")


def test_a_body_past_the_bound_is_not_read(own):
    chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    replies = [lambda head: answer(200, b" " * 65537), lambda head: [chunked] + [chunk] * 5]
    for reply in replies:
        with https(own, reply) as server:
            assert verify(server.url).summary == (1, "rejected", "doc-size")


def test_a_body_of_the_bound_is_read(own):
    with https(own, lambda head: answer(200, b" " * 65536)) as server:
        assert verify(server.url).summary == (1, "rejected", "doc-json")


def test_a_chunked_body_is_read(own, evidence):
    def reply(head):
        body = evidence(head)
        yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        for piece in (body[:100], body[100:]):
            yield b"%x\r\n%s\r\n" % (len(piece), piece)
        yield b"0\r\n\r\n"

    with https(own, reply) as server:
        assert verify(server.url).json["token"] in ("ark-pin", "web-pki")


def test_another_protocol_behind_tls_is_no_answer(own):
    with https(own, lambda head: b"220 mail.example ESMTP\r\n\r\n") as server:
        assert verify(server.url).summary == (1, "rejected", "http-status")


@pytest.mark.parametrize("status, code, verdict", [
    (400, 1, "rejected"), (404, 1, "rejected"), (429, 2, "unreachable"), (500, 2, "unreachable"),
    (502, 2, "unreachable"), (503, 2, "unreachable"),
])
def test_other_statuses(own, status, code, verdict):
    with https(own, lambda head: answer(status, b"{}")) as server:
        assert verify(server.url).summary == (code, verdict, "http-status")


def test_development_says_that_it_proves_nothing(own):
    body = b'{"format":"pmctl-attestation/v1","error":"not-attested"}'
    with https(own, lambda head: answer(503, body)) as server:
        assert verify(server.url, "--no-webpki").summary == (1, "rejected", "not-attested")


# --- when


def drip(head):
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n"
    while True:
        time.sleep(0.1)
        yield b" "


def stall(head):
    time.sleep(played.SILENCE_SECONDS_MAX)
    return []


@pytest.mark.parametrize("manner", [drip, stall])
def test_the_time_allowed_is_for_the_whole(own, manner):
    server = https(own, manner).start()
    start = time.monotonic()
    verdict = verify(server.url, "--timeout", "1")
    assert 1 <= time.monotonic() - start < 5
    assert verdict.summary == (2, "unreachable", "connect")
    assert any("time allowed" in remark for remark in verdict.json["remarks"])


def test_a_server_that_never_greets_is_left_in_time():
    with played.Listener(lambda listener, connection: time.sleep(3)) as server:
        assert verify(server.url, "--timeout", "1").summary == (2, "unreachable", "connect")


def test_what_speaks_no_tls_is_told_apart_from_what_is_shut():
    def greet(listener, connection):
        connection.sendall(b"220 mail.example ESMTP\r\n")
        connection.recv(65536)

    with played.Listener(greet) as server:
        assert verify(server.url).summary == (2, "unreachable", "tls")
    assert verify(server.url).summary == (2, "unreachable", "connect")


def test_a_name_without_an_address_is_unreachable():
    verdict = verify("https://" + "a" * 64)
    assert verdict.summary == (2, "unreachable", "connect")
    assert any("no address" in remark for remark in verdict.json["remarks"])


@pytest.mark.parametrize("days", [-2, 2])
def test_a_wrong_clock_is_named_before_a_certificate(own, evidence, days):
    date = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    with https(own, lambda head: answer(200, evidence(head), date=date)) as box:
        remarks = verify(box.url, "--no-webpki").json["remarks"]
    assert any("One of them is wrong" in remark for remark in remarks)


@pytest.mark.parametrize("days, words", [((-30, -1), "has expired"), ((1, 30), "not valid yet")])
def test_an_outdated_certificate_is_told_with_our_clock(
        tmp_path, generate, world, days, words):
    dated = played.identity(tmp_path / "dated", days=days, authority=True)
    reply = lambda head: answer(200, generate.compact(
        world.snp_document(nonce=nonce_of(head), k=dated.digest)),
        date=datetime.datetime.now(datetime.timezone.utc))
    with https(dated, reply) as box:
        verdict = verify(box.url, environment={"SSL_CERT_FILE": str(dated.authority)})
    assert any(words in remark for remark in verdict.json["remarks"]), verdict.json["remarks"]
    assert any("the server's clock agrees" in remark for remark in verdict.json["remarks"])


# --- words


@pytest.mark.parametrize("words", [
    [], ["https://a", "https://b"], ["http://a"], ["https://a/path"], ["https://a", "--nonsense"],
    ["https://a", "--platform", "sgx"], ["https://a", "--profile", "lax"],
    ["https://a", "--expect-measurement", "00"], ["https://a", "--expect-pcr", "24=" + "0" * 64],
    ["https://a", "--expect-pcr", "4"], ["https://a", "--min-tcb", "Genoa"],
    ["https://a", "--require-platform-bits", "x"], ["https://a", "--require", "luck"],
    ["https://a", "--expect-file", "/nonexistent"], ["https://a", "--crl", "/nonexistent"],
    ["https://a", "--timeout", "0"], ["https://a", "--timeout", "601"],
    ["https://a", "--at", "2026-11-22"], ["--evidence", "/nonexistent"],
    ["https://a", "--evidence", "/nonexistent"], ["--evidence", "/nonexistent", "--at", "noon"],
    ["--evidence", "/nonexistent", "--no-webpki"], ["https://a", "--save", "/nonexistent/x"],
])
def test_words_that_are_not_understood_exit_with_3(words):
    verdict = verify(*words, json=False)
    assert verdict.code == 3 and verdict.text == "" and verdict.errors.startswith("pmctl verify:")


def test_text_of_others_cannot_steer_the_terminal():
    verdict = verify("https://a\x1b]0;x\x07\u202e", json=False)
    assert verdict.code == 3
    assert not any(ord(letter) < 32 and letter != "\n" for letter in verdict.errors)
    assert "\u202e" not in verdict.errors


# --- evidence that is kept


def test_saved_evidence_is_judged_again_without_network(tmp_path, box):
    folder = tmp_path / "evidence"
    first = verify(box.url, "--no-webpki", "--save", str(folder))
    assert sorted(path.name for path in folder.iterdir()) == [
        "evidence.json", "peer.der", "request.json", "verdict.json"]
    request = json.loads((folder / "request.json").read_text())
    assert request["url"] == box.url and request["tls"] == "TLSv1.3"
    assert json.loads((folder / "evidence.json").read_text())["nonce"] == request["nonce"]
    assert json.loads((folder / "verdict.json").read_text())["token"] == first.json["token"]
    again = verify("--evidence", str(folder))
    assert again.summary == (1, "rejected", "ark-pin")
    assert again.states["connection"] == "SKIP" and again.states["web-pki"] == "SKIP"
    assert again.states["fresh"] == "NOT PROVEN"
    assert verify(box.url, "--save", str(folder)).code == 3, "a folder is written once"


@pytest.mark.parametrize("name", ["evidence.json", "peer.der", "request.json"])
def test_damaged_saved_evidence_is_not_judged(tmp_path, box, name):
    folder = tmp_path / "evidence"
    verify(box.url, "--save", str(folder))
    (folder / name).write_bytes(b"\x30" * 70_000)
    assert verify("--evidence", str(folder), json=False).code == 3


def test_nothing_is_kept_where_nothing_came(tmp_path):
    folder = tmp_path / "evidence"
    assert verify("https://127.0.0.1:1", "--save", str(folder)).code == 2
    assert not folder.exists()


# --- the same command with the synthetic roots


@pytest.fixture(scope="module")
def proven(tmp_path_factory):
    """Runs `verify` of the program with the synthetic roots, which wants its world beside it."""
    folder = tmp_path_factory.mktemp("emulated")
    shutil.copy(EMULATED, folder)
    (folder / "emulated.json").write_text(
        json.dumps({"vectors": str(played.vectors()), "platform": "snp"}))
    return lambda *words, **others: verify(*words, program=folder / EMULATED.name, **others)


@emulated_only
@pytest.mark.parametrize("azure", [False, True])
def test_evidence_under_the_expected_roots_is_proven(proven, own, evidence, azure):
    with https(own, lambda head: answer(200, evidence(head, azure=azure))) as box:
        verdict = proven(box.url, "--no-webpki")
        text = proven(box.url, "--no-webpki", json=False).text
    assert verdict.summary == (0, "proven", None)
    assert verdict.states["fresh"] == verdict.states["tls-key"] == "PASS"
    assert verdict.states["measurement"] == "NOT PROVEN"
    assert "which software runs there is NOT PROVEN" in text and "anybody else" in text
    assert "our software" not in text


@emulated_only
def test_a_certificate_that_nobody_vouches_for_refuses_unless_it_is_not_asked(proven, box):
    verdict = proven(box.url)
    assert verdict.summary == (1, "rejected", "web-pki")
    assert verdict.states["web-pki"] == "FAIL" and verdict.states["tls-key"] == "PASS"


@emulated_only
def test_a_certificate_of_a_known_authority_passes(proven, tmp_path, generate, world):
    known = played.identity(tmp_path / "known", authority=True)
    reply = lambda head: answer(200, generate.compact(
        world.snp_document(nonce=nonce_of(head), k=known.digest)))
    with https(known, reply) as box:
        verdict = proven(box.url, environment={"SSL_CERT_FILE": str(known.authority)})
    assert verdict.summary == (0, "proven", None) and verdict.states["web-pki"] == "PASS"


@emulated_only
@pytest.mark.parametrize("words, token", [
    (["--platform", "azure-snp-vtpm"], "doc-platform"),
    (["--profile", "strict"], "tcb-floor"),
    (["--expect-measurement", "00" * 48], "measurement"),
    (["--expect-chip", "00" * 64], "chip"),
    (["--expect-csp", "CN=other"], "csp"),
    (["--min-tcb", "Genoa/17/1:bl=255"], "tcb-floor"),
    (["--require-platform-bits", "0x8"], "platform-info"),
    (["--require", "measurement"], None),
])
def test_what_is_expected_must_be_met(proven, box, words, token):
    assert proven(box.url, "--no-webpki", *words).summary == (1, "rejected", token)


@emulated_only
def test_a_boot_chain_is_refused_where_it_differs_and_not_proven_where_there_is_none(
        proven, own, evidence, box):
    words = ["--no-webpki", "--expect-pcr", "4=" + "00" * 32]
    with https(own, lambda head: answer(200, evidence(head, azure=True))) as azure:
        assert proven(azure.url, *words).summary == (1, "rejected", "pcr")
    verdict = proven(box.url, *words)
    assert verdict.states["boot-chain"] == "NOT PROVEN"
    assert any("no boot chain" in remark for remark in verdict.json["remarks"])
    assert proven(box.url, *words, "--require", "boot-chain").code == 1


@emulated_only
def test_met_expectations_are_proven(proven, tmp_path, generate, box):
    measurement = generate.hashlib.sha384(b"synthetic launch").hexdigest()
    claims = {"binaries": {"pmctl": generate.hashlib.sha256(b"pmctl").hexdigest()}}
    expected = tmp_path / "release.json"
    expected.write_text(json.dumps({"measurements": [measurement], "claims": claims}))
    verdict = proven(box.url, "--no-webpki", "--platform", "snp", "--expect-file", str(expected))
    assert verdict.summary == (0, "proven", None)
    assert verdict.states["measurement"] == verdict.states["claims"] == "PASS"
    assert verdict.json["remarks"] == []


@emulated_only
def test_signed_claims_cannot_be_edited(proven, own, generate, world):
    def reply(head):
        document = world.snp_document(nonce=nonce_of(head), k=own.digest)
        claims = generate.claims_json("snp").replace(b"0.0.0-test", b"9.9.9-test")
        return answer(200, generate.compact({**document, "claims": generate.b64(claims)}))

    with https(own, reply) as box:
        assert proven(box.url, "--no-webpki").summary == (1, "rejected", "report-data")


@emulated_only
def test_claims_are_shown_without_control_characters(proven, own, evidence):
    claims = json.dumps({"v": 1, "host": "a\x1b[2J\u009b\u202e", "x": "y" * 2000}).encode()
    with https(own, lambda head: answer(200, evidence(head, claims=claims))) as box:
        verdict = proven(box.url, "--no-webpki")
    shown = verdict.json["claims"]
    assert verdict.code == 0
    assert all(letter.isprintable() for letter in shown["host"]) and len(shown["x"]) < 300


@emulated_only
def test_saved_evidence_is_valid_and_never_proven(proven, tmp_path, box):
    folder = tmp_path / "evidence"
    assert proven(box.url, "--no-webpki", "--save", str(folder)).code == 0
    again = proven("--evidence", str(folder), "--at", "2027-01-01T00:00:00Z")
    assert again.summary == (0, "saved-evidence-valid", None)
    text = proven("--evidence", str(folder), json=False).text
    assert "SAVED EVIDENCE VALID" in text and "\nPROVEN" not in text
    late = proven("--evidence", str(folder), "--at", "2046-01-01T00:00:00Z")
    assert late.code == 1 and late.json["token"].endswith("-time")
    other = played.identity(tmp_path / "other")
    (folder / "peer.der").write_bytes(other.der)
    assert proven("--evidence", str(folder)).summary == (1, "rejected", "tls-key")


# --- lists of revoked intermediates


@pytest.fixture
def revocations(generate, world):
    """Makes AMD's list under the synthetic root of Genoa: which serial numbers, until when, by
    whose key."""
    def make(*serials, days=1, signer="Genoa"):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateRevocationListBuilder(
            issuer_name=generate.name("ARK-Genoa"), last_update=now - datetime.timedelta(days=9),
            next_update=now + datetime.timedelta(days=days))
        for serial in serials:
            entry = x509.RevokedCertificateBuilder(serial, now - datetime.timedelta(days=1))
            builder = builder.add_revoked_certificate(entry.build())
        signed = builder.sign(world.ca[signer]["ka"], hashes.SHA384(), rsa_padding=generate.PSS)
        return signed.public_bytes(serialization.Encoding.DER)
    return make


ASK_SERIAL = 65537


@emulated_only
@pytest.mark.parametrize("serials, others, token", [
    ([], {}, None), ([ASK_SERIAL - 1], {}, None), ([ASK_SERIAL], {}, "crl-revoked"),
    ([], {"days": -1}, "crl-time"), ([], {"signer": "Milan"}, "crl-sig"),
])
def test_a_list_of_revoked_intermediates(
        proven, tmp_path, box, revocations, serials, others, token):
    path = tmp_path / "list.crl"
    path.write_bytes(revocations(*serials, **others))
    verdict = proven(box.url, "--no-webpki", "--crl", str(path))
    assert verdict.json["token"] == token
    assert verdict.states["revocation"] == ("FAIL" if token else "PASS")


@emulated_only
def test_amd_is_asked_for_the_list_only_if_somebody_insists(
        proven, tmp_path, box, revocations):
    service = played.identity(tmp_path / "amd", names=["kdsintf.amd.com"], authority=True)
    with https(service, lambda head: answer(200, revocations())) as amd, \
            played.tunnel(amd.port) as proxy:
        environment = {"https_proxy": f"http://127.0.0.1:{proxy.port}",
                       "SSL_CERT_FILE": str(service.authority)}
        assert proven(box.url, "--no-webpki", environment=environment).code == 0
        assert proxy.connections == 0
        verdict = proven(box.url, "--no-webpki", "--require-crl", environment=environment)
        assert verdict.summary == (0, "proven", None) and verdict.states["revocation"] == "PASS"
        assert proxy.heads == [
            b"CONNECT kdsintf.amd.com:443 HTTP/1.1\r\nHost: kdsintf.amd.com:443\r\n\r\n"]
        assert amd.heads[0].startswith(b"GET /vcek/v1/Genoa/crl HTTP/1.1\r\n")
        # An impostor of AMD's service is told nothing.
        untrusted = {"https_proxy": environment["https_proxy"]}
        refused = proven(box.url, "--no-webpki", "--require-crl", environment=untrusted)
        assert refused.summary == (1, "rejected", "crl-missing") and len(amd.heads) == 1
