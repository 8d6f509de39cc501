"""The hashes by which files and archives are known."""

from __future__ import annotations

import hashlib
from pathlib import Path

CHUNK_BYTES = 1 << 20


def sha256_of(path: Path) -> str:
    """Hex digest of a file, read in pieces: it may be larger than the memory limit."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in iter(lambda: file.read(CHUNK_BYTES), b""):
            digest.update(chunk)
    return digest.hexdigest()


def archive_sha256(archive: Path) -> str:
    """Hex digest of the file; of a folder (no-archive), over the sorted lines that `sha256sum` would print for it."""
    if archive.is_file():
        return sha256_of(archive)
    files = (path for path in archive.rglob("*") if path.is_file())
    lines = sorted(f"{sha256_of(path)}  {path.relative_to(archive).as_posix()}\n" for path in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
