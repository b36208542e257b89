#!/usr/bin/env python3
"""Upstreams that nginx cannot play.

    vendors.py events PORT   answers each request with a stream of EVENTS events, GAP_NS apart; each
                             says in "t" when it was sent (monotonic ns)
    vendors.py sink PORT     reads each request slowly, then answers

Streams start spread over one gap, so that events come evenly. Ends by SIGTERM."""
import heapq
import re
import select
import socket
import sys
import threading
import time

EVENTS = 50
GAP_NS = 20_000_000
SINK_BYTES_PER_SECOND = 25_000_000
REQUEST_BYTES_MAX = 64 << 10

HEAD = (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n")
EVENT = (b'data: {"t":%d,"id":"chatcmpl-0123456789","object":"chat.completion.chunk","created":1700000000,'
         b'"model":"gpt-oss-120b","choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,'
         b'"finish_reason":null}]}\n\n')
LAST = (b'data: {"id":"chatcmpl-0123456789","object":"chat.completion.chunk","created":1700000000,'
        b'"model":"gpt-oss-120b","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":50,'
        b'"total_tokens":60}}\n\ndata: [DONE]\n\n')
HEARD = b'{"text":"heard","usage":{"type":"duration","seconds":1}}'


def chunk(piece):
    return b"%x\r\n%s\r\n" % (len(piece), piece)


def is_whole(request):
    head, found, body = request.partition(b"\r\n\r\n")
    if not found:
        return False
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.I)
    if length:
        return len(body) >= int(length[1])
    return not re.search(rb"\r\ntransfer-encoding:", head, re.I) or body.endswith(b"0\r\n\r\n")


def events(port):
    listener = socket.create_server(("127.0.0.1", port), backlog=4096)
    poll = select.epoll()
    poll.register(listener.fileno(), select.EPOLLIN)
    connections, due, asked = {}, [], 0
    while True:
        wait = max(0, due[0][0] - time.monotonic_ns()) / 1e9 if due else None
        # select(2) waits to the microsecond, epoll_wait(2) to the millisecond.
        if select.select([poll], [], [], wait)[0]:
            for number, _ in poll.poll(0):
                if number == listener.fileno():
                    connection = listener.accept()[0]
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    poll.register(connection.fileno(), select.EPOLLIN)
                    connections[connection.fileno()] = [connection, b""]
                    continue
                connection, request = connections[number]
                piece = receive(connection)
                if not piece:
                    connections.pop(number)[0].close()
                    continue
                request += piece
                if is_whole(request):
                    request, asked = b"", asked + 1
                    connection.sendall(HEAD)
                    start = time.monotonic_ns() + GAP_NS + GAP_NS * (asked % 200) // 200
                    heapq.heappush(due, (start, number, EVENTS))
                connections[number][1] = request
        while due and due[0][0] <= time.monotonic_ns():
            moment, number, left = heapq.heappop(due)
            if number not in connections:
                continue
            if send(connections[number][0], left) and left:
                heapq.heappush(due, (moment + GAP_NS, number, left - 1))


def receive(connection):
    try:
        return connection.recv(REQUEST_BYTES_MAX)
    except OSError:
        return b""


def send(connection, left):
    """The next event, or the end of the stream if none is left; false if nobody listens any more."""
    try:
        if left:
            connection.sendall(chunk(EVENT % time.monotonic_ns()))
        else:
            connection.sendall(chunk(LAST) + b"0\r\n\r\n")
        return True
    except OSError:
        return False


def sink(port):
    listener = socket.create_server(("127.0.0.1", port), backlog=64)
    while True:
        threading.Thread(target=swallow, args=(listener.accept()[0],), daemon=True).start()


def swallow(connection):
    """One request: its end is a chunk of nothing, or as many bytes as its head says."""
    start, count, head, tail, length = time.monotonic(), 0, b"", b"", None
    while True:
        piece = receive(connection)
        if not piece:
            return connection.close()
        if b"\r\n\r\n" not in head:
            head += piece
            if b"\r\n\r\n" not in head:
                continue
            said = re.search(rb"\r\ncontent-length: *(\d+)", head, re.I)
            length = int(said[1]) if said else None
            piece = head.partition(b"\r\n\r\n")[2]
        count, tail = count + len(piece), (tail + piece)[-5:]
        if tail == b"0\r\n\r\n" if length is None else count >= length:
            break
        time.sleep(max(0, start + count / SINK_BYTES_PER_SECOND - time.monotonic()))
    connection.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(HEARD), HEARD))
    connection.close()


if __name__ == "__main__":
    {"events": events, "sink": sink}[sys.argv[1]](int(sys.argv[2]))
