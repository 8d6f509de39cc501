"""`up` makes a running TorchServe change the versions that differ, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contract.releases import Release
from stackcli.machine.registries import Secrets
from stackcli.project.compose import Project
from stackcli.project.inside import ServedState
from stackcli.project.settings import Settings
from stackcli.store.releases import write_release
from stackcli.up.start import Change, find_changes

Build = Callable[..., None]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(Settings(model_store=str(tmp_path)), "base", Secrets(*[tmp_path] * 4))


@pytest.fixture
def build(project: Project) -> Build:
    """Writes the manifest: `label=sha256`, newest first."""

    def write(**archives: str) -> None:
        models = [
            {"name": name, "version": f"{number}.0", "status": "available", "sha256": sha256}
            for name, number, sha256 in ((*label.split("_"), sha256) for label, sha256 in archives.items())
        ]
        text = json.dumps({"schema": 1, "models": models})
        (Path(project.settings.model_store) / "manifest.json").write_text(text)

    return write


def running(default: dict[str, str], **archives: str) -> ServedState:
    """A TorchServe with these archives."""
    keys = [(name, f"{number}.0", sha256) for name, number, sha256 in ((*k.split("_"), v) for k, v in archives.items())]
    chosen = [{"name": name, "version": version, "state": "served", "sha256": sha} for name, version, sha in keys]
    served = [
        {"modelName": name, "modelVersion": version, "workers": [], "default": default.get(name) == version}
        for name, version, _ in keys
    ]
    return ServedState("", chosen, served)


def test_where_nothing_has_changed_nothing_is_done(project: Project, build: Build) -> None:
    build(a_1="x", b_1="y")
    assert find_changes(project, running({"a": "1.0", "b": "1.0"}, a_1="x", b_1="y")) == []


def test_a_model_that_was_built_again_is_the_only_one_that_is_touched(project: Project, build: Build) -> None:
    build(a_1="new", b_1="y")
    state = running({"a": "1.0", "b": "1.0"}, a_1="x", b_1="y")
    assert find_changes(project, state) == [Change("deploy", "a", "1.0")]


def test_a_new_version_is_deployed_and_becomes_the_default_as_at_a_start(project: Project, build: Build) -> None:
    build(a_2="y", a_1="x")
    state = running({"a": "1.0"}, a_1="x")
    assert find_changes(project, state) == [Change("deploy", "a", "2.0"), Change("default", "a", "2.0")]


def test_a_version_that_no_release_deploys_is_left_out(project: Project, build: Build) -> None:
    build(a_2="y", a_1="x")
    write_release(project.settings, "a", Release("1.0", ("1.0",)))
    assert find_changes(project, running({"a": "1.0"}, a_1="x")) == []


def test_what_the_store_has_no_longer_is_undeployed_after_the_default_has_moved(project: Project, build: Build) -> None:
    build(a_1="x")
    state = running({"a": "2.0", "b": "1.0"}, a_2="y", a_1="x", b_1="z")
    assert find_changes(project, state) == [
        Change("default", "a", "1.0"),
        Change("undeploy", "a", "2.0"),
        Change("undeploy", "b", "1.0"),
    ]


def test_an_archive_that_the_start_refused_is_tried_again(project: Project, build: Build) -> None:
    build(a_1="x", b_1="y")
    refused: dict[str, Any] = {"name": "b", "version": "1.0", "state": "corrupt", "sha256": "", "reason": {}}
    state = running({"a": "1.0"}, a_1="x")
    state.chosen.append(refused)
    assert find_changes(project, state) == [Change("deploy", "b", "1.0"), Change("default", "b", "1.0")]


def test_a_default_that_a_release_has_moved_is_taken_over(project: Project, build: Build) -> None:
    build(a_2="y", a_1="x")
    write_release(project.settings, "a", Release("1.0", ("2.0", "1.0")))
    assert find_changes(project, running({"a": "2.0"}, a_2="y", a_1="x")) == [Change("default", "a", "1.0")]
