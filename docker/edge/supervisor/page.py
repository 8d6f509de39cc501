"""Lists the playground's parts with their paths: its files, the models as JSON, and their samples."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from supervisor.models import Model, Record

DATA_PATH = "/playground/models.json"
# HAProxy serves a file from a buffer: see tune.bufsize in page.cfg.j2.
MAX_BYTES = 1_000_000
_SAFE_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_TEXTS = {".js": "text/javascript", ".html": "text/html", ".css": "text/css"}


@dataclass(frozen=True)
class File:
    """A file that HAProxy returns at `path`; `public`: even to clients without a key."""

    path: str
    file: Path
    type: str
    public: bool


def page_files(folder: Path) -> list[File]:
    """Returns the page's own files: index.html at /, the others below /playground/."""
    files = []
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.stat().st_size <= MAX_BYTES:
            name = file.relative_to(folder).as_posix()
            files.append(File("/" if name == "index.html" else f"/playground/{name}", file, _type_of(file), True))
    return files


def sample_files(store: Path, models: Sequence[Model]) -> list[File]:
    """Returns the samples of every version, without files whose hash is not the manifest's."""
    files = []
    for model in models:
        for record in model.versions:
            for sample in record.get("samples", []):
                file = _sample_file(store, model.name, record["version"], sample)
                if file:
                    files.append(File(_sample_url(model.name, record["version"], sample), file, _type_of(file), False))
    return files


def models_json(models: Sequence[Model], unavailable: Sequence[Record], files: Sequence[File], keys: bool) -> str:
    """Returns what the page reads first; `generation` is a hash of its content."""
    served = {file.path for file in files}
    content: dict[str, Any] = {
        "keys": keys,
        "models": [_described(model, served) for model in models],
        "unavailable": [
            {key: record.get(key, "") for key in ("name", "version", "reason", "remedy")} for record in unavailable
        ],
    }
    generation = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    return json.dumps({"generation": generation, **content})


def _described(model: Model, served: set[str]) -> dict[str, Any]:
    return {
        "name": model.name,
        "stable": model.stable,
        "previous": model.previous,
        "canary": asdict(model.canary) if model.canary else None,
        "versions": [_version(model.name, record, served) for record in model.versions],
    }


def _version(name: str, record: Record, served: set[str]) -> dict[str, Any]:
    samples = [(sample, _sample_url(name, record["version"], sample)) for sample in record.get("samples", [])]
    return {
        **{key: record.get(key) for key in ("version", "engine", "precision", "accuracy", "input", "built_at")},
        "trained": bool(record.get("trained", True)),
        "samples": [
            {"file": sample["file"], "expected": sample.get("expected"), "url": url}
            for sample, url in samples
            if url in served
        ],
    }


def _sample_url(name: str, version: str, sample: Record) -> str:
    return f"/playground/samples/{name}/{version}/{sample.get('file', '')}"


def _sample_file(store: Path, name: str, version: str, sample: Record) -> Path | None:
    if not _SAFE_FILE.fullmatch(str(sample.get("file", ""))):
        return None
    file = store / "samples" / f"{name}-{version}" / sample["file"]
    if not file.is_file() or file.stat().st_size > MAX_BYTES:
        return None
    return file if hashlib.sha256(file.read_bytes()).hexdigest() == sample.get("sha256") else None


def _type_of(file: Path) -> str:
    if file.suffix in _TEXTS:
        return f"{_TEXTS[file.suffix]}; charset=utf-8"
    return mimetypes.guess_type(file.name)[0] or "application/octet-stream"
