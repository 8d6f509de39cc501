"""Serves a model with one setting after another in a separate compose project, while the stack itself is stopped."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import docker

from contract.tuned import Tuned
from stackcli.bench.load import Run, measure
from stackcli.common import console
from stackcli.common.errors import ServeError
from stackcli.common.paths import LOGS, ROOT, STATE
from stackcli.project.compose import Project
from stackcli.project.containers import find_containers, wait_until_healthy, watch_health
from stackcli.project.inside import ServedState, read_state
from stackcli.project.log_lines import readable
from stackcli.store.manifest import Model, label_of, store_folder
from stackcli.store.tuned import write
from stackcli.tune.candidates import Candidate

START_SECONDS = 120
REASON_LENGTH = 200
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Testbed:
    """A separate project that serves only `model`; `body` is the file sent to it."""

    client: docker.DockerClient
    project: Project
    model: Model
    body: Path

    def serve_default(self) -> Candidate:
        """Serves the model untuned, as the stack would; returns the settings in use. Raises ServeError."""
        state = self.serve(None)
        key = (self.model.name, self.model.version)
        chosen = next((one for one in state.chosen if (one["name"], one["version"]) == key), None)
        if chosen is None:
            raise ServeError(f"{label_of(self.model)} among the server's versions", "none", "`scripts/stack up`")
        serving = self.model.serving
        precision = self.model.precision if self.model.precisions else ""
        batching = int(serving.get("batchSize", 1)), int(serving.get("maxBatchDelay", 1))
        return Candidate(chosen["workers"], chosen["threads"], *batching, precision)

    def serve(self, candidate: Candidate | None) -> ServedState:
        """Starts a new server (None: untuned) and returns its state. Raises ServeError with the reason if it fails."""
        entry = Tuned(goal="a trial", settings=candidate.settings) if candidate else None
        write(self.project.settings, {label_of(self.model): entry} if entry else {})
        up = ("up", "--detach", "--no-deps", "--no-build", "--force-recreate", "--timeout", "0")
        with console.waiting(f"starting {candidate or 'the default'}"):
            self.project.do(*up, "torchserve")
            container, status, line = watch_health(
                self.client, self.project, "torchserve", START_SECONDS, lambda news: None
            )
        if container is None or status != "healthy":
            log = readable(container.logs().decode(errors="replace")) if container else ""
            found = f"{reason_in(log) or f'{status}: {line}'} ({self.keep_log(log, candidate)})"
            raise ServeError(f"{self.model.name} to be healthy in {START_SECONDS} s", found, "reading that log")
        state = read_state(container)
        used = {one["precision"] for one in state.served if "precision" in one}
        if candidate and candidate.precision and used and candidate.precision not in used:
            found = f"{', '.join(sorted(used))}, which this CPU supports"
            raise ServeError(candidate.precision, found, "another precision")
        return state

    def keep_log(self, log: str, candidate: Candidate | None) -> Path:
        """Saves the log of a failed start; returns its path, relative to the checkout."""
        words = [str(value) for value in candidate.settings.values()] if candidate else ["default"]
        file = LOGS / f"tune-{'-'.join([self.model.name, *words])}.log"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(log)
        return file.relative_to(ROOT)

    def measure(
        self, *, connections: int | None = None, rate: float | None = None, seconds: float, warmup: float
    ) -> Run:
        return measure(
            self.project,
            self.client,
            self.model.name,
            self.body,
            connections=connections,
            rate=rate,
            seconds=seconds,
            warmup=warmup,
        )


@contextmanager
def open_testbed(client: docker.DockerClient, project: Project, model: Model, body: Path) -> Iterator[Testbed]:
    """Opens a project like `project` with a one-model store and free ports; removes it at the end."""
    name = f"{project.settings.compose_project_name}-tune"
    store = STATE / "tune" / name
    ports = {name.lower(): 0 for name in project.settings.ports}
    changes = {"compose_project_name": name, "model_store": str(store), "torchserve_replicas": 1, **ports}
    own = replace(project, settings=project.settings.model_copy(update=changes))
    try:
        remove(own, store)  # leftovers of a killed run
        copy_model(store_folder(project.settings), model, store)
        yield Testbed(client, own, model, body)
    finally:
        with uninterrupted():
            remove(own, store)


def remove(project: Project, store: Path) -> None:
    project.capture("--profile", "bench", "down", "--volumes", "--remove-orphans", "--timeout", "0")
    shutil.rmtree(store, ignore_errors=True)


def copy_model(source: Path, model: Model, target: Path) -> None:
    """Makes a model store with one model; the archive is hard-linked if the file system allows it."""
    manifest = json.loads((source / "manifest.json").read_text())
    key = (model.name, model.version)
    manifest["models"] = [record for record in manifest["models"] if (record["name"], record["version"]) == key]
    target.mkdir(parents=True)
    (target / "manifest.json").write_text(json.dumps(manifest))
    archive = source / model.archive
    if archive.is_dir():
        shutil.copytree(archive, target / model.archive, copy_function=link_or_copy)
    else:
        link_or_copy(archive, target / model.archive)


def link_or_copy(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def reason_in(log: str) -> str:
    """Returns the last error in a server's log; empty if there is none."""
    found = re.findall(r"(?:FAIL: |\b\w*(?:Error|Exception): ).*", log)
    return str(found[-1])[:REASON_LENGTH].strip() if found else ""


@contextmanager
def paused(client: docker.DockerClient, project: Project) -> Iterator[bool]:
    """Stops the project's torchserve and always starts it again; yields whether it was running."""
    name = project.settings.compose_project_name
    running = [one for one in find_containers(client, name) if one.status in ("running", "restarting")]
    if not running:
        yield False
        return
    console.say(f"stopping torchserve of {name} until this is done, so that two servers do not share the cores")
    try:
        for container in running:
            container.stop()
        yield True
    finally:
        with uninterrupted():
            console.say(f"starting torchserve of {name} again")
            for container in running:
                container.start()
        wait_until_healthy(client, project)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignores signals, so that a second Ctrl-C cannot prevent the stack's restart."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def interrupt_on_every_signal() -> None:
    """Makes a closed terminal and `kill` end the command as Ctrl-C does: with everything restored."""
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler)
