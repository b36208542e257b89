"""Checks an appliance with nothing of ours: python3 customer_check.py HOST PORT [MEASUREMENT]

Shows what the proof rests on, in an order that can be read; `pmctl verify` checks more (levels of
firmware, reserved bits, AMD's extensions, revocation). Needs `cryptography` 42 or newer."""
import base64, datetime, hashlib, http.client, json, secrets, ssl, struct, sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

AMD_ROOTS = {  # SHA-256 of the public keys of ARK-Milan, ARK-Genoa, ARK-Turin
    "9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9",
    "429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831",
    "4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08"}
MICROSOFT_PARAVISOR = "942fd93ebde6ea7a96efadeafc60f1c6b3d10e703b1dafd7" \
    "555b92f7f3d32d0e006767648cba5b102af3d65756af4177"  # ID_KEY_DIGEST on Azure


def require(truth, otherwise):
    if not truth:
        raise SystemExit("REJECTED: " + otherwise)


def digest(data):
    return hashlib.sha256(data).digest()


def key_digest(certificate):
    return digest(certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))


def ask(host, port, nonce):
    """The document, and the digest of the TLS key that this very connection proved."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # AMD vouches, see below
    connection = http.client.HTTPSConnection(host, port, context=context, timeout=20)
    connection.connect()
    connection.auto_open = 0  # never a second connection
    peer = x509.load_der_x509_certificate(connection.sock.getpeercert(True))
    connection.request("GET", "/.well-known/pmctl-attestation?nonce=" + nonce.hex())
    answer = connection.getresponse()
    require(answer.status == 200, f"the server answered {answer.status}")
    return json.loads(answer.read(65536)), key_digest(peer)


def check_chain(vek, intermediate, root, roots):
    require(key_digest(root).hex() in roots, "the chain does not end at a root of AMD")
    now = datetime.datetime.now(datetime.timezone.utc)
    for child, parent in ((root, root), (intermediate, root), (vek, intermediate)):
        parent.public_key().verify(child.signature, child.tbs_certificate_bytes,
                                   padding.PSS(padding.MGF1(hashes.SHA384()), 48), hashes.SHA384())
        require(child.not_valid_before_utc < now < child.not_valid_after_utc, "out of time")


def check_report(report, vek):
    """The 1184 bytes are signed by the chip, and their guest can be neither debugged nor moved."""
    r, s = (int.from_bytes(report[at:at + 48], "little") for at in (0x2A0, 0x2E8))
    vek.public_key().verify(utils.encode_dss_signature(r, s), report[:0x2A0],
                            ec.ECDSA(hashes.SHA384()))
    policy, vmpl = struct.unpack_from("<Q", report, 8)[0], struct.unpack_from("<I", report, 48)[0]
    require(vmpl == 0 and policy >> 18 & 3 == 0, "debugging or migration is allowed, or VMPL > 0")


def check_azure(azure, report, binding, user_data):
    """Report -> runtime data of the paravisor -> key of the TPM -> quote that answers our nonce."""
    hcl, quote = base64.b64decode(azure["hcl"]), base64.b64decode(azure["quote"])
    runtime = hcl[0x4D4:0x4D4 + struct.unpack_from("<I", hcl, 0x4D0)[0]]
    require(report[0x0E0:0x110].hex() == MICROSOFT_PARAVISOR, "another paravisor")
    require(report[0x50:0x90] == digest(runtime) + bytes(32), "other runtime data")
    data = json.loads(runtime)
    require(bytes.fromhex(data["user-data"]) == user_data, "another TLS key or other claims")
    (key,) = (key for key in data["keys"] if key["kid"] == "HCLAkPub")
    e, n = (int.from_bytes(base64.urlsafe_b64decode(key[part] + "==")) for part in ("e", "n"))
    rsa.RSAPublicNumbers(e, n).public_key().verify(
        base64.b64decode(azure["signature"]), quote, padding.PKCS1v15(), hashes.SHA256())
    extra = 8 + struct.unpack_from(">H", quote, 6)[0]
    require(quote[:6].hex() == "ff5443478018", "no quote")
    require(quote[extra:extra + 34] == b"\0\x20" + binding, "the quote answers another question")
    pcrs = digest(b"".join(bytes.fromhex(pcr) for pcr in azure["pcrs"]))
    require(quote[extra + 59:] == bytes.fromhex("00000001000b03ffffff0020") + pcrs, "other PCRs")


def check(host, port, measurement=None, roots=AMD_ROOTS):
    nonce = secrets.token_bytes(32)
    document, key = ask(host, port, nonce)
    claims = digest(base64.b64decode(document["claims"]))
    binding = digest(b"pmctl-attestation/v1\0" + nonce + key + claims)
    chain = [x509.load_der_x509_certificate(base64.b64decode(der)) for der in document["chain"]]
    check_chain(*chain, roots)
    if document["platform"] == "snp":
        report = base64.b64decode(document["report"])
        require(report[0x50:0x90] == binding + key, "the report is not about this connection")
    else:
        report = base64.b64decode(document["azure"]["hcl"])[0x20:0x4C0]
        user_data = digest(b"pmctl-attestation/v1\0" + bytes(32) + key + claims) + key
        check_azure(document["azure"], report, binding, user_data)
    check_report(report, chain[0])
    seen = report[0x090:0x0C0].hex()
    require(measurement in (None, seen), "another measurement: " + seen)
    print("The TLS key of", host, "is held by a VM in a genuine SEV-SNP TEE; measurement", seen)
    if measurement is None:
        print("Which software runs there is NOT PROVEN: give the measurement that you expect.")


if __name__ == "__main__":
    check(sys.argv[1], int(sys.argv[2]), *sys.argv[3:4])
