"""The TLS key that is born in the machine, the certificates that come and go with it, and the
endpoint that speaks of it; the supervisor behind that is played."""
import hashlib
import json
import os
import secrets
import socket
import ssl
import stat
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from appliance import free_ports, program, read_all
from played_supervisor import (
    PATH, ProvedEdge, document, key_digest, openssl, prepare_key, production)
from raw import answers, request
from vendor_process import wait_for

# The edge looks for new files every two seconds.
LOOK_SECONDS = 2
FILES = ["certificate.pem", "key.pem", "lock", "request.csr"]
DIGITS = set("0123456789abcdef")
BURST = 5
WAITING_MAX = 8


def configure(folder, **members):
    path = folder / "appliance.json"
    path.write_text(json.dumps(production(folder, **members)))
    return path


def put(path, data, mode=0o600):
    """Replaces a file in one step."""
    copy = path.with_name(path.name + ".copy")
    copy.write_bytes(data)
    copy.chmod(mode)
    copy.rename(path)


def begin_edge(*words):
    """An edge that has a reason not to serve."""
    return subprocess.run([program("pm-edge"), *words], env={}, timeout=20, capture_output=True)


def modes(folder):
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in sorted(folder.iterdir())}


# The key

@pytest.mark.parametrize("storage, folder", [("memory", "run"), ("disk", "state")])
def test_a_key_is_born_once(tmp_path, storage, folder):
    path = configure(tmp_path, tls={"keyStorage": storage})
    code, first, errors = prepare_key(path)
    assert (code, errors) == (0, "")
    assert len(first) == 65 and set(first[:-1]) <= DIGITS and first[-1] == "\n"
    keys = tmp_path / folder / "edge-key"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    assert modes(keys) == dict.fromkeys(FILES, 0o600)
    assert key_digest(keys / "certificate.pem") == first.strip()
    before = {name: (keys / name).read_bytes() for name in FILES}
    assert prepare_key(path) == (0, first, "")
    assert {name: (keys / name).read_bytes() for name in FILES} == before
    text = openssl("pkey", "-in", str(keys / "key.pem"), "-noout", "-text").decode()
    assert "NIST CURVE: P-256" in text


def test_the_request_is_signed_and_names_the_host(tmp_path):
    path = configure(tmp_path, publicName="ai.example.org")
    _, output, _ = prepare_key(path)
    file = str(tmp_path / "run" / "edge-key" / "request.csr")
    openssl("req", "-in", file, "-noout", "-verify")
    assert b"DNS:ai.example.org" in openssl("req", "-in", file, "-noout", "-text")
    public = openssl("req", "-in", file, "-noout", "-pubkey")
    spki = openssl("pkey", "-pubin", "-outform", "DER", data=public)
    assert hashlib.sha256(spki).hexdigest() == output.strip()


def test_runs_at_the_same_time_get_the_same_key(tmp_path):
    for round_number in range(5):
        folder = tmp_path / str(round_number)
        folder.mkdir()
        path = configure(folder)
        with ThreadPoolExecutor(12) as pool:
            found = list(pool.map(lambda _: prepare_key(path), range(12)))
        assert {code for code, _, _ in found} == {0}, found
        assert len({output for _, output, _ in found}) == 1
        assert modes(folder / "run" / "edge-key") == dict.fromkeys(FILES, 0o600)


