"""Files: written whole or not at all, and hashed, so that nothing is done again unless what it is made from changed."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

IGNORED = {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"}
BLOCK_BYTES = 1 << 20


def write_if_changed(path: Path, content: str) -> Path:
    """A reader (the container's user is another one) sees the old file or the new one, never half of it."""
    if not path.is_file() or path.read_text() != content:
        temporary = path.with_suffix(".new")
        temporary.write_text(content)
        temporary.chmod(0o644)
        temporary.replace(path)
    return path


def digest_of(*texts: str) -> str:
    """One sha256 over all of them, in hexadecimal digits."""
    return sha256(json.dumps(texts).encode()).hexdigest()


def sha256_of(file: Path) -> str:
    """In hexadecimal digits; read block by block, for archives are large."""
    digest = sha256()
    with file.open("rb") as content:
        while block := content.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def hash_inputs(folder: Path, **inputs: object) -> str:
    """sha256 over every file's path, executable bit and content, and over `inputs` (JSON values)."""
    digest = sha256(json.dumps(inputs, sort_keys=True).encode())
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not IGNORED.intersection(file.relative_to(folder).parts):
            executable = bool(file.stat().st_mode & 0o100)
            digest.update(f"{file.relative_to(folder)}\0{executable}\0{sha256_of(file)}\n".encode())
    return digest.hexdigest()
