"""The admin pages as scripts drive them: a cookie jar and one pattern over the page, through the
edge, to the real core and supervisor (groups S, G and parts of K and B of the compatibility suite)."""
import os
import re
import signal
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import quote_plus, urlencode

import pytest

from appliance import Appliance, Key
from vendor_process import wait_for

PASSWORD = "corr&ct horse=+ü%"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def appliance(tmp_path_factory):
    folder = tmp_path_factory.mktemp("admin")
    appliance = Appliance(folder, environment={"ADMIN_PASSWORD": PASSWORD})
    with appliance:
        appliance.wait_ready()
        yield appliance


class Browser:
    def __init__(self, appliance):
        self.appliance = appliance
        self.cookie = None

    def ask(self, method, path, body=None, **headers):
        if self.cookie:
            headers["Cookie"] = f"other=1; {self.cookie}"
        answer = self.appliance.ask(method, path, body, headers=headers)
        changed = answer.headers.get("set-cookie")
        if changed:
            self.cookie = changed.split(";")[0]
        return answer

    def get(self, path, **headers):
        return self.ask("GET", path, **headers)

    def post(self, path, **fields):
        return self.ask("POST", path, urlencode(fields, quote_via=quote_plus).encode(), **FORM)

    def token(self, page="/admin"):
        return re.search(rb'name="csrf_token" value="([^"]*)"', self.get(page).body)[1].decode()

    def send(self, path, page="/admin", **fields):
        return self.post(path, csrf_token=self.token(page), **fields)

    def sign_in(self, password=PASSWORD):
        return self.send("/admin/login", "/admin/login", password=password)


@pytest.fixture
def browser(appliance):
    """Signed in. A restart of the pages makes sure that no lock-out of another test is left."""
    browser = Browser(appliance)
    if browser.sign_in().status == 429:
        assert appliance.pmctl("restart", "admin").returncode == 0
        browser.sign_in()
    assert browser.get("/admin").status == 200
    return browser


def location(answer):
    assert answer.status == 302, (answer.status, answer.body)
    return answer.headers["location"]


def make_key(browser, **fields):
    target = location(browser.send("/admin/keys/generate", **fields))
    assert target.startswith("/admin?show_key=")
    page = browser.get(target).body
    secret = re.search(rb"<code>(pm_[A-Za-z0-9_-]+)</code>", page)[1].decode()
    return Key(target.split("=")[1], secret)


def test_pages_need_a_session(appliance):
    browser = Browser(appliance)
    for path in ("/admin", "/admin/settings", "/admin/usage", "/admin/attestation", "/admin/about",
                 "/admin/logout"):
        assert location(browser.get(path)) == "/admin/login"
    page = browser.get("/admin/login")
    assert page.status == 200 and b'type="password"' in page.body
    policy = page.headers["content-security-policy"]
    for part in ("default-src 'self'", "frame-ancestors 'none'", "form-action 'self'"):
        assert part in policy
    assert "unsafe-inline" not in policy
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-frame-options"] == "DENY"
    assert "server" not in page.headers


def test_sign_in_sets_a_guarded_cookie(appliance):
    browser = Browser(appliance)
    answer = browser.sign_in()
    assert location(answer) == "/admin"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-admin_session=") and "Max-Age=86400" in cookie
    for word in ("Path=/", "Secure", "HttpOnly", "SameSite=Strict"):
        assert word in cookie
    assert browser.get("/admin").status == 200
    assert location(browser.get("/admin/logout")) == "/admin/login"
    assert location(browser.get("/admin")) == "/admin/login"


def test_a_foreign_cookie_is_none(browser):
    browser.cookie = "__Host-admin_session=" + "0" * 80
    assert location(browser.get("/admin")) == "/admin/login"
    browser.cookie = "__Host-admin_session="
    assert location(browser.post("/admin/keys/generate", csrf_token="x")) == "/admin/login"


