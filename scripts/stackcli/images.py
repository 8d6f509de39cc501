"""Builds the images of compose.yaml, each only when what it is made from changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import docker
from docker.errors import ImageNotFound

from stackcli import console
from stackcli.base_image import run_build
from stackcli.compose import Project
from stackcli.inputs import hash_inputs
from stackcli.paths import STATE
from stackcli.secrets import write_if_changed

BUILT = STATE / "images.json"  # image → the hash of its inputs and the id that came of them
BASES = ("BASE_IMAGE", "DEBIAN_IMAGE")  # build arguments that name the image to start from
SERVICES = ("builder", "torchserve", "edge")


def stale_services(
    client: docker.DockerClient, project: Project, wanted: tuple[str, ...] = SERVICES
) -> dict[str, tuple[str, str]]:
    """Services whose image must be built: service → (image, hash of its inputs)."""
    built = json.loads(BUILT.read_text()) if BUILT.is_file() else {}
    services = project.config()["services"]
    stale = {}
    for service in wanted:
        image, build = services[service]["image"], services[service]["build"]
        bases = {name: image_id(client, value) for name, value in build["args"].items() if name in BASES}
        inputs = hash_inputs(Path(build["context"]), build=without_paths(build), bases=bases)
        if built.get(image) != {"inputs": inputs, "id": image_id(client, image)}:
            stale[service] = (image, inputs)
    return stale


def without_paths(build: dict[str, Any]) -> dict[str, Any]:
    """Where the checkout lies does not change the image."""
    return {key: value for key, value in build.items() if key not in ("context", "secrets")}


def image_id(client: docker.DockerClient, image: str) -> str | None:
    try:
        return str(client.images.get(image).id)
    except ImageNotFound:
        return None


def ensure_images(client: docker.DockerClient, project: Project, wanted: tuple[str, ...] = SERVICES) -> bool:
    """Returns whether anything was built."""
    stale = stale_services(client, project, wanted)
    for service, (image, inputs) in stale.items():
        run_build(["docker", "compose", "--progress", "plain", "build", service], image, project.environment)
        built = json.loads(BUILT.read_text()) if BUILT.is_file() else {}
        built[image] = {"inputs": inputs, "id": image_id(client, image)}
        write_if_changed(BUILT, json.dumps(built, indent=1) + "\n")
    if not stale:
        console.done("images: nothing to build")
    return bool(stale)
