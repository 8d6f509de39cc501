"""Model stores to check. These tests run inside the runtime image, where the package `runtime` is installed."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
from toy import serving
from toy_store import TWO, Publish, sample, write_version

from runtime import prepare, state


def record(name: str, content: bytes, version: str = "1.0", **overrides: Any) -> dict[str, Any]:
    """Returns an entry as the builder writes it, for an archive with this content."""
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


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a server with toy 1.0."""
    folder = tmp_path_factory.mktemp("served")
    with serving(folder):
        yield folder


@pytest.fixture
def container(served: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes this server's files the container's own."""
    (served / "base.properties").write_text(f"model_store={store}\n")
    monkeypatch.setenv("TORCHSERVE_WORKERS", "1")
    monkeypatch.setattr(state, "TEMP", served)
    monkeypatch.setattr(prepare, "CONFIG", served / "base.properties")
    monkeypatch.setattr(prepare, "UNPACKED", served / "unpacked")
    monkeypatch.setattr(prepare, "VERIFY_KEY", served / "no-key")


@pytest.fixture
def publish_toy(store: Path, publish: Callable[[list[dict[str, Any]]], None]) -> Publish:
    """Builds a toy version into the store, with a sample and with `changes` to its record."""

    def write(
        version: str,
        handler: str = TWO,
        described: Any = None,
        settings: Any = None,
        expected: str = "two",
        **changes: Any,
    ) -> dict[str, Any]:
        archive = write_version(store, version, handler, described or {}, settings or {})
        entry = record("toy", archive.read_bytes(), version, samples=[sample(expected)])
        publish([{**entry, **changes}])
        return entry

    return write