def test_a_form_token_is_good_once(browser):
    token = browser.token()
    assert browser.post("/admin/keys/generate", csrf_token=token).status == 302
    again = browser.post("/admin/keys/generate", csrf_token=token)
    assert again.status == 403 and b"Invalid or expired CSRF token" in again.body
    assert browser.post("/admin/keys/generate", csrf_token="f" * 64).status == 403


def test_a_key_lives_from_making_to_deleting(appliance, browser):
    key = make_key(browser, description="n8n <b>", expires_days=30, rate_limit=7)
    assert re.fullmatch(r"pm_[A-Za-z0-9_-]{43,}", key.secret)
    page = browser.get(f"/admin?show_key={key.id}").body
    assert key.secret.encode() not in page and b"n8n &lt;b&gt;" in page
    answer = appliance.chat(key)
    assert answer.status == 200 and answer.headers["x-ratelimit-limit"] == "7"
    path = f"/admin/keys/{key.id}"
    assert location(browser.send(f"{path}/revoke")) == "/admin"
    assert appliance.chat(key).status == 401
    assert b">Revoked<" in browser.get("/admin").body
    assert location(browser.send(f"{path}/enable")) == "/admin"
    assert appliance.chat(key).status == 200
    assert location(browser.send(f"{path}/rate-limit", rate_limit=900)) == "/admin"
    assert appliance.chat(key).headers["x-ratelimit-limit"] == "900"
    assert browser.send(f"{path}/rate-limit", rate_limit=0).status == 422
    assert location(browser.send(f"{path}/rate-limit", clear="x")) == "/admin"
    assert appliance.chat(key).headers["x-ratelimit-limit"] == "1000000"
    assert location(browser.send(f"{path}/delete")) == "/admin"
    assert appliance.chat(key).status == 401
    assert browser.send(f"{path}/enable").status == 404


def test_a_key_is_made_and_changed_with_all_its_terms(appliance, browser):
    key = make_key(browser, owner="Ada <b>", tags="a, b", allowed_endpoints="chat",
                   day_budget_eur="2.50")
    page = f"/admin/keys/{key.id}"
    shown = browser.get(page).body
    assert b'value="Ada &lt;b&gt;"' in shown and b'value="a, b"' in shown
    assert appliance.ask("POST", "/v1/embeddings", {"model": "x", "input": "y"}, key).status == 403
    changed = browser.send(f"{page}/change", page, allowed_endpoints="embeddings", tags="")
    assert location(changed) == page and appliance.chat(key).status == 403
    entry = appliance.control("GET", f"/keys/{key.id}")
    assert entry["tags"] == [] and entry["day_budget_eur"] == "2.50"
    refused = browser.send(f"{page}/change", page, owner="Eve", allowed_networks="home")
    assert refused.status == 422 and b'class="fault"' in refused.body
    assert appliance.control("GET", f"/keys/{key.id}") == entry
    assert browser.send("/admin/keys/none/change", page, owner="Eve").status == 404


def test_a_new_key_is_nowhere_in_plain(appliance, browser):
    key = make_key(browser, description="canary")
    folder = appliance.folder
    for path in folder.rglob("*"):
        if path.is_file():
            assert key.secret.encode() not in path.read_bytes(), path
    with closing(sqlite3.connect(f"file:{appliance.state}/ledger.sqlite?mode=ro", uri=True)) as base:
        names = [row[0] for row in base.execute("SELECT description FROM key")]
    assert "canary" in names


def test_a_hundred_keys_are_distinct(browser):
    keys = [make_key(browser, description=f"key {number}") for number in range(100)]
    assert len({key.id for key in keys}) == len({key.secret for key in keys}) == 100
    page = browser.get("/admin").body
    assert len(page) < 100_000 and b"/admin?page=2" in page


def test_wrong_numbers_change_nothing(appliance, browser):
    before = len(appliance.control("GET", "/keys")["keys"])
    refused = browser.send("/admin/keys/generate", description="kept", expires_days="36501")
    assert refused.status == 422 and b'value="kept"' in refused.body
    assert b"A whole number from 1 to 36500." in refused.body
    assert len(appliance.control("GET", "/keys")["keys"]) == before


