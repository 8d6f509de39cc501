"""The command: finds the maximum rate, loads half of it, kills a worker every minute and samples the memory."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import docker
import typer
from docker.models.containers import Container

from soak.results import Results, Sample, render
from stackcli.bench.load import find_server, read_memory, run_generator
from stackcli.build.base_image import ensure_base_image
from stackcli.build.images import ensure_images
from stackcli.common import console
from stackcli.common.command import run as run_command
from stackcli.common.errors import ServeError
from stackcli.common.paths import ROOT
from stackcli.machine.describe import cpu_name
from stackcli.machine.engine import connect
from stackcli.machine.registries import write_secrets
from stackcli.project.compose import Project
from stackcli.project.settings import load_settings
from stackcli.store.manifest import Model, pick_version, read_manifest, store_folder
from stackcli.tune.testbed import Testbed, interrupt_on_every_signal, open_testbed

MODEL = "mnist"
OUT = ROOT / "artifacts" / "soak"
CONNECTIONS = 64
WARM_UP_SECONDS, MAXIMUM_SECONDS = 10, 15
KILL_SECONDS, SAMPLE_SECONDS = 60.0, 10.0
# What docs/ promises.
WHOLE_MINUTES = 30.0
# In the container: the first worker in the order of the process ids, which it prints.
KILL_A_WORKER = """
import os, pathlib, signal
workers = [int(file.parent.name) for file in pathlib.Path("/proc").glob("[0-9]*/cmdline")
           if b"model_service_worker.py" in file.read_bytes()]
if workers:
    os.kill(min(workers), signal.SIGKILL)
    print(min(workers))
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


class Repeated(threading.Thread):
    """Calls `action` with the seconds since `start` every `seconds`, until `stop`, which raises what it raised."""

    def __init__(self, seconds: float, action: Callable[[float], None]) -> None:
        super().__init__(daemon=True)
        self._seconds, self._action = seconds, action
        self._stopped = threading.Event()
        self._error: Exception | None = None

    def run(self) -> None:
        began = time.monotonic()
        number = 1
        try:
            while not self._stopped.wait(max(0.0, began + number * self._seconds - time.monotonic())):
                self._action(time.monotonic() - began)
                number += 1
        except Exception as error:  # raised again by stop
            self._error = error

    def stop(self) -> None:
        self._stopped.set()
        self.join(60)
        if self._error:
            raise self._error


def load(testbed: Testbed, expected: str, *options: str) -> dict[str, Any]:
    """Returns what the load generator prints about one run."""
    url = f"http://torchserve:8080/predictions/{testbed.model.name}"
    arguments = ["run", f"--url={url}", "--body=/body", f"--expect={expected}", *options]
    figures: dict[str, Any] = json.loads(run_generator(testbed.project, arguments, {"/body": testbed.body}))
    return figures


def kill_a_worker(container: Container) -> None:
    ended = container.exec_run(["python", "-c", KILL_A_WORKER])
    if ended.exit_code != 0:
        raise ServeError("a worker to kill", str(ended.output), "the server's log")


def soak(testbed: Testbed, expected: str, minutes: float) -> Results:
    """Loads half of the maximum for `minutes` while workers are killed. Raises ServeError."""
    testbed.serve(None)
    container = find_server(testbed.client, testbed.project)
    console.phase("Finding the maximum…")
    common = ("--timeout=30", f"--warmup={WARM_UP_SECONDS}")
    fastest = load(testbed, expected, f"--connections={CONNECTIONS}", f"--seconds={MAXIMUM_SECONDS}", *common)
    if fastest["errors"]:
        raise ServeError("no errors at the maximum", str(fastest["errors"]), "the server's log")
    maximum = float(fastest["achieved_rate"])
    rate = round(maximum / 2)
    console.phase(f"{minutes:g} minutes at {rate} of {maximum:.0f} requests/s…")
    kills: list[float] = []
    memory: list[Sample] = []

    def kill(seconds: float) -> None:
        kill_a_worker(container)
        kills.append(round(seconds, 1))

    def sample(seconds: float) -> None:
        memory.append(Sample(round(seconds, 1), read_memory(container).pss))

    meanwhile = [Repeated(KILL_SECONDS, kill), Repeated(SAMPLE_SECONDS, sample)]
    for repeated in meanwhile:
        repeated.start()
    try:
        # The last minute has no kill at its end: everything that a kill costs is counted.
        figures = load(
            testbed, expected, f"--rate={rate}", f"--seconds={minutes * 60 - 5:g}", "--warmup=2", *common[:1]
        )
    finally:
        for repeated in meanwhile:
            repeated.stop()
    info = testbed.client.info()
    machine = {
        "cpu": cpu_name(),
        "cores": info["NCPU"],
        "memory_gib": round(info["MemTotal"] / 2**30),
        "system": info["OperatingSystem"],
    }
    date = datetime.now().astimezone().strftime("%Y-%m-%d")
    return Results(machine, date, minutes, maximum, rate, kills, memory, figures)


def pick_sample(model: Model, folder: Path) -> tuple[Path, str]:
    """Returns a sample of the model and its answer. Raises ServeError."""
    for sample in model.samples:
        if sample.expected is not None and (folder / sample.file).is_file():
            return folder / sample.file, sample.expected
    raise ServeError(f"a sample of {model.name} with a known answer", f"none in {folder}", "`scripts/stack up`")


def warn_of_others(client: docker.DockerClient) -> None:
    """Warns of other containers, which would affect the results."""
    if running := [container.name or "" for container in client.containers.list()]:
        console.warn(f"other containers are running: {', '.join(running)}; measure on an idle machine")


@app.command()
def main(
    minutes: Annotated[
        float, typer.Option(min=1, help="How long to load the stack; from 30 minutes on, docs/ is written.")
    ] = WHOLE_MINUTES,
) -> None:
    """Load mnist at half of its maximum, kill a worker every minute, and write docs/evidence/soak.md."""
    settings = load_settings(ROOT, os.environ)
    client, secrets = connect(), write_secrets()
    project = Project(settings, ensure_base_image(client, settings, secrets, "auto", False), secrets)
    ensure_images(client, project, ("torchserve", "load"))
    warn_of_others(client)
    model = pick_version(read_manifest(settings).models, MODEL, None)
    body, expected = pick_sample(model, store_folder(settings) / "samples" / f"{model.name}-{model.version}")
    interrupt_on_every_signal()
    with open_testbed(client, project, model, body) as testbed:
        results = soak(testbed, expected, minutes)
    results.save(OUT / "results.json")
    document = (ROOT / "docs/evidence" if minutes >= WHOLE_MINUTES else OUT) / "soak.md"
    document.write_text(render(results))
    console.done(f"{document}, results: {OUT / 'results.json'}")


if __name__ == "__main__":
    run_command(app)
