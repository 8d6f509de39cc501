"""Takes one measurement of the running stack: the load generator's metrics with the server's CPU time and memory."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Literal, cast

import docker
from docker.models.containers import Container

from contract.failure import read_failure
from stackcli.common import console
from stackcli.common.errors import ServeError
from stackcli.common.paths import ROOT
from stackcli.project.compose import Project
from stackcli.project.containers import find_container, health_of

RUN_SECONDS = 15.0
WARM_UP_SECONDS = 2.0
TIMEOUT_SECONDS = 60.0
PSS = "cat /proc/[0-9]*/smaps_rollup 2>/dev/null"  # proportional set size: pages shared by workers count once


@dataclass(frozen=True)
class Memory:
    """A container's memory in bytes. `used`: as its limit counts it, without inactive file cache."""

    used: int
    pss: int


@dataclass(frozen=True)
class Run:
    """One measured run. Rates are in requests/s.

    `latency_ms`: p50, p90, p99, p99.9, max and mean of the 2xx answers; None without any. `connections` of an open
    loop: the most it had open. `lag_ms`: how late the generator sent requests that were due; `generator_cpu`: its share
    of one core; `generator_limited`: the generator, not the server, set the limit. `cpu_ms`: CPU time of the server's
    container per answer; None without answers.
    """

    mode: Literal["closed", "open"]
    connections: int
    offered_rate: float | None
    achieved_rate: float
    seconds: float
    warmup: float
    requests: int
    latency_ms: dict[str, float] | None
    histogram: dict[str, list[float]] | None
    statuses: dict[str, int]
    errors: dict[str, int]
    lag_ms: dict[str, float] | None
    generator_cpu: float
    generator_limited: bool
    cpu_ms: float | None
    memory_before: Memory
    memory_after: Memory


def measure(
    project: Project,
    client: docker.DockerClient,
    model: str,
    body: Path,
    *,
    connections: int | None = None,
    rate: float | None = None,
    seconds: float = RUN_SECONDS,
    warmup: float = WARM_UP_SECONDS,
) -> Run:
    """Runs a closed loop with `connections`, or an open loop at `rate` requests/s. The load image has to exist already.

    `warmup` seconds of the same load come first and are not measured. Raises ServeError if the stack is not healthy.
    """
    if (connections is None) == (rate is None):
        raise ValueError("expected either connections or rate")
    container = find_server(client, project)
    load = f"--connections={connections}" if rate is None else f"--rate={rate}"
    options = [f"--seconds={seconds}", f"--warmup={warmup}", f"--timeout={TIMEOUT_SECONDS}"]
    # The container's own name: `torchserve` may resolve to several, and each would get an unknown share of the load.
    url = f"http://{container.name}:8080/predictions/{model}"
    before = read_memory(container)
    cpu: dict[str, int] = {}

    def mark(line: str) -> None:
        """Reads the CPU time when the generator reports that its window opens or closes."""
        if line in ("measuring", "measured"):
            cpu[line] = read_stats(container)["cpu_stats"]["cpu_usage"]["total_usage"]

    with console.waiting(f"{model}, {name_of(connections, rate)}") as wait:
        wait.update(f"{warmup + seconds:g} s")
        answer = run_generator(project, ["run", f"--url={url}", "--body=/body", load, *options], {"/body": body}, mark)
    metrics: dict[str, Any] = json.loads(answer)
    answered = metrics.pop("answered_in_window")
    return Run(
        **metrics,
        cpu_ms=(cpu["measured"] - cpu["measuring"]) / 1e6 / answered if answered else None,
        memory_before=before,
        memory_after=read_memory(container),
    )


def name_of(connections: int | None, rate: float | None) -> str:
    if rate is not None:
        return f"{rate:.0f} requests/s" if rate >= 100 else f"{rate:.3g} requests/s"
    return f"{connections} connection{'' if connections == 1 else 's'}"


def find_server(client: docker.DockerClient, project: Project) -> Container:
    """Returns the stack's healthy torchserve container. Raises ServeError."""
    container = find_container(client, project.settings.compose_project_name)
    health, line = health_of(container) if container else ("no container", "")
    if container is None or health != "healthy":
        raise ServeError("a running stack", f"{health}{f': {line}' if line else ''}", "`scripts/stack up`")
    return container


def read_stats(container: Container) -> dict[str, Any]:
    """Reads the Engine API's metrics of this moment (one_shot: without waiting for a second sample)."""
    return cast("dict[str, Any]", container.stats(stream=False, one_shot=True))


def read_memory(container: Container) -> Memory:
    memory = read_stats(container)["memory_stats"]
    cache = memory["stats"].get("inactive_file", memory["stats"].get("total_inactive_file", 0))  # cgroup 2, 1
    rollups = cast("bytes", container.exec_run(["sh", "-c", PSS]).output).decode()
    return Memory(
        used=memory["usage"] - cache,
        pss=sum(int(kib) * 1024 for kib in re.findall(r"^Pss:\s+(\d+) kB", rollups, re.MULTILINE)),
    )


def run_generator(
    project: Project, arguments: list[str], files: dict[str, Path], take: Callable[[str], None] = lambda line: None
) -> str:
    """Returns what `load ARGUMENTS` prints; `files` (path inside → here) are mounted, `take` gets each stderr line."""
    mounts = [f"--volume={file.resolve()}:{inside}:ro" for inside, file in files.items()]
    command = ["docker", "compose", "run", "--rm", "-T", "--no-deps", *mounts, "load", *arguments]
    lines: list[str] = []
    # A file, because stdout is read after stderr has ended and a report is larger than a pipe's 64 KiB buffer.
    with (
        TemporaryFile("w+") as output,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=project.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line.rstrip())
            take(line.rstrip())
        if process.wait() != 0:
            raise failure_of(lines, process.returncode)
        output.seek(0)
        return output.read()


def failure_of(lines: list[str], status: int) -> ServeError:
    """Returns the failure that the generator printed, or one made of its exit status and last line."""
    for line in reversed(lines):
        if failure := read_failure(line):
            return ServeError(failure.expected, failure.found, failure.remedy)
    last = next((line for line in reversed(lines) if line.strip()), "no output")
    return ServeError(
        "the load generator to succeed", f"exit status {status}: {last.strip()}", "`scripts/stack doctor`"
    )
