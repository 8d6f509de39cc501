"""API keys: a file with one line `NAME SCOPE SHA256` per key, the hash being that of the key as clients send it.

HAProxy hashes what a client sends and looks the hash up: how long a comparison takes says nothing about a key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from supervisor.errors import EdgeError

KEYS = "keys"
SCOPES = ("predict", "admin")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_HASH = re.compile(r"[0-9a-fA-F]{64}")
REMEDY = "`scripts/stack key add NAME`"


@dataclass(frozen=True)
class Key:
    """A client: its name (in the access log), what it may do, and the SHA-256 of its key in hexadecimal."""

    name: str
    scope: str
    sha256: str


def read_keys(folder: Path) -> list[Key]:
    """Raises EdgeError where there is no such file. One without keys is a file: its last key was taken from it."""
    path = folder / KEYS
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError) as error:
        raise EdgeError("a file of API keys", str(error), REMEDY) from None
    return [_parse(line.split(), number) for number, line in enumerate(lines, 1) if line.strip() and line[0] != "#"]


def _parse(words: list[str], number: int) -> Key:
    """The line itself is never shown: somebody may have put a key where its hash belongs."""
    if len(words) != 3 or not _NAME.fullmatch(words[0]) or words[1] not in SCOPES or not _HASH.fullmatch(words[2]):
        found = f"something else in line {number}"
        raise EdgeError("lines of `NAME predict|admin SHA256` in the file of API keys", found, REMEDY)
    return Key(words[0], words[1], words[2].upper())
