"""In every state of a store, the edge routes only to versions that TorchServe has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from store_states import CANDIDATE, STORE_STATES, UNAVAILABLE, StoreState

from conftest import record

from supervisor.models import read_models  # isort: skip

Publish = Callable[..., None]


def entry(version: str, condition: str) -> dict[str, Any]:
    status = "unavailable" if condition == UNAVAILABLE else "available"
    return record("m", version, status=status, candidate=condition == CANDIDATE)


@pytest.mark.parametrize("described", STORE_STATES, ids=lambda described: described.sentence)
def test_the_edge_makes_of_it_what_the_table_says(store: Path, publish: Publish, described: StoreState) -> None:
    releases = None if described.release is None else {"m": described.release}
    publish(*(entry(*item) for item in described.archives.items()), releases=releases)
    models = read_models(store, {"m": described.served})
    routed = {model.name: model for model in models.routed}
    assert bool(routed) == bool(described.served)
    if routed:
        model = routed["m"]
        assert [one["version"] for one in model.versions] == described.served
        assert model.stable == described.default
        assert (model.canary.version if model.canary else None) == described.canary


def test_before_any_torchserve_has_answered_the_files_alone_decide(store: Path, publish: Publish) -> None:
    publish(record("m", "2.0"), record("m", "1.0"))
    (model,) = read_models(store).routed
    assert (model.stable, len(model.versions)) == ("2.0", 2)
