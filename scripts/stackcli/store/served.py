"""Decides which versions are to be served, from the manifest and what a running container's start found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from contract.failure import Failure
from contract.manifest import AVAILABLE, Record, key_of, read_manifest, why_unavailable
from contract.releases import read_releases
from contract.served import Decision, State, Version, decide
from stackcli.common.errors import BuildError
from stackcli.project.settings import Settings
from stackcli.store.manifest import store_folder

# States that only a container's start can detect, by hash and signature; nothing here checks those.
FOUND_BY_A_START = (State.CORRUPT.value, State.REFUSED.value)


def decide_served(settings: Settings, chosen: Iterable[Mapping[str, Any]] = ()) -> Decision[Version]:
    """Applies the contract's decision. `chosen`: a start's state of each version (`python -m runtime.ask models`).

    Raises BuildError.
    """
    try:
        records = read_manifest(store_folder(settings))
    except Failure as failure:
        raise BuildError(failure.expected, failure.found, failure.remedy) from None
    found = {(one["name"], one["version"]): one for one in chosen if one["state"] in FOUND_BY_A_START}
    releases, problems = read_releases(store_folder(settings))
    decision = decide([version_of(record, found.get(key_of(record))) for record in records], releases)
    return Decision(decision.versions, decision.releases, (*problems, *decision.problems))


def version_of(record: Record, found: Mapping[str, Any] | None) -> Version:
    """Makes a version from a manifest record and what a start `found` wrong with it (None: nothing)."""
    name, version = key_of(record)
    is_candidate = bool(record.get("candidate"))
    if record.get("status") != AVAILABLE:
        return Version(name, version, State.UNAVAILABLE, why_unavailable(record))
    if found:
        return Version(name, version, State(found["state"]), Failure.from_data(found["reason"]), is_candidate)
    return Version(name, version, is_candidate=is_candidate)
