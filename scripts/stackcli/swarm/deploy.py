"""`scripts/stack swarm up`, `roll` and `down`: runs the stack on a Docker Swarm, from baked images.

TorchServe is updated before the edge that routes to it, and the Swarm itself rolls back an update that fails.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import docker

from stackcli.bake.images import Baked, bake, push_image
from stackcli.build.base_image import ensure_edge_base
from stackcli.build.images import IMAGE_OF_ALL, ensure_images, image_id
from stackcli.common import console
from stackcli.common.errors import ConfigError, ServeError
from stackcli.project.compose import Project
from stackcli.swarm.files import files_of, hashes_of, variables
from stackcli.swarm.manager import Manager
from stackcli.swarm.state import STACK_LABEL, Swarm, read_nodes
from stackcli.swarm.update import LOOK_SECONDS, update, wait_until_complete, wait_until_settled

DOWN_SECONDS = 300
OBSERVER_LABEL = "prometheus"
TAG_DIGITS = 12


@dataclass(frozen=True)
class Asked:
    """The commands' options. `models`: empty for all built models."""

    models: Sequence[str]
    repository: str
    observability: bool = False


def bring_up(client: docker.DockerClient, project: Project, asked: Asked) -> None:
    """Runs `scripts/stack swarm up`; it also applies new settings to a deployed stack. Raises StackError."""
    swarm = Swarm.of(project)
    files = files_of(project.settings, asked.observability)
    hashes = hashes_of(project.settings, files)
    images = pushed_images(client, project, asked)
    if asked.observability:
        images[IMAGE_OF_ALL] = push_observer(client, project, asked.repository)
        choose_observing_node(swarm.manager)
    if "torchserve" in swarm.services():
        update(swarm, "torchserve", images["torchserve"])
    console.phase("Deploying…")
    before = {name: service.update_began for name, service in swarm.services().items()}
    options = [option for file in files for option in ("--compose-file", file)]
    command = ["stack", "deploy", "--prune", "--with-registry-auth", "--resolve-image=never", *options, swarm.stack]
    swarm.manager.do(*command, environment={**variables(project, images), **hashes})
    for name in swarm.services():
        wait_until_complete(swarm, name, before.get(name, ""))


def roll(client: docker.DockerClient, project: Project, asked: Asked) -> None:
    """Runs `scripts/stack swarm roll`: new models, same settings. If one update fails, both are undone."""
    swarm = Swarm.of(project)
    swarm.service("torchserve")
    images = pushed_images(client, project, asked)
    has_changed = update(swarm, "torchserve", images["torchserve"])
    try:
        update(swarm, "edge", images["edge"])
    except ServeError:
        if has_changed:
            console.say("torchserve: rolling back to the models that its edge knows")
            began = swarm.service("torchserve").update_began
            swarm.manager.do("service", "rollback", "--detach", f"{swarm.stack}_torchserve")
            wait_until_settled(swarm, "torchserve", began)
        raise


def bring_down(project: Project) -> None:
    """Runs `scripts/stack swarm down`. Raises ServeError if tasks still run after DOWN_SECONDS."""
    swarm = Swarm.of(project)
    swarm.service("torchserve")
    swarm.manager.do("stack", "rm", swarm.stack)
    with console.waiting(swarm.stack) as wait:
        deadline = time.monotonic() + DOWN_SECONDS
        while remaining := remaining_tasks(swarm):
            if time.monotonic() > deadline:
                raise ServeError("every task to end", f"{remaining} still running", "`docker ps` on each machine")
            wait.update(f"{remaining} tasks are draining")
            time.sleep(LOOK_SECONDS)
    console.done(f"{swarm.stack} is down")


def remaining_tasks(swarm: Swarm) -> int:
    """Counts the stack's running tasks, then its networks: ending tasks are listed by machine, networks go last."""
    nodes = [row["ID"] for row in swarm.manager.rows("node", "ls") if row["Status"] == "Ready"]
    rows = swarm.manager.rows("node", "ps", "--no-trunc", *nodes)
    running = [row for row in rows if row["Name"].startswith(f"{swarm.stack}_") and "Running" in row["CurrentState"]]
    networks = swarm.manager.rows("network", "ls", "--filter", f"label={STACK_LABEL}={swarm.stack}")
    return len(running) or len(networks)


def pushed_images(client: docker.DockerClient, project: Project, asked: Asked) -> dict[str, str]:
    """Returns the pushed images by service, with tag (for people) and digest (what runs). Raises StackError."""
    if not asked.repository:
        raise ConfigError(
            "a registry that every machine can reach", "none", "--repository or SWARM_REPOSITORY=REGISTRY/NAME"
        )
    baked: Baked = bake(client, project.settings, asked.models, asked.repository, push=True)
    console.done(f"baked {', '.join(baked.models)}")
    return {target: f"{reference}@{baked.digests[target]}" for target, reference in baked.references.items()}


def push_observer(client: docker.DockerClient, project: Project, repository: str) -> str:
    """Builds and pushes the image of docker/prometheus; returns its reference with digest. Raises StackError."""
    debian = ensure_edge_base(client, project.settings, yes=False)
    project = replace(project, settings=project.settings.model_copy(update={"debian_image": debian}))
    ensure_images(client, project, (IMAGE_OF_ALL,))
    image = project.settings.image_of(IMAGE_OF_ALL)
    tag = str(image_id(client, image)).removeprefix("sha256:")[:TAG_DIGITS]
    reference = f"{repository}/{IMAGE_OF_ALL}:{tag}"
    client.images.get(image).tag(reference)
    return f"{reference}@{push_image(client, reference)}"


def choose_observing_node(manager: Manager) -> None:
    """Labels the leader for Prometheus unless a machine has the label: its data stay on that machine's disk."""
    if not manager.rows("node", "ls", "--filter", f"node.label={OBSERVER_LABEL}=yes"):
        (leader,) = (node.name for node in read_nodes(manager) if node.role == "leader")
        manager.do("node", "update", "--label-add", f"{OBSERVER_LABEL}=yes", leader)
        console.say(f"{leader}: labelled {OBSERVER_LABEL}=yes, it stores the metrics")
