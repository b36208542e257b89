"""pm-edge of the production profile without a supervisor: a test holds the other end of its socket
`evidence` and plays pmctl there, line by line."""
import base64
import contextlib
import hashlib
import json
import os
import queue
import signal
import socket
import ssl
import subprocess
import threading
from pathlib import Path

from appliance import free_ports, program
from vendor_process import START_SECONDS_MAX, wait_for

PIECE_BYTES = 2880
PATH = "/.well-known/pmctl-attestation"


def production(folder, **members):
    """The text of a production configuration whose folders are below `folder`."""
    https, http = free_ports(2)
    return {
        "profile": "production", "stateDirectory": str(folder / "state"),
        "runtimeDirectory": str(folder / "run"), "publicName": "localhost",
        "listen": {"https": https, "http": http}, "attestation": {"platform": "snp"},
        "vendor": {"binary": "/bin/true", "sha256": "00" * 31 + "01"}, **members}


def prepare_key(path, seconds=20):
    """What `pm-edge --prepare-key` says: exit code, standard output, standard error."""
    done = subprocess.run(
        [program("pm-edge"), "--prepare-key", "--configuration", str(path)], env={},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds)
    return done.returncode, done.stdout, done.stderr


def openssl(*words, data=None):
    return subprocess.run(["openssl", *words], input=data, check=True, capture_output=True).stdout


def key_digest(certificate):
    """K as openssl sees it: the digest of the certificate's SubjectPublicKeyInfo."""
    public = openssl("x509", "-in", str(certificate), "-noout", "-pubkey")
    return hashlib.sha256(openssl("pkey", "-pubin", "-outform", "DER", data=public)).hexdigest()


def document(nonce, key, bytes_count=12_230):
    """Something with the members that an edge looks at, as long as a real one."""
    head = {"format": "pmctl-attestation/v1", "platform": "snp", "nonce": nonce,
            "spki_sha256": key, "report": ""}
    head["report"] = "A" * max(0, bytes_count - len(json.dumps(head)))
    return json.dumps(head).encode()


class PlayedSupervisor:
    """The other end of `evidence`. `act(self, request)` plays one request, one after the other."""

    def __init__(self):
        self.near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.far = far
        self.requests = []
        self.act = lambda request: None
        self.work = queue.Queue()

    def begin(self):
        for job in (self.read, self.play):
            threading.Thread(target=job, daemon=True).start()

    def read(self):
        with contextlib.suppress(OSError), self.near.makefile("rb") as lines:
            for line in lines:
                assert len(line) <= 4096
                self.work.put(json.loads(line))
        self.work.put(None)

    def play(self):
        while (request := self.work.get()) is not None:
            self.requests.append(request)
            with contextlib.suppress(OSError):
                self.act(request)

    def say(self, *lines):
        for line in lines:
            self.near.sendall(json.dumps(line).encode() + b"\n")

    def send(self, request, body, piece=PIECE_BYTES):
        for index, start in enumerate(range(0, len(body), piece)):
            part = base64.b64encode(body[start:start + piece]).decode()
            self.say({"id": request["id"], "part": index, "data": part})
        self.say({"id": request["id"], "outcome": "done", "bytes": len(body)})

    def refuse(self, request, reason, seconds):
        self.say({"id": request["id"], "outcome": "refused", "reason": reason,
                  "retry_after_s": seconds})

    def close(self):
        self.near.close()


def inherit(*sockets):
    """For Popen: the sockets become descriptors 3, 4 …, and nothing else is inherited."""
    numbers = [s.fileno() for s in sockets]

    def arrange():
        high = [os.dup2(number, 100 + index) for index, number in enumerate(numbers)]
        for index, number in enumerate(high):
            os.dup2(number, 3 + index, inheritable=True)
        os.closerange(3 + len(high), 300)

    return arrange


class ProvedEdge:
    """One edge with its key, its listener, and a played supervisor."""

    def __init__(self, folder, threads=1, has_evidence=True, **members):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        edge = {"threads": threads, "connectionsPerAddressMax": 100_000,
                "handshakesPerAddressPerSecond": 100_000,
                "keylessRequestsPerAddressPerSecond": 100_000, **members.pop("edge", {})}
        self.configuration = production(self.folder, edge=edge, **members)
        self.port = self.configuration["listen"]["https"]
        self.path = self.folder / "appliance.json"
        self.path.write_text(json.dumps(self.configuration))
        self.keys = self.folder / "run" / "edge-key"
        code, output, errors = prepare_key(self.path)
        assert code == 0, errors
        self.key = output.strip()
        self.supervisor = PlayedSupervisor()
        self.log = self.folder / "log"
        self.listener = self.listen()
        self.process = self.start(has_evidence)
        self.supervisor.far.close()
        self.supervisor.begin()
        wait_for(self.is_serving)

    def listen(self):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(4096)
        listener.setblocking(False)
        return listener

    def start(self, has_evidence):
        sockets = [self.listener] + ([self.supervisor.far] if has_evidence else [])
        self.supervisor.far.setblocking(False)
        names = ["https", "evidence"][:len(sockets)]
        # LISTEN_PID is known only in the child, so a shell of one line sets it and execs.
        return subprocess.Popen(
            ["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$0" "$@"', program("pm-edge"),
             "--proven-key", self.key, "--configuration", str(self.path)],
            env={"LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": ":".join(names)},
            preexec_fn=inherit(*sockets), close_fds=False, stdin=subprocess.DEVNULL,
            stdout=self.log.open("ab"), stderr=subprocess.STDOUT)

    def is_serving(self):
        assert self.process.poll() is None, self.text()
        return '"started"' in self.text()

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def count(self, event):
        return self.text().count(f'"event":"{event}"')

    def connect(self, source="127.0.0.1", seconds=30, trusting=None):
        """A TLS connection from a loopback address; it believes any certificate, or only one."""
        context = ssl.create_default_context(cafile=trusting)
        if trusting is None:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        plain = socket.create_connection(("127.0.0.1", self.port), seconds, (source, 0))
        return context.wrap_socket(plain, server_hostname="localhost")

    def shown(self):
        """The certificate that clients see, as DER."""
        with self.connect() as connection:
            return connection.getpeercert(binary_form=True)

    def close(self):
        self.supervisor.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(START_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
