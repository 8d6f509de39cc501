"""`scripts/stack swarm up`, `roll` and `down`: the stack on a Docker Swarm, from baked images.

What serves is updated before the edge that routes to it, and an update that fails is rolled back by the Swarm itself.
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
    """`models`: none for all that are built."""

    models: Sequence[str]
    repository: str
    observability: bool = False


def bring_up(client: docker.DockerClient, project: Project, asked: Asked) -> None:
    """`scripts/stack swarm up`: also with other settings, and for a stack that is there."""
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
    """`scripts/stack swarm roll`: other models, the same settings. Where one's update fails, neither is updated."""
    swarm = Swarm.of(project)
    swarm.service("torchserve")
    images = pushed_images(client, project, asked)
    has_changed = update(swarm, "torchserve", images["torchserve"])
    try:
        update(swarm, "edge", images["edge"])
    except ServeError:
        if has_changed:
            console.say("torchserve: back to what its edge knows")
            began = swarm.service("torchserve").update_began
            swarm.manager.do("service", "rollback", "--detach", f"{swarm.stack}_torchserve")
            wait_until_settled(swarm, "torchserve", began)
        raise


def bring_down(project: Project) -> None:
    """`scripts/stack swarm down`."""
    swarm = Swarm.of(project)
    swarm.service("torchserve")
    swarm.manager.do("stack", "rm", swarm.stack)
    with console.waiting(swarm.stack) as wait:
        deadline = time.monotonic() + DOWN_SECONDS
        while remaining := remaining_tasks(swarm):
            if time.monotonic() > deadline:
                raise ServeError("every task to end", f"{remaining} that run", "`docker ps` on each machine")
            wait.update(f"{remaining} tasks drain")
            time.sleep(LOOK_SECONDS)
    console.done(f"{swarm.stack} is down")


def remaining_tasks(swarm: Swarm) -> int:
    """Tasks of a service that is gone are listed with their machine's others, while they end; networks go last."""
    nodes = [row["ID"] for row in swarm.manager.rows("node", "ls") if row["Status"] == "Ready"]
    rows = swarm.manager.rows("node", "ps", "--no-trunc", *nodes)
    running = [row for row in rows if row["Name"].startswith(f"{swarm.stack}_") and "Running" in row["CurrentState"]]
    networks = swarm.manager.rows("network", "ls", "--filter", f"label={STACK_LABEL}={swarm.stack}")
    return len(running) or len(networks)


def pushed_images(client: docker.DockerClient, project: Project, asked: Asked) -> dict[str, str]:
    """By service, with tag and digest: the tag is for people, the digest is what runs."""
    if not asked.repository:
        raise ConfigError(
            "a registry that every machine reaches", "none", "--repository or SWARM_REPOSITORY=REGISTRY/NAME"
        )
    baked: Baked = bake(client, project.settings, asked.models, asked.repository, push=True)
    console.done(f"baked {', '.join(baked.models)}")
    return {target: f"{reference}@{baked.digests[target]}" for target, reference in baked.references.items()}


def push_observer(client: docker.DockerClient, project: Project, repository: str) -> str:
    """The image of docker/prometheus, which names no registry of its own."""
    debian = ensure_edge_base(client, project.settings, yes=False)
    project = replace(project, settings=project.settings.model_copy(update={"debian_image": debian}))
    ensure_images(client, project, (IMAGE_OF_ALL,))
    image = project.settings.image_of(IMAGE_OF_ALL)
    tag = str(image_id(client, image)).removeprefix("sha256:")[:TAG_DIGITS]
    reference = f"{repository}/{IMAGE_OF_ALL}:{tag}"
    client.images.get(image).tag(reference)
    return f"{reference}@{push_image(client, reference)}"


def choose_observing_node(manager: Manager) -> None:
    """Prometheus keeps its data on one machine's disk: the one with the label, else from now on the leader's."""
    if not manager.rows("node", "ls", "--filter", f"node.label={OBSERVER_LABEL}=yes"):
        (leader,) = (node.name for node in read_nodes(manager) if node.role == "leader")
        manager.do("node", "update", "--label-add", f"{OBSERVER_LABEL}=yes", leader)
        console.say(f"{leader}: labelled {OBSERVER_LABEL}=yes, it keeps the metrics")