def test_a_killed_run_leaves_a_whole_key_or_none(tmp_path):
    path = configure(tmp_path)
    key = tmp_path / "run" / "edge-key" / "key.pem"
    whole = absent = 0
    for step in range(40):
        process = subprocess.Popen(
            [program("pm-edge"), "--prepare-key", "--configuration", str(path)], env={},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(step * 0.0005)
        process.kill()
        process.wait()
        if key.exists():
            whole += 1
            openssl("pkey", "-in", str(key), "-noout", "-check")
            code, output, _ = prepare_key(path)
            assert code == 0 and output.strip() == key_digest(key.with_name("certificate.pem"))
            key.unlink()
        else:
            absent += 1
    assert whole + absent == 40
    assert prepare_key(path)[0] == 0


@pytest.mark.parametrize("kind", ["empty", "garbage", "half", "folder", "link", "readable"])
def test_a_bad_key_is_an_error_and_stays(tmp_path, kind):
    path = configure(tmp_path)
    assert prepare_key(path)[0] == 0
    key = tmp_path / "run" / "edge-key" / "key.pem"
    data = {"empty": b"", "garbage": b"garbage"}.get(kind, key.read_bytes())
    if kind == "half":
        data = data[:len(data) // 2]
    if kind == "folder":
        key.unlink()
        key.mkdir()
    elif kind == "link":
        (tmp_path / "elsewhere").write_bytes(data)
        (tmp_path / "elsewhere").chmod(0o600)
        key.unlink()
        key.symlink_to(tmp_path / "elsewhere")
    else:
        put(key, data, 0o640 if kind == "readable" else 0o600)
    code, output, errors = prepare_key(path)
    assert code == 78 and output == ""
    reason = json.loads(errors)
    assert reason["event"] == "key-refused"
    assert reason["reason"] == {"folder": "exposed", "readable": "exposed",
                                "link": "unreadable"}.get(kind, "unusable")
    if kind not in ("folder", "link"):
        assert key.read_bytes() == data
    # An edge with such a key does not begin either.
    done = begin_edge("--proven-key", "00" * 32, "--configuration", str(path))
    assert done.returncode == 78 and b"key-refused" in done.stderr


def test_no_key_serves_but_the_one_that_was_proved(tmp_path):
    path = configure(tmp_path)
    words = ("--configuration", str(path))
    _, proven, _ = prepare_key(path)
    (tmp_path / "run" / "edge-key" / "key.pem").unlink()
    assert prepare_key(path)[1] != proven
    done = begin_edge("--proven-key", proven.strip(), *words)
    reason = json.loads(done.stderr)
    assert (done.returncode, reason["event"], reason["reason"]) == (1, "key-refused", "another")
    # In production some key must have been proved.
    for wrong in ((), ("--proven-key",), ("--proven-key", "all")):
        assert begin_edge(*wrong, *words).returncode == 78


def test_the_operators_key_is_read(tmp_path):
    key, certificate = tmp_path / "own.key", tmp_path / "own.pem"
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=own", "-days", "3",
            "-keyout", str(key), "-out", str(certificate))
    path = configure(tmp_path, tls={"certificate": str(certificate), "key": str(key)})
    assert prepare_key(path) == (0, key_digest(certificate) + "\n", "")
    assert not (tmp_path / "run").exists()
    key.write_text("garbage")
    assert prepare_key(path)[0] == 78
    key.unlink()
    assert prepare_key(path)[0] == 78


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    path = configure(tmp_path)
    (tmp_path / "run").write_text("no folder")
    code, output, errors = prepare_key(path)
    assert code == 1 and output == "" and json.loads(errors)["reason"] == "not-stored"


# Certificates for it

def sign(folder, name, request_file, days=30):
    """A certificate for a request, by an authority of the test; its PEM text."""
    authority = folder / "authority.pem"
    if not authority.exists():
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                "-nodes", "-subj", "/CN=authority", "-days", "30", "-keyout",
                str(folder / "authority.key"), "-out", str(authority))
    out = folder / f"{name}.crt"
    openssl("x509", "-req", "-in", str(request_file), "-CA", str(authority), "-CAkey",
            str(folder / "authority.key"), "-CAcreateserial", "-days", str(days),
            "-copy_extensions", "copy", "-out", str(out))
    return out.read_bytes()


def der(pem):
    return ssl.PEM_cert_to_DER_cert(pem.decode())


class Visitors:
    """One kept connection and ever new ones, until told to stop."""

    def __init__(self, edge):
        self.edge, self.faults, self.count = edge, [], 0
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=work, daemon=True)
                        for work in (self.keep, self.renew)]

    def exchange(self, connection):
        try:
            connection.sendall(request("GET", "/health"))
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            self.count += 1
        except Exception as error:  # Every fault is told in the end.
            self.faults.append(repr(error))

    def keep(self):
        with self.edge.connect() as connection:
            while not self.is_over.wait(0.01):
                self.exchange(connection)

    def renew(self):
        while not self.is_over.wait(0.01):
            with self.edge.connect() as connection:
                self.exchange(connection)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join(20)


