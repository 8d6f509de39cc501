"""API keys of the edge: made, listed and removed here; the edge sees their SHA-256 alone, and follows by itself."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal, get_args

from stackcli.access.folder import KEYS, secrets_folder, write_secret
from stackcli.common.errors import ConfigError
from stackcli.project.settings import Settings

Scope = Literal["predict", "admin"]
PREFIX = "tss_"  # so that a scanner, or a person, sees what leaked
HEAD = "# NAME SCOPE SHA256, one key per line. Written by `scripts/stack key`; the edge follows without a restart.\n"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
LINE = re.compile(rf"(?P<name>{NAME.pattern}) (?P<scope>{'|'.join(get_args(Scope))}) (?P<sha256>[0-9a-fA-F]{{64}})")


@dataclass(frozen=True)
class Key:
    """Whose it is (in the access log, too), what it may do, and the SHA-256 of what the client sends."""

    name: str
    scope: str
    sha256: str


def keys_file(settings: Settings) -> Path:
    return secrets_folder(settings) / KEYS


def read_keys(settings: Settings) -> list[Key]:
    """Empty where there is no file yet. A line that holds no key is never shown: it may be a key."""
    path = keys_file(settings)
    try:
        lines = path.read_text().splitlines() if path.is_file() else []
    except (OSError, ValueError) as error:
        raise ConfigError(f"a file of API keys in {path}", str(error), f"`ls -l {path}`") from None
    keys = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = LINE.fullmatch(" ".join(line.split()))
        if match is None:
            found = f"something else in line {number}"
            raise ConfigError(f"lines of `NAME predict|admin SHA256` in {path}", found, "removing that line")
        keys.append(Key(**match.groupdict()))
    return keys


def add_key(settings: Settings, name: str, scope: Scope) -> str:
    """The new key: it is stored nowhere, so this is the only time that anybody sees it."""
    if not NAME.fullmatch(name):
        raise ConfigError("a name of at most 64 letters, digits, '_', '.' and '-'", repr(name), "another name")
    keys = read_keys(settings)
    if any(key.name == name for key in keys):
        remedy = f"another name, or `scripts/stack key remove {name}` first"
        raise ConfigError("a name that has no key yet", name, remedy)
    key = PREFIX + secrets.token_urlsafe(32)
    write_keys(settings, [*keys, Key(name, scope, sha256(key.encode()).hexdigest())])
    return key


def remove_key(settings: Settings, name: str) -> None:
    keys = read_keys(settings)
    kept = [key for key in keys if key.name != name]
    if len(kept) == len(keys):
        found = ", ".join(key.name for key in keys) or "none"
        raise ConfigError(f"a key of {name}", found, "`scripts/stack key list`")
    write_keys(settings, kept)


def write_keys(settings: Settings, keys: list[Key]) -> None:
    write_secret(keys_file(settings), HEAD + "".join(f"{key.name} {key.scope} {key.sha256}\n" for key in keys))
