"""A streamed answer as it arrives, event by event, and whether its end came."""
import json
import time


class Stream:
    """Sends a request on a connection of its own. Use as a context manager: leaving it closes the
    connection, as a client does that loses interest."""

    def __init__(self, appliance, path, body, key, headers=None):
        self.connection = appliance.connect()
        lines = {"Host": "localhost", "Content-Type": "application/json", **key.bearer}
        lines.update(headers or {})
        payload = json.dumps(body).encode()
        lines["Content-Length"] = len(payload)
        head = f"POST {path} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in lines.items())
        self.sent_at = time.monotonic()
        self.connection.sendall(head.encode() + b"\r\n" + payload)
        self.file = self.connection.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.headers = {}
        for line in iter(self.file.readline, b"\r\n"):
            name, _, value = line.decode().partition(":")
            self.headers[name.lower()] = value.strip()
        self.is_whole = False
        assert self.headers.get("transfer-encoding") == "chunked", self.status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.connection.close()

    def pieces(self):
        """Each chunk of the transfer coding; sets `is_whole` when the last one came."""
        while True:
            try:
                size = self.file.readline()
            except OSError:
                return
            if not size.endswith(b"\r\n"):
                return
            length = int(size, 16)
            piece = self.file.read(length + 2)
            if length == 0:
                self.is_whole = piece == b"\r\n"
                return
            if len(piece) < length + 2:
                return
            yield piece[:-2]

    def texts(self):
        """Each event, without its blank line."""
        buffer = b""
        for piece in self.pieces():
            buffer += piece
            *events, buffer = buffer.split(b"\n\n")
            yield from (event.decode() for event in events)

    def events(self):
        """The JSON of each event's data, the end marker as a text; comments are passed over."""
        for text in self.texts():
            data = [line[6:] for line in text.split("\n") if line.startswith("data: ")]
            if data:
                yield "[DONE]" if data == ["[DONE]"] else json.loads(data[0])


def content(event):
    """The text that a chat event adds."""
    if event == "[DONE]" or not event.get("choices"):
        return ""
    return event["choices"][0]["delta"].get("content") or ""
