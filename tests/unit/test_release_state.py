"""Each command changes the state of the releases as it should, and the list shows it."""

import json
from pathlib import Path
from typing import Any

import pytest

from contract.releases import Canary, Release
from contract.served import State, Version
from stackcli.common.errors import ConfigError
from stackcli.project.inside import ServedState
from stackcli.project.settings import Settings
from stackcli.release.as_table import missing_versions, note_of, state_in
from stackcli.store.releases import read_releases, releases_file, write_release

STABLE = Release(stable="1.0", deployed=("1.0", "2.0"))
CANARY = Canary(version="2.0", weight=10, sticky_header="X-Client-Id")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(model_store=str(tmp_path))


def test_the_file_is_what_the_runtime_and_the_edge_read(settings: Settings) -> None:
    write_release(settings, "mnist", STABLE.with_canary(CANARY))
    write_release(settings, "other", Release(stable="1.0", deployed=("1.0",)))
    assert json.loads(releases_file(settings).read_text()) == {
        "schema": 1,
        "models": {
            "mnist": {
                "stable": "1.0",
                "previous": None,
                "canary": {"version": "2.0", "weight": 10, "sticky_header": "X-Client-Id"},
                "deployed": ["1.0", "2.0"],
            },
            "other": {"stable": "1.0", "previous": None, "canary": None, "deployed": ["1.0"]},
        },
    }
    assert read_releases(settings)["mnist"].canary == CANARY


def test_without_a_file_nothing_was_released(settings: Settings) -> None:
    assert read_releases(settings) == {}


@pytest.mark.parametrize("text", ["{", '{"schema": 2}', '{"models": {"mnist": {"stable": "1.0"}}}'])
def test_a_file_that_somebody_has_damaged_is_named(settings: Settings, text: str) -> None:
    releases_file(settings).write_text(text)
    with pytest.raises(ConfigError, match=r"releases\.json, found .*; try correcting it"):
        read_releases(settings)


def test_a_version_is_deployed_once() -> None:
    assert STABLE.with_deployed("3.0").deployed == ("1.0", "2.0", "3.0")
    assert STABLE.with_deployed("1.0").deployed == ("2.0", "1.0")


def test_a_promotion_ends_the_canary_and_remembers_the_version_before() -> None:
    promoted = STABLE.with_canary(CANARY).promoted("2.0")
    assert promoted == Release(stable="2.0", previous="1.0", deployed=("1.0", "2.0"))


def test_a_canary_is_rolled_back_before_a_promotion_is() -> None:
    promoted = STABLE.promoted("2.0")
    assert promoted.with_canary(CANARY).rolled_back() == promoted


def test_after_a_rollback_there_is_nothing_to_go_back_to() -> None:
    rolled_back = STABLE.promoted("2.0").rolled_back()
    assert rolled_back == STABLE
    assert rolled_back.previous is None


def described(version: str, *states: str, default: bool = False) -> dict[str, Any]:
    workers = [{"status": state} for state in states]
    return {"modelName": "mnist", "modelVersion": version, "workers": workers, "default": default}


def test_the_list_says_what_becomes_of_each_version() -> None:
    states = {"1.0": State.SERVED, "2.0": State.SERVED, "3.0": State.BUILT}
    versions = [Version("mnist", number, state) for number, state in states.items()]
    inside = ServedState("", [], [described("1.0", "READY"), described("2.0", "READY", "UNLOADING")])
    assert [state_in(version, inside) for version in versions] == ["READY", "1/2 READY", "BUILT"]
    release = STABLE.promoted("2.0").with_canary(Canary("1.0", 5))
    notes = [note_of(version, release, inside.served) for version in versions]
    assert notes == ["canary: 5 %, previous", "stable", ""]
    gone = missing_versions(versions, {"mnist": release.with_deployed("4.0")})
    assert [version.version for version in gone] == ["4.0"]


def test_what_was_built_since_the_start_waits_for_its_deployment() -> None:
    assert state_in(Version("mnist", "2.0"), ServedState("", [], [])) == "BUILT"


def test_without_a_release_the_servers_default_is_the_stable_version() -> None:
    version = Version("mnist", "1.0")
    assert note_of(version, None, [described("1.0", "READY", default=True)]) == "stable"
    assert note_of(version, None, [described("1.0", "READY")]) == ""
