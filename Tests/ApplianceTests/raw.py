"""Requests and answers as bytes, for what no client library sends."""
import json
from dataclasses import dataclass


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
