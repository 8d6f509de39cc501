"""`scripts/stack up`: goes from a checkout to READY models: checks, engine, base image, images, models, serving."""

from __future__ import annotations

import time

import docker

from stackcli.build.models import run_builder
from stackcli.build.options import Options
from stackcli.build.prepare import prepare
from stackcli.common import console
from stackcli.project.compose import Project
from stackcli.project.containers import SERVING, wait_until_healthy
from stackcli.status.as_table import show_serving
from stackcli.status.read import example_command, read_serving
from stackcli.up.observers import start_observers
from stackcli.up.preflight import run_preflight
from stackcli.up.start import start


def bring_up(options: Options) -> tuple[docker.DockerClient, Project]:
    """Runs `scripts/stack up`; returns the client and the project. Raises StackError."""
    began = time.monotonic()
    client, project = prepare(options, run_preflight)
    console.phase("Building the models…")
    if not run_builder(project, []):
        console.done("models: nothing to build")
    console.phase("Starting…")
    start(client, project)
    for service in SERVING:
        wait_until_healthy(client, project, service)
    if options.observability:
        start_observers(client, project)
    serving = read_serving(client, project)
    console.phase(f"READY after {console.seconds_since(began)}")
    show_serving(serving, project.settings)
    command = example_command(serving, project.settings)
    if command:
        console.out.print(f"Try: {command}", markup=False)
    return client, project
