"""Checks this machine, the settings and the ports before `scripts/stack up` builds or starts anything."""

from __future__ import annotations

import docker

from stackcli.access.checks import check_edge
from stackcli.build.base_image import BaseChoice
from stackcli.build.checks import build_checks
from stackcli.common.check import Check
from stackcli.project.ports import check_ports, check_replicas
from stackcli.project.settings import Settings


def run_preflight(client: docker.DockerClient | None, settings: Settings, base: BaseChoice, yes: bool) -> list[Check]:
    """Runs the checks. `client`: None if no engine answers; `yes`: a missing engine will be installed."""
    return [
        *build_checks(client, settings, base, yes),
        check_ports(client, settings),
        check_replicas(settings),
        *check_edge(settings),
    ]
