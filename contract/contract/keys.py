"""Reads and writes the file of API keys: one line `NAME SCOPE SHA256` per key, with the hash of the key as sent.

`scripts/stack key` writes it. The edge hashes what a client sends and looks up the hash, so that the time of a
comparison reveals nothing about a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from contract.failure import Failure

KEYS = "keys"
SCOPES = ("predict", "admin")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_HASH = re.compile(r"[0-9a-fA-F]{64}")
_HEAD = "# NAME SCOPE SHA256, one key per line. Written by `scripts/stack key`; the edge follows without a restart.\n"


@dataclass(frozen=True)
class Key:
    """A client: its name (also in the access log), its scope, and the SHA-256 of its key in hexadecimal."""

    name: str
    scope: str
    sha256: str


def read_keys(path: Path) -> list[Key]:
    """Returns the keys in the file's order. Raises FileNotFoundError, and Failure if the file is unusable."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        remedy = f"`scripts/stack key add NAME`, or `ls -l {path}`"
        raise Failure(f"a file of API keys in {path}", str(error), remedy) from None
    return [_key(line.split(), number, path) for number, line in enumerate(lines, 1) if line.strip() and line[0] != "#"]


def keys_text(keys: Iterable[Key]) -> str:
    """Returns the content of the file."""
    return _HEAD + "".join(f"{key.name} {key.scope} {key.sha256}\n" for key in keys)


def _key(words: list[str], number: int, path: Path) -> Key:
    """Parses a line. Raises Failure, which never shows the line: it may hold a key instead of its hash."""
    if len(words) != 3 or not NAME.fullmatch(words[0]) or words[1] not in SCOPES or not _HASH.fullmatch(words[2]):
        expected = f"lines of `NAME {'|'.join(SCOPES)} SHA256` in {path}"
        raise Failure(
            expected, f"something else in line {number}", "removing that line, or `scripts/stack key add NAME`"
        )
    return Key(words[0], words[1], words[2].upper())
