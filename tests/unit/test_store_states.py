"""In every state of a store the command line shows what the table says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from containers.store_states import CANDIDATE, STORE_STATES, UNAVAILABLE, StoreState
from contract.failure import Failure
from stackcli.project.inside import Chosen, Described, ServedState
from stackcli.project.settings import Settings
from stackcli.status.read import state_of, troubles
from stackcli.store.served import decide_served

SHOWN = {"served": "READY", "built": "BUILT", "corrupt": "CORRUPT", "refused": "REFUSED", "unavailable": "UNAVAILABLE"}


def write_store(store: Path, described: StoreState) -> None:
    models = [
        {
            "name": "m",
            "version": version,
            "status": "unavailable" if condition == UNAVAILABLE else "available",
            "candidate": condition == CANDIDATE,
            "reason": "expected weights, found no network",
            "remedy": "a file",
        }
        for version, condition in described.archives.items()
    ]
    (store / "manifest.json").write_text(json.dumps({"schema": 1, "models": models}))
    if described.release is not None:
        (store / "releases.json").write_text(json.dumps({"schema": 1, "models": {"m": described.release}}))


def running(described: StoreState) -> ServedState:
    """A TorchServe that was started on the store, and whose workers are READY."""
    reason = Failure("one", " ".join(described.said), "a third").as_data()
    chosen: list[Chosen] = [
        {"name": "m", "version": version, "state": state, "reason": None if state == "served" else reason}
        for version, state in described.states.items()
    ]
    served: list[Described] = [
        {"modelName": "m", "modelVersion": version, "workers": [{"status": "READY"}]} for version in described.served
    ]
    return ServedState("", chosen, served)


@pytest.mark.parametrize("described", STORE_STATES, ids=lambda described: described.sentence)
def test_the_command_line_makes_of_it_what_the_table_says(tmp_path: Path, described: StoreState) -> None:
    write_store(tmp_path, described)
    inside = running(described)
    decision = decide_served(Settings(model_store=str(tmp_path)), inside.chosen)
    shown = {one.version: state_of(one, inside) for one in decision.versions}
    assert shown == {version: SHOWN[state] for version, state in described.states.items()}
    assert decision.defaults.get("m") == described.default
    assert bool(decision.faults) != described.is_healthy
    said = "\n".join(troubles(decision))
    assert described.warned in said
    for version, state in described.states.items():
        if state in ("corrupt", "refused", "unavailable"):
            assert f"m {version}: {state}, not served" in said
