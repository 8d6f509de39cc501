"""The command: measures every chosen peer, table and model, one server at a time, then writes the report."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import docker
import typer
from docker.errors import APIError

from peers import archives, containers, images, report
from peers.errors import PeerFailure
from peers.measure import Plan, measure
from peers.ours import clean_up, run_ours
from peers.peer import OURS, TABLES, Peer, PeerError, Table, peer_names, read_peer
from peers.results import Failure, Results, describe_machine, load_results
from peers.tasks import CONNECTIONS, Task, make_task
from peers.wire import frame
from peers.wrk import Load, load_container
from stackcli.build.base_image import ensure_base_image
from stackcli.build.images import ensure_images
from stackcli.common import console
from stackcli.common.errors import ConfigError, StackError
from stackcli.common.paths import ROOT
from stackcli.machine.engine import connect
from stackcli.machine.registries import write_secrets
from stackcli.project.compose import Project
from stackcli.project.settings import load_settings

OUT = ROOT / "artifacts" / "peers"
RESULTS = OUT / "results.json"
MODELS = OUT / "models"
# Every peer's image holds the workload; this one says what the right answers are.
REFERENCE = "fastapi"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@dataclass(frozen=True)
class Options:
    """The command's options; `seconds`: of each measured run, `warmup`: before the first."""

    peers: list[Peer]
    models: list[str]
    tables: list[Table]
    seconds: int
    warmup: int
    engine: str
    precision: str
    workers: int
    threads: int

    @property
    def is_complete(self) -> bool:
        return len(self.peers) == len(peer_names()) and self.tables == list(TABLES) and self.models == list(CONNECTIONS)

    def task(self, table: Table, model: archives.Unpacked) -> Task:
        return make_task(table, model.name, self.engine, self.precision or model.precision, self.workers, self.threads)


@dataclass(frozen=True)
class Bench:
    """What all measurements share: the load's container and, per model, its image and the right answer to it."""

    client: docker.DockerClient
    project: Project
    load: Load
    served: dict[str, archives.Unpacked]
    expected: dict[str, Any]

    def measure(self, peer: Peer, task: Task, options: Options, results: Results) -> None:
        """Measures a peer and adds the runs, or the failure, to `results`."""
        plan = Plan(CONNECTIONS[task.model], options.seconds, options.warmup, OUT / "logs")
        start = (
            partial(run_ours, self.client, peer, task, self.project)
            if peer.id == OURS
            else partial(containers.run_peer, self.client, peer, task, images.image_of(peer.build), MODELS)
        )
        request = frame(peer, task.model, self.served[task.model].image)
        results.names[peer.id] = peer.name
        results.forget(peer.id, task.table, task.model)
        try:
            measured = measure(peer, task, plan, self.load, request, self.expected[task.model], start)
        except (StackError, APIError) as error:
            reason = str(error.explanation) if isinstance(error, APIError) and error.explanation else str(error)
            console.refuse(f"{peer.name}: {reason}")
            results.failures.append(Failure(peer.id, task.table, task.model, reason))
        else:
            results.runs += measured.runs
            results.versions[peer.id] = measured.versions
        results.save(RESULTS)


@contextmanager
def prepared(client: docker.DockerClient, project: Project, options: Options) -> Iterator[Bench]:
    """Builds the images, unpacks the archives, computes the right answers and starts network and load container."""
    console.phase("Building the peers…")
    for folder in dict.fromkeys([REFERENCE, *(peer.build for peer in options.peers if peer.id != OURS)]):
        images.build(project, folder)
    containers.remove_stale(client)
    served = {one.name: one for one in archives.unpack(project.settings, options.models, MODELS)}
    answers = {name: images.reference_answers(client, REFERENCE, one, str(MODELS)) for name, one in served.items()}
    expected = {name: json.loads(text)[0] for name, text in answers.items()}
    with (
        containers.network(client),
        load_container(client, project.settings.image_of("load"), OUT / "requests") as load,
    ):
        try:
            yield Bench(client, project, load, served, expected)
        finally:
            if any(peer.id == OURS for peer in options.peers):
                clean_up(project)


