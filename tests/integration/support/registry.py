"""Runs a registry for the tests, from Debian's package, and builds the tests' own images."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from docker.models.containers import Container

from integration.support.commands import run_command
from integration.support.polling import wait_until
from integration.support.ports import free_ports
from integration.support.stack import docker_engine, session
from integration.support.users import image
from stackcli.common.paths import ROOT
from stackcli.machine.registries import write_secrets
from stackcli.project.settings import load_settings

IMAGES = Path(__file__).parent / "images"
NAME = "torchserve-stack-test-registry"
# Kept from run to run: the layers below the models are gigabytes, which a push compresses for minutes.
VOLUME = NAME
DEADLINE_S = 60


@dataclass(frozen=True)
class Registry:
    """Engines reach it at `address`, this machine's loopback, where Docker asks for no certificate."""

    container: Container
    port: int

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def repository(self) -> str:
        """Returns one repository for all tests, so that layers that are there already are not sent again."""
        return f"{self.address}/stack"

    def bake(self, store: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs `scripts/stack bake --json` on that store, for this registry."""
        command = [str(ROOT / "scripts/stack"), "bake", "--repository", self.repository, "--json", *arguments]
        return run_command(command, {**os.environ, "MODEL_STORE": str(store)})

    def push(self, store: Path, *models: str) -> dict[str, Any]:
        """Bakes and pushes the images; returns what the command prints."""
        ended = self.bake(store, "--push", *models)
        assert ended.returncode == 0, ended.stdout
        said: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
        return said

    def remove(self) -> None:
        """Removes the registry, and the names that images got here for it."""
        self.container.remove(force=True, v=True)
        for name in (tag for known in docker_engine.images.list() for tag in known.tags):
            if name.startswith(f"{self.address}/"):
                docker_engine.images.remove(name, force=True)


def start_registry() -> Registry:
    for left_over in docker_engine.containers.list(all=True, filters={"name": f"^{NAME}$"}):
        left_over.remove(force=True)
    (port,) = free_ports(1)
    container = docker_engine.containers.run(
        build_image("registry"),
        detach=True,
        name=NAME,
        volumes={VOLUME: {"bind": "/images", "mode": "rw"}},
        ports={"5000/tcp": ("127.0.0.1", port)},
    )
    registry = Registry(container, port)
    wait_until("the registry answers", lambda: answers(f"http://{registry.address}/v2/"), DEADLINE_S)
    return registry


def answers(url: str) -> bool:
    try:
        return session.get(url, timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


def build_image(folder: str) -> str:
    """Builds one of images/ from Debian's packages (a second if nothing has changed); returns its name."""
    settings, secrets = load_settings(ROOT, os.environ), write_secrets()
    tag = image(f"test-{folder}")
    command = ["docker", "build", "--quiet", "--tag", tag, f"--secret=id=apt_conf,src={secrets.apt_conf}"]
    ended = run_command(
        [*command, f"--build-arg=DEBIAN_IMAGE={settings.debian_image}", str(IMAGES / folder)], os.environ
    )
    assert ended.returncode == 0, ended.stdout
    return tag
