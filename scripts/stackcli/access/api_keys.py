"""Adds, lists and removes the edge's API keys. Only their SHA-256 is stored; a running edge picks up each change."""

from __future__ import annotations

import secrets
from hashlib import sha256
from pathlib import Path
from typing import Literal

from contract import keys
from contract.failure import Failure
from contract.keys import KEYS, Key
from stackcli.access.folder import secrets_folder, write_secret
from stackcli.common.errors import ConfigError
from stackcli.project.settings import Settings

Scope = Literal["predict", "admin"]
PREFIX = "tss_"  # lets a secret scanner, or a person, recognise a leaked key


def keys_file(settings: Settings) -> Path:
    return secrets_folder(settings) / KEYS


def read_keys(settings: Settings) -> list[Key]:
    """Returns [] if there is no file yet. Raises ConfigError."""
    try:
        return keys.read_keys(keys_file(settings))
    except FileNotFoundError:
        return []
    except Failure as failure:
        raise ConfigError(failure.expected, failure.found, failure.remedy) from None


def add_key(settings: Settings, name: str, scope: Scope) -> str:
    """Returns the new key. Only its hash is stored, so this is the one time it can be shown."""
    if not keys.NAME.fullmatch(name):
        raise ConfigError("a name of at most 64 letters, digits, '_', '.' and '-'", repr(name), "another name")
    known = read_keys(settings)
    if any(key.name == name for key in known):
        remedy = f"another name, or `scripts/stack key remove {name}` first"
        raise ConfigError("a name without a key", name, remedy)
    key = PREFIX + secrets.token_urlsafe(32)
    write_keys(settings, [*known, Key(name, scope, sha256(key.encode()).hexdigest().upper())])
    return key


def remove_key(settings: Settings, name: str) -> None:
    known = read_keys(settings)
    kept = [key for key in known if key.name != name]
    if len(kept) == len(known):
        found = ", ".join(key.name for key in known) or "none"
        raise ConfigError(f"a key named {name}", found, "`scripts/stack key list`")
    write_keys(settings, kept)


def write_keys(settings: Settings, kept: list[Key]) -> None:
    write_secret(keys_file(settings), keys.keys_text(kept))
