"""Provides the base image of builder, torchserve and load: TORCHSERVE_IMAGE, or a stand-in built from docker/base."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import docker
from docker.errors import APIError, ImageNotFound
from requests import RequestException

from stackcli.common import console
from stackcli.common.errors import BuildError
from stackcli.common.files import hash_inputs
from stackcli.common.paths import LOGS, ROOT
from stackcli.common.process import stream_logged
from stackcli.common.version import image_revision, version
from stackcli.machine.debian import make_debian_image
from stackcli.machine.registries import Secrets
from stackcli.project.settings import Settings

BaseChoice = Literal["auto", "official-alike"]
LABEL = "torchserve-stack.inputs"
CONTEXT = ROOT / "docker" / "base"
STEP_WIDTH = 100
# The lines of `--progress plain` worth showing: steps, large downloads, and the fallback from the wheel index.
BUILD_STEP = r"^#\d+ \[.*\] (FROM|RUN|COPY|ADD)|Downloading \S+ \(\d{3,}\.\d MB\)|^#\d+ \S+ torch: .* does not answer"


@dataclass(frozen=True)
class Recipe:
    """One way to build docker/base."""

    tag: str
    suite: str
    debian: str  # pulled if possible
    arguments: tuple[tuple[str, str], ...] = ()


RECIPES: dict[BaseChoice, Recipe] = {
    "auto": Recipe("torchserve-stack/base:debian12", "bookworm", "debian:bookworm-slim"),
    "official-alike": Recipe(
        "torchserve-stack/base:official-alike",
        "bullseye",
        "debian:bullseye-slim",
        (("TORCH_VERSION", "2.4.0"), ("TORCHVISION_VERSION", "0.19.0")),
    ),
}


def ensure_base_image(
    client: docker.DockerClient, settings: Settings, secrets: Secrets, choice: BaseChoice, yes: bool
) -> str:
    """Returns the reference of a base image: found locally, pulled or built, in that order. Raises BuildError."""
    present = find_base_image(client, settings, choice)
    if present:
        return present
    recipe = RECIPES[choice]
    if choice == "auto":
        problem = try_pull(client, settings.torchserve_image)
        if not problem:
            return settings.torchserve_image
        if settings.torchserve_image != Settings.model_fields["torchserve_image"].default:
            raise BuildError(
                f"TORCHSERVE_IMAGE {settings.torchserve_image} to be pulled",
                problem,
                "`docker load` to bring it here, or unsetting TORCHSERVE_IMAGE for a stand-in built from docker/base",
            )
        console.warn(f"{settings.torchserve_image} cannot be pulled ({problem}); building docker/base instead")
    debian = ensure_debian(client, recipe, yes)
    build_base(settings, secrets, recipe, debian)
    return recipe.tag


def find_base_image(client: docker.DockerClient, settings: Settings, choice: BaseChoice) -> str | None:
    """Returns TORCHSERVE_IMAGE, or its stand-in if built from the current docker/base; None if neither is here."""
    if choice == "auto" and has_image(client, settings.torchserve_image):
        return settings.torchserve_image
    recipe = RECIPES[choice]
    try:
        labels = client.images.get(recipe.tag).labels
    except ImageNotFound:
        return None
    return recipe.tag if labels.get(LABEL) == recipe_hash(settings, recipe) else None


def recipe_hash(settings: Settings, recipe: Recipe) -> str:
    return hash_inputs(
        CONTEXT, suite=recipe.suite, arguments=recipe.arguments, torch_index_url=settings.torch_index_url
    )


def has_image(client: docker.DockerClient, name: str) -> bool:
    try:
        client.images.get(name)
    except ImageNotFound:
        return False
    return True


def why_unreachable(client: docker.DockerClient, name: str) -> str:
    """Says why the engine cannot reach the registry of `name`; empty if it can."""
    try:
        client.images.get_registry_data(name)
    except (APIError, RequestException) as error:
        reason = str(getattr(error, "explanation", None) or error)
        return reason.rsplit(": ", 1)[-1] if "dial tcp" in reason else reason
    return ""


def try_pull(client: docker.DockerClient, name: str) -> str:
    """Pulls the image, showing progress; says why it failed, empty if it did not."""
    problem = why_unreachable(client, name)
    if problem:
        return problem
    try:
        with console.waiting(f"pulling {name}") as wait:
            follow_pull(client.api.pull(name, stream=True, decode=True), wait)
    except (APIError, RequestException) as error:
        return str(error)
    return "" if has_image(client, name) else "the pull did not complete"


def follow_pull(events: Iterator[dict[str, Any]], wait: console.Waiting) -> None:
    """Shows the bytes downloaded over all layers; without a terminal, one line per finished layer."""
    layers: dict[str, tuple[int, int]] = {}
    finished = 0
    for event in events:
        if "error" in event:
            raise APIError(str(event["error"]))
        detail = event.get("progressDetail") or {}
        if event.get("status") == "Downloading" and detail.get("total"):
            layers[event["id"]] = (detail["current"], detail["total"])
        finished += event.get("status") == "Pull complete"
        current, total = (sum(sizes) for sizes in zip(*layers.values(), strict=True)) if layers else (0, 0)
        wait.update(f"{finished} layers done", current, total or None)


def ensure_edge_base(client: docker.DockerClient, settings: Settings, yes: bool) -> str:
    """Returns the reference of the edge's Debian 12 image: DEBIAN_IMAGE, or one made with debootstrap."""
    if has_image(client, settings.debian_image):
        return settings.debian_image
    return ensure_debian(client, replace(RECIPES["auto"], debian=settings.debian_image), yes)


