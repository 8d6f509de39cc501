"""What a changed file concerns, and how it gets into the running stack."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import yaml
from docker.models.containers import Container

from stackcli.common import console
from stackcli.common.errors import StackError
from stackcli.common.paths import ROOT, shown
from stackcli.dev.watch import Watched
from stackcli.project.compose import Project
from stackcli.project.containers import find_containers, wait_until_healthy
from stackcli.project.inside import overlay

COMMON = "common"
BUILD = "`scripts/stack up` builds the model again"


@dataclass(frozen=True)
class Stack:
    """The running stack, whose containers are looked up anew for each change."""

    client: docker.DockerClient
    project: Project

    def containers(self, service: str) -> list[Container]:
        return find_containers(self.client, self.project.settings.compose_project_name, service)


def find_watched(client: docker.DockerClient, project: Project) -> list[Watched]:
    """Everything that is followed, each with what is done about a change."""
    stack = Stack(client, project)
    sources = ROOT / project.settings.model_src
    contract, edge, torchserve = ROOT / "contract/contract", ROOT / "docker/edge", ROOT / "docker/torchserve"
    return [
        Watched((sources,), lambda files: serve_changed(stack, sources, files)),
        Watched((edge / "page", edge / "templates"), lambda files: reload_edge(stack, files)),
        Watched((edge / "supervisor", contract), lambda files: restart_edge(stack, files)),
        Watched((torchserve / "runtime", contract), lambda files: reread_runtime(stack, files)),
        Watched((torchserve / "worker", torchserve / "java"), need_up),
    ]


def serve_changed(stack: Stack, sources: Path, files: list[Path]) -> None:
    """The workers of the models that the files belong to are replaced; every other model's go on."""
    for folder in model_folders(sources):
        own = [file for file in files if file.is_relative_to(folder) or file.is_relative_to(sources / COMMON)]
        name, version = described(folder)
        if own and name:
            with telling(f"{name} {version}", own):
                for server in stack.containers("torchserve"):
                    overlay(server, name, version, archive_of(own, folder, sources))


def model_folders(sources: Path) -> Iterator[Path]:
    yield from sorted(path.parent for path in sources.glob("*/model.yaml"))


def described(folder: Path) -> tuple[str, str]:
    """Name and version as model.yaml says; empty while it cannot be read, for somebody is writing it."""
    try:
        content: Any = yaml.safe_load((folder / "model.yaml").read_text(encoding="utf-8"))
        return str(content["name"]), str(content["version"])
    except (OSError, KeyError, TypeError, yaml.YAMLError):
        return "", ""


def archive_of(files: Iterable[Path], folder: Path, sources: Path) -> bytes:
    """A tar of the files, each where the model's archive has it: common/ as a folder, the model's own at the top."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for file in files:
            name = file.relative_to(sources).as_posix() if file.is_relative_to(sources / COMMON) else file.name
            if file.is_file():
                archive.add(file, name, recursive=False)
    return packed.getvalue()


def reload_edge(stack: Stack, files: list[Path]) -> None:
    """The edge reads the page and its templates again; its connections stay."""
    with telling("the page", files):
        for edge in stack.containers("edge"):
            edge.kill("SIGHUP")


def restart_edge(stack: Stack, files: list[Path]) -> None:
    """The edge's Python runs from its start on: the container is started again, TorchServe is not."""
    with telling("the edge", files):
        for edge in stack.containers("edge"):
            edge.restart(timeout=1)
        wait_until_healthy(stack.client, stack.project, "edge")


def reread_runtime(stack: Stack, files: list[Path]) -> None:
    """The entrypoint replaces itself, and Java and its workers run on."""
    with telling("the runtime", files):
        for server in stack.containers("torchserve"):
            server.kill("SIGHUP")


def need_up(files: list[Path]) -> None:
    """Java, and what every worker runs, are parts of an image."""
    console.warn(f"{names(files)}: a part of an image; `scripts/stack up` builds it")


@contextmanager
def telling(what: str, files: list[Path]) -> Iterator[None]:
    """Says what is live, after how long; or why it is not, and what was live before still is."""
    began = time.monotonic()
    try:
        yield
    except StackError as error:
        console.warn(f"{names(files)}: {what} is unchanged", error)
    else:
        console.done(f"{names(files)}: live in {what} after {time.monotonic() - began:.1f} s")


def names(files: Iterable[Path]) -> str:
    return ", ".join(shown(file) for file in files)
