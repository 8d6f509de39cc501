"""Reads the builder's manifest and decides, by hash and signature, which archives of the model store are served."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Optional

from runtime.errors import ServingError
from runtime.signatures import RecordVerifier
from runtime.tuning import TUNED_NAME

SCHEMA = 1
MANIFEST_NAME = "manifest.json"
REBUILD = "scripts/stack build"
RESIGN = "scripts/stack build with STACK_SIGNING_KEY, which builds anew what that key has not signed"
# Of a record from before there were objectives; as in the builder's spec.
DEFAULT_P99_SECONDS, DEFAULT_AVAILABILITY = 1.0, 0.999
_CHUNK_BYTES = 1 << 20
# Both become parts of a path and of a URL: nothing else may appear in either.
_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")

Record = Mapping[str, Any]


class Verdict(Enum):
    """What becomes of a model of the manifest."""

    SERVED = "served"
    BUILT = "built"
    CORRUPT = "corrupt"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True)
class Model:
    """One model version of the manifest with the entrypoint's verdict on it; `size` is the archive's, in bytes.

    `precisions`: those the archive holds, checked; none where its engine has no choice of them. `candidate`: without a
    release it is not the default version. `samples`: as in the manifest. `about`: what its metrics say of it.
    """

    name: str
    version: str
    verdict: Verdict
    detail: str = ""
    archive: str = ""
    size: int = 0
    trained: bool = True
    engine: str = "eager"
    serving: Mapping[str, Any] = field(default_factory=dict)
    precisions: tuple[str, ...] = ()
    candidate: bool = False
    samples: tuple[Record, ...] = ()
    about: Record = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Name and version as people write them: `mnist 1.0`."""
        return f"{self.name} {self.version}"

    @property
    def own_workers(self) -> Optional[int]:
        """Workers its archive asks for, which TorchServe heeds before any default; only if maxWorkers allows them."""
        least, most = self.serving.get("minWorkers", 0), self.serving.get("maxWorkers", 0)
        return least if 0 < least <= most else None


def read_manifest(store: Path) -> list[Record]:
    """The manifest's entries in the builder's order, which is the order to register them in."""
    path = store / MANIFEST_NAME
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ServingError(f"the builder's {path}", "no such file", REBUILD) from None
    except (OSError, ValueError) as error:
        raise ServingError(f"a readable JSON manifest at {path}", str(error), REBUILD) from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise ServingError(f"a manifest with schema {SCHEMA} at {path}", f"schema {schema}", REBUILD)
    models = document.get("models")
    if not isinstance(models, list) or not all(isinstance(m, dict) and {"name", "version"} <= m.keys() for m in models):
        raise ServingError(f"a list of named and versioned models in {path}", "something else", REBUILD)
    return models


def judge(store: Path, entry: Record, verifier: Optional[RecordVerifier] = None) -> Model:
    """Compares the archive on disk with the entry and, where there is one, with its pending successor.

    A builder killed between its two renames (archive, then manifest) leaves an archive that only `pending` describes.
    With a `verifier` a record counts only if its signature is valid: nothing in another one is acted upon.
    """
    name, version = str(entry["name"]), str(entry["version"])
    candidates = [r for r in (entry, entry.get("pending")) if isinstance(r, dict) and r.get("status") == "available"]
    if not candidates:
        detail = f"{entry.get('reason', 'no reason given')}; try {entry.get('remedy', REBUILD)}"
        return Model(name, version, Verdict.UNAVAILABLE, detail)
    if verifier:
        problems = [_distrust(verifier, record, name, version) for record in candidates]
        candidates = [record for record, problem in zip(candidates, problems) if not problem]
        if not candidates:
            detail = f"expected a record signed by {verifier.keyid[:16]}, found {' and '.join(problems)}; try {RESIGN}"
            return Model(name, version, Verdict.REFUSED, detail)
    found = ""
    for record in candidates:
        archive = str(record.get("archive", ""))
        if not (_SAFE_NAME.fullmatch(archive) and _SAFE_NAME.fullmatch(name)):
            found = f"a name TorchServe cannot load: {name}={archive}"
            continue
        digest, problem = _digest(store / archive)
        if digest is None:
            found = found or problem
        elif digest == record.get("sha256"):
            return Model(
                name,
                str(record.get("version", version)),
                Verdict.SERVED,
                archive=archive,
                size=int(record.get("bytes", 0)),
                trained=bool(record.get("trained", True)),
                engine=str(record.get("engine", "eager")),
                serving=record.get("serving") or {},
                precisions=tuple(record.get("precisions") or ()),
                candidate=bool(record.get("candidate", False)),
                samples=tuple(record.get("samples") or ()),
                about=_about(record),
            )
        else:
            found = f"sha256 {digest} of {archive}"
    expected = " or ".join(str(r.get("sha256")) for r in candidates)
    return Model(name, version, Verdict.CORRUPT, f"expected sha256 {expected}, found {found}; try {REBUILD} {name}")


