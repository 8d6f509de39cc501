"""Measures one server: start, check the answer, warm up, then each number of connections in turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker.models.containers import Container

from peers.containers import (
    MIB,
    address,
    cores_in_use,
    read_usage,
    read_versions,
    removed_afterwards,
    wait_until_idle,
    wait_until_right,
)
from peers.errors import PeerFailure
from peers.peer import Peer
from peers.results import Run, now
from peers.tasks import Task
from peers.wire import WireRequest
from peers.wrk import Load
from stackcli.common import console


@dataclass(frozen=True)
class Plan:
    """Seconds of each measured run and of the warm-up before the first; where containers' logs go."""

    connections: tuple[int, ...]
    seconds: int
    warmup: int
    logs: Path


@dataclass(frozen=True)
class Measured:
    """All runs of one start, and the versions found in the container."""

    runs: list[Run]
    versions: dict[str, str]


def measure(
    peer: Peer,
    task: Task,
    plan: Plan,
    load: Load,
    request: WireRequest,
    expected: Any,
    start: Callable[[], Container],
) -> Measured:
    """Measures one server. Raises PeerFailure if it does not start or answer correctly, and Docker's errors."""
    body = load.keep_body(f"{peer.id}-{task.model}.body", request)
    log = plan.logs / f"{peer.id}-{task.table}-{task.model}.log"
    runs = []
    with removed_afterwards(start(), log) as container:
        server = address(container, peer)
        wait_until_right(server, peer, task.model, request, expected)
        versions = read_versions(container, peer.packages)
        url = server.inner_url + request.path
        idle_cores = cores_in_use(container, 1)
        load.run(url, body, request.headers, max(plan.connections), plan.warmup)
        for connections in plan.connections:
            wait_until_idle(container, idle_cores)
            before = read_usage(container)
            wrk = load.run(url, body, request.headers, connections, plan.seconds)
            after = read_usage(container)
            run = make_run(peer, task, connections, wrk, after.cpu_ns - before.cpu_ns, after.memory)
            console.say(
                f"{connections:3} connections: {run.rate:8.1f}/s, p50 {run.p50:.2f} ms, p99 {run.p99:.2f} ms, "
                f"{run.cpu_ms:.2f} CPU-ms, {run.memory:.0f} MiB, {run.errors} errors"
            )
            runs.append(run)
    if not any(run.rate for run in runs):
        raise PeerFailure("answers under load", f"{sum(run.errors for run in runs)} errors", str(log))
    return Measured(runs, versions)


def make_run(peer: Peer, task: Task, connections: int, wrk: dict[str, Any], cpu_ns: int, memory: int) -> Run:
    """Makes a run of `wrk`, what wrk.lua prints; an answer of 400 or above counts as an error."""
    answers = wrk["requests"] - wrk["errors"]["status"]
    return Run(
        peer=peer.id,
        table=task.table,
        model=task.model,
        connections=connections,
        rate=answers / (wrk["duration_us"] / 1e6),
        p50=wrk["p50_us"] / 1e3,
        p90=wrk["p90_us"] / 1e3,
        p99=wrk["p99_us"] / 1e3,
        p99_9=wrk["p99_9_us"] / 1e3,
        cpu_ms=cpu_ns / 1e6 / max(answers, 1),
        memory=memory / MIB,
        errors=sum(wrk["errors"].values()),
        engine=task.engine,
        precision=task.precision,
        date=now(),
        wrk=wrk,
    )
