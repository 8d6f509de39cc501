"""Installs the packages of a single command, such as the tests' linters, in the launcher's environment."""

from __future__ import annotations

import fcntl
import sys
from pathlib import Path

from stackcli.common import console
from stackcli.common.errors import BuildError
from stackcli.common.files import sha256_of
from stackcli.common.paths import ROOT, STATE, shown
from stackcli.common.process import capture


def install_packages(name: str) -> None:
    """Installs scripts/requirements-`name`.txt again only if that file has changed. Raises BuildError."""
    requirements = ROOT / "scripts" / f"requirements-{name}.txt"
    stamp, wanted = Path(sys.prefix) / f"stamp-{name}", sha256_of(requirements)
    with (STATE / "venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.is_file() and stamp.read_text() == wanted:
            return
        console.say(f"installing {shown(requirements)}")
        command = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        installed = capture([*command, "--require-hashes", "-r", str(requirements)], timeout=None)
        if installed.returncode != 0:
            reason = next(iter(installed.stderr.strip().splitlines()[-1:]), "no reason given")
            raise BuildError(f"the packages of {shown(requirements)}", reason, "pip's own configuration")
        stamp.write_text(wanted)
