"""The gate of production: what opens it, and that nothing listens as long as it is shut."""
import contextlib
import hashlib
import http.client
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest

import played_appliance
from emulated import GATE_SHUT, EmulatedAppliance, needs_emulation
from vendor_process import wait_for

pytestmark = needs_emulation
VERDICT_SECONDS_MAX = 20


@contextlib.contextmanager
def shut(platform="snp", prepare=None, **members):
    """An appliance whose gate has said no."""
    box = EmulatedAppliance(platform, **members)
    if prepare:
        prepare(box)
    box.start(wait=False)
    try:
        wait_for(lambda: box.pmctl("status").returncode != 4, VERDICT_SECONDS_MAX)
        wait_for(lambda: box.gate()["state"] != "pending", VERDICT_SECONDS_MAX)
        yield box
    finally:
        box.__exit__()


def is_open(port):
    with socket.socket() as s:
        s.settimeout(2)
        return s.connect_ex(("127.0.0.1", port)) == 0


def check_shut(box, token, state="refused"):
    assert not is_open(box.https) and not is_open(box.http)
    gate = box.gate()
    assert (gate["state"], gate["token"]) == (state, token), box.text()
    assert gate["explanation"] and gate["advice"]
    done = box.pmctl("status")
    assert done.returncode == GATE_SHUT and token in done.stdout
    why = box.pmctl("why", "gate").stdout
    assert gate["explanation"] in why and gate["advice"] in why
    attest = box.pmctl("attest")
    assert attest.returncode == GATE_SHUT
    assert box.states().get("edge") == "off"


def scripted(**members):
    return lambda box: box.script(**members)


def broken_key(box):
    box.key_folder.mkdir(parents=True)
    (box.key_folder / "key.pem").write_text("no key")
    for path in (box.key_folder, box.key_folder / "key.pem"):
        os.chown(path, 992, 992)
    (box.key_folder / "key.pem").chmod(0o600)
    box.key_folder.chmod(0o700)


def mute_appraiser(box):
    """The appraising role cannot even begin; nobody's word is nobody's proof."""
    (box.bin / "emulated.json").chmod(0o600)


def strict(box):
    box.configuration["attestation"]["profile"] = "strict"
    box.write_configuration()


def other_measurement(box):
    box.configuration["attestation"]["measurements"] = ["00" * 48]
    box.write_configuration()


def no_platform(box):
    del box.configuration["attestation"]["platform"]
    box.write_configuration()


