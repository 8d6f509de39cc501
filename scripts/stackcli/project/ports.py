"""Checks that the ports which the stack publishes are free, and that they suffice for its replicas."""

from __future__ import annotations

import errno
import socket

import docker

from stackcli.common.check import Check
from stackcli.project.settings import Settings


def is_taken(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def port_holders(client: docker.DockerClient | None) -> dict[int, tuple[str, str]]:
    """Returns, by published port, the compose project and the name of the container that holds it."""
    held: dict[int, tuple[str, str]] = {}
    for container in client.containers.list() if client else []:
        for bindings in (container.attrs["NetworkSettings"]["Ports"] or {}).values():
            for binding in bindings or []:
                project = container.labels.get("com.docker.compose.project", "")
                held[int(binding["HostPort"])] = (project, str(container.name))
    return held


def check_ports(client: docker.DockerClient | None, settings: Settings) -> Check:
    taken = {name: port for name, port in settings.ports.items() if is_taken(settings.bind_address, port)}
    return judge_ports(settings, taken, port_holders(client) if taken else {})


def judge_ports(settings: Settings, taken: dict[str, int], held: dict[int, tuple[str, str]]) -> Check:
    """Judges `taken`, the ports in use, by variable; `held`: port of a container → (project, container)."""
    for name, port in taken.items():
        project, container = held.get(port, ("", ""))
        if project != settings.compose_project_name:
            holder = f"container {container}" if container else "another program"
            stop = f"`docker stop {container}`" if container else f"`ss -ltnp 'sport = :{port}'` to see which"
            return Check(
                "ports", "failed", f"port {port} held by {holder}", "free ports", f"{stop}, or another {name} in .env"
            )
    numbers = ", ".join(str(port) for port in settings.ports.values())
    return Check("ports", "ok", f"{numbers} {'held by this stack' if taken else 'free'}")


def check_replicas(settings: Settings) -> Check:
    found = f"{settings.torchserve_replicas} TorchServe{'' if settings.torchserve_replicas == 1 else 's'}"
    if settings.torchserve_replicas == 1 or settings.is_scalable:
        return Check("replicas", "ok", found)
    expected = "compose.scale.yaml in COMPOSE_FILE: several TorchServes cannot share a published port"
    remedy = "COMPOSE_FILE=compose.yaml:compose.scale.yaml in .env, or TORCHSERVE_REPLICAS=1"
    return Check("replicas", "failed", found, expected, remedy)
