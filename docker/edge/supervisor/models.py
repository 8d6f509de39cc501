"""The models that the edge routes to, as decided by the contract from manifest.json and releases.json."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from contract.failure import Failure
from contract.manifest import AVAILABLE, UNAVAILABLE, Record, is_safe, key_of, read_manifest
from contract.releases import Canary, read_releases
from contract.served import Version, decide

# The versions that TorchServe has loaded, by model.
Loaded = Mapping[str, Collection[str]]


@dataclass(frozen=True)
class Model:
    """One model: its served versions (the manifest's records), and which of them unversioned requests get.

    `is_released`: releases.json names the model, so the edge picks the version; otherwise TorchServe does, because it
    may read a new manifest later than the edge.
    """

    name: str
    stable: str
    versions: tuple[Record, ...]
    previous: str | None = None
    canary: Canary | None = None
    is_released: bool = False


@dataclass(frozen=True)
class Models:
    """The models that are routed to, the records of unavailable ones, and problems for the log."""

    routed: tuple[Model, ...]
    unavailable: tuple[Record, ...]
    problems: tuple[Failure, ...]


def read_models(store: Path, loaded: Loaded | None = None) -> Models:
    """Reads the store, leaving out versions that TorchServe has not loaded (`loaded`; None if not known).

    Raises Failure if the manifest cannot be read.
    """
    records = [record for record in read_manifest(store) if is_safe(record["name"]) and is_safe(record["version"])]
    available = {key_of(record): record for record in records if record.get("status") == AVAILABLE}
    releases, problems = read_releases(store)
    found = [
        Version(name, version, is_candidate=bool(record.get("candidate")))
        for (name, version), record in available.items()
        if loaded is None or version in loaded.get(name, ())
    ]
    decision = decide(found, releases)
    routed = []
    for name, stable in sorted(decision.defaults.items()):
        versions = tuple(available[name, one.version] for one in decision.served if one.name == name)
        release = decision.releases.get(name)
        if release:
            routed.append(Model(name, stable, versions, release.previous, release.canary, is_released=True))
        else:
            routed.append(Model(name, stable, versions))
    unavailable = tuple(record for record in records if record.get("status") == UNAVAILABLE)
    return Models(tuple(routed), unavailable, tuple(problems))
