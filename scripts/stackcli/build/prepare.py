"""Prepares everything up to the images: checks, engine, base image, images."""

from __future__ import annotations

from collections.abc import Callable

import docker

from stackcli.build.base_image import BaseChoice, ensure_base_image, ensure_edge_base
from stackcli.build.checks import build_checks
from stackcli.build.images import IMAGE_OF_ALL, SERVICES, ensure_images
from stackcli.build.options import Options, chosen_settings
from stackcli.common import console
from stackcli.common.check import Check, require
from stackcli.machine.engine import connect, connect_if_running, ensure_engine
from stackcli.machine.registries import write_secrets
from stackcli.project.compose import Project
from stackcli.project.settings import Settings

Checks = Callable[[docker.DockerClient | None, Settings, BaseChoice, bool], list[Check]]


def prepare(options: Options, checks: Checks = build_checks) -> tuple[docker.DockerClient, Project]:
    """Builds the images that are missing or outdated; `checks` run before anything changes. Raises StackError."""
    settings = chosen_settings(options)
    console.phase("Checking (no changes yet)…")
    require(checks(connect_if_running(), settings, options.base, options.yes))
    ensure_engine(options.yes)
    client = connect()
    secrets = write_secrets()
    console.phase("Building…")
    base_image = ensure_base_image(client, settings, secrets, options.base, options.yes)
    console.done(f"base image: {base_image}")
    debian = ensure_edge_base(client, settings, options.yes)
    project = Project(settings.model_copy(update={"debian_image": debian}), base_image, secrets)
    ensure_images(client, project, (*SERVICES, IMAGE_OF_ALL) if options.observability else SERVICES)
    return client, project
