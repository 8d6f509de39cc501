"""Hashes files: an archive, which is identified by its hash, and the files that a container's start has read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

_CHUNK_BYTES = 1 << 20


def archive_sha256(archive: Path) -> str:
    """Returns the SHA-256 of a file or, for a folder, of the sorted lines that `sha256sum` prints for its files.

    Raises OSError.
    """
    if not archive.is_dir():
        return file_sha256(archive)
    files = (path for path in archive.rglob("*") if path.is_file())
    lines = sorted(f"{file_sha256(path)}  {path.relative_to(archive).as_posix()}\n" for path in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def content_sha256(files: Iterable[Path]) -> str:
    """Returns one hash of several files' content; a missing file counts as empty. Raises OSError."""
    digest = hashlib.sha256()
    for file in files:
        digest.update((file_sha256(file) if file.is_file() else "").encode() + b"\n")
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """Returns a file's SHA-256; reads it in chunks, because an archive may exceed the memory limit. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for chunk in iter(lambda: stream.read(_CHUNK_BYTES), b""):
            digest.update(chunk)
    return digest.hexdigest()
