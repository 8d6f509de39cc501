"""Runs three replicas behind an edge in a separate project; the edge routes to as many of them as it is told to."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, cast

from docker.models.containers import Container

from stackcli.bench.load import read_stats, run_generator
from stackcli.common import console
from stackcli.common.errors import ServeError
from stackcli.project.containers import find_container, find_containers, wait_until_healthy
from stackcli.tune.testbed import Testbed

MOST = 3
# HAProxy's management.txt, "show servers state": name and address of each server.
SEND = (
    "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect('/run/edge/admin.sock');"
    "s.sendall(sys.argv[1].encode() + b'\\n'); print(s.makefile().read())"
)


@dataclass(frozen=True)
class Use:
    """A container's totals since its start: ms of CPU time, bytes received and sent."""

    cpu_ms: float
    received: int
    sent: int


@dataclass(frozen=True)
class Run:
    """Requests/s and latencies in ms through the edge; `edge` and `replicas`: what each answer cost them.

    `errors`: of the load generator too, such as requests that it could not send in time.
    """

    rate: float
    errors: int
    p50_ms: float
    p99_ms: float
    edge: Use
    replicas: Use


def start(testbed: Testbed) -> None:
    """Starts all replicas and the edge, on ports that Docker chooses."""
    console.phase(f"Starting {MOST} replicas behind an edge…")
    scale = f"--scale=torchserve={MOST}"
    testbed.project.do("up", "--detach", "--no-deps", "--no-build", scale, "torchserve", "edge")
    for service in ("torchserve", "edge"):
        wait_until_healthy(testbed.client, testbed.project, service)


def containers(testbed: Testbed) -> tuple[Container, list[Container]]:
    """Returns the containers of the edge and the replicas."""
    name = testbed.project.settings.compose_project_name
    edge = find_container(testbed.client, name, "edge")
    assert edge is not None, "started by `start`"
    return edge, find_containers(testbed.client, name)


def tell(edge: Container, command: str) -> str:
    """Sends HAProxy a command and returns its answer. Raises ServeError."""
    ended = edge.exec_run(["python3", "-c", SEND, command])
    if ended.exit_code != 0:
        raise ServeError(f"HAProxy to take `{command}`", str(ended.output), "the edge's log")
    return cast("bytes", ended.output).decode()


def route_to(testbed: Testbed, count: int) -> None:
    """Makes the edge route to the first `count` replicas only. Raises ServeError."""
    edge, _ = containers(testbed)
    found = re.findall(r"^\d+ torchserve \d+ (torchserve\d) \d+\.\S+", tell(edge, "show servers state"), re.MULTILINE)
    if len(found) != MOST:
        raise ServeError(f"{MOST} replicas that the edge has found", str(found), "the edge's log")
    for number, server in enumerate(found):
        tell(edge, f"set server torchserve/{server} state {'ready' if number < count else 'maint'}")


def used(containers: list[Container]) -> Use:
    """Returns the resources that all of them have used."""
    stats = [read_stats(container) for container in containers]
    networks: list[dict[str, Any]] = [network for one in stats for network in one["networks"].values()]
    return Use(
        sum(one["cpu_stats"]["cpu_usage"]["total_usage"] for one in stats) / 1e6,
        sum(network["rx_bytes"] for network in networks),
        sum(network["tx_bytes"] for network in networks),
    )


def measure(testbed: Testbed, seconds: float, *, connections: int = 0, rate: float = 0.0, warmup: float = 1.0) -> Run:
    """Runs a closed loop with `connections`, or an open loop at `rate`, through the edge. Raises ServeError."""
    edge, replicas = containers(testbed)
    model = testbed.model
    load = f"--connections={connections}" if connections else f"--rate={rate}"
    options = [f"--seconds={seconds}", f"--warmup={warmup}", "--timeout=60"]
    url = f"http://edge:8000/predictions/{model.name}/{model.version}"
    marks: dict[str, tuple[Use, Use]] = {}

    def mark(line: str) -> None:
        if line in ("measuring", "measured"):
            marks[line] = used([edge]), used(replicas)

    arguments = ["run", f"--url={url}", "--body=/body", load, *options]
    figures = json.loads(run_generator(testbed.project, arguments, {"/body": testbed.body}, mark))
    if figures["latency_ms"] is None:
        raise ServeError("answers", f"{figures['errors']} {figures['statuses']}", "the servers' logs")
    answered = figures["answered_in_window"]
    before, after = marks["measuring"], marks["measured"]
    each = [
        Use(
            (b.cpu_ms - a.cpu_ms) / answered,
            round((b.received - a.received) / answered),
            round((b.sent - a.sent) / answered),
        )
        for a, b in zip(before, after, strict=True)
    ]
    latency = figures["latency_ms"]
    return Run(figures["achieved_rate"], sum(figures["errors"].values()), latency["p50"], latency["p99"], *each)
