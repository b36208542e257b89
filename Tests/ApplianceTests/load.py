"""Many clients at once: some keep their connection, some open one for each request, some read a
stream. What happened to each request is kept, so that a test can say which may have failed."""
import contextlib
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from appliance import chat_body
from streaming import Stream, content
from vendor_process import Answer

JOIN_SECONDS_MAX = 60
VOLLEY_THREADS = 20
# A client notices the end of its connection so long after it.
NOTICE_SECONDS = 0.5


@dataclass
class Outcome:
    """One request: when its connection and it began, when it ended, and how."""
    opened: float
    began: float
    ended: float
    status: int
    fault: str
    request_id: str

    @property
    def is_good(self):
        return self.status == 200 and not self.fault


class Load:
    """Chat requests until the context is left."""

    def __init__(self, appliance, key, kept=3, fresh=2, pause=0.005):
        self.appliance, self.key, self.pause = appliance, key, pause
        self.outcomes = []
        self.refused = 0
        self.is_over = threading.Event()
        self.threads = [
            threading.Thread(target=self.work, args=(is_kept,), daemon=True)
            for is_kept in [True] * kept + [False] * fresh]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        time.sleep(0.3)
        return self

    def __exit__(self, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join(JOIN_SECONDS_MAX)
            assert not thread.is_alive(), "a request hangs"

    def work(self, is_kept):
        connection, opened = None, 0.0
        while not self.is_over.wait(self.pause):
            began = time.monotonic()
            status, fault, number = 0, "", ""
            try:
                if connection is None:
                    opened = began
                    connection = self.appliance.https_connection(40)
                    connection.connect()
                answer = self.appliance.chat(self.key, "load", connection)
                status, number = answer.status, answer.headers.get("x-request-id", "")
                fault = "cut" if answer.is_cut else ""
            except ConnectionRefusedError:
                self.refused += 1
                fault = "refused"
            except OSError as error:
                fault = repr(error)
            except Exception as error:  # http.client's own, such as a missing status line.
                fault = repr(error)
            self.outcomes.append(
                Outcome(opened, began, time.monotonic(), status, fault, number))
            # http.client has closed it if the answer said so.
            if fault or not is_kept or connection.sock is None:
                if connection is not None:
                    connection.close()
                connection = None

    @property
    def bad(self):
        return [outcome for outcome in self.outcomes if not outcome.is_good]

    def good_after(self, moment):
        return [o for o in self.outcomes if o.is_good and o.began > moment]


class Streams:
    """Streams that a test starts first and looks at last."""

    def __init__(self, appliance, key, count, model="gpt-oss-120b"):
        self.streams = [
            Stream(appliance, "/v1/chat/completions", chat_body(model=model, stream=True), key)
            for _ in range(count)]
        self.events = [[] for _ in self.streams]
        self.threads = [
            threading.Thread(target=self.read, args=(n,), daemon=True)
            for n in range(count)]
        for thread in self.threads:
            thread.start()

    def read(self, n):
        self.events[n].extend(self.streams[n].events())

    def ended(self):
        """Whether each came whole."""
        for thread in self.threads:
            thread.join(JOIN_SECONDS_MAX)
        whole = [s.is_whole and e[-1:] == ["[DONE]"]
                 for s, e in zip(self.streams, self.events, strict=True)]
        for stream in self.streams:
            stream.close()
        return whole

    def contents(self):
        return [len(list(filter(content, events))) for events in self.events]


def volley(appliance, bodies, path="/v1/chat/completions"):
    """Sends all requests, each `(key, body)` on a connection of its own, before it reads the first
    answer; the answers in the same order."""
    def connect(_):
        connection = appliance.https_connection()
        connection.connect()
        return connection

    def read(connection):
        with contextlib.closing(connection):
            return Answer(connection.getresponse())

    with ThreadPoolExecutor(VOLLEY_THREADS) as pool:
        connections = list(pool.map(connect, bodies))
        for connection, (key, body) in zip(connections, bodies, strict=True):
            headers = {**key.bearer, "Content-Type": "application/json"}
            connection.request("POST", path, json.dumps(body).encode(), headers)
        return list(pool.map(read, connections))
