"""Installs the tests' packages in the launcher's environment."""

from __future__ import annotations

import fcntl
import sys
from pathlib import Path

from stackcli.common import console
from stackcli.common.errors import BuildError
from stackcli.common.files import sha256_of
from stackcli.common.paths import ROOT, STATE
from stackcli.common.process import capture

REQUIREMENTS = ROOT / "scripts" / "requirements-test.txt"


def install_requirements() -> None:
    """Installs the packages again only if requirements-test.txt has changed. Raises BuildError."""
    stamp, wanted = Path(sys.prefix) / "stamp-test", sha256_of(REQUIREMENTS)
    with (STATE / "venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.is_file() and stamp.read_text() == wanted:
            return
        console.say("installing scripts/requirements-test.txt")
        command = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        installed = capture([*command, "--require-hashes", "-r", str(REQUIREMENTS)], timeout=None)
        if installed.returncode != 0:
            reason = next(iter(installed.stderr.strip().splitlines()[-1:]), "no reason given")
            raise BuildError("the packages of scripts/requirements-test.txt", reason, "pip's own configuration")
        stamp.write_text(wanted)
