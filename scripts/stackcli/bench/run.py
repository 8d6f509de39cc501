"""`scripts/stack bench`: measures a model at several concurrencies and rates; writes results.json and a page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import docker
from docker.models.containers import Container
from rich.markup import escape
from rich.table import Table

from stackcli.bench.load import Run, find_server, measure, name_of, run_generator
from stackcli.build.images import with_images
from stackcli.common import console
from stackcli.common.errors import ConfigError, ServeError
from stackcli.common.paths import shown
from stackcli.machine.describe import describe_machine
from stackcli.project.compose import Project
from stackcli.project.inside import read_models
from stackcli.project.settings import Settings
from stackcli.store.manifest import Model, find_sample, label_of, pick_model, read_manifest
from stackcli.store.tuned import read_tuned

# Load before the first run: Java's JIT needs some 10,000 requests of a small model to compile the hot paths.
WARM_UP_SECONDS, WARM_UP_CONNECTIONS = 5.0, 8
SLOW_MS = 50.0  # if a lone request takes longer, a few connections keep the server busy
QUICK_CONNECTIONS, SLOW_CONNECTIONS = (8, 64), (4,)
RATE_SHARES = (0.3, 0.5, 0.7, 0.9)  # of the closed loop's best rate
PERCENTILES = ("p50", "p90", "p99", "p99.9", "max")


@dataclass(frozen=True)
class Bench:
    """The command's options. `model` None: the most accurate; without rates and connections: default_runs."""

    model: str | None
    rates: tuple[float, ...]
    connections: tuple[int, ...]
    seconds: float
    file: Path | None
    out: Path


