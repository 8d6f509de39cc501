"""Further versions of a store's mnist, made from its archive without the builder: good ones, and ones that fail."""

import hashlib
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

from integration.support.signatures import signed
from integration.support.store import entry_of, give_to_container_user, read_manifest

LIKE_THE_FIRST = ""
SLOW = """
import time

class Slow(MNISTDigitClassifier):
    def answer(self, scores):
        time.sleep(0.05)
        return super().answer(scores)

del MNISTDigitClassifier
"""
DOES_NOT_LOAD = "raise SystemError('no weights')"
ANSWERS_WRONGLY = "MNISTDigitClassifier.answer = lambda self, scores: 'eleven'"


def add_version(store: Path, version: str, key: Path, handler: str = LIKE_THE_FIRST) -> dict[str, Any]:
    """Mnist 1.0 under another version, its handler followed by `handler`; its record is signed with `key`."""
    first = entry_of(store, "mnist", "1.0")
    archive = store / f"mnist-{version}.mar"
    with zipfile.ZipFile(store / first["archive"]) as source, zipfile.ZipFile(archive, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "MAR-INF/MANIFEST.json":
                content = content.replace(b'"modelVersion": "1.0"', f'"modelVersion": "{version}"'.encode())
            if name == "handler.py":
                content += handler.encode()
            target.writestr(name, content)
    shutil.copytree(store / "samples/mnist-1.0", store / f"samples/mnist-{version}")
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    changes = {"version": version, "archive": archive.name, "sha256": sha256, "bytes": archive.stat().st_size}
    record = signed({**first, **changes}, key)
    write_manifest(store, [record, *read_manifest(store)])
    return record


def write_manifest(store: Path, records: list[dict[str, Any]]) -> None:
    """Replaces it as the builder does: a reader sees the old one or the new one."""
    partial = store / "manifest.partial"
    partial.write_text(json.dumps({"schema": 1, "models": records}))
    partial.replace(store / "manifest.json")
    give_to_container_user(store)
