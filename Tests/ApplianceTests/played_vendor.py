"""Edge and core alone, without a supervisor, before a vendor that a test plays byte by byte: for
what no vendor's program does on purpose."""
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

from appliance import UnixConnection, chat_body, free_ports
from vendor_process import Answer

PAIR = Path(__file__).parent.parent / "Benchmarks" / "pair.py"
USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
WHOLE = json.dumps({"choices": [{"message": {"content": "hi"}}], "usage": USAGE}).encode()
MODELS = b'{"object":"list","data":[{"id":"gpt-oss-120b"},{"id":"whisper-large-v3"}]}'
STREAM_HEAD = (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
               b"Transfer-Encoding: chunked\r\n\r\n")


def whole(body=WHOLE):
    return (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            % len(body)) + body


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


class PlayedVendor:
    """Listens on a loopback port. `act(connection, head)` plays one request, from behind its head;
    the connection ends unless it returns True."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.server.getsockname()[1]
        self.act = self.answer_well
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            try:
                while head := self.read_head(connection):
                    if head.startswith(b"GET "):
                        connection.sendall(whole(MODELS))
                    elif not self.act(connection, head):
                        return
            except OSError:
                pass

    @staticmethod
    def read_head(connection):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = connection.recv(1)
            if not byte:
                return b""
            head += byte
        return head

    @staticmethod
    def read_body(connection, head):
        """The whole body of a request that core sent."""
        file = connection.makefile("rb")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                return file.read(int(line.split(b":")[1]))
        body = b""
        while size := int(file.readline(), 16):
            body += file.read(size)
            file.readline()
        file.readline()
        return body

    def answer_well(self, connection, head):
        self.read_body(connection, head)
        connection.sendall(whole())
        return True

    def say(self, *parts):
        """Plays `parts` to the next requests, each after its body."""
        def act(connection, head):
            self.read_body(connection, head)
            for part in parts:
                connection.sendall(part)
        self.act = act

    def close(self):
        self.server.close()


class Pair:
    """pm-edge and pm-core, their ledger, and one key."""

    def __init__(self, folder, vendor_port):
        self.folder = Path(folder)
        self.https, = free_ports(1)
        self.process = subprocess.Popen(
            [sys.executable, str(PAIR), "--bin", os.environ["PM_BIN"], "--folder", str(folder),
             "--https", str(self.https), "--vendor", str(vendor_port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        told = json.loads(self.process.stdout.readline())
        self.edge, self.core = told["pids"]
        self.secret = told["key"]
        self.tls = ssl.create_default_context()
        self.tls.check_hostname = False
        self.tls.verify_mode = ssl.CERT_NONE

    def connect(self, receive_bytes=None):
        plain = socket.create_connection(("127.0.0.1", self.https), 20)
        if receive_bytes:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        return self.tls.wrap_socket(plain)

    def head(self, length, *lines):
        """The head of a chat request with `lines` as further fields."""
        fields = [
            "Host: localhost", f"Authorization: Bearer {self.secret}",
            "Content-Type: application/json", f"Content-Length: {length}", *lines]
        return "\r\n".join(["POST /v1/chat/completions HTTP/1.1", *fields, "", ""]).encode()

    def begin(self, receive_bytes=None, **fields):
        """Sends a chat request, and leaves the answer to be read."""
        body = json.dumps(chat_body(**fields)).encode()
        connection = self.connect(receive_bytes)
        connection.sendall(self.head(len(body)) + body)
        return connection

    def rows(self):
        connection = UnixConnection(str(self.folder / "run" / "core-control.sock"))
        connection.request("GET", "/usage/rows?period=all&limit=10000")
        rows = Answer(connection.getresponse()).json["rows"]
        connection.close()
        return rows

    def resident_bytes(self, pid):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)
