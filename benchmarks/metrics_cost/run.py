"""The command: serves mnist with metrics and without, loads both by turns, writes docs/evidence/metrics-cost.md."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from itertools import cycle
from pathlib import Path
from statistics import mean, median, stdev
from threading import Event
from typing import Annotated

import docker
import requests
import typer
from docker.errors import APIError
from docker.models.containers import Container

from stackcli.bench.load import Run, find_server, read_stats
from stackcli.build.base_image import ensure_base_image
from stackcli.build.images import ensure_images
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
from stackcli.tune.testbed import Testbed, interrupt_on_every_signal, open_testbed

MODEL = "mnist"
OUT = ROOT / "artifacts" / "metrics_cost" / "results.json"
DOCUMENT = ROOT / "docs/evidence/metrics-cost.md"
OVERLAY = "compose.yaml:benchmarks/metrics_cost/compose.yaml"
WAYS = ("off", "on")
CONNECTIONS = 64  # to each
TURN_SECONDS = 0.5
# Java compiles hot code: before that, two servers are not comparable.
HEATING_SECONDS, WARM_UP_SECONDS = 10.0, 1.0
SCRAPES = 50
SCRAPE_SECONDS = 10.0
MAX_COST = 0.03  # what all metrics together may cost

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@dataclass(frozen=True)
class Pair:
    """One round, without metrics and with them. rates: requests/s; cpu: µs of the container per request."""

    start: int
    rates: tuple[float, float]
    cpu: tuple[float, float]


@contextmanager
def switched(way: str) -> Iterator[None]:
    """Sets the variables that Compose reads; running containers do not read them again."""
    before = {name: os.environ.get(name) for name in ("STACK_METRICS", "COMPOSE_FILE")}
    os.environ.update(STACK_METRICS=way, COMPOSE_FILE=OVERLAY)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def measure_both(testbeds: dict[str, Testbed], seconds: float, warmup: float) -> list[Run]:
    """Measures `seconds` of load for each way, in the order of WAYS."""
    over = Event()
    with ThreadPoolExecutor(len(WAYS) + 1) as pool:
        turns = pool.submit(take_turns, testbeds, over)
        try:
            runs = list(pool.map(lambda way: measure(testbeds[way], 2 * seconds, 2 * warmup), WAYS))
        finally:
            over.set()
        turns.result()
    return runs


def take_turns(testbeds: dict[str, Testbed], over: Event) -> None:
    """Pauses one load generator while the other runs, so that other load affects both servers alike."""
    for way in cycle(WAYS):
        for other, testbed in testbeds.items():
            for generator in generators(testbed):
                # It may have ended, or be in that state already.
                with suppress(APIError):
                    generator.unpause() if other == way else generator.pause()
        if over.wait(TURN_SECONDS):
            return


def generators(testbed: Testbed) -> list[Container]:
    project = testbed.project.settings.compose_project_name
    labels = [f"com.docker.compose.project={project}", "com.docker.compose.service=load"]
    return testbed.client.containers.list(filters={"label": labels})


def measure(testbed: Testbed, seconds: float, warmup: float) -> Run:
    run = testbed.measure(connections=CONNECTIONS, seconds=seconds, warmup=warmup)
    if run.errors or set(run.statuses) != {"200"} or run.cpu_ms is None:
        raise ServeError("only answers with status 200", f"{run.errors} {run.statuses}", "the servers' logs")
    return run


def measure_pairs(testbeds: dict[str, Testbed], start: int, rounds: int, seconds: float) -> list[Pair]:
    """Restarts both servers and measures the rounds."""
    for way, testbed in testbeds.items():
        with switched(way):
            testbed.serve(None)
        check_switch(testbed, way)
    measure_both(testbeds, HEATING_SECONDS, 0)
    pairs = []
    for number in range(rounds):
        off, on = measure_both(testbeds, seconds, WARM_UP_SECONDS)
        cpu = ((off.cpu_ms or 0) * 1000, (on.cpu_ms or 0) * 1000)
        pairs.append(Pair(start, (2 * off.achieved_rate, 2 * on.achieved_rate), cpu))  # of half the time
        console.say(f"start {start}, round {number + 1}: {cpu[0]:.1f} and {cpu[1]:.1f} µs per request")
    return pairs


def metrics_url(testbed: Testbed) -> str:
    published = (find_server(testbed.client, testbed.project).ports["8082/tcp"] or [])[0]
    return f"http://{published['HostIp']}:{published['HostPort']}/metrics"


def check_switch(testbed: Testbed, way: str) -> None:
    """Raises ServeError if a server exports metrics when it should not, or the reverse."""
    exported = "\nmodel_requests_total{" in ask(metrics_url(testbed))
    if exported != (way == "on"):
        raise ServeError(f"metrics {way}", "on" if exported else "off", "an image built of this checkout")


def ask(url: str) -> str:
    answer = requests.get(url, timeout=SCRAPE_SECONDS)
    answer.raise_for_status()
    return answer.text


def measure_scrape(testbed: Testbed) -> float:
    """Returns the container's CPU time per request in ms."""
    container, url = find_server(testbed.client, testbed.project), metrics_url(testbed)
    before = read_stats(container)["cpu_stats"]["cpu_usage"]["total_usage"]
    for _ in range(SCRAPES):
        ask(url)
    spent: int = read_stats(container)["cpu_stats"]["cpu_usage"]["total_usage"] - before
    return spent / 1e6 / SCRAPES


