"""Checks a receipt with nothing of ours: python3 receipt_check.py RECEIPT [PUBLIC_KEY]

Shows what a receipt proves, in an order that can be read. PUBLIC_KEY is `receipt_key` of the claims of
an appliance whose evidence was verified (see customer_check.py); without it nobody knows whose key has
signed. Needs `cryptography`."""
import hashlib, json, math, sys
from fractions import Fraction

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

STATES = ["reserved", "settled", "released", "unsettled"]
SOURCES = ["none", "upstream", "estimate", "reservation"]
FLAGS = ["unknown", "partial", "failed", "client_gone", "cut", "unpriced", "not_sent",
         "cached_above_prompt", "above_reservation"]
COUNTS = ["fresh_tokens", "cached_tokens", "output_tokens", "audio_milliseconds", "audio_bytes"]


def require(truth, otherwise):
    if not truth:
        raise SystemExit("REJECTED: " + otherwise)


def unhex(text):
    data = bytes.fromhex(text)
    require(data.hex() == text, "not canonical")
    return data


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def salted(receipt, body):
    return hashlib.sha256(unhex(receipt["salt"]) + body).hexdigest()


def check_row(receipt, row):
    """What the receipt says in words is what the ledger says in numbers."""
    flags = [word for bit, word in enumerate(FLAGS) if row["flags"] >> bit & 1]
    source = None if row["usage_source"] is None else SOURCES[row["usage_source"]]
    usage = {**{name: row[name] for name in COUNTS}, "source": source, "flags": flags}
    require(receipt["usage"] == usage and receipt["state"] == STATES[row["state"]]
            and receipt["request_id"] == row["id"] and receipt["status"] == row["status"]
            and receipt["cost_nano_euro"] == row["cost_nano_euro"], "the row says something else")


def check_link(ledger, row):
    linked = hashlib.sha256(unhex(ledger["previous_head"]) + canonical(row)).hexdigest()
    require(linked == ledger["head"] and row["row"] == ledger["index"], "not its place in the chain")
    require(ledger["index"] > 1 or ledger["previous_head"] == ledger["id"], "not the first row")


def price_of(row, price):
    """Exact, in nano-euro, rounded up once; None where a class has no price."""
    cached = price["input"] if price["cached"] is None else price["cached"]
    parts = [(row["fresh_tokens"], price["input"], 1000), (row["cached_tokens"], cached, 1000),
             (row["output_tokens"], price["output"], 1000)]
    if price["per_minute"] is not None:
        parts.append((row["audio_milliseconds"], price["per_minute"], 60))
    else:
        per_byte = None if price["per_mb"] is None else 1000 * price["per_mb"]
        parts.append((row["audio_bytes"], per_byte, 1 << 20))
    if any(count and each is None for count, each, _ in parts):
        return None
    return math.ceil(sum(Fraction(count * each, unit) for count, each, unit in parts if count))


def check_cost(row, price):
    cost, reserved = row["cost_nano_euro"], row["reserved_nano_euro"]
    if STATES[row["state"]] == "released":
        return require(cost == 0, "nothing was sent, and yet it cost something")
    if STATES[row["state"]] == "unsettled":
        return require(cost == reserved, "the cost is not what was reserved")
    due = price_of(row, price) if price else None
    if due is None:
        due = 0 if not any(row[name] for name in COUNTS) else None
    elif row["flags"] >> FLAGS.index("cut") & 1:
        due = min(due, reserved)
    require(cost == due, f"by its price it costs {due}, not {cost}")


def check(text, key=None, request=None, response=None):
    """Raises SystemExit unless all holds; `request` and `response` are the bodies, if at hand."""
    document = json.loads(text)
    require(canonical(document) == text.rstrip(b"\n"), "not canonical")
    receipt, ledger = document["receipt"], document["receipt"]["ledger"]
    require(receipt["version"] == 1, "another version")
    try:
        Ed25519PublicKey.from_public_bytes(unhex(document["public_key"])).verify(
            unhex(document["signature"]), b"privatemode receipt 1\n" + canonical(receipt))
    except InvalidSignature:
        require(False, "the signature is wrong")
    require(key in (None, document["public_key"]), "another key has signed")
    check_row(receipt, ledger["row"])
    check_link(ledger, ledger["row"])
    check_cost(ledger["row"], receipt["price"])
    for name, body in (("request_sha256", request), ("response_sha256", response)):
        require(body is None or receipt[name] == salted(receipt, body), f"{name} is of another body")
    return receipt


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        receipt = check(file.read(), *sys.argv[2:3])
    print("Request", receipt["request_id"], "cost", receipt["cost_nano_euro"], "nano-euro")
    if len(sys.argv) < 3:
        print("Whose key has signed this is NOT PROVEN: give the key of verified claims.")
