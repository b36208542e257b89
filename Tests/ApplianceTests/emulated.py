"""One appliance in the production profile on an emulated confidential machine.

`pmctl-emulated` takes the place of pmctl: the same library with synthetic roots and an emulated
machine. Everything else is as in production: accounts of their own (in a mount namespace that has
another /etc/passwd), programs owned by root, a pinned vendor. The vendor is the stand-in without its
marker, which production would refuse."""
import hashlib
import json
import os
import shutil
import ssl
import subprocess
import tempfile
from pathlib import Path

import pytest

import played_appliance
from appliance import NO_VENDOR_LIMITS, Appliance
from vendor_process import BINARY_NAME

ACCOUNTS = ("pm-vendor", "pm-core", "pm-edge", "pm-admin", "pm-probe", "pm-collateral", "pm-appraise")
FIRST_ID = 990
MARKER = b"PRIVATEMODE-STANDIN-DO-NOT-TRUST"
PROGRAMS = ("pm-launch", "pm-edge", "pm-core", "pm-admin")
GATE_SHUT = 151


def why_not():
    """Why no such appliance can run here; None if one can."""
    if played_appliance.vectors() is None:
        return "no vectors: PM_VECTORS names no folder"
    if os.geteuid() != 0:
        return "production takes root"
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, timeout=10).returncode:
        return "this kernel or container allows no mount namespaces"
    return None


class EmulatedAppliance(Appliance):
    def __init__(self, platform="snp", **members):
        # Below a folder that the service accounts can enter.
        self.place = Path(tempfile.mkdtemp(prefix="pm-emulated-"))
        self.place.chmod(0o755)
        super().__init__(self.place)
        self.bin = self.place / "bin"
        self.bin.mkdir(mode=0o755)
        built = Path(os.environ["PM_BIN"])
        for name in PROGRAMS:
            shutil.copy(built / name, self.bin)
        shutil.copy(built / "pmctl-emulated", self.bin / "pmctl")
        vendor = self.bin / "vendor"
        vendor.write_bytes((built / BINARY_NAME).read_bytes().replace(MARKER, MARKER.lower()))
        for path in self.bin.iterdir():
            path.chmod(0o755)
        self.script_path = self.place / "script.json"
        (self.bin / "emulated.json").write_text(json.dumps({
            "vectors": str(played_appliance.vectors().resolve()), "platform": platform,
            "script": str(self.script_path)}))
        self.configuration.update(
            profile="production", publicName="localhost",
            vendor={"binary": str(vendor), "port": self.vendor_port,
                    "sha256": hashlib.sha256(vendor.read_bytes()).hexdigest(),
                    "apiKeyFile": str(self.place / "vendor-key"), "limits": NO_VENDOR_LIMITS},
            attestation={"platform": platform, "collateral": "offline"})
        for name, value in members.items():
            if isinstance(value, dict):
                self.configuration.setdefault(name, {}).update(value)
            else:
                self.configuration[name] = value
        self.write_configuration()
        accounts = Path("/etc/passwd").read_text() + "".join(
            f"{name}:x:{FIRST_ID + i}:{FIRST_ID + i}::/:/usr/sbin/nologin\n"
            for i, name in enumerate(ACCOUNTS))
        self.passwd = self.place / "passwd"
        self.passwd.write_text(accounts)

    def script(self, **members):
        """How the machine behaves from now on."""
        new = self.place / "script.new"
        new.write_text(json.dumps(members))
        new.replace(self.script_path)

    def put_chain(self, name, report):
        """Puts the chain of a vector into the cache for a report of 1184 bytes."""
        folder = played_appliance.vectors() / "synthetic" / "cases" / name
        chain = json.loads((folder / "meta.json").read_text())["chain"]
        kind = report[0x48] >> 2 & 7
        key = hashlib.sha256(report[0x1A0:0x1E0] + report[0x180:0x188] + bytes([kind])).hexdigest()
        cache = self.state / "attest" / key
        cache.mkdir(parents=True)
        for part, path in zip(("vek", "mid", "ark"), chain):
            (cache / f"{part}.der").write_bytes((folder / path).read_bytes())
        for path in [cache.parent, cache, *cache.iterdir()]:
            os.chown(path, FIRST_ID + 5, FIRST_ID + 5)
        cache.parent.chmod(0o700)

    # Life

    def command(self, *words):
        """A command of pmctl on a machine that has the accounts; by default what starts it."""
        line = f'mount --bind "{self.passwd}" /etc/passwd && exec "$0" "$@"'
        return ["unshare", "-m", "--propagation", "private", "sh", "-c", line,
                str(self.bin / "pmctl"), *(words or ["supervise"]), "--configuration",
                str(self.path)]

    def __exit__(self, *_):
        try:
            self.stop()
        finally:
            shutil.rmtree(self.place, ignore_errors=True)

    def pmctl(self, *words, stdin=None):
        return subprocess.run(
            [self.bin / "pmctl", *words, "--configuration", str(self.path)], capture_output=True,
            text=True, timeout=90, env=self.environment, input=stdin)

    # Asking

    @property
    def key_folder(self):
        return self.runtime / "edge-key"

    @property
    def certificate(self):
        return str(self.key_folder / "certificate.pem")

    def tls(self):
        # Only the edge may enter the folder; root reads it for the test.
        return ssl.create_default_context(cadata=Path(self.certificate).read_text())

    def gate(self):
        return self.status()["gate"]

    def verify(self, *words, program=None):
        """`pmctl verify` from outside; by the emulated one unless another is named."""
        run = subprocess.run(
            [program or self.bin / "pmctl", "verify", self.url, "--no-webpki", "--json", *words],
            capture_output=True, text=True, timeout=60)
        return run.returncode, json.loads(run.stdout)


needs_emulation = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
