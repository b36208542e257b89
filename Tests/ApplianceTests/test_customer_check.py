"""The check that a customer can read whole, against played appliances: it needs no pmctl."""
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature

import customer_check
import played_appliance as played
from emulated import EmulatedAppliance, needs_emulation
from played_appliance import answer, https, nonce_of

pytestmark = pytest.mark.skipif(
    played.vectors() is None, reason="no vectors: PM_VECTORS names no folder")


@pytest.fixture(params=["snp_document", "azure_document"])
def body(request, generate, world, own):
    make = getattr(world, request.param)
    return lambda head, **parts: generate.compact(make(
        **{"nonce": nonce_of(head), "k": own.digest, **parts}))


@pytest.fixture
def check(world):
    """The check with the synthetic roots."""
    return lambda box, *words: customer_check.check(
        "127.0.0.1", box.port, *words, roots=set(world.anchors.values()))


def test_good_evidence_is_accepted_and_its_software_left_open(own, body, check, capsys):
    measurement = hashlib.sha384(b"synthetic launch").hexdigest()
    with https(own, lambda head: answer(200, body(head))) as box:
        check(box)
        assert "NOT PROVEN" in capsys.readouterr().out
        check(box, measurement)
        assert "NOT PROVEN" not in capsys.readouterr().out
        with pytest.raises(SystemExit, match="another measurement"):
            check(box, "00" * 48)


def test_the_program_itself_trusts_amd_only(own, body):
    with https(own, lambda head: answer(200, body(head))) as box:
        run = subprocess.run(
            [sys.executable, Path(customer_check.__file__), "127.0.0.1", str(box.port)],
            capture_output=True, text=True, timeout=60)
    assert run.returncode == 1 and "root of AMD" in run.stderr


def test_another_key_another_nonce_other_claims_are_refused(tmp_path, own, body, check, generate):
    other = played.identity(tmp_path / "other").digest
    edited = generate.claims_json("snp").replace(b"0.0.0-test", b"9.9.9-test")
    document = lambda head: {**generate.json.loads(body(head)), "claims": generate.b64(edited)}
    spoilt = [
        lambda head: body(head, k=other),
        lambda head: body(head, nonce=bytes(range(32))),
        lambda head: generate.compact(document(head)),
    ]
    for reply in spoilt:
        with https(own, lambda head: answer(200, reply(head))) as box:
            with pytest.raises(SystemExit, match="REJECTED"):
                check(box)


def test_a_report_of_another_signer_is_refused(own, check, generate, world):
    forged = world.rep("Genoa", signer=world.k2)

    def reply(head):
        document = world.snp_document(nonce=nonce_of(head), k=own.digest)
        report = bytearray(generate.base64.b64decode(document["report"]))
        report[0x2A0:0x318] = forged[0x2A0:0x318]
        return answer(200, generate.compact({**document, "report": generate.b64(bytes(report))}))

    with https(own, reply) as box:
        with pytest.raises(InvalidSignature):
            check(box)


def test_a_relay_that_ends_tls_is_refused(tmp_path, own, body, check):
    with https(own, lambda head: answer(200, body(head))) as box:
        with played.terminating_relay(played.identity(tmp_path / "other"), box.port) as relay:
            with pytest.raises(SystemExit, match="REJECTED"):
                check(relay)


@needs_emulation
def test_a_box_on_an_emulated_machine_is_accepted(world, capsys):
    with EmulatedAppliance() as box:
        customer_check.check("localhost", box.https, roots=set(world.anchors.values()))
    assert "is held by a VM in a genuine SEV-SNP TEE" in capsys.readouterr().out
