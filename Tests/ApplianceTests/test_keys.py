"""Keys at the door and in their life: the store, the predecessor's file and variable, pmctl."""
import hashlib
import json
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from appliance import Key
from raw import answers, request
from vendor_process import wait_for

# A change of the keys file is in force so long after its writer closed it.
RELOAD_SECONDS = 1
HOUR = 3600
MISSING = "Missing API key"
INVALID = "Invalid or expired API key"


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def file_key(name):
    """A secret as the predecessor made them."""
    return f"pm_{name}_0123456789abcdefghijklmnopqrstuvwxyz-_"


PLAIN, LIMITED, EXPIRED, DISABLED, GUIDE, BARE = map(
    file_key, ("plain", "limited", "expired", "disabled", "guide", "bare"))
ENVIRONMENT_KEYS = ["first-key-of-the-variable", "second-key-of-the-variable"]


def entries():
    """The four of the code's shape, one of the guide's, one by hand."""
    now = time.time()

    def code(number, secret, **members):
        return {"key_id": f"key_0000000{number}", "key_hash": sha256(secret).upper(),
                "description": f"entry {number}", "created_at": now - HOUR, "expires_at": None,
                "rate_limit": None, "enabled": True, **members}

    return [
        code(1, PLAIN), code(2, LIMITED, rate_limit=5),
        code(3, EXPIRED, expires_at=now - HOUR),
        code(4, DISABLED, enabled=False, revoked_at=now - 1.5),
        {"key_id": "team", "api_key": GUIDE, "name": "Team", "created_at": "2025-03-01T09:30:00Z",
         "expires_at": "2199-01-01", "rate_limit": None, "enabled": True},
        {"key": BARE, "description": "by hand"}]


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "api_keys.json"
    write(path, entries())
    return path


def write(path, keys):
    """As editors do it: a new file that takes the old one's place."""
    new = path.with_suffix(".new")
    new.write_text(keys if isinstance(keys, str) else json.dumps({"keys": keys}))
    new.rename(path)


@pytest.fixture(scope="module")
def settings(keys_file):
    return {"keys": {"file": str(keys_file)},
            "environment": {"API_KEYS": ",".join(ENVIRONMENT_KEYS)}}


def information(appliance, secret, **options):
    return appliance.ask("GET", "/auth/key-info", key=Key("", secret), **options)


def raw(appliance, *lines):
    return answers(appliance.exchange(
        request("GET", "/auth/key-info", "Connection: close", *lines)))[0]


# At the door

def test_without_a_key(appliance, vendor):
    for headers in ({}, {"Authorization": "Basic dXNlcjpwYXNz"}, {"Authorization": "Bearer"},
                    {"Authorization": "Bearer   "}, {"X-API-Key": ""}):
        answer = appliance.ask("POST", "/v1/chat/completions", {"model": "x"}, headers=headers)
        assert answer.status == 401 and answer.message.startswith(MISSING), headers
    assert vendor.records() == []


@pytest.mark.parametrize("line", [
    "Authorization: Bearer {}", "Authorization: bearer {}", "AUTHORIZATION: BEARER \t {} ",
    "X-API-Key: {}", "x-api-key:  {} "])
def test_forms_of_a_key(appliance, key, line):
    assert raw(appliance, line.format(key.secret)).json["key_id"] == key.id


def test_bearer_decides_and_another_scheme_does_not(appliance, key):
    other = f"X-API-Key: {key.secret}"
    assert raw(appliance, "Authorization: Bearer wrong", other).status == 401
    assert raw(appliance, "Authorization: Basic x", other).status == 200


@pytest.mark.parametrize("secret", [
    "nobody-issued-this", "pm_", "pm_0000000000000000_", "k\xe9y\xff", "x" * 4000, "pm_a_b_c_d",
    "00000000-0000-4000-8000-000000000000"])
def test_unknown_keys(appliance, vendor, secret):
    answer = raw(appliance, f"Authorization: Bearer {secret}")
    assert answer.status == 401 and answer.error["message"] == INVALID
    assert secret.encode("latin-1") not in answer.body or len(secret) < 4
    assert vendor.records() == []


