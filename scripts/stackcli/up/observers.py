"""Starts the observability services: Prometheus, Alertmanager, node_exporter and, if its image is there, Grafana."""

from __future__ import annotations

import secrets
from dataclasses import replace

import docker

from stackcli.build.base_image import has_image, try_pull
from stackcli.common import console
from stackcli.common.errors import StackError
from stackcli.common.files import write_if_changed
from stackcli.common.paths import SECRETS, shown
from stackcli.project.compose import Project
from stackcli.project.containers import wait_until_healthy
from stackcli.project.ports import is_taken, judge_ports, port_holders
from stackcli.project.settings import NO_KEY, Settings

OBSERVERS = ("prometheus", "alertmanager", "node-exporter")
GRAFANA = "grafana"
PASSWORD = SECRETS / "grafana_password"
PASSWORD_BYTES = 18


def start_observers(client: docker.DockerClient, project: Project) -> None:
    """Starts them and waits until they are healthy; leaves out Grafana if its image cannot be pulled.

    Raises StackError if a port is taken or a service does not become healthy.
    """
    console.phase("Starting Prometheus, Alertmanager, Grafana…")
    check_observer_ports(client, project.settings)
    services: tuple[str, ...] = OBSERVERS
    if has_grafana(client, project.settings):
        services = (*OBSERVERS, GRAFANA)
        project = with_password(project)
    project.do("up", "--detach", "--no-deps", "--no-build", *services)
    for service in services:
        wait_until_healthy(client, project, service)


def check_observer_ports(client: docker.DockerClient, settings: Settings) -> None:
    taken = {
        f"{service.upper()}_PORT": port
        for service, port in settings.observer_ports.items()
        if is_taken(settings.observability_address, port)
    }
    check = judge_ports(settings, taken, port_holders(client) if taken else {})
    if check.verdict == "failed":
        raise check.error()


def has_grafana(client: docker.DockerClient, settings: Settings) -> bool:
    """Tells whether Grafana's image is here, pulling it if necessary; warns if it is not."""
    name = settings.grafana_image
    problem = "" if has_image(client, name) else try_pull(client, name)
    if problem:
        remedy = "`docker load` to bring it here, or GRAFANA_IMAGE in .env"
        failure = StackError(f"the image {name}", f"that it cannot be pulled ({problem})", remedy)
        console.warn("Grafana is left out, the others start without it", failure)
    return not problem


def with_password(project: Project) -> Project:
    """Returns the project with a password for Grafana's first start: the user's own, or one generated once."""
    settings = project.settings
    if settings.grafana_password_file != NO_KEY:
        return project
    if not PASSWORD.is_file():
        write_if_changed(PASSWORD, secrets.token_urlsafe(PASSWORD_BYTES))
    console.say(f"Grafana's user is admin; its initial password is in {shown(PASSWORD)}")
    return replace(project, settings=settings.model_copy(update={"grafana_password_file": str(PASSWORD)}))
