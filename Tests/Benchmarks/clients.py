#!/usr/bin/env python3
"""The load: wrk for requests, Python for what wrk cannot do. Run as a program it is the client of
event streams:

    clients.py PORT STREAMS KEY tls|plain

which connects, says "ready", asks on a line of input, and prints one line of JSON."""
import gc
import json
import os
import pathlib
import re
import select
import socket
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor

import peers
from vendors import EVENTS

HERE = pathlib.Path(__file__).parent
RECEIVE_BYTES_MAX = 65536
SECONDS_MAX = 60
UPLOAD_BYTES = 50_000_000
# Enough to keep a server busy while others calculate their half of a handshake.
FRESH_CLIENTS = 16
# The certificates are made for the run, and who signed them is not what is measured.
TLS = ssl._create_unverified_context()


def percentile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part))]


def connect(port, is_tls=True):
    connection = socket.create_connection(("127.0.0.1", port), SECONDS_MAX)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return TLS.wrap_socket(connection) if is_tls else connection


def chat(key, more="", header=""):
    body = f'{{"model":"{peers.MODEL}",{more}"messages":[{{"role":"user","content":"hello"}}]}}'
    return (f"POST {peers.CHAT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n{header}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()


def answer(connection):
    """One whole answer that has a length or ends with the connection; its first byte's time."""
    whole, first = b"", None
    while piece := connection.recv(RECEIVE_BYTES_MAX):
        first = first or time.perf_counter()
        whole += piece
        head, found, body = whole.partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.I) if found else None
        if length and len(body) >= int(length[1]):
            break
        if body.endswith(b"0\r\n\r\n"):
            break
    if not whole.startswith(b"HTTP/1.1 200"):
        raise OSError(f"answered {whole[:60]}")
    return first


def wrk(stack, connections, seconds, path=peers.CHAT, close=False):
    """Requests in a closed loop: {requests, rate, p50, p99, errors}, times in microseconds."""
    more = {"BENCH_CLOSE": "1"} if close else {}
    done = subprocess.run(
        ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "10s", "--latency",
         "-s", str(HERE / "post.lua"), f"https://127.0.0.1:{stack.port}{path}"],
        capture_output=True, text=True, timeout=SECONDS_MAX,
        env={**os.environ, "BENCH_KEY": stack.key, **more})
    said = re.search(r"^RESULT (.*)$", done.stdout, re.M)
    return json.loads(said[1]) if said else sys.exit(f"wrk: {done.stdout}{done.stderr}")


def fresh(port, key, seconds):
    """Requests, each on a new connection with a full handshake; their count."""
    request, count = chat(key, header="Connection: close\r\n"), 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with socket.create_connection(("127.0.0.1", port), SECONDS_MAX) as plain:
            with TLS.wrap_socket(plain) as connection:
                connection.sendall(request)
                answer(connection)
                count += 1
    return count


def handshakes(stack, seconds):
    """As `wrk`, with full handshakes: wrk itself resumes its sessions."""
    with ProcessPoolExecutor(FRESH_CLIENTS) as pool:
        asked = [pool.submit(fresh, stack.port, stack.key, seconds) for _ in range(FRESH_CLIENTS)]
        counts = [each.result() for each in asked]
    return {"requests": sum(counts), "rate": sum(counts) / seconds, "errors": 0}


def first_byte(port, key, is_tls=True, count=400, gap_seconds=0.004):
    """Microseconds from a request to the first byte of its answer, one at a time."""
    request, times = chat(key), []
    with connect(port, is_tls) as connection:
        for _ in range(count):
            time.sleep(gap_seconds)
            start = time.perf_counter()
            connection.sendall(request)
            times.append((answer(connection) - start) * 1e6)
    return times


def idle(stack, count):
    """KiB that each TLS connection takes that has had an answer and now waits."""
    before, waiting = stack.pss_kib(), []
    for _ in range(count):
        connection = connect(stack.port)
        connection.sendall(chat(stack.key))
        answer(connection)
        waiting.append(connection)
    time.sleep(1)
    after = stack.pss_kib()
    for connection in waiting:
        connection.close()
    return (after - before) / count


def streaming(stack, count):
    """KiB that each stream takes with its connection, in the middle of it."""
    before = stack.pss_kib()
    streams = Streams(stack.port, count, stack.key)
    streams.ask()
    time.sleep(0.6)
    after = stack.pss_kib()
    return (after - before) / count, streams.result()["errors"]


def upload(stack):
    """MiB that the stack grows by while it passes an upload to a vendor that reads slowly."""
    opening = (b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-large-v3\r\n'
               b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n'
               b'Content-Type: audio/wav\r\n\r\n')
    closing = b"\r\n--b--\r\n"
    body = opening + bytes(UPLOAD_BYTES) + closing
    head = (f"POST {peers.AUDIO} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {stack.key}\r\n"
            f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(body)}\r\n\r\n")
    base, seen, is_over = stack.pss_kib(), [], threading.Event()

    def watch():
        while not is_over.wait(0.02):
            seen.append(stack.pss_kib())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with connect(stack.port) as connection:
            connection.sendall(head.encode() + body)
            answer(connection)
    finally:
        is_over.set()
        watcher.join()
    return (max(seen) - base) / 1024


class Streams:
    """A client process with its streams connected and not yet asked for."""

    def __init__(self, port, streams, key, is_tls=True):
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(port), str(streams), key, "tls" if is_tls else "plain"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            sys.exit(f"event streams: cannot connect to port {port}")

    def ask(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def result(self):
        """{events, p50, p99, errors}: ages of the events on arrival, in microseconds."""
        said = self.process.communicate(timeout=SECONDS_MAX)[0]
        return json.loads(said) if said else sys.exit("event streams: the client has failed")


def receive_events(connections, request):
    """The ages of all events, and how many streams did not come whole."""
    poll, open_ones, ages, errors = select.epoll(), {}, [], 0
    for connection in connections:
        connection.setblocking(False)
        poll.register(connection.fileno(), select.EPOLLIN)
        open_ones[connection.fileno()] = [connection, b""]
        connection.send(request)
    end = time.monotonic() + SECONDS_MAX / 2
    while open_ones and time.monotonic() < end:
        for number, _ in poll.poll(1):
            connection, rest = open_ones[number]
            try:
                piece = connection.recv(RECEIVE_BYTES_MAX)
            except ssl.SSLWantReadError:
                continue
            arrival = time.monotonic_ns()
            text = rest + piece
            cut = text.rfind(b"\n\n") + 2 if b"\n\n" in text else 0
            ages += [(arrival - int(stamp)) / 1000 for stamp in re.findall(rb'"t":(\d+)', text[:cut])]
            open_ones[number][1] = rest = text[cut:]
            if not piece or rest.endswith(b"0\r\n\r\n"):
                errors += not piece
                poll.unregister(number)
                open_ones.pop(number)
    return ages, errors + len(open_ones)


def main():
    port, streams, key, kind = sys.argv[1:]
    connections = [connect(int(port), kind == "tls") for _ in range(int(streams))]
    print("ready", flush=True)
    sys.stdin.readline()
    gc.disable()
    ages, errors = receive_events(connections, chat(key, '"stream":true,'))
    errors += int(streams) * EVENTS - len(ages)
    print(json.dumps({
        "events": len(ages), "p50": percentile(ages, 0.5), "p99": percentile(ages, 0.99),
        "errors": errors}))


if __name__ == "__main__":
    main()
