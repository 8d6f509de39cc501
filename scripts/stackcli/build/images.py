"""Builds the images of compose.yaml, each only when what it is made from changed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
from docker.errors import ImageNotFound

from stackcli.build.base_image import find_base_image, run_build
from stackcli.common import console
from stackcli.common.errors import BuildError
from stackcli.common.files import hash_inputs, write_if_changed
from stackcli.common.paths import STATE
from stackcli.project.compose import Project

BUILT = STATE / "images.json"  # image → the hash of its inputs and the id that came of them
BASES = ("BASE_IMAGE", "DEBIAN_IMAGE")  # build arguments that name the image to start from
SERVICES = ("builder", "torchserve", "edge")
# The commit that an image was built from. It does not count as an input: `up` replaces the containers of every image
# with a new id, and a commit that changes no image must not restart the stack. A new version counts: it is a release.
REVISION = "STACK_REVISION"
IMAGE_OF_ALL = "prometheus"  # the service that docker/prometheus is built as


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
        shared = {name: hash_inputs(Path(path)) for name, path in build.get("additional_contexts", {}).items()}
        inputs = hash_inputs(Path(build["context"]), build=deciding(build), bases=bases, shared=shared)
        if built.get(image) != {"inputs": inputs, "id": image_id(client, image)}:
            stale[service] = (image, inputs)
    return stale


def deciding(build: dict[str, Any]) -> dict[str, Any]:
    """What decides what is in the image: not where the checkout lies, and not which commit it is."""
    kept = {key: value for key, value in build.items() if key not in ("context", "additional_contexts", "secrets")}
    return {**kept, "args": {name: value for name, value in build["args"].items() if name != REVISION}}


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


def with_images(client: docker.DockerClient, project: Project, services: tuple[str, ...]) -> Project:
    """The project on the base image that `up` has found or built, with the images of these services made from it."""
    base_image = find_base_image(client, project.settings, "auto")
    if base_image is None:
        raise BuildError("the base image of the stack", "none that fits docker/base", "`scripts/stack up`")
    project = replace(project, base_image=base_image)
    ensure_images(client, project, services)
    return project
