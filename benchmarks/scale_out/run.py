"""The command: benches one replica, predicts one to three, measures them through the edge, writes docs/CAPACITY.md."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, cast

import docker
import typer

from scale_out import page
from scale_out.prediction import CONNECTIONS, open_rate
from scale_out.replicas import MOST, containers, measure, route_to, start
from scale_out.results import FILE, Facts, Measured, Round, read, write
from stackcli import console
from stackcli.base_image import ensure_base_image
from stackcli.bench import Bench, machine_today, run_bench, with_images
from stackcli.bench_results import Results, read_results
from stackcli.compose import Project
from stackcli.engine import connect
from stackcli.errors import StackError
from stackcli.models import Model, find_sample, read_manifest, store_folder
from stackcli.paths import ROOT
from stackcli.queueing import Replica
from stackcli.secrets import write_secrets
from stackcli.settings import Settings, load_settings
from stackcli.testbed import Testbed, interrupt_on_every_signal, open_testbed
from stackcli.tune import pick_version

MODEL, PHOTO_MODEL = "mnist", "efficientnet_lite0"
# Three replicas, the edge and the load generator fit on two cores.
SHARE = {"torchserve_cpus": "0.3", "torchserve_workers": "1", "torchserve_threads": "1"}
# Java compiles what runs often, with a third of a CPU for a long while.
HEATING_SECONDS = 60.0
SERIES = "import urllib.request as u, sys; print(u.urlopen(sys.argv[1]).read().decode())"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def bench_one(testbed: Testbed, seconds: float) -> Results:
    """As `scripts/stack bench` does it."""
    with TemporaryDirectory() as folder:
        asked = Bench(testbed.model.name, (), (), seconds, testbed.body, Path(folder))
        run_bench(testbed.client, testbed.project, asked)
        return read_results(Path(folder), testbed.model.name)


def measure_rounds(testbed: Testbed, replica: Replica, rounds: int, seconds: float) -> list[Round]:
    """One, two and three replicas take turns; after each round in the other direction."""
    done = []
    for number in range(rounds):
        counts = range(1, MOST + 1) if number % 2 == 0 else range(MOST, 0, -1)
        for count in counts:
            route_to(testbed, count)
            closed = measure(testbed, seconds, connections=count * CONNECTIONS)
            opened = measure(testbed, seconds, rate=open_rate(replica, count))
            console.say(
                f"round {number + 1}, {count} replicas: {closed.rate:.0f} requests/s, p99 {opened.p99_ms:.0f} ms, "
                f"edge {closed.edge.cpu_ms:.3f} CPU-ms"
            )
            done.append(Round(count, closed, opened))
    return done


def count_series(testbed: Testbed, facts: str, url: str) -> int:
    """That `url` shows to who asks in the container `facts`."""
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
        torchserve_image=client.images.get(settings.image).attrs["Size"],
        edge_image=client.images.get(settings.edge_image).attrs["Size"],
        archives=sum(file.stat().st_size for file in store_folder(settings).glob("*.mar")),
        torchserve_series=count_series(testbed, "torchserve", "http://localhost:8082/metrics"),
        edge_series=count_series(testbed, "edge", "http://localhost:8404/metrics?no-maint")
        + count_series(testbed, "edge", "http://localhost:8405/metrics"),
        body=testbed.body.stat().st_size,
        photo=photo.stat().st_size,
    )


@app.command()
def main(
    rounds: Annotated[int, typer.Option(min=1)] = 4,
    seconds: Annotated[float, typer.Option(min=1, help="Of each run.")] = 8.0,
    page_only: Annotated[
        bool, typer.Option("--page-only", help="Write the page from what was measured before.")
    ] = False,
) -> None:
    """Measure one, two and three replicas of mnist, each with its own share of the CPUs, against the prediction."""
    if not page_only:
        write(measure_all(rounds, seconds))
    page.DOCUMENT.write_text(page.render(read()))
    console.done(f"{page.DOCUMENT}, figures: {FILE}")


def measure_all(rounds: int, seconds: float) -> Measured:
    settings = load_settings(ROOT, os.environ)
    client, secrets = connect(), write_secrets()
    project = Project(settings, ensure_base_image(client, settings, secrets, "auto", False), secrets)
    project = with_images(client, project, ("torchserve", "edge", "load"))
    models = read_manifest(settings).models
    model = pick_version(models, MODEL, None)
    body = find_sample(model, settings)
    assert body is not None, f"a sample of {MODEL}"
    interrupt_on_every_signal()
    own = replace(project, settings=settings.model_copy(update=SHARE))
    with open_testbed(client, own, model, body) as testbed:
        start(testbed)
        route_to(testbed, MOST)
        console.phase("Heating them…")
        measure(testbed, HEATING_SECONDS, connections=MOST * CONNECTIONS)
        console.phase("One replica alone…")
        bench = bench_one(testbed, seconds)
        console.phase("One, two and three…")
        measured = measure_rounds(testbed, bench.replica(), rounds, seconds)
        return Measured(bench, measured, find_facts(testbed, settings, pick_version(models, PHOTO_MODEL, None)))


if __name__ == "__main__":
    try:
        app()
    except StackError as error:
        console.fail(str(error))
        sys.exit(1)
