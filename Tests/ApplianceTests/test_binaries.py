"""What the programs carry: the roots of AMD, and nothing that a test trusts."""
import json
import os
from pathlib import Path

import pytest

BIN = Path(os.environ.get("PM_BIN", Path(__file__).parents[2] / ".build" / "debug"))
VECTORS = Path(os.environ.get("PM_VECTORS", Path(__file__).parents[3] / "shared" / "vectors"))
ANCHORS = VECTORS / "synthetic" / "anchors.json"
PINS = {
    "Milan": "9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9",
    "Genoa": "429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831",
    "Turin": "4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08",
}
PRODUCTION = ["pmctl", "pm-launch", "pm-edge", "pm-core", "pm-admin"]


def binary(name):
    path = BIN / name
    if not path.exists():
        pytest.skip(f"{name} is not built")
    return path.read_bytes()


def occurrences(data, pin):
    """As text in either case, or as 32 bytes."""
    return data.count(pin.encode()) + data.count(pin.upper().encode()) + data.count(
        bytes.fromhex(pin))


@pytest.mark.parametrize("product", PINS)
def test_pmctl_carries_each_root_once(product):
    assert occurrences(binary("pmctl"), PINS[product]) == 1


@pytest.mark.parametrize("name", [n for n in PRODUCTION if n != "pmctl"])
def test_nobody_else_knows_a_root(name):
    data = binary(name)
    assert [p for p, pin in PINS.items() if occurrences(data, pin)] == []


@pytest.mark.parametrize("name", PRODUCTION)
def test_no_program_knows_what_tests_trust(name):
    data = binary(name)
    for text in (b"SYNTHETIC TEST ROOT", b"anchors.json", b"emulated.json", b"EmulatedMachine",
                 b"EmulatedWorld", b"EmulatedAppliance", b"PM_VECTORS"):
        assert text not in data, text
    if not ANCHORS.exists():
        pytest.skip("no vectors")
    for product, pin in json.loads(ANCHORS.read_text()).items():
        assert occurrences(data, pin) == 0, product


def test_the_search_finds_what_it_looks_for():
    """The emulated pmctl is the one that has it."""
    data = binary("pmctl-emulated")
    assert b"EmulatedWorld" in data and b"emulated.json" in data
