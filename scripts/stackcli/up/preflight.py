"""What is checked before anything is built and started, each check with what it found and what to do."""

from __future__ import annotations

import docker

from stackcli.access.checks import check_edge
from stackcli.build.base_image import BaseChoice
from stackcli.build.checks import build_checks
from stackcli.common.check import Check
from stackcli.project.ports import check_ports, check_replicas
from stackcli.project.settings import Settings


def run_preflight(client: docker.DockerClient | None, settings: Settings, base: BaseChoice, yes: bool) -> list[Check]:
    """`client`: None while no engine answers; `yes`: a missing engine will be installed."""
    return [
        *build_checks(client, settings, base, yes),
        check_ports(client, settings),
        check_replicas(settings),
        *check_edge(settings),
    ]
