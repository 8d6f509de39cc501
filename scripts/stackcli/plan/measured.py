"""Reads the results of `scripts/stack bench`, and refuses those that do not apply to the model served here now."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from stackcli.bench.load import Memory
from stackcli.common.errors import ConfigError
from stackcli.common.paths import shown
from stackcli.plan.calibration import Closed, Latency, Open, calibrate
from stackcli.plan.queueing import Replica
from stackcli.store.manifest import Model

RESULTS = "results.json"


class MeasuredRun(BaseModel):
    """The part of a Run (bench/load.py) that the calculation uses."""

    model_config = ConfigDict(extra="ignore")

    mode: Literal["closed", "open"]
    connections: int
    offered_rate: float | None
    achieved_rate: float
    latency_ms: dict[str, float] | None
    errors: dict[str, int]
    generator_limited: bool
    cpu_ms: float | None
    memory_after: Memory

    @property
    def latency(self) -> Latency:
        found = self.latency_ms or {}
        return Latency(found["mean"], found["p50"], found["p99"])

    @property
    def is_usable(self) -> bool:
        return self.latency_ms is not None and self.cpu_ms is not None and not self.errors


class Results(BaseModel):
    """The content of results.json (bench/run.py)."""

    model_config = ConfigDict(extra="ignore")

    date: str
    machine: dict[str, Any]
    model: str
    version: str
    sha256: str = ""
    settings: dict[str, Any]
    runs: list[MeasuredRun]

    @property
    def closed(self) -> list[Closed]:
        return [
            Closed(run.connections, run.achieved_rate, run.latency, run.achieved_rate * (run.cpu_ms or 0) / 1000)
            for run in self.runs
            if run.mode == "closed" and run.is_usable
        ]

    @property
    def opened(self) -> list[Open]:
        return [Open(run.offered_rate, run.latency) for run in self.runs if run.offered_rate and run.is_usable]

    @property
    def best(self) -> MeasuredRun:
        """Returns the fastest closed loop."""
        closed = [run for run in self.runs if run.mode == "closed" and run.is_usable]
        return max(closed, key=lambda run: run.achieved_rate)

    @property
    def memory_bytes(self) -> int:
        """Returns the peak memory of the container."""
        return max(run.memory_after.used for run in self.runs)

    @property
    def quota(self) -> float | None:
        """Returns the container's CPU limit; None if it has none."""
        cpus = self.settings["TORCHSERVE_CPUS"]
        return None if cpus == "all" else float(cpus)

    @property
    def cores(self) -> float:
        """Returns how many cores a replica may use."""
        machine = float(self.machine["cores"])
        return min(self.quota or machine, machine)

    def replica(self) -> Replica:
        """Returns the simulated replica, fitted to these results."""
        settings = self.settings
        delay = float(settings["maxBatchDelay"].split()[0]) if settings["batchSize"] > 1 else 0.0
        shape = Replica(settings["workers"], settings["batchSize"], delay, 0, 0, quota=self.quota)
        return calibrate(shape, self.closed, self.opened)


def command_for(model: str) -> str:
    return f"`scripts/stack bench {model}`"


def read_results(folder: Path, model: str) -> Results:
    """Reads a model's results; `folder` holds those of all models. Raises ConfigError."""
    file = folder / model / RESULTS
    expected = f"what {command_for(model)} measures in {shown(file)}"
    if not file.is_file():
        raise ConfigError(expected, "no such file", command_for(model))
    try:
        results = Results.model_validate_json(file.read_text())
    except ValidationError as error:
        raise ConfigError(expected, error.errors()[0]["msg"], command_for(model)) from None
    if len({run.connections for run in results.closed}) < 2 or not results.opened:
        found = f"{len(results.closed)} closed and {len(results.opened)} open loops without errors"
        raise ConfigError(f"a lone request, a busy server and a fixed rate in {shown(file)}", found, command_for(model))
    return results


def check_results(results: Results, model: Model, machine: dict[str, Any], settings: dict[str, Any]) -> None:
    """Raises ConfigError if the results are not of this machine, this model and these settings."""
    compared = {
        "this machine": (results.machine, machine),
        "this model": (
            {"version": results.version, "archive": results.sha256[:12]},
            {"version": model.version, "archive": model.sha256[:12]},
        ),
        "these settings": (results.settings, settings),
    }
    for what, (then, now) in compared.items():
        changed = [name for name in {**then, **now} if then.get(name) != now.get(name)]
        if changed:
            found = ", ".join(
                f"{name} {then.get(name, 'unknown')} then and {now.get(name, 'none')} now" for name in changed
            )
            raise ConfigError(f"bench results of {what}", found, command_for(model.name))
