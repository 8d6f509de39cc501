"""One measurement of the running stack: the load generator's figures beside the server's CPU time and memory."""

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

from stackcli.common import console
from stackcli.common.errors import FAILURE, ServeError
from stackcli.common.paths import ROOT
from stackcli.project.compose import Project
from stackcli.project.containers import find_container, health_of

SECONDS = 15.0
WARM_UP_SECONDS = 2.0
TIMEOUT_SECONDS = 60.0
PSS = "cat /proc/[0-9]*/smaps_rollup 2>/dev/null"  # proportional set size: pages that workers share count once


@dataclass(frozen=True)
class Memory:
    """Of the container, in bytes: `used` as its limit counts it, less inactive file cache; `pss` of its processes."""

    used: int
    pss: int


@dataclass(frozen=True)
class Run:
    """Rates in requests/s, latencies in ms: p50, p90, p99, p99.9, max, mean of the 2xx answers, None where none came.

    `connections` of an open loop: the most it had open. `lag_ms`: how late the generator came to requests that were
    due; `generator_cpu`: its share of one core; `generator_limited`: the figures are its own more than the server's.
    `cpu_ms`: CPU time of the server's container per answer, None without answers.
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
    seconds: float = SECONDS,
    warmup: float = WARM_UP_SECONDS,
) -> Run:
    """Closed loop with `connections`, or open loop at `rate` requests/s. The load image must be there (ensure_images).

    `warmup` seconds of the same load come first and count in nothing. Fails where the stack is not healthy.
    """
    if (connections is None) == (rate is None):
        raise ValueError("either connections or rate")
    container = find_server(client, project)
    load = f"--connections={connections}" if rate is None else f"--rate={rate}"
    options = [f"--seconds={seconds}", f"--warmup={warmup}", f"--timeout={TIMEOUT_SECONDS}"]
    # By its own name: `torchserve` may be several, and each would get a part that nobody knows.
    url = f"http://{container.name}:8080/predictions/{model}"
    before = read_memory(container)
    cpu: dict[str, int] = {}

    def mark(line: str) -> None:
        """The generator says when its window opens and closes."""
        if line in ("measuring", "measured"):
            cpu[line] = read_stats(container)["cpu_stats"]["cpu_usage"]["total_usage"]

    with console.waiting(f"{model}, {name_of(connections, rate)}") as wait:
        wait.update(f"{warmup + seconds:g} s")
        answer = run_generator(project, ["run", f"--url={url}", "--body=/body", load, *options], {"/body": body}, mark)
    figures: dict[str, Any] = json.loads(answer)
    answered = figures.pop("answered_in_window")
    return Run(
        **figures,
        cpu_ms=(cpu["measured"] - cpu["measuring"]) / 1e6 / answered if answered else None,
        memory_before=before,
        memory_after=read_memory(container),
    )


def name_of(connections: int | None, rate: float | None) -> str:
    if rate is not None:
        return f"{rate:.0f} requests/s" if rate >= 100 else f"{rate:.3g} requests/s"
    return f"{connections} connection{'' if connections == 1 else 's'}"


def find_server(client: docker.DockerClient, project: Project) -> Container:
    """The stack's healthy torchserve container."""
    container = find_container(client, project.settings.compose_project_name)
    health, line = health_of(container) if container else ("no container", "")
    if container is None or health != "healthy":
        raise ServeError("a running stack", f"{health}{f': {line}' if line else ''}", "`scripts/stack up`")
    return container


def read_stats(container: Container) -> dict[str, Any]:
    """The Engine API's figures of this moment (one_shot: without a second reading a second later)."""
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
    """What `load ARGUMENTS` prints, with `files` mounted (path inside → here); `take` gets its error lines at once."""
    mounts = [f"--volume={file.resolve()}:{inside}:ro" for inside, file in files.items()]
    command = ["docker", "compose", "run", "--rm", "-T", "--no-deps", *mounts, "load", *arguments]
    lines: list[str] = []
    # A file: a pipe is full after 64 KiB, which a report is more than, and is read only when the errors have ended.
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
    """The generator's own words where it has some."""
    for line in reversed(lines):
        match = FAILURE.search(line)
        if match:
            return ServeError(match["expected"], match["found"], match["remedy"])
    last = next((line for line in reversed(lines) if line.strip()), "no output")
    return ServeError(
        "the load generator to succeed", f"exit status {status}: {last.strip()}", "`scripts/stack doctor`"
    )