def test_limits_are_saved_together_and_at_once(appliance, browser):
    key = make_key(browser)
    page = "/admin/settings"
    try:
        saved = browser.send(
            f"{page}/rate-limits", page, rate_limit_requests=777_777, rate_limit_window=60)
        assert location(saved) == f"{page}?success=rate_limits"
        assert appliance.chat(key).headers["x-ratelimit-limit"] == "777777"
        refused = browser.send(
            f"{page}/rate-limits", page, rate_limit_requests=5, ip_rate_limit_window=0)
        assert refused.status == 422
        assert appliance.chat(key).headers["x-ratelimit-limit"] == "777777"
    finally:
        browser.send(f"{page}/rate-limits", page, rate_limit_requests=1_000_000)


def test_usage_shows_what_was_used(appliance, browser):
    key = make_key(browser, description="counted twice")
    for _ in range(2):
        assert appliance.chat(key).status == 200
    wait_for(lambda: all(row["state"] == "settled" for row in appliance.rows(key)))
    tokens = sum(
        row["prompt_tokens"] + row["completion_tokens"] for row in appliance.rows(key))
    page = browser.get("/admin/usage?period=today").body.decode()
    row = re.search(r"<tr><td>counted twice</td>(.*?)</tr>", page)[1]
    cells = re.findall(r">([^<]+)</td>", row)
    assert cells[:2] == [str(tokens), "2"]
    assert "gpt-oss-120b" in page


def test_what_is_not_attested_says_so(browser):
    for path in ("/admin", "/admin/settings", "/admin/usage", "/admin/attestation", "/admin/about"):
        assert b"<strong>Not attested.</strong>" in browser.get(path).body
    # What pmctl says is known for a few seconds, and the first to ask was pmctl's own probe.
    services = (b"vendor", b"core", b"edge", b"admin")
    wait_for(lambda: all(b"<tr><td>" + service + b"</td><td>ready</td>"
                         in browser.get("/admin/settings").body for service in services), 10, 0.2)


def test_a_core_that_hangs_holds_a_page_a_bounded_time(appliance, browser):
    core = appliance.pids()["core"]
    os.kill(core, signal.SIGSTOP)
    try:
        start = time.monotonic()
        answer = browser.get("/admin")
        assert answer.status == 502 and b"Nothing was changed." in answer.body
        assert time.monotonic() - start < 25
        assert browser.get("/admin/about").status == 200
    finally:
        os.kill(core, signal.SIGCONT)
    wait_for(lambda: browser.get("/admin").status == 200, seconds=30)


def test_a_restart_of_the_pages_refuses_nobody(appliance, browser):
    """Clients wait in the backlog while the process is replaced; its sessions are gone after."""
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(Browser(appliance).get, "/admin/login") for _ in range(20)]
        assert appliance.pmctl("restart", "admin").returncode == 0
        answers += [pool.submit(Browser(appliance).get, "/admin/login") for _ in range(20)]
        assert {answer.result().status for answer in answers} == {200}
    assert location(browser.get("/admin")) == "/admin/login"


def test_parallel_guesses_are_counted_exactly(appliance, browser):
    """Last, for it locks out the address that all tests share."""
    tokens = [Browser(appliance).token("/admin/login") for _ in range(40)]

    def guess(numbered):
        number, token = numbered
        return Browser(appliance).ask(
            "POST", "/admin/login",
            urlencode({"csrf_token": token, "password": "wrong"}).encode(),
            **FORM, **{"X-Forwarded-For": f"192.0.2.{number}"})

    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(guess, enumerate(tokens)))
    statuses = [answer.status for answer in answers]
    assert statuses.count(302) == 5 and statuses.count(429) == 35
    locked = Browser(appliance).sign_in()
    assert locked.status == 429 and 0 < int(locked.headers["retry-after"]) <= 300
    assert b"Too many login attempts. Please try again later." in locked.body
    assert browser.get("/admin").status == 200