def run_bench(client: docker.DockerClient, project: Project, bench: Bench) -> Path:
    """Measures the runs, writes results and report, and returns the report's path. Raises StackError."""
    container = find_server(client, project)
    model = pick_model(read_manifest(project.settings).models, bench.model)
    body = pick_file(bench.file, model, project.settings)
    folder = bench.out / model.name
    folder.mkdir(parents=True, exist_ok=True)
    console.phase("Checking the load generator…")
    project = with_images(client, project, ("load",))
    console.phase(f"Measuring {model.name} {model.version} with {shown(body)}…")
    warm_up(client, project, model, body)

    def run(connections: int | None = None, rate: float | None = None) -> Run:
        return measure(project, client, path_of(model), body, connections=connections, rate=rate, seconds=bench.seconds)

    asked = bench.rates or bench.connections
    results: dict[str, Any] = {
        **describe(client, model, body),
        "settings": settings_in_force(container, project.settings, model),
        "runs": [],
    }
    runs: list[Run] = []
    for done in asked_runs(run, bench) if asked else default_runs(run):
        runs.append(done)
        results["runs"].append(asdict(done))
        # Written after each run, so that an interrupted bench keeps what it has measured.
        (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    console.out.print(runs_table(runs))
    if any(done.generator_limited for done in runs):
        console.warn("the load generator limited the runs marked with *: this machine is too small or too busy")
    files = {"/results.json": folder / "results.json"}
    (folder / "report.html").write_text(run_generator(project, ["report", "/results.json", "-"], files))
    console.done(f"report: {shown(folder / 'report.html')}, results: {shown(folder / 'results.json')}")
    return folder / "report.html"


def pick_file(file: Path | None, model: Model, settings: Settings) -> Path:
    """Returns the named file, or the model's first sample. Raises ConfigError."""
    body = file or find_sample(model, settings)
    if body is None or not body.is_file():
        found = str(file) if file else f"no sample in {settings.model_store}/samples/{model.name}-{model.version}"
        raise ConfigError(f"an image for {model.name}", found, "--file IMAGE")
    return body


def warm_up(client: docker.DockerClient, project: Project, model: Model, body: Path) -> None:
    """Sends load whose metrics are discarded. Raises ServeError if no request is answered."""
    run = measure(
        project, client, path_of(model), body, connections=WARM_UP_CONNECTIONS, seconds=WARM_UP_SECONDS, warmup=0
    )
    if run.latency_ms is None:
        statuses = [f"{count} × HTTP {status}" for status, count in run.statuses.items()]
        errors = [f"{count} × {kind}" for kind, count in run.errors.items() if kind != "non-2xx"]
        found = ", ".join(statuses + errors) or "nothing"
        raise ServeError(f"an answer of {model.name}", found, f"`scripts/stack predict {model.name} {shown(body)}`")


def path_of(model: Model) -> str:
    """Returns the model's path with its version, so that the default version does not matter."""
    return f"{model.name}/{model.version}"


def asked_runs(run: Callable[..., Run], bench: Bench) -> Iterator[Run]:
    for connections in bench.connections:
        yield run(connections=connections)
    for rate in bench.rates:
        yield run(rate=rate)


def default_runs(run: Callable[..., Run]) -> Iterator[Run]:
    """Runs closed loops from one connection to a busy server, then open loops at shares of their best rate."""
    lone = run(connections=1)
    yield lone
    best = lone.achieved_rate
    for connections in further_connections(lone):
        closed = run(connections=connections)
        yield closed
        best = max(best, closed.achieved_rate)
    for rate in open_rates(best):
        yield run(rate=rate)


def further_connections(lone: Run) -> tuple[int, ...]:
    is_slow = lone.latency_ms is None or lone.latency_ms["p50"] > SLOW_MS
    return SLOW_CONNECTIONS if is_slow else QUICK_CONNECTIONS


def open_rates(best: float) -> list[float]:
    """Returns the rates of the open loops: requests/s, to three digits; [] if `best` is 0."""
    return [float(f"{share * best:.3g}") for share in RATE_SHARES if best > 0]


def describe(client: docker.DockerClient, model: Model, body: Path) -> dict[str, Any]:
    """Describes what the results apply to: date, machine, model and image."""
    return {
        "date": datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        "machine": describe_machine(client),
        "model": model.name,
        "version": model.version,
        "sha256": model.sha256,
        "engine": model.engine,
        "trained": model.trained,
        "sample": {"file": body.name, "bytes": body.stat().st_size},
    }


def settings_in_force(container: Container, settings: Settings, model: Model) -> dict[str, Any]:
    """Returns the model's settings as TorchServe reports them, and the container's limits. Raises ServeError."""
    key = (model.name, model.version)
    served = next((one for one in read_models(container) if (one["modelName"], one["modelVersion"]) == key), None)
    if served is None:
        raise ServeError(f"{model.name} {model.version} among the served models", "it is not", "`scripts/stack doctor`")
    return {
        "workers": len(served["workers"]),
        "batchSize": served["batchSize"],
        "maxBatchDelay": f"{0 if is_greedy(settings, model) else served['maxBatchDelay']} ms",
        "TORCHSERVE_CPUS": "all" if float(settings.torchserve_cpus) == 0 else settings.torchserve_cpus,
        "TORCHSERVE_MEMORY": settings.torchserve_memory,
    }


def is_greedy(settings: Settings, model: Model) -> bool:
    """Tells whether the model is batched without waiting; TorchServe then reports a maxBatchDelay of 1 ms."""
    tuned = read_tuned(settings).get(label_of(model))
    return {**model.serving, **(tuned.settings if tuned else {})}.get("maxBatchDelay") == 0


def runs_table(runs: list[Run]) -> Table:
    columns = ("load", "achieved/s", *(f"{name} ms" for name in PERCENTILES), "CPU-ms", "memory MiB", "errors")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, justify="left" if column in ("load", "errors") else "right")
    for run in runs:
        name = name_of(run.connections if run.mode == "closed" else None, run.offered_rate)
        latencies = [f"{run.latency_ms[name]:.2f}" if run.latency_ms else "-" for name in PERCENTILES]
        errors = ", ".join(f"{count} {kind}" for kind, count in run.errors.items())
        table.add_row(
            f"{name}{' *' if run.generator_limited else ''}",
            f"{run.achieved_rate:.1f}",
            *latencies,
            f"{run.cpu_ms:.2f}" if run.cpu_ms is not None else "-",
            f"{run.memory_after.used / 2**20:.0f}",
            f"[red]{escape(errors)}[/red]" if errors else "0",
        )
    return table