def test_expired_and_disabled_keys_are_told_so_to_who_knows_them(appliance, vendor):
    for secret, word in ((EXPIRED, "expired"), (DISABLED, "revoked")):
        answer = information(appliance, secret)
        assert answer.status == 401 and answer.message.startswith(INVALID)
        assert word in answer.message[len(INVALID):]
        assert information(appliance, secret + "x").message == INVALID
    assert vendor.records() == []


def test_key_information(appliance):
    answer = information(appliance, LIMITED)
    assert list(answer.json) == ["key_id", "created_at", "expires_at", "rate_limit", "description"]
    assert answer.json["key_id"] == "key_00000002" and answer.json["rate_limit"] == 5
    assert answer.headers["cache-control"] == "no-store"
    assert not [name for name in answer.headers if name.startswith("x-ratelimit")]
    body = answer.body.decode().lower()
    assert sha256(LIMITED) not in body and "hash" not in body


# The predecessor's file and variable

def test_all_shapes_of_entries(appliance):
    assert information(appliance, PLAIN).json["description"] == "entry 1"
    guide = information(appliance, GUIDE).json
    assert (guide["key_id"], guide["description"]) == ("team", "Team")
    assert guide["created_at"] == 1740821400 and guide["expires_at"] > 7e9
    bare = information(appliance, BARE).json
    assert sha256(BARE)[:8] in bare["key_id"] and bare["expires_at"] is None


def test_keys_of_the_variable(appliance):
    for number, secret in enumerate(ENVIRONMENT_KEYS):
        assert information(appliance, secret).json["key_id"] == f"env_key_{number}"


def test_file_is_reloaded_without_a_restart(appliance, keys_file):
    old, added = entries(), file_key("added")
    pids = appliance.pids()
    connection = appliance.https_connection()
    assert information(appliance, PLAIN, connection=connection).status == 200
    write(keys_file, old[1:] + [{"key_id": "added", "key_hash": sha256(added)}])
    wait_for(lambda: information(appliance, added).status == 200)
    assert information(appliance, added, connection=connection).json["key_id"] == "added"
    assert information(appliance, PLAIN, connection=connection).status == 401
    assert information(appliance, GUIDE, connection=connection).status == 200
    connection.close()
    write(keys_file, old)
    wait_for(lambda: information(appliance, PLAIN).status == 200)
    assert information(appliance, added).status == 401
    assert appliance.pids() == pids


@pytest.mark.parametrize("text", [
    "", "{", '{"keys":[', "[]", '{"keys":{}}', '{"keys":[{"key_id":"x"}]}',
    '{"keys":[{"key":"a-key-that-is-long-enough","enabled":"yes"}]}',
    '{"keys":[{"key_id":"x","key":"a-key-that-is-long-enough"},'
    '{"key_id":"x","key":"another-key-that-is-long"}]}'])
def test_bad_file_changes_nothing(appliance, keys_file, text):
    good = keys_file.read_text()
    write(keys_file, text)
    time.sleep(RELOAD_SECONDS + 0.2)
    assert information(appliance, PLAIN).status == 200
    assert information(appliance, "a-key-that-is-long-enough").status == 401
    write(keys_file, good)


def test_file_that_is_gone_switches_its_keys_off(appliance, keys_file, key):
    good = keys_file.read_text()
    keys_file.unlink()
    time.sleep(2)
    assert information(appliance, PLAIN).status == 200
    wait_for(lambda: information(appliance, PLAIN).status == 401)
    assert information(appliance, key.secret).status == 200
    assert information(appliance, ENVIRONMENT_KEYS[0]).status == 200
    write(keys_file, good)
    wait_for(lambda: information(appliance, PLAIN).status == 200)


# Life of a key

def test_new_keys_have_the_form_of_old_ones(appliance):
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: appliance.create_key(), range(100)))
    assert all(re.fullmatch(r"pm_[A-Za-z0-9_-]{43,}", key.secret) for key in keys)
    assert all(re.fullmatch(r"key_[0-9a-f]{16,}", key.id) for key in keys)
    assert len({key.secret for key in keys}) == len({key.id for key in keys}) == 100


def test_revocation_acts_on_the_next_request_of_an_open_connection(appliance, key):
    connection = appliance.https_connection()

    def ask():
        return information(appliance, key.secret, connection=connection)

    assert ask().status == 200
    appliance.control("POST", f"/keys/{key.id}/revoke")
    assert ask().status == 401
    appliance.control("POST", f"/keys/{key.id}/enable")
    assert ask().status == 200
    appliance.control("DELETE", f"/keys/{key.id}")
    assert ask().message == INVALID
    connection.close()


