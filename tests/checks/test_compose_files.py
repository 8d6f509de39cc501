"""Compose and its linter accept the compose files, in every combination in which they are used."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from checks.compose_files import LAYERS, SWARM, render
from checks.files import FILES, run
from stackcli.common.paths import ROOT
from stackcli.project.settings import load_settings

pytestmark = pytest.mark.docker


def test_every_compose_file_is_among_those_that_are_checked() -> None:
    found = {file.relative_to(ROOT) for file in FILES if file.match("compose*.yaml")}
    assert found == {Path(name) for files in LAYERS for name in files}


@pytest.mark.parametrize("files", LAYERS, ids=" + ".join)
def test_compose_accepts(files: tuple[str, ...]) -> None:
    render(files)


def test_a_swarm_accepts_its_files() -> None:
    """`docker stack` has its own parser."""
    run("docker", "stack", "config", *[f"--compose-file={file}" for file in SWARM])


# The linter needs Python 3.11 or later (scripts/requirements-test.in).
if sys.version_info >= (3, 11):

    @pytest.mark.parametrize("files", LAYERS, ids=" + ".join)
    def test_compose_lint_finds_nothing_at_any_level_in(files: tuple[str, ...], tmp_path: Path) -> None:
        """Lints the merged files, because an overlay alone is no stack. Exceptions: .compose-lint*.yml."""
        merged = tmp_path / "compose.yaml"
        merged.write_text(render(files))
        exceptions = ROOT / (".compose-lint.swarm.yml" if files == SWARM else ".compose-lint.yml")
        run("compose-lint", "check", "--fail-on=low", "--strict-config", f"--config={exceptions}", merged)


def test_the_closed_edge_is_that_of_compose_prod_yaml() -> None:
    ours = yaml.safe_load(render(SWARM))["services"]["edge"]
    theirs = yaml.safe_load(render(("compose.yaml", "compose.prod.yaml")))["services"]["edge"]
    assert ours["environment"] == theirs["environment"]
    (folder,) = {volume["target"] for volume in theirs["volumes"]} - baked_files("edge")
    assert {Path(secret["target"]).parent for secret in ours["secrets"]} == {Path(folder)}


@pytest.mark.parametrize("name", ["torchserve", "edge"])
def test_what_compose_yaml_mounts_is_in_the_baked_image(name: str) -> None:
    mounted = {volume["target"] for volume in yaml.safe_load(render(("compose.yaml",)))["services"][name]["volumes"]}
    assert mounted == baked_files(name)


def baked_files(stage: str) -> set[str]:
    """Returns where docker/bake copies files to, in its stage of that name."""
    _, _, lines = (ROOT / "docker/bake/Dockerfile").read_text().partition(f" AS {stage}\n")
    return set(re.findall(r"^COPY \S+ (\S+?)/?$", lines.partition("\nFROM ")[0], re.MULTILINE))


@pytest.mark.parametrize(
    ("environment", "tag"),
    [
        ({}, "torchserve-stack"),
        ({"COMPOSE_PROJECT_NAME": "second"}, "second"),
        ({"COMPOSE_PROJECT_NAME": "second", "STACK_TAG": ""}, "second"),
        ({"COMPOSE_PROJECT_NAME": "second", "STACK_TAG": "1.2"}, "1.2"),
    ],
)
def test_two_projects_never_take_each_others_images(tmp_path: Path, environment: dict[str, str], tag: str) -> None:
    """The command line and Compose name the images alike, by project."""
    assert load_settings(tmp_path, environment).image_of("edge") == f"torchserve-stack/edge:{tag}"
    command = ["docker", "compose", "--env-file=/dev/null", "--profile=*", "config", "--images"]
    known = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
    named = subprocess.run(command, cwd=ROOT, env={**known, **environment}, capture_output=True, text=True, check=True)
    ours = {f"torchserve-stack/{part}:{tag}" for part in ("builder", "torchserve", "edge", "load", "prometheus")}
    assert {name for name in named.stdout.split() if name.startswith("torchserve-stack/")} == ours
