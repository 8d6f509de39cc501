"""Builds the images of compose.yaml, each only if its inputs have changed."""

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

BUILT = STATE / "images.json"  # image → the hash of its inputs and the resulting image id
BASES = ("BASE_IMAGE", "DEBIAN_IMAGE")  # the build arguments that name a base image
SERVICES = ("builder", "torchserve", "edge")
# The commit that an image was built from. It does not count as an input: `up` replaces the containers of every image
# with a new id, and a commit that changes no image must not restart the stack. A new version counts: it is a release.
REVISION = "STACK_REVISION"
IMAGE_OF_ALL = "prometheus"  # the service whose image, docker/prometheus, all observers share


def stale_services(
    client: docker.DockerClient, project: Project, wanted: tuple[str, ...] = SERVICES
) -> dict[str, tuple[str, str]]:
    """Returns the services whose image must be built: service → (image, hash of its inputs)."""
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
    """Returns the parts of `build` that affect the image: neither the checkout's location nor its commit does."""
    kept = {key: value for key, value in build.items() if key not in ("context", "additional_contexts", "secrets")}
    return {**kept, "args": {name: value for name, value in build["args"].items() if name != REVISION}}


def image_id(client: docker.DockerClient, image: str) -> str | None:
    try:
        return str(client.images.get(image).id)
    except ImageNotFound:
        return None


def ensure_images(client: docker.DockerClient, project: Project, wanted: tuple[str, ...] = SERVICES) -> bool:
    """Builds the images that are missing or outdated; returns whether there were any. Raises BuildError."""
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
    """Builds the images of these services on the base image that `up` found or built; returns the project with it."""
    base_image = find_base_image(client, project.settings, "auto")
    if base_image is None:
        raise BuildError("the stack's base image", "none that matches docker/base", "`scripts/stack up`")
    project = replace(project, base_image=base_image)
    ensure_images(client, project, services)
    return project
