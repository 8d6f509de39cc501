"""Writes files atomically, and hashes files, so that work is repeated only if its inputs have changed."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

IGNORED = {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"}
BLOCK_BYTES = 1 << 20


def write_if_changed(path: Path, content: str) -> Path:
    """Writes a world-readable file atomically: a reader, such as a container, sees the old file or the new one."""
    if not path.is_file() or path.read_text() != content:
        temporary = path.with_suffix(".new")
        temporary.write_text(content)
        temporary.chmod(0o644)
        temporary.replace(path)
    return path


def digest_of(*texts: str) -> str:
    """Returns one SHA-256 over all texts, in hexadecimal."""
    return sha256(json.dumps(texts).encode()).hexdigest()


def sha256_of(file: Path) -> str:
    """Returns the file's SHA-256 in hexadecimal; reads it in blocks, because archives are large."""
    digest = sha256()
    with file.open("rb") as content:
        while block := content.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def hash_inputs(folder: Path, **inputs: object) -> str:
    """Returns a SHA-256 over every file's path, executable bit and content, and over `inputs` (JSON values)."""
    digest = sha256(json.dumps(inputs, sort_keys=True).encode())
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not IGNORED.intersection(file.relative_to(folder).parts):
            executable = bool(file.stat().st_mode & 0o100)
            digest.update(f"{file.relative_to(folder)}\0{executable}\0{sha256_of(file)}\n".encode())
    return digest.hexdigest()
