"""Decides by hash and signature which archives in the model store may be served, and applies the releases to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Optional

from contract.archive import archive_sha256
from contract.failure import Failure
from contract.manifest import (
    MANIFEST,
    REBUILD,
    REPORTS,
    SAMPLES,
    SBOM,
    Record,
    candidates,
    is_safe,
    key_of,
    label_of,
    read_manifest,
    why_unavailable,
)
from contract.releases import RELEASES, read_releases
from contract.served import Decision, State, Version, decide
from contract.tuned import TUNED
from runtime.errors import ServingError
from runtime.signatures import RecordVerifier

RESIGN = f"{REBUILD} with STACK_SIGNING_KEY, which rebuilds whatever that key has not signed"
# For records from before there were objectives; the same as in the builder's spec.
DEFAULT_P99_SECONDS, DEFAULT_AVAILABILITY = 1.0, 0.999


@dataclass(frozen=True)
class Model(Version):
    """A version from the manifest with its archive, which has `size` bytes.

    `precisions`: those that the archive contains and the builder checked; empty if the engine has only one. `samples`:
    as in the manifest. `about`: labels and objectives for metrics. `workers`, `threads`: 0 until this start sizes it.
    """

    archive: str = ""
    sha256: str = ""
    size: int = 0
    trained: bool = True
    engine: str = "eager"
    serving: Mapping[str, Any] = field(default_factory=dict)
    precisions: tuple[str, ...] = ()
    samples: tuple[Record, ...] = ()
    about: Record = field(default_factory=dict)
    workers: int = 0
    threads: int = 0

    def sized(self, settings: Mapping[str, Any]) -> "Model":
        """Returns the model with the workers and threads of `settings`, its model-config.yaml in effect."""
        return replace(self, workers=settings["minWorkers"], threads=settings["handler"]["threads"])

    @property
    def own_workers(self) -> Optional[int]:
        """The archive's own number of workers, which overrides defaults; None if unset or more than maxWorkers."""
        least, most = self.serving.get("minWorkers", 0), self.serving.get("maxWorkers", 0)
        return least if 0 < least <= most else None


def read_served(store: Path, verifier: Optional[RecordVerifier] = None) -> Decision[Model]:
    """Checks the store's archives and decides which versions to serve. Raises Failure if there is no manifest."""
    if not (store / MANIFEST).is_file():
        raise ServingError(f"the builder's {store / MANIFEST}", "no such file", REBUILD)
    releases, problems = read_releases(store)
    decision = decide(judge_all(store, read_manifest(store), verifier), releases)
    return Decision(decision.versions, decision.releases, (*problems, *decision.problems))


def judge_all(store: Path, entries: Sequence[Record], verifier: Optional[RecordVerifier] = None) -> list[Model]:
    """Checks each entry, and refuses a model version's second entry, because TorchServe would stop on it."""
    seen: set[tuple[str, str]] = set()
    models = []
    for entry in entries:
        model = judge(store, entry, verifier)
        key = (model.name, model.version)
        if key in seen:
            twice = Failure("each version only once in the manifest", "two entries", REBUILD, model.label)
            model = Model(*key, State.CORRUPT, twice)
        seen.add(key)
        models.append(model)
    return models


def judge(store: Path, entry: Record, verifier: Optional[RecordVerifier] = None) -> Model:
    """Compares the archive on disk with the entry and with its pending successor, if any.

    With a `verifier`, records without a valid signature are ignored entirely.
    """
    key, label = key_of(entry), label_of(entry)
    records = candidates(entry)
    if not records:
        return Model(*key, State.UNAVAILABLE, why_unavailable(entry))
    if verifier:
        problems = [_distrust(verifier, record, key) for record in records]
        records = [record for record, problem in zip(records, problems) if not problem]
        if not records:
            expected = f"a record signed by {verifier.keyid[:16]}"
            return Model(*key, State.REFUSED, Failure(expected, " and ".join(problems), RESIGN, label))
    found = ""
    for record in records:
        sha256, problem = _read_sha256(store, record)
        if sha256 == record.get("sha256"):
            return _model(record)
        found = problem or found or f"sha256 {sha256} of {record.get('archive')}"
    expected = "sha256 " + " or ".join(str(record.get("sha256")) for record in records)
    return Model(*key, State.CORRUPT, Failure(expected, found, f"{REBUILD[:-1]} {key[0]}`", label))


def _model(record: Record) -> Model:
    return Model(
        *key_of(record),
        is_candidate=bool(record.get("candidate", False)),
        archive=str(record["archive"]),
        sha256=str(record["sha256"]),
        size=int(record.get("bytes", 0)),
        trained=bool(record.get("trained", True)),
        engine=str(record.get("engine", "eager")),
        serving=record.get("serving") or {},
        precisions=tuple(record.get("precisions") or ()),
        samples=tuple(record.get("samples") or ()),
        about=_about(record),
    )


def _about(record: Record) -> Record:
    """Returns model_info's labels, and the objectives: p99 in seconds, and the fraction not answered with 5xx."""
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


def _distrust(verifier: RecordVerifier, record: Record, key: tuple[str, str]) -> str:
    """Returns why the record cannot be trusted for this model ("" if it can); a pending one may be another model's."""
    if key_of(record) != key:
        return f"a pending record for {label_of(record)}"
    return verifier.problem(record)


def _read_sha256(store: Path, record: Record) -> tuple[Optional[str], str]:
    """Returns the archive's hash and "", or None and the reason why there is none."""
    name, archive = record["name"], record.get("archive")
    if not (is_safe(name) and is_safe(archive)):
        return None, f"a name that TorchServe cannot load: {name}={archive}"
    try:
        return archive_sha256(store / str(archive)), ""
    except FileNotFoundError:
        return None, f"no file {archive}"
    except OSError as error:
        return None, str(error)


def find_unlisted(store: Path, entries: Sequence[Record]) -> list[str]:
    """Returns the names in the store that no entry mentions; they are never served, and the log says so."""
    listed = {MANIFEST, TUNED, RELEASES, REPORTS, SAMPLES, SBOM}
    for entry in entries:
        listed.update(str(record.get("archive")) for record in (entry, *candidates(entry)))
    return sorted(path.name for path in store.iterdir() if path.name not in listed and not path.name.startswith("."))
