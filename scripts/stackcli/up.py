"""The way from a checkout to READY models: check, engine, base image, images, models, serving."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import docker

from stackcli import console, status
from stackcli.base_image import RECIPES, BaseChoice, ensure_base_image, ensure_edge_base
from stackcli.compose import Project
from stackcli.engine import connect, ensure_engine, find_engine
from stackcli.images import SERVICES, ensure_images
from stackcli.models import run_builder
from stackcli.observability import IMAGE_OF_ALL, start_observers
from stackcli.paths import ROOT
from stackcli.preflight import check_engine, connect_if_running, run_preflight, show
from stackcli.secrets import write_secrets
from stackcli.serving import SERVING, start, wait_until_healthy
from stackcli.settings import Settings, load_settings, with_weights
from stackcli.status_table import show as show_serving


@dataclass(frozen=True)
class Options:
    """What the commands that build have in common."""

    yes: bool = False
    strict: bool = False
    weights: tuple[str, ...] = ()
    base: BaseChoice = "auto"
    observability: bool = False


def chosen_settings(options: Options) -> Settings:
    """The environment's settings with the command's options; another base is another project."""
    settings = with_weights(load_settings(ROOT, os.environ), list(options.weights))
    changes: dict[str, str] = {"strict": "1"} if options.strict else {}
    if options.base != "auto":
        changes["stack_tag"] = options.base
        changes["compose_project_name"] = f"torchserve-stack-{options.base}"
        changes["model_store"] = f".stack/model_store-{options.base}"
        changes["torchserve_image"] = RECIPES[options.base].tag
    return settings.model_copy(update=changes)


def prepare(options: Options) -> tuple[docker.DockerClient, Project]:
    """From nothing to both images."""
    settings = chosen_settings(options)
    console.phase("Checking (no changes yet)…")
    checks = run_preflight(connect_if_running(), settings, options.base, options.yes)
    for check in checks:
        show(check)
    for check in checks:
        if check.verdict == "failed":
            raise check.error()
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


def bring_up(options: Options) -> tuple[docker.DockerClient, Project]:
    """`scripts/stack up`."""
    began = time.monotonic()
    client, project = prepare(options)
    console.phase("Building the models…")
    if not run_builder(project, []):
        console.done("models: nothing to build")
    console.phase("Starting…")
    start(client, project)
    for service in SERVING:
        wait_until_healthy(client, project, service)
    if options.observability:
        start_observers(client, project)
    serving = status.read_serving(client, project)
    console.phase(f"READY after {console.seconds_since(began)}")
    show_serving(serving, project.settings)
    command = status.example_command(serving, project.settings)
    if command:
        console.out.print(f"Try: {command}", markup=False)
    return client, project


def current_project(needs_engine: bool = True) -> Project:
    """The project as it is, for commands that build nothing."""
    settings = load_settings(ROOT, os.environ)
    engine = find_engine()
    if needs_engine and not engine.is_usable:
        raise check_engine(engine, yes=False).error()
    return Project(settings, settings.torchserve_image, write_secrets())
