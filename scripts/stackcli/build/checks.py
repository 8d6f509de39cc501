"""Checks this machine and the settings before anything is built."""

from __future__ import annotations

import docker

from stackcli.access.checks import check_keys
from stackcli.build.base_image import BaseChoice, find_base_image, has_image, why_unreachable
from stackcli.build.images import SERVICES
from stackcli.common.check import Check
from stackcli.machine.checks import check_disk, check_engine, check_memory, memory_gib
from stackcli.machine.engine import find_engine
from stackcli.project.containers import check_checkout
from stackcli.project.settings import Settings


def build_checks(client: docker.DockerClient | None, settings: Settings, base: BaseChoice, yes: bool) -> list[Check]:
    """Runs the checks. `client`: None if no engine answers; `yes`: a missing engine will be installed."""
    images_here = client is not None and all(has_image(client, settings.image_of(service)) for service in SERVICES)
    return [
        check_engine(find_engine(), yes),
        check_disk(client, images_here),
        check_memory(memory_gib()),
        *check_checkout(client, settings),
        check_base(client, settings, base),
        check_keys(settings),
    ]


def check_base(client: docker.DockerClient | None, settings: Settings, base: BaseChoice) -> Check:
    if client is None:
        return Check("registry", "ok", "checked once the engine runs")
    present = find_base_image(client, settings, base)
    if present:
        return Check("registry", "ok", f"not needed, base image {present} is here")
    if base == "official-alike":
        return Check("registry", "ok", "not needed, the base image is built from docker/base")
    problem = why_unreachable(client, settings.torchserve_image)
    found = (
        f"{settings.torchserve_image} not reachable ({problem}); docker/base will be built" if problem else "reachable"
    )
    return Check("registry", "ok", found)