@contextmanager
def two_servers(
    client: docker.DockerClient, project: Project, model: Model, body: Path
) -> Iterator[dict[str, Testbed]]:
    with ExitStack() as opened:
        testbeds = {}
        for way in WAYS:
            name = f"{project.settings.compose_project_name}-{way}"
            settings = project.settings.model_copy(update={"compose_project_name": name})
            with switched(way):
                own = open_testbed(client, replace(project, settings=settings), model, body)
                testbeds[way] = opened.enter_context(own)
        yield testbeds


def changes(figures: list[tuple[float, float]]) -> list[float]:
    """Returns each pair's change: on over off."""
    return [on / off - 1 for off, on in figures]


def spread(figures: list[tuple[float, float]]) -> str:
    found = changes(figures)
    return f"{median(found):+.1%} ({min(found):+.1%} to {max(found):+.1%})"


def verdict(pairs: list[Pair]) -> str:
    """Judges the CPU time, which varies less than throughput; two standard errors cover about 95 of 100 runs."""
    found = changes([pair.cpu for pair in pairs])
    if len(found) < 2:
        return "One round shows nothing."
    error = 2 * stdev(found) / len(found) ** 0.5
    cost = f"The mean change of the CPU time per request is {mean(found):+.1%} ± {error:.1%} (two standard errors)"
    if mean(found) + error <= MAX_COST:
        return f"{cost}: at most {MAX_COST:.0%}."
    if mean(found) - error > MAX_COST:
        return f"{cost}: more than {MAX_COST:.0%}."
    return f"{cost}: whether it is at most {MAX_COST:.0%}, this run does not show."


def render(pairs: list[Pair], scrape_ms: dict[str, float], machine: str, seconds: float) -> str:
    """Renders docs/evidence/metrics-cost.md."""
    starts = len({pair.start for pair in pairs})
    text = f"""# What the metrics cost

Written by `benchmarks/metrics_cost/run`; change nothing here by hand. {machine}.
Two servers of mnist, one that counts requests and one that does not (`STACK_METRICS=off`), are loaded in turns of
{TURN_SECONDS:g} s with {CONNECTIONS} connections each, {len(pairs)} rounds of {seconds:g} s for each; both are started
{starts} times. The load generator shares their cores. The CPU time is that of the whole container, as the kernel counts
it. The change is computed for each round's pair: the median, with the smallest and the largest in brackets. Metrics are
not scraped meanwhile.

{verdict(pairs)}

| | metrics off | on | change |
|---|---|---|---|
"""
    for name, figures, form in (
        ("CPU time per request, µs", [pair.cpu for pair in pairs], ".0f"),
        ("requests/s", [pair.rates for pair in pairs], ",.0f"),
    ):
        off, on = (median(column) for column in zip(*figures, strict=True))
        text += f"| {name} | {off:{form}} | {on:{form}} | {spread(figures)} |\n"
    off_ms, on_ms = (scrape_ms[way] for way in WAYS)
    text += f"| CPU time of one scrape, ms | {off_ms:.1f} | {on_ms:.1f} | |\n\nEvery round:\n\n"
    text += "| start | CPU off, µs | on | requests/s off | on |\n|---|---|---|---|---|\n"
    for pair in pairs:
        cells = [str(pair.start), *(f"{value:.1f}" for value in pair.cpu), *(f"{rate:,.0f}" for rate in pair.rates)]
        text += f"| {' | '.join(cells)} |\n"
    return text


@app.command()
def main(
    starts: Annotated[int, typer.Option(min=1, help="How often to start both servers.")] = 3,
    rounds: Annotated[int, typer.Option(min=1, help="How many rounds to measure after each start.")] = 4,
    seconds: Annotated[float, typer.Option(min=1, help="How long to measure each server per round.")] = 5.0,
) -> None:
    """Measure mnist with metrics and without, in turns."""
    settings = load_settings(ROOT, os.environ)
    client, secrets = connect(), write_secrets()
    project = Project(settings, ensure_base_image(client, settings, secrets, "auto", False), secrets)
    ensure_images(client, project, ("torchserve", "load"))
    model = pick_version(read_manifest(settings).models, MODEL, None)
    sample = next(sample for sample in model.samples if sample.expected is not None)
    body = store_folder(settings) / "samples" / f"{model.name}-{model.version}" / sample.file
    interrupt_on_every_signal()
    pairs: list[Pair] = []
    with two_servers(client, project, model, body) as testbeds:
        for start in range(1, starts + 1):
            pairs += measure_pairs(testbeds, start, rounds, seconds)
        scrape_ms = {way: measure_scrape(testbed) for way, testbed in testbeds.items()}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"pairs": [asdict(pair) for pair in pairs], "scrape_ms": scrape_ms}, indent=1) + "\n")
    DOCUMENT.write_text(render(pairs, scrape_ms, machine_today(client), seconds))
    console.done(f"{DOCUMENT}, results: {OUT}")


if __name__ == "__main__":
    run_command(app)
