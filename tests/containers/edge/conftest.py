"""Model stores, keys and certificates to render. These tests run inside the edge's image, with its HAProxy."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable

import pytest

from supervisor.settings import Settings

ADMIN_SHA256 = hashlib.sha256(b"an admin's key").hexdigest()
PREDICT_SHA256 = hashlib.sha256(b"a client's key").hexdigest()


def record(name: str, version: str = "1.0", **overrides: Any) -> dict[str, Any]:
    """Returns an entry of the manifest with the keys that the edge reads."""
    return {"name": name, "version": version, "status": "available", "engine": "openvino", **overrides}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A model store without any files."""
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


@pytest.fixture
def publish(store: Path) -> Callable[..., None]:
    """Writes the manifest as the builder does and, if given, the releases as `scripts/stack release` does."""

    def write(*records: Mapping[str, Any], releases: Mapping[str, Any] | None = None) -> None:
        (store / "manifest.json").write_text(json.dumps({"schema": 1, "models": records}))
        if releases is not None:
            (store / "releases.json").write_text(json.dumps({"schema": 1, "models": releases}))

    return write


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """A folder with two keys, a certificate and its private key."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    write_keys(folder)
    make_certificate(folder)
    return folder


def write_keys(folder: Path) -> None:
    (folder / "keys").write_text(f"# a comment\nclient predict {PREDICT_SHA256}\nboss admin {ADMIN_SHA256}\n")


def make_certificate(folder: Path, days: int = 1) -> None:
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost")
    files = ("-keyout", str(folder / "private-key.pem"), "-out", str(folder / "certificate.pem"))
    command = ["openssl", "req", "-x509", *curve, *files, "-days", str(days)]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def settings(tmp_path: Path, store: Path, secrets: Path) -> Callable[..., Settings]:
    """Makes the settings of an open edge, with a test's changes."""
    return lambda **changes: settings_in(tmp_path, **changes)


def settings_in(folder: Path, **changes: Any) -> Settings:
    """Returns the settings of an edge whose files are in the folder."""
    for name in ("store", "secrets", "run"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "config.properties").write_text("max_request_size=16777216\n")
    defaults: dict[str, Any] = {"tls": False, "keys": False, "rate": 0, "access_log": "failures", "threads": 1}
    seconds = {"request_seconds": 30, "drain_seconds": 20}
    folders = {name: folder / name for name in ("store", "secrets", "run")}
    return Settings(**{**defaults, **seconds, **folders, "config": folder / "config.properties", **changes})
