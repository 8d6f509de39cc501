"""The ports of a compose project on this machine's loopback: the user's, or ones that are free."""

import os
import random
import socket
from contextlib import suppress
from dataclasses import astuple, dataclass

PORT_VARIABLES = (
    "INFERENCE_PORT",
    "MANAGEMENT_PORT",
    "METRICS_PORT",
    "GRPC_INFERENCE_PORT",
    "GRPC_MANAGEMENT_PORT",
    "EDGE_PORT",
    "PROMETHEUS_PORT",
    "ALERTMANAGER_PORT",
    "GRAFANA_PORT",
)
DEFAULT_PORTS = (8080, 8081, 8082, 7070, 7071, 8000, 9090, 9093, 3000)
# Below those that the system gives to clients; each of pytest's workers has its own part.
FIRST_FREE, PART = 20_000, 3_000


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on."""
    first = FIRST_FREE + PART * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    found: list[int] = []
    for port in random.SystemRandom().sample(range(first, first + PART), PART):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError(f"expected {count} free ports from {first} on, found {len(found)}")


@dataclass(frozen=True)
class Ports:
    inference: int
    management: int
    metrics: int
    grpc_inference: int
    grpc_management: int
    edge: int
    prometheus: int
    alertmanager: int
    grafana: int

    @classmethod
    def of_the_user(cls) -> "Ports":
        return cls(*(int(os.environ.get(name, port)) for name, port in zip(PORT_VARIABLES, DEFAULT_PORTS, strict=True)))

    @classmethod
    def free(cls) -> "Ports":
        return cls(*free_ports(len(PORT_VARIABLES)))

    def variables(self) -> dict[str, str]:
        return {name: str(port) for name, port in zip(PORT_VARIABLES, astuple(self), strict=True)}
