"""The command: benches one replica, predicts one to three, measures them, writes docs/evidence/capacity.md."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, replace
from math import inf
from typing import Annotated, cast

import docker
import typer

from scale_out import page
from scale_out.prediction import CONNECTIONS, open_rate
from scale_out.replicas import MOST, containers, measure, route_to, start
from scale_out.results import FILE, Facts, Loaded, Measured, read, write
from stackcli.bench import load
from stackcli.bench.run import QUICK_CONNECTIONS, describe, open_rates, path_of, settings_in_force
from stackcli.build.base_image import ensure_base_image
from stackcli.build.images import ensure_images
from stackcli.common import console
from stackcli.common.command import run as run_command
from stackcli.common.paths import ROOT
from stackcli.machine.describe import machine_today
from stackcli.machine.engine import connect
from stackcli.machine.registries import write_secrets
from stackcli.plan.measured import Results
from stackcli.project.compose import Project
from stackcli.project.settings import Settings, load_settings
from stackcli.store.manifest import Model, find_sample, pick_version, read_manifest, store_folder
from stackcli.tune.testbed import Testbed, interrupt_on_every_signal, open_testbed

MODEL, PHOTO_MODEL = "mnist", "efficientnet_lite0"
# Three replicas, the edge and the load generator fit on two cores.
SHARE = {"torchserve_cpus": "0.3", "torchserve_workers": "1", "torchserve_threads": "1"}
# Java compiles what runs often, with a third of a CPU for a long while.
HEATING_SECONDS = 45.0
WARM_UP_SECONDS = 1.0
SERIES = "import urllib.request as u, sys; print(u.urlopen(sys.argv[1]).read().decode())"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def in_turns(number: int) -> list[int]:
    """Returns the order of one, two and three replicas, reversed in every second round."""
    counts = list(range(1, MOST + 1))
    return counts if number % 2 == 0 else counts[::-1]


def measure_all(testbed: Testbed, settings: Settings, photo_model: Model, rounds: int, seconds: float) -> Measured:
    """Alternates one benched replica with one, two and three behind the edge, so that disturbances affect all alike."""

    def straight(connections: int | None = None, rate: float | None = None) -> load.Run:
        path = path_of(testbed.model)
        loads = {"connections": connections, "rate": rate, "seconds": seconds, "warmup": WARM_UP_SECONDS}
        return load.measure(testbed.project, testbed.client, path, testbed.body, **loads)  # type: ignore[arg-type]

    def describe_bench(runs: list[load.Run]) -> Results:
        container = load.find_server(testbed.client, testbed.project)
        served = settings_in_force(container, testbed.project.settings, testbed.model)
        about = describe(testbed.client, testbed.model, testbed.body)
        return Results.model_validate({**about, "settings": served, "runs": [asdict(run) for run in runs]})

    console.phase("One replica straight, and one, two and three behind the edge…")
    lone: dict[int, list[load.Run]] = {connections: [] for connections in (1, *QUICK_CONNECTIONS)}
    closed: list[Loaded] = []
    for number in range(rounds):
        for connections, runs in lone.items():
            runs.append(straight(connections))
        for count in in_turns(number):
            route_to(testbed, count)
            run = measure(testbed, seconds, connections=count * CONNECTIONS)
            closed.append(Loaded(number + 1, count, run))
            console.say(f"{count}: {run.rate:.0f} requests/s, edge {run.edge.cpu_ms:.3f} CPU-ms")
    benched = [median_of(runs, lambda run: run.achieved_rate) for runs in lone.values()]
    replica = describe_bench(benched).replica()
    rates = open_rates(max(run.achieved_rate for run in benched))
    alone: dict[float, list[load.Run]] = {rate: [] for rate in rates}
    opened: list[Loaded] = []
    for number in range(max(1, rounds // 3)):
        for rate, runs in alone.items():
            runs.append(straight(rate=rate))
        for count in in_turns(number):
            route_to(testbed, count)
            run = measure(testbed, seconds, rate=open_rate(replica, count))
            opened.append(Loaded(number + 1, count, run))
            console.say(f"{count}: p99 {run.p99_ms:.0f} ms")
    benched += [
        median_of(runs, lambda run: run.latency_ms["p99"] if run.latency_ms else inf) for runs in alone.values()
    ]
    best = [run.achieved_rate for run in lone[QUICK_CONNECTIONS[-1]]]
    return Measured(describe_bench(benched), best, closed, opened, find_facts(testbed, settings, photo_model))


def median_of(runs: list[load.Run], figure: Callable[[load.Run], float]) -> load.Run:
    """Returns the median run."""
    return sorted(runs, key=figure)[len(runs) // 2]


def count_series(testbed: Testbed, facts: str, url: str) -> int:
    """Counts the time series that `url` exports, asked from the container `facts`."""
    edge, replicas = containers(testbed)
    container = edge if facts == "edge" else replicas[0]
    text = cast("bytes", container.exec_run(["python3", "-c", SERIES, url]).output).decode()
    return sum(not line.startswith("#") for line in text.splitlines() if line)


def find_facts(testbed: Testbed, settings: Settings, photo_model: Model) -> Facts:
    client: docker.DockerClient = testbed.client
    photo = find_sample(photo_model, settings)
    assert photo is not None, f"a sample of {photo_model.name}"
    return Facts(
        machine=machine_today(client),
        torchserve_image=client.images.get(settings.image_of("torchserve")).attrs["Size"],
        edge_image=client.images.get(settings.image_of("edge")).attrs["Size"],
        archives=sum(file.stat().st_size for file in store_folder(settings).glob("*.mar")),
        torchserve_series=count_series(testbed, "torchserve", "http://localhost:8082/metrics"),
        edge_series=count_series(testbed, "edge", "http://localhost:8404/metrics?no-maint")
        + count_series(testbed, "edge", "http://localhost:8405/metrics"),
        body=testbed.body.stat().st_size,
        photo=photo.stat().st_size,
    )


@app.command()
def main(
    rounds: Annotated[int, typer.Option(min=1)] = 6,
    seconds: Annotated[float, typer.Option(min=1, help="How long to measure each run.")] = 3.0,
    page_only: Annotated[bool, typer.Option("--page-only", help="Write the page from the earlier results.")] = False,
) -> None:
    """Measure one, two and three replicas of mnist, each with its own share of the CPUs, against the prediction."""
    if not page_only:
        write(measure_on_this_machine(rounds, seconds))
    page.DOCUMENT.write_text(page.render(read()))
    console.done(f"{page.DOCUMENT}, results: {FILE}")


def measure_on_this_machine(rounds: int, seconds: float) -> Measured:
    settings = load_settings(ROOT, os.environ)
    client, secrets = connect(), write_secrets()
    project = Project(settings, ensure_base_image(client, settings, secrets, "auto", False), secrets)
    ensure_images(client, project, ("torchserve", "edge", "load"))
    models = read_manifest(settings).models
    model = pick_version(models, MODEL, None)
    body = find_sample(model, settings)
    assert body is not None, f"a sample of {MODEL}"
    interrupt_on_every_signal()
    own = replace(project, settings=settings.model_copy(update=SHARE))
    with open_testbed(client, own, model, body) as testbed:
        start(testbed)
        route_to(testbed, MOST)
        console.phase("Warming up…")
        measure(testbed, HEATING_SECONDS, connections=MOST * CONNECTIONS)
        return measure_all(testbed, settings, pick_version(models, PHOTO_MODEL, None), rounds, seconds)


if __name__ == "__main__":
    run_command(app)
