"""The measurements, the machine they were taken on, and the file that stores them."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import docker

from peers.peer import Table


@dataclass(frozen=True)
class Run:
    """One server under one number of connections. Times in milliseconds, memory in MiB, `rate` in answers/s."""

    peer: str
    table: Table
    model: str
    connections: int
    rate: float
    p50: float
    p90: float
    p99: float
    p99_9: float
    cpu_ms: float  # CPU time of all the server's processes per answer
    memory: float  # after the run
    errors: int  # connections refused or cut, answers of 400 and above, timeouts
    engine: str
    precision: str
    date: str
    wrk: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str, int]:
        return (self.peer, self.table, self.model, self.connections)


@dataclass(frozen=True)
class Failure:
    """A server that could not be measured, and why."""

    peer: str
    table: Table
    model: str
    reason: str


@dataclass
class Results:
    """`names`: peer → its name in tables. `versions`: peer → package → version. `settings`: the command's options."""

    machine: dict[str, Any]
    settings: dict[str, Any]
    names: dict[str, str] = field(default_factory=dict)
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    untrained: list[str] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def forget(self, peer: str, table: Table, model: str) -> None:
        """Removes a server's results before it is measured again."""
        one = (peer, table, model)
        self.runs = [run for run in self.runs if run.key[:3] != one]
        self.failures = [old for old in self.failures if (old.peer, old.table, old.model) != one]

    def save(self, file: Path) -> None:
        """Writes the file atomically."""
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".part")
        partial.write_text(json.dumps(asdict(self), indent=1) + "\n")
        partial.replace(file)


def load_results(file: Path) -> Results:
    values = json.loads(file.read_text())
    values["runs"] = [Run(**run) for run in values["runs"]]
    values["failures"] = [Failure(**failure) for failure in values["failures"]]
    return Results(**values)


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def describe_machine(client: docker.DockerClient) -> dict[str, Any]:
    """Describes what affects the results besides the servers; `load`: the load average before the first run."""
    info = client.info()
    return {
        "date": now(),
        "cpu": cpu_model(Path("/proc/cpuinfo")),
        "cores": info["NCPU"],
        "memory_gib": round(info["MemTotal"] / 2**30, 1),
        "kernel": info["KernelVersion"],
        "system": info["OperatingSystem"],
        "docker": info["ServerVersion"],
        "load": round(os.getloadavg()[0], 2),
    }


def cpu_model(cpuinfo: Path) -> str:
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown")