def test_rotation(appliance, key):
    new = appliance.control("POST", f"/keys/{key.id}/rotate", {"overlap_hours": 1})["key"]
    assert information(appliance, key.secret).json["key_id"] == key.id
    assert information(appliance, new).json["key_id"] == key.id
    newest = appliance.control("POST", f"/keys/{key.id}/rotate", {"overlap_hours": 0})["key"]
    assert information(appliance, newest).status == 200
    assert information(appliance, new).status == 401


def test_keys_outlive_a_restart_of_core(appliance, key):
    assert appliance.pmctl("restart", "core", "--wait").returncode == 0
    assert information(appliance, key.secret).json["key_id"] == key.id
    assert information(appliance, PLAIN).status == 200


def test_no_secret_is_stored(appliance, key):
    appliance.chat(key)
    secrets = [key.secret, PLAIN, GUIDE, ENVIRONMENT_KEYS[0]]
    needles = [n for s in secrets for n in (
        s.encode(), sha256(s).encode(), sha256(s).upper().encode(), bytes.fromhex(sha256(s)))]
    for folder, _, names in os.walk(appliance.state):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                text = file.read()
            assert not [needle for needle in needles if needle in text], name


# The predecessor's key tool

def lines(done):
    assert done.returncode == 0, done.stderr
    return dict(line.split(":", 1) for line in done.stdout.splitlines() if ":" in line)


def test_command_line(appliance):
    made = lines(appliance.pmctl("keys", "generate", "-d", "n8n", "-e", "30", "-r", "7"))
    assert {"Key ID", "API Key", "Description", "Expires", "Rate Limit"} <= set(made)
    number, secret = made["Key ID"].strip(), made["API Key"].strip()
    assert information(appliance, secret).json["rate_limit"] == 7
    listed = appliance.pmctl("keys", "list").stdout
    assert number in listed and secret not in listed and "ENABLED" in listed
    assert re.search(r"Total: \d+ keys\s*$", listed)
    rotated = lines(appliance.pmctl("keys", "rotate", number))
    assert rotated["Old Key ID"].strip() == rotated["New Key ID"].strip() == number
    assert information(appliance, secret).status == 401
    secret = rotated["New API Key"].strip()
    assert appliance.pmctl("keys", "revoke", number).returncode == 0
    assert information(appliance, secret).status == 401
    assert appliance.pmctl("keys", "delete", number).returncode == 0
    gone = appliance.pmctl("keys", "revoke", number)
    assert gone.returncode == 1
    assert f"Error: Key ID '{number}' not found." in gone.stderr
    for wrong in (["-e", "0"], ["-r", "0"], ["-r", "x"], ["--none"]):
        assert appliance.pmctl("keys", "generate", *wrong).returncode == 2


def test_import_twice_adds_nothing(appliance, tmp_path):
    secret, hashed = file_key("imported"), file_key("hashed")
    path = tmp_path / "old.json"
    write(path, [
        {"key_id": "old_1", "key": secret, "description": "one"},
        {"key_id": "old_2", "key_hash": sha256(hashed), "rate_limit": 9, "created_at": 1741000000.25}])

    def take(*words):
        done = appliance.pmctl("keys", "import", str(path), "--json", *words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    assert take("--dry-run")["new"] == 2 and information(appliance, secret).status == 401
    assert take()["new"] == 2
    assert information(appliance, secret).json["key_id"] == "old_1"
    assert information(appliance, hashed).json["created_at"] == 1741000000.25
    again = take()
    assert (again["new"], again["equal"]) == (0, 2)


def test_import_with_a_bad_entry_takes_nothing(appliance, tmp_path):
    secret, path = file_key("half"), tmp_path / "bad.json"
    write(path, [{"key_id": "half", "key": secret}, {"key_id": "none"}])
    done = appliance.pmctl("keys", "import", str(path), "--json")
    assert done.returncode == 1 and secret not in done.stdout + done.stderr
    assert information(appliance, secret).status == 401
    assert appliance.pmctl("keys", "import", str(path), "--skip-refused").returncode == 0
    assert information(appliance, secret).status == 200
