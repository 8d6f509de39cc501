"""Runs the builder, which writes the model store."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contract.outcome import Outcome, read_outcome
from stackcli.common import console
from stackcli.common.errors import BuildError
from stackcli.common.paths import STATE
from stackcli.project.compose import Project
from stackcli.project.settings import Settings
from stackcli.store.manifest import read_manifest, store_folder


def prepare_store(settings: Settings) -> None:
    """Makes the store's folder and, as root, gives it to STACK_UID, as which the builder runs."""
    store = store_folder(settings)
    store.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        for path in (store, *store.rglob("*")):
            if path.lstat().st_uid != settings.stack_uid:
                os.chown(path, settings.stack_uid, settings.stack_gid, follow_symlinks=False)


def run_builder(project: Project, arguments: list[str]) -> bool:
    """Runs the builder and shows its output; returns whether the store has changed. Raises BuildError."""
    prepare_store(project.settings)
    with outcome_folder(project.settings) as folder:
        told = ("--volume", f"{folder}:/outcome", "builder", "--outcome", "/outcome/outcome.json")
        status = project.stream(show_line, "run", "--rm", "-T", "--no-deps", *told, *arguments)
        outcome = read_outcome(folder / "outcome.json")
    if status != 0 or outcome is None:
        raise failure_of(outcome, status)
    models = read_manifest(project.settings).models
    if not any(model.is_available for model in models):
        found = f"{len(models)} in the manifest, none available"
        raise BuildError("a model to serve", found, "the remedies above, or a new folder with model.yaml in model_src")
    return outcome.has_changed_the_store


@contextmanager
def outcome_folder(settings: Settings) -> Iterator[Path]:
    """Makes a folder for the outcome of one run, which STACK_UID may write; removes it afterwards."""
    STATE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=STATE, prefix="outcome-") as folder:
        if os.geteuid() == 0:
            os.chown(folder, settings.stack_uid, settings.stack_gid)
        yield Path(folder)


def show_line(line: str) -> None:
    """Prints a line of the builder, but not Compose's own messages."""
    if line and not re.match(r"^\s*(Container|Network|Volume) ", line):
        console.say(line)


def failure_of(outcome: Outcome | None, status: int) -> BuildError:
    """Returns the builder's own failure, or one made of its exit status."""
    if outcome and outcome.failure:
        failure = outcome.failure
        subject = f"{failure.subject}: " if failure.subject else ""
        return BuildError(subject + failure.expected, failure.found, failure.remedy)
    if status == 137:
        found = "exit status 137 (killed, most likely out of memory)"
        return BuildError("the builder to succeed", found, "a larger BUILDER_MEMORY in .env")
    return BuildError("the builder to succeed", f"exit status {status}", "the builder's lines above")
