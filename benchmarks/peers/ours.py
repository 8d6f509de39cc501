"""Starts this stack's own server for the comparison: the service of compose.yaml, on the peers' network."""

from __future__ import annotations

from contextlib import suppress

import docker
from docker.errors import NotFound
from docker.models.containers import Container

from peers.containers import NETWORK, PREFIX
from peers.peer import Peer
from peers.tasks import Task
from stackcli.project.compose import Project


def run_ours(client: docker.DockerClient, peer: Peer, task: Task, project: Project) -> Container:
    """Starts it as `scripts/stack up` would on the same model store, alongside a stack that may be running.

    In the equal-engine table workers and threads are given; which engine runs is the archive's own choice.
    """
    name = f"{PREFIX}-{peer.id}"
    with suppress(NotFound):
        client.containers.get(name).remove(force=True)
    changes = {"compose_project_name": PREFIX}
    if task.table == "equal-engine":
        changes |= {"torchserve_workers": str(task.workers), "torchserve_threads": str(task.threads)}
    own = Project(project.settings.model_copy(update=changes), project.base_image, project.secrets)
    own.do("run", "--detach", "--no-deps", "--name", name, "--publish", f"127.0.0.1::{peer.port}", "torchserve")
    container = client.containers.get(name)
    client.networks.get(NETWORK).connect(container)
    return container


def clean_up(project: Project) -> None:
    """Returns the network that Compose created for it."""
    changes = {"compose_project_name": PREFIX}
    Project(project.settings.model_copy(update=changes), project.base_image, project.secrets).do("down")
