"""Model stores to judge. These tests run inside the runtime image, where the package `runtime` is installed."""

import hashlib
import json
from pathlib import Path
from typing import Any, Callable

import pytest


def record(name: str, content: bytes, version: str = "1.0", **overrides: Any) -> dict[str, Any]:
    """An entry as the builder writes it, for an archive with this content."""
    return {
        "name": name,
        "version": version,
        "status": "available",
        "archive": f"{name}-{version}.mar",
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "trained": True,
        **overrides,
    }


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """An empty model store."""
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


@pytest.fixture
def publish(store: Path) -> Callable[[list[dict[str, Any]]], None]:
    """Writes the manifest as the builder does."""

    def write(models: list[dict[str, Any]]) -> None:
        (store / "manifest.json").write_text(json.dumps({"schema": 1, "models": models}))

    return write
