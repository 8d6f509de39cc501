"""What an image is made from, as one hash: nothing is built again unless it changed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

IGNORED = {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"}


def hash_inputs(folder: Path, **inputs: object) -> str:
    """sha256 over every file's path, executable bit and content, and over `inputs` (JSON values)."""
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode())
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not IGNORED.intersection(file.relative_to(folder).parts):
            executable = bool(file.stat().st_mode & 0o100)
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            digest.update(f"{file.relative_to(folder)}\0{executable}\0{content}\n".encode())
    return digest.hexdigest()
