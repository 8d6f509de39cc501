"""Applies a changed file to the part of the running stack that it affects."""

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
    """The running stack; its containers are looked up again for each change."""

    client: docker.DockerClient
    project: Project

    def containers(self, service: str) -> list[Container]:
        return find_containers(self.client, self.project.settings.compose_project_name, service)


def find_watched(client: docker.DockerClient, project: Project) -> list[Watched]:
    """Returns the watched folders, each with what applies its changes."""
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
    """Replaces the workers of the models that the files belong to; other models keep theirs."""
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
    """Returns name and version from model.yaml; both empty if it cannot be read, as while it is being written."""
    try:
        content: Any = yaml.safe_load((folder / "model.yaml").read_text(encoding="utf-8"))
        return str(content["name"]), str(content["version"])
    except (OSError, KeyError, TypeError, yaml.YAMLError):
        return "", ""


def archive_of(files: Iterable[Path], folder: Path, sources: Path) -> bytes:
    """Packs the files into a tar laid out as the model's archive: common/ as a folder, the model's own at the top."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for file in files:
            name = file.relative_to(sources).as_posix() if file.is_relative_to(sources / COMMON) else file.name
            if file.is_file():
                archive.add(file, name, recursive=False)
    return packed.getvalue()


def reload_edge(stack: Stack, files: list[Path]) -> None:
    """Makes the edge reload the page and its templates; its connections stay open."""
    with telling("the page", files):
        for edge in stack.containers("edge"):
            edge.kill("SIGHUP")


def restart_edge(stack: Stack, files: list[Path]) -> None:
    """Restarts the edge's container, because its Python is read at start only; TorchServe keeps running."""
    with telling("the edge", files):
        for edge in stack.containers("edge"):
            edge.restart(timeout=1)
        wait_until_healthy(stack.client, stack.project, "edge")


def reread_runtime(stack: Stack, files: list[Path]) -> None:
    """Makes the entrypoint replace itself; Java and its workers keep running."""
    with telling("the runtime", files):
        for server in stack.containers("torchserve"):
            server.kill("SIGHUP")


def need_up(files: list[Path]) -> None:
    """Warns that the files are part of an image, as Java and the workers' code are."""
    console.warn(f"{names(files)}: part of an image; `scripts/stack up` rebuilds it")


@contextmanager
def telling(what: str, files: list[Path]) -> Iterator[None]:
    """Reports that the change is live and after how long, or why it is not and nothing has changed."""
    began = time.monotonic()
    try:
        yield
    except StackError as error:
        console.warn(f"{names(files)}: {what} is unchanged", error)
    else:
        console.done(f"{names(files)}: live in {what} after {time.monotonic() - began:.1f} s")


def names(files: Iterable[Path]) -> str:
    return ", ".join(shown(file) for file in files)
