"""The state of releases: what each command makes of it, and what `up` and the runtime find there."""

import json
import os
from pathlib import Path
from typing import Any, cast

import pytest
from docker.models.containers import Container

from stackcli.common.errors import ConfigError
from stackcli.machine.registries import Secrets
from stackcli.project.compose import Project
from stackcli.project.settings import Settings
from stackcli.release.as_table import missing_models, note_of, states_of
from stackcli.store.manifest import Model
from stackcli.store.releases import Canary, Release, read_releases, releases_file, write_release
from stackcli.up import start

STABLE = Release(stable="1.0", deployed=["1.0", "2.0"])
CANARY = Canary(version="2.0", weight=10, sticky_header="X-Client-Id")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(model_store=str(tmp_path))


def test_the_file_is_what_the_runtime_and_the_edge_read(settings: Settings) -> None:
    write_release(settings, "mnist", STABLE.with_canary(CANARY))
    write_release(settings, "other", Release(stable="1.0", deployed=["1.0"]))
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
    assert STABLE.with_deployed("3.0").deployed == ["1.0", "2.0", "3.0"]
    assert STABLE.with_deployed("1.0").deployed == ["2.0", "1.0"]


def test_a_promotion_ends_the_canary_and_remembers_the_version_before() -> None:
    promoted = STABLE.with_canary(CANARY).promoted("2.0")
    assert promoted == Release(stable="2.0", previous="1.0", deployed=["1.0", "2.0"])


def test_a_canary_is_rolled_back_before_a_promotion_is() -> None:
    promoted = STABLE.promoted("2.0")
    assert promoted.with_canary(CANARY).rolled_back() == promoted


def test_after_a_rollback_there_is_nothing_to_go_back_to() -> None:
    rolled_back = STABLE.promoted("2.0").rolled_back()
    assert rolled_back == STABLE
    assert rolled_back.previous is None


class Stack:
    """A project whose one container was started by `up`, as start.py notes it."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(model_store=str(folder))
        self.project = Project(self.settings, "base", Secrets(*[folder] * 4))
        started = {"State": {"StartedAt": "2026-01-01T00:00:00.5Z"}}
        self.container = cast(Container, type("Started", (), {"id": "a", "attrs": started}))
        self.build("1.0")
        start.note_served(self.container, start.inputs_of(self.project))

    def build(self, *versions: str, **changes: Any) -> None:
        models = [
            {"name": "mnist", "version": version, "status": "available", "sha256": f"of {version}", **changes}
            for version in versions
        ]
        (Path(self.settings.model_store) / "manifest.json").write_text(json.dumps({"models": models}))

    def release(self, release: Release, *deployed: str) -> None:
        before = start.inputs_before_release(self.project, self.container)
        write_release(self.settings, "mnist", release)
        start.note_release(self.project, self.container, before, "mnist", deployed)

    @property
    def is_outdated(self) -> bool:
        return start.is_outdated(self.project, self.container)


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.setattr(start, "SERVED", tmp_path / "served.json")
    monkeypatch.setattr(start, "CONFIG", tmp_path / "config.properties")
    return Stack(tmp_path)


def test_a_version_that_was_built_is_a_reason_to_restart_where_no_release_decides(stack: Stack) -> None:
    assert not stack.is_outdated
    stack.build("2.0", "1.0")
    assert stack.is_outdated


def test_no_release_is_a_reason_to_restart(stack: Stack) -> None:
    stack.build("2.0", "1.0")
    stack.release(STABLE, "2.0")
    assert not stack.is_outdated
    stack.release(STABLE.promoted("2.0"))
    assert not stack.is_outdated


def test_a_version_that_is_not_deployed_is_no_reason_to_restart(stack: Stack) -> None:
    stack.release(Release(stable="1.0", deployed=["1.0"]))
    stack.build("2.0", "1.0")
    assert not stack.is_outdated


def test_a_state_that_somebody_has_edited_is_a_reason_to_restart(stack: Stack) -> None:
    stack.build("2.0", "1.0")
    stack.release(STABLE, "2.0")
    write_release(stack.settings, "mnist", STABLE.promoted("2.0"))
    assert stack.is_outdated


def test_a_release_hides_no_other_change(stack: Stack) -> None:
    stack.build("2.0", "1.0", trained=False)
    stack.release(STABLE, "2.0")
    assert stack.is_outdated


def test_after_dockers_own_start_a_release_is_no_reason_either(stack: Stack) -> None:
    """`up` knows nothing of that start, and goes by the files' times."""
    start.SERVED.unlink()
    for file in Path(stack.settings.model_store).iterdir():
        os.utime(file, (0, 0))
    stack.release(Release(stable="1.0", deployed=["1.0"]))
    assert not stack.is_outdated


def described(version: str, *states: str, default: bool = False) -> dict[str, Any]:
    workers = [{"status": state} for state in states]
    return {"modelName": "mnist", "modelVersion": version, "workers": workers, "default": default}


def test_the_list_says_what_becomes_of_each_version() -> None:
    models = {version: Model(name="mnist", version=version, status="available") for version in ("1.0", "2.0", "3.0")}
    served = [[described("1.0", "READY"), described("2.0", "READY", "UNLOADING")]]
    assert [states_of(model, served) for model in models.values()] == ["READY", "1/2 READY", "BUILT"]
    release = STABLE.promoted("2.0").with_canary(Canary(version="1.0", weight=5))
    assert [note_of(model, release, served[0]) for model in models.values()] == ["canary: 5 %, previous", "stable", ""]
    gone = missing_models(list(models.values()), {"mnist": release.with_deployed("4.0")})
    assert [(model.version, states_of(model, served)) for model in gone] == [("4.0", "MISSING")]


def test_without_a_release_the_servers_default_is_the_stable_version() -> None:
    model = Model(name="mnist", version="1.0", status="available")
    assert note_of(model, None, [described("1.0", "READY", default=True)]) == "stable"
    assert note_of(model, None, [described("1.0", "READY")]) == ""