def _about(record: Record) -> Record:
    """The labels of model_info, and the objectives: the 99th percentile in seconds, and the part not answered 5xx."""
    objective = record.get("objective") or {}
    return {
        "engine": str(record.get("engine", "eager")),
        "precision": str(record.get("precision", "f32")),
        "weights": str((record.get("weights") or {}).get("origin", "")),
        "trained": "true" if record.get("trained", True) else "false",
        "accuracy": str((record.get("accuracy") or {}).get("top1", "")),
        "sha256": str(record.get("sha256", "")),
        "p99": float(objective.get("p99", DEFAULT_P99_SECONDS)),
        "availability": float(objective.get("availability", DEFAULT_AVAILABILITY)),
    }


def _distrust(verifier: RecordVerifier, record: Record, name: str, version: str) -> str:
    """Why the record is not to be trusted as one of this model; a pending one may be another model's."""
    if (record.get("name"), record.get("version")) != (name, version):
        return f"a pending record of {record.get('name')} {record.get('version')}"
    return verifier.problem(record)


def judge_all(store: Path, entries: Sequence[Record], verifier: Optional[RecordVerifier] = None) -> list[Model]:
    """One verdict per entry; TorchServe stops on a model version named twice, so the second one is refused here."""
    seen: dict[tuple[str, str], Model] = {}
    models = []
    for entry in entries:
        model = judge(store, entry, verifier)
        key = (model.name, model.version)
        if key in seen:
            model = Model(*key, Verdict.CORRUPT, f"expected each version once, found two of it; try {REBUILD}")
        seen[key] = model
        models.append(model)
    return models


def unlisted(store: Path, entries: Sequence[Record]) -> list[str]:
    """Names in the store that no entry mentions: never served, and named in the log so nobody waits for them."""
    listed = {MANIFEST_NAME, TUNED_NAME, "releases.json", "reports", "samples", "sbom"}
    for entry in entries:
        for record in (entry, entry.get("pending")):
            if isinstance(record, dict):
                listed.add(str(record.get("archive")))
    return sorted(p.name for p in store.iterdir() if p.name not in listed and not p.name.startswith("."))


def folder_sha256(folder: Path) -> str:
    """Hash of a no-archive model: sha256 over the sorted lines `<file sha256>  <relative path>` of sha256sum."""
    files = (p for p in folder.rglob("*") if p.is_file())
    lines = sorted(f"{file_sha256(p)}  {p.relative_to(folder).as_posix()}\n" for p in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file, read in pieces: an archive may be larger than the memory limit."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for chunk in iter(lambda: stream.read(_CHUNK_BYTES), b""):
            digest.update(chunk)
    return digest.hexdigest()


def _digest(path: Path) -> tuple[Optional[str], str]:
    """The archive's hash, or None and what stands in the way."""
    try:
        if path.is_dir():
            return folder_sha256(path), ""
        return file_sha256(path), ""
    except FileNotFoundError:
        return None, f"no file {path.name}"
    except OSError as error:
        return None, str(error)
