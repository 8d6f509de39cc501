"""In every state of a store, the runtime serves what the table says, and reports it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from signing import OWN, public_pem, signed
from store_states import STORE_STATES, StoreState, write_version

from conftest import record
from contract.served import Decision, State
from runtime import health
from runtime.manifest import Model, read_served
from runtime.signatures import RecordVerifier


def write_store(store: Path, described: StoreState) -> None:
    """Writes archives, the manifest and releases.json; every record is signed except an UNSIGNED one."""
    entries = [write_version(store, *item, signed_record) for item in described.archives.items()]
    (store / "manifest.json").write_text(json.dumps({"schema": 1, "models": entries}))
    if described.release is not None:
        (store / "releases.json").write_text(json.dumps({"schema": 1, "models": {"m": described.release}}))


def signed_record(version: str, content: bytes, **more: Any) -> dict[str, Any]:
    return signed(record("m", content, version, **more))


def workers_of(decision: Decision[Model]) -> tuple[bool, str]:
    """Returns the health of a TorchServe with a READY worker for every served version."""
    ready = [{"modelVersion": one.version, "workers": [{"status": "READY"}]} for one in decision.served]
    return health.judge(decision.versions, lambda name: ready)


@pytest.mark.parametrize("described", STORE_STATES, ids=lambda described: described.sentence)
def test_the_runtime_makes_of_it_what_the_table_says(store: Path, described: StoreState) -> None:
    write_store(store, described)
    decision = read_served(store, RecordVerifier(public_pem(OWN)))
    assert {one.version: one.state.value for one in decision.versions} == described.states
    assert decision.defaults.get("m") == described.default
    is_healthy, line = workers_of(decision)
    assert is_healthy == described.is_healthy, line
    said = "\n".join(one.said for one in decision.versions if one.state is not State.SERVED)
    assert [part for part in described.said if part not in said] == [], said
    if not described.is_healthy:
        assert described.said[0] in line
    warned = " ".join(map(str, decision.problems))
    assert described.warned in warned
    assert bool(warned) == bool(described.warned)
    canary = decision.releases["m"].canary if "m" in decision.releases else None
    assert (canary.version if canary else None) == described.canary