def test_a_certificate_is_fetched_with_the_request_and_renewed(tmp_path):
    """As an ACME client does it: the request goes out, a certificate comes in, no restart."""
    live = tmp_path / "live.pem"
    with ProvedEdge(tmp_path, threads=2, tls={"certificate": str(live)}) as edge:
        own = (edge.keys / "certificate.pem").read_bytes()
        assert edge.shown() == der(own)
        assert edge.count("self-signed-served") == edge.count("certificate-refused") == 2
        with edge.connect(trusting=str(edge.keys / "certificate.pem")) as connection:
            assert connection.version() == "TLSv1.3"
        pid = edge.process.pid
        with Visitors(edge) as visitors:
            for name in ("first", "second"):
                pem = sign(tmp_path, name, edge.keys / "request.csr")
                put(live, pem)
                wait_for(lambda: edge.shown() == der(pem), 10 * LOOK_SECONDS)
                assert key_digest(live) == edge.key
            with edge.connect(trusting=str(tmp_path / "authority.pem")) as connection:
                assert connection.version() == "TLSv1.3"
        assert visitors.faults == [] and visitors.count > 50
        assert edge.process.pid == pid and edge.process.poll() is None


@pytest.mark.parametrize("kind", ["foreign", "garbage", "expired", "gone"])
def test_an_unfit_certificate_is_not_taken(tmp_path, kind):
    live = tmp_path / "live.pem"
    with ProvedEdge(tmp_path, tls={"certificate": str(live)}) as edge:
        good = sign(tmp_path, "good", edge.keys / "request.csr")
        put(live, good)
        wait_for(lambda: edge.shown() == der(good), 10 * LOOK_SECONDS)
        refusals = edge.count("certificate-refused")
        if kind == "foreign":
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                    "-nodes", "-subj", "/CN=other", "-keyout", str(tmp_path / "other.key"),
                    "-out", str(tmp_path / "other.pem"))
            put(live, (tmp_path / "other.pem").read_bytes())
        elif kind == "garbage":
            put(live, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        elif kind == "expired":
            put(live, sign(tmp_path, "old", edge.keys / "request.csr", days=-1))
        else:
            live.unlink()
        time.sleep(LOOK_SECONDS + 0.5)
        assert edge.shown() == der(good)
        assert edge.count("certificate-refused") == refusals + (kind != "gone")


def test_another_key_is_told_and_not_used(tmp_path):
    with ProvedEdge(tmp_path) as edge:
        shown, key = edge.shown(), edge.keys / "key.pem"
        old = key.read_bytes()
        key.unlink()
        wait_for(lambda: '"reason":"unreadable"' in edge.text(), 10 * LOOK_SECONDS)
        assert prepare_key(edge.path)[1].strip() != edge.key
        wait_for(lambda: '"reason":"another"' in edge.text(), 10 * LOOK_SECONDS)
        assert edge.count("key-not-taken") == 2
        assert edge.shown() == shown
        put(key, old)
        time.sleep(LOOK_SECONDS + 0.5)
        assert edge.count("key-not-taken") == 2 and edge.shown() == shown


def test_the_key_is_nowhere_else(tmp_path):
    """Not in what an edge says, nor in another file, nor for others to read in its memory."""
    with ProvedEdge(tmp_path) as edge:
        key = (edge.keys / "key.pem").read_bytes()
        secret = openssl("pkey", "-in", str(edge.keys / "key.pem"), "-outform", "DER")[36:68]
        for path in tmp_path.rglob("*"):
            if path.is_file() and path.name != "key.pem":
                data = path.read_bytes()
                assert key[30:100] not in data and secret not in data
                assert secret.hex().encode() not in data
        owner = os.stat(f"/proc/{edge.process.pid}/maps").st_uid
        assert owner == 0


# The endpoint

def ask(edge, target=None, *lines, method="GET", source="127.0.0.1"):
    target = target or f"{PATH}?nonce={secrets.token_hex(32)}"
    with edge.connect(source) as connection:
        connection.sendall(request(method, target, "Connection: close", *lines))
        return answers(read_all(connection))[0]


@pytest.fixture(scope="module")
def edge(tmp_path_factory):
    with ProvedEdge(tmp_path_factory.mktemp("edge"), threads=2) as edge:
        yield edge


@pytest.fixture
def supervisor(edge):
    """Plays well, unless a test says otherwise."""
    supervisor = edge.supervisor
    supervisor.requests.clear()
    supervisor.act = lambda request: supervisor.send(request, document(request["nonce"], edge.key))
    yield supervisor
    supervisor.act = lambda request: supervisor.refuse(request, "unavailable", 1)


sources = (f"127.0.{n // 250 + 2}.{n % 250 + 1}" for n in range(60_000))


@pytest.fixture
def source():
    """An address that nobody used before."""
    return next(sources)


def test_a_document_is_passed_on_to_the_byte(edge, supervisor, source):
    sent = []

    def act(request):
        sent.append(document(request["nonce"], edge.key))
        supervisor.send(request, sent[-1])

    supervisor.act = act
    nonce = secrets.token_hex(32)
    answer = ask(edge, f"{PATH}?nonce={nonce}", source=source)
    assert answer.status == 200 and answer.body == sent[0]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    assert "set-cookie" not in answer.headers
    asked, = supervisor.requests
    assert asked == {"v": 1, "id": asked["id"], "verb": "evidence", "nonce": nonce,
                     "deadline_ms": asked["deadline_ms"]}
    assert 14_000 <= asked["deadline_ms"] <= 15_000


@pytest.mark.parametrize("size", [500, 2880, 2881, 65_536])
def test_documents_of_any_size(edge, supervisor, source, size):
    supervisor.act = lambda request: supervisor.send(
        request, document(request["nonce"], edge.key, size))
    answer = ask(edge, source=source)
    assert answer.status == 200 and len(answer.body) == size


def test_nonces_are_asked_again_each_time(edge, supervisor, source):
    nonce = secrets.token_hex(32)
    for _ in range(3):
        assert ask(edge, f"{PATH}?nonce={nonce}", source=source).status == 200
    assert [asked["nonce"] for asked in supervisor.requests] == [nonce] * 3


NONCE = "0123456789abcdef" * 4


@pytest.mark.parametrize("query", [
    "", "?", "?nonce=", f"?nonce={NONCE[:-1]}", f"?nonce={NONCE}0", f"?nonce={NONCE.upper()}",
    f"?nonce={'0' * 64}", f"?nonce={NONCE}&x=1", f"?x=1&nonce={NONCE}", f"?nonce={NONCE}&nonce={NONCE}",
    f"?Nonce={NONCE}", f"?nonce=%30{NONCE[1:]}", f"?nonce={NONCE[:-1]}g", f"?nonce={NONCE};",
    f"?{NONCE}"])
def test_other_queries_are_refused(edge, supervisor, source, query):
    answer = ask(edge, PATH + query, source=source)
    assert answer.status == 400 and answer.error["code"] == "invalid_nonce"
    assert answer.headers["cache-control"] == "no-store"
    assert supervisor.requests == []


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"])
def test_other_methods_are_refused(edge, supervisor, source, method):
    with edge.connect(source) as connection:
        connection.sendall(request(method, f"{PATH}?nonce={NONCE}", "Connection: close"))
        said = read_all(connection)
    assert said.startswith(b"HTTP/1.1 405 ") and b"\r\nAllow: GET\r\n" in said
    assert supervisor.requests == []


def test_a_body_is_refused(edge, supervisor, source):
    answer = ask(edge, f"{PATH}?nonce={NONCE}", "Content-Length: 5", source=source)
    assert answer.status == 400 and supervisor.requests == []


@pytest.mark.parametrize("path", [PATH + "/", PATH + "x", "/.well-known", "/.well-known/x"])
def test_there_is_one_path(edge, supervisor, source, path):
    assert ask(edge, f"{path}?nonce={NONCE}", source=source).status == 404
    assert supervisor.requests == []


@pytest.mark.parametrize("reason, seconds, status", [
    ("busy", 3, 429), ("unavailable", 7, 503), ("malformed", 0, 503)])
def test_refusals_are_passed_on(edge, supervisor, source, reason, seconds, status):
    supervisor.act = lambda request: supervisor.refuse(request, reason, seconds)
    answer = ask(edge, source=source)
    assert answer.status == status
    assert answer.headers["retry-after"] == str(max(1, seconds))
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("kind", [
    "foreign key", "old nonce", "no key", "twice", "cut", "reordered", "not json", "too long"])
def test_what_is_not_our_document_goes_to_nobody(edge, supervisor, source, kind):
    def act(request):
        body = document(request["nonce"], edge.key)
        if kind == "foreign key":
            body = document(request["nonce"], "ab" * 32)
        elif kind == "old nonce":
            body = document("cd" * 32, edge.key)
        elif kind == "no key":
            body = json.dumps({"nonce": request["nonce"]}).encode()
        elif kind == "twice":
            body = body[:-1] + f', "spki_sha256": "{"ab" * 32}"}}'.encode()
        elif kind == "not json":
            body = body[:-1]
        elif kind == "too long":
            body = document(request["nonce"], edge.key, 65_537)
        if kind == "reordered":
            supervisor.say({"id": request["id"], "part": 1, "data": "AAAA"})
        elif kind == "cut":
            supervisor.say({"id": request["id"], "outcome": "done", "bytes": len(body)})
        supervisor.send(request, body)

    supervisor.act = act
    refusals = edge.count("evidence-refused")
    answer = ask(edge, source=source)
    assert answer.status == 503 and answer.error["code"] == "evidence_unavailable"
    assert edge.count("evidence-refused") == refusals + 1
    supervisor.act = lambda request: supervisor.send(request, document(request["nonce"], edge.key))
    assert ask(edge, source=source).status == 200


def test_an_address_has_five_and_then_one_each_second(edge, supervisor, source):
    began = time.monotonic()
    found = [ask(edge, source=source) for _ in range(2 * BURST)]
    spent = time.monotonic() - began
    statuses = [answer.status for answer in found]
    assert statuses[:BURST] == [200] * BURST and set(statuses) <= {200, 429}
    assert statuses.count(200) <= BURST + spent + 1 and 429 in statuses
    refused = next(answer for answer in found if answer.status == 429)
    assert refused.headers["retry-after"] == "1" and refused.headers["cache-control"] == "no-store"
    # Others, and the rest of the API, are not touched.
    assert ask(edge, source=next(sources)).status == 200
    assert ask(edge, "/health", source=source).status == 200
    time.sleep(1.1)
    assert ask(edge, source=source).status == 200


class Pause:
    """A supervisor that holds each request until told to go on."""

    def __init__(self, edge, supervisor):
        self.gate = threading.Event()

        def act(request):
            self.gate.wait(30)
            supervisor.send(request, document(request["nonce"], edge.key))

        supervisor.act = act


def begin(edge):
    connection = edge.connect(next(sources))
    connection.sendall(request("GET", f"{PATH}?nonce={secrets.token_hex(32)}", "Connection: close"))
    return connection


def finish(connection):
    with connection:
        return answers(read_all(connection))[0].status


def test_eight_wait_and_the_next_is_refused(edge, supervisor):
    pause = Pause(edge, supervisor)
    held = [begin(edge)]
    wait_for(lambda: len(supervisor.requests) == 1)
    held += [begin(edge) for _ in range(WAITING_MAX)]
    time.sleep(0.3)
    for _ in range(3):
        assert finish(begin(edge)) == 429
    # The supervisor hears of one at a time.
    assert len(supervisor.requests) == 1
    pause.gate.set()
    assert [finish(connection) for connection in held] == [200] * (WAITING_MAX + 1)


def test_who_leaves_frees_a_place_and_costs_nothing(edge, supervisor):
    pause = Pause(edge, supervisor)
    held = [begin(edge)]
    wait_for(lambda: len(supervisor.requests) == 1)
    leaving = [begin(edge) for _ in range(WAITING_MAX)]
    time.sleep(0.3)
    assert finish(begin(edge)) == 429
    for connection in leaving:
        connection.close()
    time.sleep(0.3)
    held += [begin(edge) for _ in range(WAITING_MAX)]
    time.sleep(0.3)
    assert finish(begin(edge)) == 429
    pause.gate.set()
    assert [finish(connection) for connection in held] == [200] * (WAITING_MAX + 1)
    assert len(supervisor.requests) == WAITING_MAX + 1


def test_requests_behind_each_other_on_one_connection(edge, supervisor, source):
    nonces = [secrets.token_hex(32) for _ in range(3)]
    lines = b"".join(request("GET", f"{PATH}?nonce={nonce}") for nonce in nonces)
    with edge.connect(source) as connection:
        connection.sendall(lines + request("GET", "/health", "Connection: close"))
        found = answers(read_all(connection))
    assert [answer.status for answer in found] == [200] * 4
    assert [answer.json["nonce"] for answer in found[:3]] == nonces


@pytest.mark.slow
def test_a_silent_supervisor_is_not_waited_for(edge, supervisor, source):
    supervisor.act = lambda request: None
    began = time.monotonic()
    silent, waiting = begin(edge), begin(edge)
    assert finish(silent) == 503 and finish(waiting) == 503
    assert 14 <= time.monotonic() - began <= 18
    # What it says too late is for nobody.
    late, = [asked for asked in supervisor.requests][:1]
    supervisor.act = lambda request: supervisor.send(request, document(request["nonce"], edge.key))
    supervisor.send(late, document(late["nonce"], edge.key))
    assert ask(edge, source=source).status == 200


def test_without_a_supervisor_there_is_no_evidence(tmp_path):
    with ProvedEdge(tmp_path, has_evidence=False) as edge:
        answer = ask(edge)
        assert answer.status == 503 and answer.headers["retry-after"] == "5"
        assert answer.error["code"] == "evidence_unavailable"
        assert ask(edge, "/health").json == {"status": "healthy"}


def test_the_end_of_the_supervisors_socket(tmp_path):
    with ProvedEdge(tmp_path, threads=2) as edge:
        held = [begin(edge) for _ in range(4)]
        wait_for(lambda: edge.supervisor.requests)
        edge.supervisor.near.shutdown(socket.SHUT_RDWR)
        assert [finish(connection) for connection in held] == [503] * 4
        assert ask(edge).status == 503 and ask(edge, "/health").status == 200
        assert edge.count("evidence-closed") == 1


def test_a_draining_edge_finishes_what_waits(tmp_path):
    with ProvedEdge(tmp_path) as edge:
        pause = Pause(edge, edge.supervisor)
        held = [begin(edge) for _ in range(3)]
        wait_for(lambda: edge.supervisor.requests)
        time.sleep(0.2)
        edge.process.terminate()
        time.sleep(0.3)
        assert edge.process.poll() is None
        pause.gate.set()
        assert [finish(connection) for connection in held] == [200] * 3
        assert edge.process.wait(20) == 0


def test_development_says_that_it_is_not_attested(appliance):
    path = f"{PATH}?nonce={NONCE}"
    answer = appliance.ask("GET", path)
    assert answer.status == 503
    assert answer.body == b'{"format":"pmctl-attestation/v1","error":"not-attested"}'
    assert answer.headers["cache-control"] == "no-store"
    assert appliance.ask("GET", PATH).status == 400
    assert appliance.ask("POST", path).status == 405
    said = appliance.exchange(request("GET", path.replace("nonce", "n"), "Connection: close"))
    assert said.startswith(b"HTTP/1.1 400 ")
    with socket.create_connection(("127.0.0.1", appliance.http), 10) as plain:
        plain.sendall(request("GET", path, "Connection: close"))
        assert answers(read_all(plain))[0].status == 403


# A flood

def median(values):
    return sorted(values)[len(values) // 2]


class Health:
    """Measures how long others wait meanwhile."""

    def __init__(self, edge, seconds):
        self.waits = []
        end = time.monotonic() + seconds
        with edge.connect("127.0.1.1") as connection:
            while time.monotonic() < end:
                began = time.monotonic()
                connection.sendall(request("GET", "/health"))
                assert connection.recv(65536).startswith(b"HTTP/1.1 200")
                self.waits.append(time.monotonic() - began)
                time.sleep(0.005)


def flood(edge, seconds, found):
    """Whoever asks over and over, as fast as it gets answers."""
    end = time.monotonic() + seconds
    with edge.connect(next(sources)) as connection:
        file = connection.makefile("rb")
        while time.monotonic() < end:
            connection.sendall(request("GET", f"{PATH}?nonce={secrets.token_hex(32)}"))
            status, length = int(file.readline().split()[1]), 0
            for line in iter(file.readline, b"\r\n"):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            file.read(length)
            found.append(status)


def test_a_flood_harms_nobody_else(edge, supervisor):
    """Prints its figures; they are in the page of pm-edge."""
    def act(request):
        time.sleep(0.05)
        supervisor.send(request, document(request["nonce"], edge.key))

    supervisor.act = act
    seconds = 5
    calm = Health(edge, 1)
    found = []
    floods = [threading.Thread(target=flood, args=(edge, seconds, found)) for _ in range(8)]
    for thread in floods:
        thread.start()
    stormy = Health(edge, seconds - 1)
    for thread in floods:
        thread.join()
    granted, refused = found.count(200), found.count(429)
    print(f"flood: {granted / seconds:.1f}/s granted, {refused / seconds:.0f}/s refused; /health "
          f"median {median(calm.waits) * 1000:.2f} ms calm, {median(stormy.waits) * 1000:.2f} ms in it, "
          f"longest {max(stormy.waits) * 1000:.1f} ms")
    assert granted + refused == len(found)
    # Each of the eight has its burst, and one for each second; the device makes 20 a second.
    assert granted <= 8 * (BURST + seconds + 1) and refused > 10 * granted
    assert len(supervisor.requests) == granted
    assert median(stormy.waits) < 0.1 and max(stormy.waits) < 1
    assert ask(edge, source=next(sources)).status == 200
