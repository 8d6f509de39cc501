"""API keys of the edge: made, listed and removed here; the edge sees their SHA-256 alone, and follows by itself."""

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
PREFIX = "tss_"  # so that a scanner, or a person, sees what leaked


def keys_file(settings: Settings) -> Path:
    return secrets_folder(settings) / KEYS


def read_keys(settings: Settings) -> list[Key]:
    """Returns no keys where there is no file yet. Raises ConfigError."""
    try:
        return keys.read_keys(keys_file(settings))
    except FileNotFoundError:
        return []
    except Failure as failure:
        raise ConfigError(failure.expected, failure.found, failure.remedy) from None


def add_key(settings: Settings, name: str, scope: Scope) -> str:
    """The new key: it is stored nowhere, so this is the only time that anybody sees it."""
    if not keys.NAME.fullmatch(name):
        raise ConfigError("a name of at most 64 letters, digits, '_', '.' and '-'", repr(name), "another name")
    known = read_keys(settings)
    if any(key.name == name for key in known):
        remedy = f"another name, or `scripts/stack key remove {name}` first"
        raise ConfigError("a name that has no key yet", name, remedy)
    key = PREFIX + secrets.token_urlsafe(32)
    write_keys(settings, [*known, Key(name, scope, sha256(key.encode()).hexdigest().upper())])
    return key


def remove_key(settings: Settings, name: str) -> None:
    known = read_keys(settings)
    kept = [key for key in known if key.name != name]
    if len(kept) == len(known):
        found = ", ".join(key.name for key in known) or "none"
        raise ConfigError(f"a key of {name}", found, "`scripts/stack key list`")
    write_keys(settings, kept)


def write_keys(settings: Settings, kept: list[Key]) -> None:
    write_secret(keys_file(settings), keys.keys_text(kept))
