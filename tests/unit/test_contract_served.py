"""Which versions are served is decided in one place, by one table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from containers.store_states import CANDIDATE, NEED_A_KEY, STORE_STATES, StoreState
from contract.failure import Failure
from contract.releases import Canary, Release, read_releases, releases_text
from contract.served import State, Version, decide

KINDS = {"corrupt": State.CORRUPT, "refused": State.REFUSED, "unavailable": State.UNAVAILABLE}
REASON = Failure("one thing", "another", "a third")


def found_of(described: StoreState) -> list[Version]:
    """Returns each version as a look at the store finds it, before the release is applied."""
    found = []
    for version, condition in described.archives.items():
        state = KINDS.get(described.states[version], State.SERVED)
        reason = None if state is State.SERVED else REASON
        found.append(Version("m", version, state, reason, is_candidate=condition == CANDIDATE))
    return found


def releases_of(described: StoreState, store: Path) -> dict[str, Release]:
    if described.release is not None:
        (store / "releases.json").write_text(json.dumps({"schema": 1, "models": {"m": described.release}}))
    return read_releases(store)[0]


@pytest.mark.parametrize("described", STORE_STATES, ids=lambda described: described.sentence)
def test_the_decision_is_what_the_table_says(tmp_path: Path, described: StoreState) -> None:
    decision = decide(found_of(described), releases_of(described, tmp_path))
    assert {one.version: one.state.value for one in decision.versions} == described.states
    assert decision.defaults.get("m") == described.default
    assert [one.version for one in decision.served] == described.served
    assert bool(decision.faults) != described.is_healthy
    in_force = decision.releases.get("m")
    canary = in_force.canary if in_force else None
    assert (canary.version if canary else None) == described.canary


def test_every_condition_of_the_table_is_in_it() -> None:
    used = {condition for described in STORE_STATES for condition in described.archives.values()}
    assert set(NEED_A_KEY) < used
    assert len({described.sentence for described in STORE_STATES}) == len(STORE_STATES)


def test_a_release_decides_for_its_model_alone() -> None:
    found = [Version("other", "1.0"), Version("m", "2.0"), Version("m", "1.0")]
    decision = decide(found, {"m": Release("1.0", ("1.0",))})
    assert [one.label for one in decision.served] == ["other 1.0", "m 1.0"]
    assert decision.defaults == {"other": "1.0", "m": "1.0"}
    assert decision.problems == ()


def test_a_release_of_a_model_that_is_gone_is_said_and_passed_over() -> None:
    decision = decide([Version("other", "1.0")], {"m": Release("1.0", ("1.0",))})
    assert decision.defaults == {"other": "1.0"}
    assert [str(problem) for problem in decision.problems] == [
        "expected m 1.0 in the model store (releases.json), found no archive to serve; no version is served; "
        "try `scripts/stack release list`"
    ]


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"models": 3}', '{"models": {"m": {"stable": "1.0"}}}'])
def test_a_file_of_releases_that_cannot_be_read_is_one_problem_and_no_release(tmp_path: Path, text: str) -> None:
    (tmp_path / "releases.json").write_text(text)
    releases, problems = read_releases(tmp_path)
    assert (releases, len(problems)) == ({}, 1)
    assert "releases.json" in problems[0].expected


def test_releases_are_read_as_they_were_written(tmp_path: Path) -> None:
    releases = {"m": Release("1.0", ("2.0", "1.0"), "2.0", Canary("2.0", 10, "X-Client-Id")), "n": Release("1", ("1",))}
    (tmp_path / "releases.json").write_text(releases_text(releases))
    assert read_releases(tmp_path) == (releases, [])
