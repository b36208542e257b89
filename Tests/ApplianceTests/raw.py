"""Requests and answers as bytes, for what no client library sends."""
import json
import select
import ssl
import time
from dataclasses import dataclass

EXCHANGE_SECONDS_MAX = 60


@dataclass
class RawAnswer:
    """One answer taken from the bytes of a connection."""
    status: int
    headers: dict
    body: bytes

    @property
    def error(self):
        return self.json["error"]

    @property
    def json(self):
        return json.loads(self.body)


def answers(data):
    """All answers in what a connection said, interim ones included."""
    found = []
    while data:
        head, mark, data = data.partition(b"\r\n\r\n")
        assert mark, data
        first, *lines = head.decode().split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        status = int(first.split()[1])
        if headers.get("transfer-encoding") == "chunked":
            body, data = unchunked(data)
        else:
            length = int(headers.get("content-length", 0))
            body, data = data[:length], data[length:]
        found.append(RawAnswer(status, headers, body))
    return found


def exchange_both_ways(connection, data, deaf_seconds=0.0):
    """Sends `data` and reads what comes meanwhile, to the end of the connection; in one thread, for
    a TLS connection bears no second. Reads nothing at first, for `deaf_seconds`. The other side may
    end the connection before it has taken everything."""
    began, said, sent = time.monotonic(), [], 0
    connection.settimeout(0)
    while True:
        age = time.monotonic() - began
        assert age < EXCHANGE_SECONDS_MAX, f"sent {sent} of {len(data)} bytes"
        is_listening = age >= deaf_seconds
        select.select([connection] if is_listening else [],
                      [connection] if sent < len(data) else [], [], 0.1)
        if sent < len(data):
            try:
                sent += connection.send(data[sent:sent + 16384])
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                pass
            except OSError:
                sent = len(data)  # It takes no more; what it said can still be read.
        if not is_listening:
            continue
        try:
            part = connection.recv(65536)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            continue
        except OSError:
            part = b""
        if not part:
            return b"".join(said)
        said.append(part)


def unchunked(data):
    """The payload of a chunked body, and what follows it."""
    body = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        body += data[:length]
        data = data[length + 2:]
        if length == 0:
            return body, data


def request(method="GET", path="/auth/key-info", *lines, key=None, body=b""):
    """A request with `lines` as further fields; its length is told unless they do."""
    fields = ["Host: localhost", *lines]
    if key:
        fields.append(f"Authorization: Bearer {key.secret}")
    if body and not any(line.lower().startswith(("content-l", "transfer-")) for line in lines):
        fields.append(f"Content-Length: {len(body)}")
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{field}\r\n" for field in fields) + "\r\n"
    return head.encode("latin-1") + body
