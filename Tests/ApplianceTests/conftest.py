"""Fixtures: one appliance per module, a key and a clean recorder per test."""
import os

import pytest

import played_appliance
from appliance import Appliance

ID_CHARACTERS_MAX = 60


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: waits for a deadline of ten seconds or more")


def pytest_collection_modifyitems(items):
    if "PM_BIN" in os.environ:
        return
    skip = pytest.mark.skip(reason="PM_BIN names no folder of programs")
    for item in items:
        if "vendor_conformance" not in item.nodeid:
            item.add_marker(skip)


def pytest_make_parametrize_id(val):
    """Long values are named by how they begin."""
    if isinstance(val, (str, bytes)) and len(val) > ID_CHARACTERS_MAX:
        return f"{val[:ID_CHARACTERS_MAX]!r} of {len(val)}"


@pytest.fixture(scope="module")
def settings():
    """Members of the module's appliance.json; a module overrides this fixture."""
    return {}


@pytest.fixture(scope="module")
def appliance(tmp_path_factory, settings):
    with Appliance(tmp_path_factory.mktemp("appliance"), **settings) as appliance:
        yield appliance


@pytest.fixture
def vendor(appliance):
    """The stand-in's control, without rules and records of earlier tests."""
    vendor = appliance.vendor()
    vendor.control("clear")
    vendor.control("forget")
    yield vendor
    vendor.control("clear")


@pytest.fixture
def key(appliance):
    """A key that nobody else uses."""
    return appliance.create_key()


@pytest.fixture(scope="session")
def generate():
    """The maker of synthetic evidence."""
    return played_appliance.synthetic()


@pytest.fixture(scope="session")
def world(generate):
    """Its keys and roots, and evidence that is well formed."""
    return generate.World()


@pytest.fixture
def own(tmp_path):
    """The TLS key of a played appliance."""
    return played_appliance.identity(tmp_path / "own")
