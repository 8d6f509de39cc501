"""A compose project of its own that serves a model with one setting after another, while the stack itself waits."""

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

from stackcli.bench.load import Run, measure
from stackcli.common import console
from stackcli.common.errors import ServeError
from stackcli.common.paths import LOGS, ROOT, STATE
from stackcli.project.compose import Project
from stackcli.project.containers import find_containers, wait_until_healthy, watch_health
from stackcli.project.log_lines import readable
from stackcli.store.manifest import Model, label_of, store_folder
from stackcli.store.tuned import Tuned, write
from stackcli.tune.candidates import Candidate

START_SECONDS = 120
REASON_LENGTH = 200
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Testbed:
    """`project` serves nothing but `model`; `body` is what is sent to it."""

    client: docker.DockerClient
    project: Project
    model: Model
    body: Path

    def serve_default(self) -> Candidate:
        """Serves the model as the stack does while it is not tuned, and says how that is."""
        log = self.serve(None)
        shape = re.search(rf"serving {re.escape(label_of(self.model))}: (\d+) workers? of (\d+) threads?", log)
        if shape is None:
            raise ServeError(f"the shape of {label_of(self.model)} in the server's log", "none", "`scripts/stack up`")
        serving = self.model.serving
        precision = self.model.precision if self.model.precisions else ""
        batching = int(serving.get("batchSize", 1)), int(serving.get("maxBatchDelay", 1))
        return Candidate(int(shape[1]), int(shape[2]), *batching, precision)

    def serve(self, candidate: Candidate | None) -> str:
        """Starts a new server (None: untuned) and returns its log. Fails with the reason where it does not serve so."""
        entry = Tuned(goal="a trial", settings=candidate.settings) if candidate else None
        write(self.project.settings, {label_of(self.model): entry} if entry else {})
        up = ("up", "--detach", "--no-deps", "--no-build", "--force-recreate", "--timeout", "0")
        with console.waiting(f"starting {candidate or 'the default'}"):
            self.project.do(*up, "torchserve")
            container, status, line = watch_health(
                self.client, self.project, "torchserve", START_SECONDS, lambda news: None
            )
        log = readable(container.logs().decode(errors="replace")) if container else ""
        if status != "healthy":
            found = f"{reason_in(log) or f'{status}: {line}'} ({self.keep_log(log, candidate)})"
            raise ServeError(f"{self.model.name} to be healthy in {START_SECONDS} s", found, "reading that log")
        replaced = re.search(rf"{re.escape(self.model.name)}: \w+ (\w+), .*\((.+)\)", log)
        if candidate and replaced and candidate.precision not in ("", replaced[1]):
            raise ServeError(candidate.precision, f"{replaced[1]}: {replaced[2]}", "another precision")
        return log

    def keep_log(self, log: str, candidate: Candidate | None) -> Path:
        """Where a start that failed can be read about; relative to the checkout."""
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
    """The images and limits of `project`; a store with one model, and whatever ports are free. Nothing of it stays."""
    name = f"{project.settings.compose_project_name}-tune"
    store = STATE / "tune" / name
    ports = {name.lower(): 0 for name in project.settings.ports}
    changes = {"compose_project_name": name, "model_store": str(store), "torchserve_replicas": 1, **ports}
    own = replace(project, settings=project.settings.model_copy(update=changes))
    try:
        remove(own, store)  # what a killed one has left
        copy_model(store_folder(project.settings), model, store)
        yield Testbed(client, own, model, body)
    finally:
        with uninterrupted():
            remove(own, store)


def remove(project: Project, store: Path) -> None:
    project.capture("--profile", "bench", "down", "--volumes", "--remove-orphans", "--timeout", "0")
    shutil.rmtree(store, ignore_errors=True)


def copy_model(source: Path, model: Model, target: Path) -> None:
    """A model store with one model; its archive is linked to where the file system allows it."""
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
    """The last error that the server named."""
    found = re.findall(r"(?:FAIL: |\b\w*(?:Error|Exception): ).*", log)
    return str(found[-1])[:REASON_LENGTH].strip() if found else ""


@contextmanager
def paused(client: docker.DockerClient, project: Project) -> Iterator[bool]:
    """The project's torchserve, stopped meanwhile and started again whatever happens; yields whether it was running."""
    name = project.settings.compose_project_name
    running = [one for one in find_containers(client, name) if one.status in ("running", "restarting")]
    if not running:
        yield False
        return
    console.say(f"stopping torchserve of {name} until this is done: two servers would share the cores")
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
    """A second Ctrl-C must not keep the stack from being started again."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def interrupt_on_every_signal() -> None:
    """A closed terminal and a `kill` end the command as Ctrl-C does: with everything put back."""
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler)
