"""A release is an image: what the registry holds serves without a volume, from a root that nothing can write to."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from docker.errors import ImageNotFound
from docker.models.containers import Container

from integration.support.polling import wait_until
from integration.support.ports import free_ports
from integration.support.registry import Registry
from integration.support.stack import docker_engine, session

DEADLINE_S = 180
(PORT,) = free_ports(1)
TEMPORARY = {
    "torchserve": {"/home/model-server/tmp": "size=1g,mode=1777", "/home/model-server/logs": "", "/tmp": "mode=1777"},
    "edge": {"/run/edge": "uid=1000,gid=1000,mode=700"},
}


@dataclass(frozen=True)
class Release:
    """What `bake --json` said; `store`: what it was baked from."""

    said: dict[str, Any]
    store: Path
    registry: Registry

    def bake(self) -> subprocess.CompletedProcess[str]:
        return self.registry.bake(self.store)


@pytest.fixture(scope="module")
def release(registry: Registry, fresh_store: Callable[..., Path]) -> Release:
    """Mnist, baked and pushed."""
    store = fresh_store("mnist")
    said = registry.push(store, "mnist")
    return Release(said, store, registry)


def remove_image(reference: str) -> None:
    if docker_engine.images.list(name=reference):
        docker_engine.images.remove(reference, force=True)


@pytest.fixture(scope="module")
def served(release: Release) -> Iterator[dict[str, Container]]:
    """Both images pulled by their digests, and started read-only, without a volume."""
    name = f"torchserve-stack-test-{uuid.uuid4().hex[:8]}"
    network = docker_engine.networks.create(name)
    containers: dict[str, Container] = {}
    try:
        for part in ("torchserve", "edge"):
            reference = release.said[part]
            remove_image(reference)
            with pytest.raises(ImageNotFound):
                docker_engine.images.get(reference)
            digest = release.said["digests"][part]
            docker_engine.images.pull(reference.rpartition(":")[0], tag=digest)
            containers[part] = docker_engine.containers.create(
                f"{reference.rpartition(':')[0]}@{digest}",
                name=f"{name}-{part}",
                init=True,
                read_only=True,
                cap_drop=["ALL"],
                security_opt=["no-new-privileges:true"],
                tmpfs=TEMPORARY[part],
                environment={"TORCHSERVE_WORKERS": "1", "TORCHSERVE_THREADS": "1"},
                ports={"8000/tcp": ("127.0.0.1", PORT)} if part == "edge" else {},
            )
            network.connect(containers[part], aliases=[part])
            containers[part].start()
        yield containers
    finally:
        for container in containers.values():
            container.remove(force=True, v=True)
        network.remove()


def test_the_pulled_images_serve_without_a_volume(served: dict[str, Container], seven: Path) -> None:
    def predict() -> str:
        answer = session.post(f"http://127.0.0.1:{PORT}/predictions/mnist", data=seven.read_bytes(), timeout=10)
        return answer.text if answer.status_code == 200 else ""

    assert wait_until("mnist answers", predict, DEADLINE_S) == "7"
    assert [mount for one in served.values() for mount in one.attrs["Mounts"] if mount["Type"] != "tmpfs"] == []
    sample = session.get(f"http://127.0.0.1:{PORT}/playground/samples/mnist/1.0/7.png", timeout=10)
    assert sample.content == seven.read_bytes()


def test_who_serves_cannot_change_what_is_served(served: dict[str, Container]) -> None:
    ended = served["torchserve"].exec_run(["find", "/home/model-server/model-store", "-writable"])
    assert (ended.exit_code, ended.output) == (0, b"")
    assert served["torchserve"].exec_run(["id", "-u"]).output == b"1000\n"


def test_the_images_say_what_they_serve(served: dict[str, Container], release: Release) -> None:
    for container in served.values():
        labels = container.image.labels if container.image else {}
        assert labels["torchserve-stack.models"] == "mnist 1.0"
        assert labels["org.opencontainers.image.version"] == release.said["tag"]


def test_the_same_contents_are_baked_once(served: dict[str, Container], release: Release) -> None:
    """And a model more is another tag."""
    ended = release.bake()
    assert ended.returncode == 0, ended.stdout
    assert json.loads(ended.stdout.splitlines()[-1])["tag"] == release.said["tag"]
    again = release.bake()
    assert " built in " not in again.stdout
    (release.store / "releases.json").write_text(
        json.dumps({"schema": 1, "models": {"mnist": {"stable": "1.0", "deployed": ["1.0"]}}})
    )
    ended = release.bake()
    assert ended.returncode == 0, ended.stdout
    released = json.loads(ended.stdout.splitlines()[-1])
    assert released["tag"].partition("-")[0] == release.said["tag"].partition("-")[0]
    assert released["tag"] != release.said["tag"]
