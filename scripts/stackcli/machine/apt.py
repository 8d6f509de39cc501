"""Reads this machine's apt sources and runs apt."""

from __future__ import annotations

import os
import re
from pathlib import Path

from stackcli.common import console
from stackcli.common.errors import EngineError
from stackcli.common.paths import LOGS
from stackcli.common.process import capture, stream_logged


def read_apt_sources() -> str:
    folder = Path("/etc/apt")
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    return "\n\n".join(file.read_text() for file in files if file.is_file() and file.suffix in (".list", ".sources"))


def read_os_release() -> dict[str, str]:
    file = Path("/etc/os-release")
    return parse_os_release(file.read_text()) if file.is_file() else {}


def apt_knows(package: str) -> bool:
    return "Candidate:" in (policy := capture(["apt-cache", "policy", package]).stdout) and "(none)" not in policy


def apt(command: list[str]) -> None:
    """Runs apt-get non-interactively; its output goes to .stack/logs/apt.log. Raises EngineError."""
    log = LOGS / "apt.log"
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    status, lines = stream_logged(command, log, console.say, "^E: ", env)
    if status != 0:
        raise EngineError(f"`{' '.join(command)}` to succeed", lines[-1] if lines else "no output", f"reading {log}")


def parse_os_release(text: str) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {key: value.strip("\"'") for key, value in pairs}


def find_debian_uri(sources: str, suite: str) -> str | None:
    """Returns the archive's URI for `suite` from apt sources (deb822 or one-line); None if it is not there."""
    for stanza in re.split(r"\n\s*\n", sources):
        fields = dict(re.findall(r"^(\w[\w-]*): *(.*)$", stanza, re.MULTILINE))
        if suite in fields.get("Suites", "").split() and fields.get("URIs"):
            return str(fields["URIs"].split()[0])
    match = re.search(rf"^deb (?:\[[^]]*\] )?(\S+) {re.escape(suite)} ", sources, re.MULTILINE)
    return match[1] if match else None
