"""Servers that answer `pmctl verify`: an appliance with synthetic evidence, and what may stand in
its way. Each takes one connection after the other on a free loopback port, and counts them."""
import contextlib
import datetime
import email.utils
import hashlib
import importlib.util
import ipaddress
import os
import socket
import ssl
import threading
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PATH = "/.well-known/pmctl-attestation?nonce="
SILENCE_SECONDS_MAX = 20


def vectors():
    """The folder of vectors, or None."""
    named = os.environ.get("PM_VECTORS")
    folder = Path(named) if named else Path(__file__).parents[2] / ".." / "shared" / "vectors"
    return folder.resolve() if folder.is_dir() else None


def synthetic():
    """The generator of synthetic evidence with its keys; its roots are ours, not AMD's."""
    path = vectors() / "synthetic" / "generate.py"
    spec = importlib.util.spec_from_file_location("generate", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class Identity:
    """A TLS key with its certificate, as files; `digest` is SHA-256 of the SubjectPublicKeyInfo."""
    certificate: Path
    key: Path
    digest: bytes
    der: bytes
    authority: Path = None


def identity(folder, key=None, days=(-1, 30), names=("localhost",), authority=False):
    """A certificate of `key` for loopback, signed by itself or by a new authority."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    folder.mkdir()
    signer, issuer = key, "played appliance"
    if authority:
        signer, issuer = ec.generate_private_key(ec.SECP256R1()), "played authority"
    now = datetime.datetime.now(datetime.timezone.utc)
    start, end = (now + datetime.timedelta(days=day) for day in days)

    def certify(subject, subject_key, extension):
        name = lambda text: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
        builder = x509.CertificateBuilder(name(issuer), name(subject), subject_key.public_key(),
                                          x509.random_serial_number(), start, end)
        return builder.add_extension(*extension).sign(signer, hashes.SHA256())

    alternatives = [x509.DNSName(name) for name in names]
    alternatives.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    leaf = certify("played appliance", key, (x509.SubjectAlternativeName(alternatives), False))
    made = Identity(folder / "leaf.pem", folder / "key.pem", spki_digest(key.public_key()),
                    leaf.public_bytes(serialization.Encoding.DER))
    made.certificate.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()))
    if authority:
        root = certify(issuer, signer, (x509.BasicConstraints(True, 0), True))
        made.authority = folder / "authority.pem"
        made.authority.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    return made


def spki_digest(public_key):
    return hashlib.sha256(public_key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).digest()


def answer(status, body=b"", *fields, date=None):
    """A whole answer, as bytes."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *fields]
    if date is not None:
        lines.append("Date: " + email.utils.format_datetime(date, usegmt=True))
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def nonce_of(head):
    """The nonce that a request asks with."""
    target = head.split(b" ")[1].decode()
    assert target.startswith(PATH), target
    return bytes.fromhex(target.removeprefix(PATH))


@dataclass
class Listener:
    """One thread that serves one connection after the other with `serve(connection)`."""
    serve: object
    port: int = 0
    connections: int = 0
    heads: list = field(default_factory=list)

    def start(self):
        """Without a `with` around it the server ends with the test program."""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(SILENCE_SECONDS_MAX)

    def _run(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            connection.settimeout(SILENCE_SECONDS_MAX)
            # A client that leaves in the middle is what many tests are about.
            with connection, contextlib.suppress(OSError, ssl.SSLError):
                self.serve(self, connection)

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"


def read_head(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError
        data += piece
    return data


def tls(identity):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    return context


def https(identity, reply):
    """A TLS server: `reply(head)` gives the bytes of an answer, or an iterator of pieces."""
    context = tls(identity)

    def serve(listener, connection):
        with context.wrap_socket(connection, server_side=True) as stream:
            head = read_head(stream)
            listener.heads.append(head)
            pieces = reply(head)
            for piece in [pieces] if isinstance(pieces, bytes) else pieces:
                stream.sendall(piece)

    return Listener(serve)


def terminating_relay(identity, port):
    """A man in the middle: TLS ends here, and each request goes on over TLS of its own."""
    context = tls(identity)

    def serve(listener, connection):
        client = ssl.create_default_context()
        client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(connection, server_side=True) as stream:
            head = read_head(stream)
            with socket.create_connection(("127.0.0.1", port)) as onward:
                with client.wrap_socket(onward) as upstream:
                    upstream.sendall(head)
                    while piece := upstream.recv(65536):
                        stream.sendall(piece)

    return Listener(serve)


def tunnel(port):
    """A proxy that knows CONNECT only, and leads every name to `port`."""
    def serve(listener, connection):
        listener.heads.append(read_head(connection))
        with socket.create_connection(("127.0.0.1", port)) as onward:
            connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            back = threading.Thread(target=_copy, args=(onward, connection), daemon=True)
            back.start()
            _copy(connection, onward)
            back.join(SILENCE_SECONDS_MAX)

    return Listener(serve)


def _copy(source, target):
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
