#!/usr/bin/env python3
"""Runs pm-edge and pm-core without a supervisor, as a benchmark needs them: listeners are made here
and inherited by the socket-activation protocol, and the vendor's port is whatever answers there.

    pair.py --bin FOLDER --folder FOLDER --https PORT --vendor PORT

Prints one JSON line {"pids": [edge, core], "key": SECRET, "url": URL} when both serve, and stays
until its standard input ends."""
import argparse
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

# What answers on the vendor's port has none.
NO_VENDOR_LIMITS = {f"{name}PerMinute": 0 for name in (
    "requests", "promptTokens", "completionTokens", "cachedTokens", "audioSeconds")}


def unix_listener(path):
    pathlib.Path(path).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(4096)
    listener.setblocking(False)
    return listener


def tcp_listener(port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(4096)
    listener.setblocking(False)
    return listener


def spawn(program, configuration, listeners, log):
    """The child finds its listeners from descriptor 3 on."""
    numbers = [listener.fileno() for _, listener in listeners]

    def arrange():
        high = [os.dup2(number, 100 + i) for i, number in enumerate(numbers)]
        for i, number in enumerate(high):
            os.dup2(number, 3 + i, inheritable=True)
        os.closerange(3 + len(high), 300)
        os.environ["LISTEN_PID"] = str(os.getpid())

    environment = {
        "LISTEN_FDS": str(len(numbers)), "LISTEN_FDNAMES": ":".join(name for name, _ in listeners)}
    # LISTEN_PID is known only in the child, so a shell of one line sets it and execs.
    return subprocess.Popen(
        ["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$0" "$@"', program, "--configuration", configuration],
        env=environment, preexec_fn=arrange, close_fds=False, stdin=subprocess.DEVNULL,
        stdout=log, stderr=log)


def create_key(control):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(control)
    body = b'{"description":"benchmark"}'
    connection.sendall(
        b"POST /keys HTTP/1.1\r\nHost: core\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
        % (len(body), body))
    answer = b""
    while part := connection.recv(65536):
        answer += part
    return json.loads(answer.split(b"\r\n\r\n", 1)[1])["key"]


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--bin", required=True)
    options.add_argument("--folder", required=True)
    options.add_argument("--https", type=int, required=True)
    options.add_argument("--vendor", type=int, required=True)
    options.add_argument("--threads", type=int, default=1)
    chosen = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = pathlib.Path(chosen.folder)
    (folder / "run").mkdir(parents=True, exist_ok=True)
    run = folder / "run"
    configuration = folder / "appliance.json"
    configuration.write_text(json.dumps({
        "profile": "development", "stateDirectory": str(folder / "state"),
        "runtimeDirectory": str(run), "listen": {"https": chosen.https},
        "edge": {"threads": chosen.threads, "connectionsPerAddressMax": 100_000,
                 "handshakesPerAddressPerSecond": 1_000_000},
        "limits": {
            "global": {"requests": 1_000_000_000}, "address": {"requests": 1_000_000_000}},
        "vendor": {"port": chosen.vendor, "limits": NO_VENDOR_LIMITS}}))
    log = open(folder / "log", "ab")
    core = spawn(f"{chosen.bin}/pm-core", str(configuration), [
        ("core", unix_listener(str(run / "core.sock"))),
        ("core-control", unix_listener(str(run / "core-control.sock")))], log)
    edge = spawn(f"{chosen.bin}/pm-edge", str(configuration), [
        ("https", tcp_listener(chosen.https))], log)
    try:
        key = create_key(str(run / "core-control.sock"))
        print(json.dumps({
            "pids": [edge.pid, core.pid], "key": key,
            "url": f"https://127.0.0.1:{chosen.https}"}), flush=True)
        sys.stdin.read()
    finally:
        for process in (edge, core):
            process.send_signal(signal.SIGTERM)
        for process in (edge, core):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


if __name__ == "__main__":
    main()