@pytest.mark.parametrize("platform, prepare, state, token", [
    ("snp", no_platform, "refused", "config-platform"),
    ("snp", scripted(lacksKernelLine=True), "refused", "kmsg-no-snp"),
    ("azure-snp-vtpm", scripted(lacksKernelLine=True), "refused", "kmsg-no-isolation"),
    ("snp", scripted(device="device-missing"), "refused", "device-missing"),
    ("snp", scripted(device="device-type"), "refused", "device-type"),
    ("snp", scripted(device="device-driver"), "refused", "device-driver"),
    ("azure-snp-vtpm", scripted(device="tpm-missing"), "refused", "tpm-missing"),
    ("snp", broken_key, "refused", "edge-key"),
    ("snp", scripted(call="device-busy"), "unavailable", "device-busy"),
    ("snp", scripted(call="device-key-disabled"), "refused", "device-key-disabled"),
    ("snp", scripted(call="device-response"), "refused", "device-response"),
    ("azure-snp-vtpm", scripted(call="tpm-rc"), "refused", "tpm-rc"),
    ("azure-snp-vtpm", scripted(call="tpm-io"), "unavailable", "tpm-io"),
    ("azure-snp-vtpm", None, "unavailable", "collateral-missing"),
    ("snp", mute_appraiser, "unavailable", "appraise-failed"),
    ("snp", strict, "refused", "tcb-floor"),
    ("snp", other_measurement, "refused", "measurement"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_whatever_fails_nothing_listens(platform, prepare, state, token):
    with shut(platform, prepare) as box:
        check_shut(box, token, state)


def test_a_port_that_is_taken_is_told_and_tried_again():
    box = EmulatedAppliance()
    with socket.create_server(("0.0.0.0", box.https), reuse_port=False):
        box.start(wait=False)
        try:
            wait_for(lambda: box.pmctl("status").returncode == GATE_SHUT, VERDICT_SECONDS_MAX)
            wait_for(lambda: box.gate().get("token") == "listen", VERDICT_SECONDS_MAX)
        except BaseException:
            box.__exit__()
            raise
    with contextlib.closing(contextlib.ExitStack()) as stack:
        stack.push(box.__exit__)
        box.wait_ready()
        assert "token" not in box.gate()


@pytest.fixture(scope="module")
def box():
    with EmulatedAppliance() as box:
        yield box


@pytest.fixture
def key(box):
    return box.create_key()


def test_verified_evidence_opens_the_ports(box, key):
    assert box.gate()["state"] == "passed"
    with openai.OpenAI(
            base_url=f"{box.url}/v1", api_key=key.secret, max_retries=0,
            http_client=openai.DefaultHttpxClient(verify=box.tls())) as client:
        answer = client.chat.completions.create(
            model="gpt-oss-120b", messages=[{"role": "user", "content": "hello"}])
    assert answer.choices[0].message.content
    assert [row["state"] for row in box.rows(key)] == ["settled"]


def test_what_the_gate_saw_is_shown(box):
    shown = box.pmctl("attest")
    assert shown.returncode == 0, shown.stdout
    for word in ("kernel-log", "device", "key", "evidence", "amd-root", "chip-and-tcb", "listener"):
        assert word in shown.stdout
    steps = {step["step"]: step for step in box.pmctl_json("attest")["steps"]}
    assert steps["kernel-log"]["detail"].startswith("Memory Encryption Features active")
    assert steps["measurement"]["state"] == "NOT PROVEN"


def test_a_client_proves_the_box_and_production_roots_refuse_it(box):
    code, verdict = box.verify("--platform", "snp")
    assert (code, verdict["verdict"]) == (0, "proven"), verdict
    shipped = Path(os.environ["PM_BIN"]) / "pmctl"
    code, verdict = box.verify(program=shipped)
    assert (code, verdict["token"]) == (1, "ark-pin")


def test_claims_name_what_runs(box):
    _, verdict = box.verify()
    claims = verdict["claims"]
    for name, service in (("pm-edge", "edge"), ("pm-core", "core"), ("pm-admin", "admin")):
        digest = hashlib.sha256((box.bin / name).read_bytes()).hexdigest()
        assert claims["binaries"][name] == digest == box.services()[service]["sha256"]
    assert claims["binaries"]["pmctl"] == hashlib.sha256((box.bin / "pmctl").read_bytes()).hexdigest()
    assert claims["config_sha256"] == hashlib.sha256(box.path.read_bytes()).hexdigest()
    assert claims["vendor"]["privatemode-proxy"] == box.configuration["vendor"]["sha256"]
    assert claims["profile"] == "production" and claims["key_origin"] == "generated"


def test_saved_evidence_is_checked_without_a_network(box, tmp_path):
    folder = tmp_path / "evidence"
    assert box.verify("--save", str(folder))[0] == 0
    done = box.pmctl("attest", "--save", str(tmp_path / "own"))
    assert done.returncode == 0 and (tmp_path / "own" / "evidence.json").stat().st_size > 1000
    run = subprocess.run(
        [box.bin / "pmctl", "verify", "--evidence", str(folder), "--json"], capture_output=True,
        text=True, timeout=60)
    assert run.returncode == 0 and '"saved-evidence-valid"' in run.stdout, run.stdout


def test_a_flood_for_evidence_leaves_the_traffic_unharmed(box, key):
    """One a second beyond the burst; the others are told to wait, and answers of 443 go on."""
    stop, slowest, asked = time.monotonic() + 4, [0.0], [0]

    def evidence():
        codes = []
        with contextlib.closing(box.https_connection()) as connection:
            while time.monotonic() < stop:
                path = f"/.well-known/pmctl-attestation?nonce={os.urandom(32).hex()}"
                codes.append(box.ask("GET", path, connection=connection).status)
        return codes

    def traffic():
        with contextlib.closing(box.https_connection()) as connection:
            while time.monotonic() < stop:
                began = time.monotonic()
                assert box.chat(key, connection=connection).status == 200
                slowest[0] = max(slowest[0], time.monotonic() - began)
                asked[0] += 1

    with ThreadPoolExecutor(9) as pool:
        floods = [pool.submit(evidence) for _ in range(8)]
        served = pool.submit(traffic)
        codes = [code for flood in floods for code in flood.result()]
        served.result()
    assert set(codes) <= {200, 429}, set(codes)
    granted = codes.count(200)
    print(f"granted {granted}, refused {codes.count(429)} in 4 s; "
          f"{asked[0]} chats meanwhile, the slowest {slowest[0] * 1000:.0f} ms")
    assert 1 <= granted <= 8 + 5 and codes.count(429) > 10
    assert asked[0] > 10 and slowest[0] < 2


def test_a_gate_that_fails_later_shuts_the_ports_and_heals(box, key):
    box.script(call="device-response")
    try:
        done = box.pmctl("gate")
        assert done.returncode == 1, done.stdout
        wait_for(lambda: not is_open(box.https), 10)
        check_shut(box, "device-response")
    finally:
        box.script()
        assert box.pmctl("gate").returncode == 0
    box.wait_ready()
    assert box.chat(key).status == 200


def test_an_open_gate_bears_two_answers_that_do_not_come(box, key):
    box.script(call="device-busy")
    try:
        for _ in range(2):
            assert box.pmctl("gate").returncode == 1
            assert is_open(box.https) and box.chat(key).status == 200
        assert box.pmctl("gate").returncode == 1
        wait_for(lambda: not is_open(box.https), 10)
        assert box.gate()["token"] == "device-busy"
    finally:
        box.script()
    # It is tried again by itself.
    box.wait_ready()
    assert is_open(box.https)


def test_new_firmware_makes_the_gate_run_again(box):
    assert box.verify()[0] == 0
    time.sleep(1.1)
    box.script(chip="strict")
    try:
        seen = []

        def is_proven_anew():
            code, verdict = box.verify()
            seen.append((code, verdict["token"]))
            return code == 0

        # The evidence endpoint gives one a second.
        wait_for(is_proven_anew, 30, 1.2)
        assert seen[0][0] == 2, seen
    finally:
        box.script()
        assert box.pmctl("gate").returncode == 0


def test_a_new_key_is_proved_before_it_serves(box, key):
    """Traffic goes on while the edge with the new key takes over, and each key was proved."""
    old = box.gate()["key_sha256"]
    stop, faults, answers = threading.Event(), [], []

    def traffic():
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        while not stop.is_set():
            try:
                with contextlib.closing(http.client.HTTPSConnection(
                        "localhost", box.https, timeout=20, context=context)) as connection:
                    connection.request("GET", "/health")
                    answers.append(connection.getresponse().status)
            except OSError as fault:
                faults.append(fault)

    thread = threading.Thread(target=traffic)
    thread.start()
    try:
        (box.key_folder / "key.pem").unlink()
        for name in ("certificate.pem", "request.csr"):
            (box.key_folder / name).unlink(missing_ok=True)
        assert box.pmctl("gate").returncode == 0
        wait_for(lambda: box.services()["edge"].get("generation") is not None
                 and box.services()["edge"]["state"] == "ready"
                 and box.gate()["key_sha256"] != old
                 and box.verify()[0] == 0, 30, 1.2)
    finally:
        stop.set()
        thread.join()
    assert not faults and set(answers) == {200}
    assert box.verify()[1]["verdict"] == "proven"


def test_a_key_that_was_put_there_serves_only_once_it_is_proved(box, key):
    """The edge crashes over another key in its file: nothing serves until the gate has run."""
    old, generation = box.gate()["key_sha256"], box.services()["edge"]["generation"]
    file, new = box.key_folder / "key.pem", box.key_folder / "key.new"
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
         new], check=True, capture_output=True, timeout=30)
    os.chown(new, 992, 992)
    new.chmod(0o600)
    new.replace(file)
    os.kill(box.pids()["edge"], signal.SIGKILL)
    wait_for(lambda: box.text().count('"event":"key-refused","reason":"another"') > 1, 10)
    with pytest.raises(OSError), box.connect(1):
        pass
    assert box.states()["edge"] in ("starting", "backing-off")
    assert box.gate()["key_sha256"] == old
    assert box.pmctl("gate").returncode == 0
    wait_for(lambda: box.states()["edge"] == "ready", 10)
    assert box.services()["edge"]["generation"] > generation and box.gate()["key_sha256"] != old
    assert box.chat(key).status == 200
    wait_for(lambda: box.verify()[1]["verdict"] == "proven", 20, 1.2)


def test_a_key_of_the_operator_serves_only_once_it_is_proved():
    with EmulatedAppliance() as box:
        folder = box.place / "own"
        folder.mkdir()
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "30", "-subj", "/CN=localhost", "-addext",
             "subjectAltName=DNS:localhost", "-keyout", folder / "key.pem", "-out",
             folder / "certificate.pem"], check=True, capture_output=True, timeout=30)
        for path in folder.iterdir():
            os.chown(path, 992, 992)
            path.chmod(0o600)
        old, generation = box.gate()["key_sha256"], box.services()["edge"]["generation"]
        box.script(call="device-busy")
        box.configuration["tls"] = {
            "certificate": str(folder / "certificate.pem"), "key": str(folder / "key.pem")}
        box.write_configuration()
        assert box.pmctl("reload").returncode == 0
        time.sleep(1)
        assert box.services()["edge"]["generation"] == generation
        box.script()
        assert box.pmctl("gate").returncode == 0
        wait_for(lambda: box.services()["edge"].get("generation", 0) > generation
                 and box.services()["edge"]["state"] == "ready", 20, 0.1)
        code, verdict = box.verify()
        assert (code, verdict["verdict"]) == (0, "proven"), verdict
        new, generation = box.gate()["key_sha256"], box.services()["edge"]["generation"]
        assert verdict["claims"]["key_origin"] == "provided" and new != old
        # The same key in another place: the edge is to look there from now on.
        moved = folder.rename(box.place / "moved")
        box.configuration["tls"] = {
            "certificate": str(moved / "certificate.pem"), "key": str(moved / "key.pem")}
        box.write_configuration()
        assert box.pmctl("reload").returncode == 0
        wait_for(lambda: box.services()["edge"].get("generation", 0) > generation
                 and box.services()["edge"]["state"] == "ready", 20, 0.1)
        assert box.gate()["key_sha256"] == new


def test_azure_is_proven_by_the_paravisors_report_and_a_quote():
    cases = played_appliance.vectors() / "synthetic" / "cases"
    name = next(path.name for path in sorted(cases.iterdir()) if path.name.startswith("a0"))
    report = (cases / name / "hcl.bin").read_bytes()[0x20:0x20 + 1184]
    box = EmulatedAppliance("azure-snp-vtpm")
    box.put_chain(name, report)
    with box:
        code, verdict = box.verify("--platform", "azure-snp-vtpm")
        assert (code, verdict["verdict"]) == (0, "proven"), verdict
        states = {factor["name"]: factor["state"] for factor in verdict["factors"]}
        assert states["paravisor"] == states["quote"] == "PASS"
