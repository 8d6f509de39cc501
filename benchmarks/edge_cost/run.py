"""The command: measures both ways in turns on the running stack, and writes docs/evidence/edge-cost.md."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from statistics import median
from typing import Annotated

import typer

from stackcli.bench.load import find_server, run_generator
from stackcli.build.images import with_images
from stackcli.common import console
from stackcli.common.command import run as run_command
from stackcli.common.errors import ServeError
from stackcli.common.paths import ROOT
from stackcli.machine.describe import machine_today
from stackcli.machine.engine import connect
from stackcli.machine.registries import write_secrets
from stackcli.project.compose import Project
from stackcli.project.settings import load_settings
from stackcli.store.manifest import Model, pick_version, read_manifest, store_folder

OUT = ROOT / "artifacts" / "edge_cost" / "results.json"
DOCUMENT = ROOT / "docs/evidence/edge-cost.md"
WAYS = {"straight": "http://torchserve:8080", "through the edge": "http://edge:8000"}
# Connections with a small model and with a large one: one for latency, more for throughput.
LOADS = {"mnist": (1, 64), "efficientnet_lite0": (1, 4)}
WARM_UP_SECONDS = 2

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@dataclass(frozen=True)
class Row:
    """One model at a number of connections: every round's metrics, by way. rates: requests/s; p50, p99: ms."""

    model: str
    connections: int
    rates: dict[str, list[float]]
    p50: dict[str, list[float]]
    p99: dict[str, list[float]]


def measure(project: Project, model: Model, connections: int, rounds: int, seconds: int) -> Row:
    """Measures the two ways in turns; after each round the other one goes first."""
    sample = next(sample for sample in model.samples if sample.expected is not None)
    body = store_folder(project.settings) / "samples" / f"{model.name}-{model.version}" / sample.file
    row = Row(model.name, connections, no_figures(), no_figures(), no_figures())
    for number in range(rounds):
        for way in list(WAYS) if number % 2 == 0 else list(reversed(WAYS)):
            console.say(f"{model.name}, {connections} connections, {way}")
            url = f"{WAYS[way]}/predictions/{model.name}/{model.version}"
            options = [f"--connections={connections}", f"--seconds={seconds}", f"--warmup={WARM_UP_SECONDS}"]
            figures = json.loads(
                run_generator(project, ["run", f"--url={url}", "--body=/body", *options], {"/body": body})
            )
            if figures["errors"]:
                raise ServeError("no errors", str(figures["errors"]), "the servers' logs")
            row.rates[way].append(figures["achieved_rate"])
            row.p50[way].append(figures["latency_ms"]["p50"])
            row.p99[way].append(figures["latency_ms"]["p99"])
    return row


def no_figures() -> dict[str, list[float]]:
    return {way: [] for way in WAYS}


def render(rows: list[Row], machine: str, rounds: int, seconds: int) -> str:
    """Renders docs/evidence/edge-cost.md."""
    text = f"""# What the edge costs

Written by `benchmarks/edge_cost/run`; change nothing here by hand. {machine}.
The load generator, the edge and TorchServe share the cores. TorchServe is asked directly and through the edge in
turns, {rounds} rounds of {seconds} s each. The figures are medians; the cost is computed for each round's pair, with
the smallest and the largest in brackets, which shows how far apart two runs on such a machine are.

| model | connections | requests/s direct | edge | cost | p50 direct | edge | p99 direct | edge |
|---|---|---|---|---|---|---|---|---|
"""
    for row in rows:
        rate, p50, p99 = ([median(figures[way]) for way in WAYS] for figures in (row.rates, row.p50, row.p99))
        costs = [1 - edge / straight for straight, edge in zip(*(row.rates[way] for way in WAYS), strict=True)]
        spread = f"{median(costs):.0%} ({min(costs):.0%} to {max(costs):.0%})"
        cells = [row.model, str(row.connections), f"{rate[0]:,.0f}", f"{rate[1]:,.0f}", spread]
        cells += [f"{value:.2f} ms" for value in (*p50, *p99)]
        text += f"| {' | '.join(cells)} |\n"
    return text


@app.command()
def main(rounds: Annotated[int, typer.Option(min=1)] = 4, seconds: Annotated[int, typer.Option(min=1)] = 8) -> None:
    """Measure the running stack directly and through the edge, in turns."""
    settings = load_settings(ROOT, os.environ)
    client = connect()
    project = with_images(client, Project(settings, settings.torchserve_image, write_secrets()), ("load",))
    find_server(client, project)
    models = read_manifest(settings).models
    rows = [
        measure(project, pick_version(models, name, None), connections, rounds, seconds)
        for name, loads in LOADS.items()
        for connections in loads
    ]
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps([vars(row) for row in rows], indent=1) + "\n")
    DOCUMENT.write_text(render(rows, machine_today(client), rounds, seconds))
    console.done(f"{DOCUMENT}, results: {OUT}")


if __name__ == "__main__":
    run_command(app)
