"""Builds the peers' images."""

from __future__ import annotations

import docker
from docker.errors import ContainerError

from peers.archives import Unpacked
from peers.errors import PeerFailure, last_words
from peers.peer import FOLDER
from stackcli.build.base_image import run_build
from stackcli.project.compose import Project

SECRETS = ("apt_conf", "pip_conf", "ca_bundle")


def image_of(folder: str) -> str:
    """Returns the name of a peer's image; `folder`: of servers/."""
    return f"torchserve-stack/peer-{folder}:latest"


def build(project: Project, folder: str) -> None:
    """Builds a peer's image: minutes the first time, a second if nothing has changed."""
    image = image_of(folder)
    command = ["docker", "build", "--progress", "plain", "--tag", image]
    command += ["--build-arg", f"BASE_IMAGE={project.base_image}", "--build-arg", f"PEER={folder}"]
    for name in SECRETS:
        command += ["--secret", f"id={name},src={getattr(project.secrets, name)}"]
    run_build([*command, str(FOLDER)], image)


def reference_answers(client: docker.DockerClient, folder: str, served: Unpacked, models: str) -> str:
    """Returns, as JSON, what the plain PyTorch module answers to the model's image, computed in a peer's image."""
    try:
        output: bytes = client.containers.run(
            image_of(folder),
            entrypoint=["python", "-m", "workload"],
            command=["/image"],
            environment={"MODEL": served.name},
            volumes={models: {"bind": "/models", "mode": "ro"}, str(served.image): {"bind": "/image", "mode": "ro"}},
            network_mode="none",
            remove=True,
        )
    except ContainerError as error:
        raise PeerFailure(f"an answer of {served.name}", last_words(error), "`scripts/stack build --force`") from None
    return output.decode().strip().splitlines()[-1]