def run_all(client: docker.DockerClient, project: Project, options: Options, results: Results) -> None:
    """Measures one server at a time; saves the results after each."""
    with prepared(client, project, options) as bench:
        results.untrained = sorted(name for name, one in bench.served.items() if not one.is_trained)
        for peer in options.peers:
            for table in (table for table in options.tables if table in peer.tables):
                for model in options.models:
                    console.phase(f"{peer.name}, {table}, {model}…")
                    bench.measure(peer, options.task(table, bench.served[model]), options, results)


def warn_of_others(client: docker.DockerClient) -> None:
    """Warns of other load on this machine, which would affect the results."""
    running = [container.name or "" for container in client.containers.list()]
    others = [name for name in running if not name.startswith(containers.PREFIX)]
    if others:
        console.warn(f"other containers are running: {', '.join(others)}; measure on an idle machine")
    if (load := os.getloadavg()[0]) > 0.5:
        console.warn(f"the load average is {load:.1f}; measure on an idle machine")


def chosen(text: str, known: list[str], what: str) -> list[str]:
    """Parses a comma-separated option into known names, in their order; empty: all. Raises ConfigError for others."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise ConfigError(f"{what} out of {', '.join(known)}", name, f"{what} {known[0]}")
    return [name for name in known if name in names or not names]


@app.command()
def main(
    peers: Annotated[str, typer.Option(help="Comma-separated folders of servers/; default: all.")] = "",
    models: Annotated[str, typer.Option(help="mnist, densenet161 or both.")] = "",
    tables: Annotated[str, typer.Option(help="out-of-the-box, equal-engine or both.")] = "",
    seconds: Annotated[int, typer.Option(min=1, help="How long to measure each run.")] = 20,
    warmup: Annotated[int, typer.Option(min=1, help="Seconds of load before the first run of a server.")] = 15,
    engine: Annotated[str, typer.Option(help="Engine of the equal-engine table.")] = "openvino",
    precision: Annotated[str, typer.Option(help="Precision of the equal-engine table; default: the archive's.")] = "",
    workers: Annotated[int, typer.Option(min=1, help="Processes in the equal-engine table.")] = os.cpu_count() or 1,
    threads: Annotated[int, typer.Option(min=1, help="Threads per process in the equal-engine table.")] = 1,
    add: Annotated[bool, typer.Option("--add", help="Keep earlier results that are not measured again.")] = False,
    report_only: Annotated[bool, typer.Option("--report-only", help="Write docs/ from the last results.")] = False,
) -> None:
    """Measure the other model servers and this stack, side by side, and write docs/evidence/peers.md."""
    known = [read_peer(name) for name in peer_names()]
    settings = load_settings(ROOT, os.environ)
    client, secrets = connect(), write_secrets()
    project = Project(settings, ensure_base_image(client, settings, secrets, "auto", False), secrets)
    # With wrk and matplotlib.
    ensure_images(client, project, ("load",))
    if report_only:
        report.write(client, settings.image_of("load"), RESULTS, known, ROOT / "docs/evidence")
        return
    options = Options(
        [peer for peer in known if peer.id in chosen(peers, peer_names(), "--peers")],
        chosen(models, list(CONNECTIONS), "--models"),
        [table for table in TABLES if table in chosen(tables, list(TABLES), "--tables")],
        seconds,
        warmup,
        engine,
        precision,
        workers,
        threads,
    )
    warn_of_others(client)
    asked = {key: value for key, value in vars(options).items() if key not in ("peers", "models", "tables")}
    results = load_results(RESULTS) if add and RESULTS.is_file() else Results(describe_machine(client), asked)
    run_all(client, project, options, results)
    # docs/ shows the complete comparison only.
    folder = ROOT / "docs/evidence" if options.is_complete or add else OUT
    report.write(client, settings.image_of("load"), RESULTS, known, folder)
    if results.failures:
        raise PeerFailure("every server to be measured", f"{len(results.failures)} that were not", f"{OUT}/logs")


if __name__ == "__main__":
    try:
        app()
    except (StackError, PeerError) as error:
        console.fail(error)
        sys.exit(1)