def ensure_debian(client: docker.DockerClient, recipe: Recipe, yes: bool) -> str:
    imported = f"torchserve-stack/debian:{recipe.suite}"
    for name in (recipe.debian, imported):
        if has_image(client, name):
            return name
    problem = try_pull(client, recipe.debian)
    if not problem:
        return recipe.debian
    console.say(f"{recipe.debian} cannot be pulled ({problem}); making {imported} with debootstrap")
    make_debian_image(recipe.suite, imported, yes)
    return imported


def build_base(settings: Settings, secrets: Secrets, recipe: Recipe, debian: str) -> None:
    arguments = {"DEBIAN_IMAGE": debian, "TORCH_INDEX_URL": settings.torch_index_url, **dict(recipe.arguments)}
    command = ["docker", "build", "--progress", "plain", "--tag", recipe.tag]
    for label, value in base_labels(settings, recipe).items():
        command += ["--label", f"{label}={value}"]
    for name, value in arguments.items():
        command += ["--build-arg", f"{name}={value}"]
    for name in ("apt_conf", "pip_conf", "ca_bundle"):
        command += ["--secret", f"id={name},src={getattr(secrets, name)}"]
    console.say(f"building {recipe.tag} from {debian} (minutes; torch is a large download)")
    run_build([*command, str(CONTEXT)], recipe.tag)


def base_labels(settings: Settings, recipe: Recipe) -> dict[str, str]:
    """Labels that the build is given. In the Dockerfile, each new version would build torch's layers again."""
    return {
        LABEL: recipe_hash(settings, recipe),
        "org.opencontainers.image.title": "torchserve-stack/base",
        "org.opencontainers.image.description": "TorchServe from Debian and PyPI packages",
        "org.opencontainers.image.version": version(),
        "org.opencontainers.image.revision": image_revision(),
        "org.opencontainers.image.licenses": "Apache-2.0",
    }


def run_build(command: list[str], title: str, env: dict[str, str] | None = None) -> None:
    """Runs a build and shows each step as it starts; the full output goes to .stack/logs. Raises BuildError."""
    log = LOGS / f"build-{title.replace('/', '-').replace(':', '-')}.log"
    start = time.monotonic()
    with console.waiting(title) as wait:
        status, lines = stream_logged(command, log, lambda line: wait.update(shorten(line)), BUILD_STEP, env)
    if status != 0:
        for line in lines[-15:]:
            console.say(line)
        reason = next((line for line in reversed(lines) if re.search("ERROR|error|failed", line)), "no reason given")
        raise BuildError(f"{title} to build", reason.strip(), f"reading {log.relative_to(ROOT)}")
    console.done(f"{title} built in {console.seconds_since(start)}")


def shorten(step: str) -> str:
    """Makes one readable line of a step of `--progress plain`."""
    text = re.sub(r"\s+", " ", re.sub(r"^#\d+ ([\d.]+ )?|--mount=\S+\s+", "", step)).strip()
    return text if len(text) < STEP_WIDTH else f"{text[: STEP_WIDTH - 1]}…"
