"""Runs the builder and reads the manifest it leaves in the model store."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from stackcli import console
from stackcli.compose import Project
from stackcli.errors import BuildError
from stackcli.paths import ROOT, STATE
from stackcli.settings import Settings


class Accuracy(BaseModel):
    """`top1`: share of `images` answered right."""

    top1: float
    images: int


class Sample(BaseModel):
    """`file`: its name in the model store's folder of the model's samples."""

    file: str
    expected: str | None = None


class Exactness(BaseModel):
    """One precision beside the eager model on the same `images`: shares, 0 to 1, `accuracy` only with labels."""

    top1_disagreement: float
    images: int
    accuracy: float | None = None
    eager_accuracy: float | None = None


class Weights(BaseModel):
    """`origin`: where they came from, in the builder's words."""

    model_config = ConfigDict(extra="ignore")

    origin: str = ""


class Model(BaseModel):
    """One entry of manifest.json, as far as the host needs it. `candidate`: served, but not the default version."""

    model_config = ConfigDict(extra="ignore")

    name: str
    version: str
    status: str
    sha256: str = ""
    signature: dict[str, str] = {}
    archive: str = ""
    engine: str = ""
    precision: str = ""
    precisions: dict[str, Exactness] = {}
    serving: dict[str, Any] = {}
    trained: bool = True
    weights: Weights = Weights()
    candidate: bool = False
    accuracy: Accuracy | None = None
    samples: list[Sample] = []
    reason: str = ""
    remedy: str = ""

    @property
    def is_available(self) -> bool:
        return self.status == "available"


class Manifest(BaseModel):
    """What the builder published."""

    models: list[Model] = []


def store_folder(settings: Settings) -> Path:
    return ROOT / settings.model_store


def read_manifest(settings: Settings) -> Manifest:
    """Empty where the builder has not run yet."""
    file = store_folder(settings) / "manifest.json"
    if not file.is_file():
        return Manifest()
    try:
        return Manifest.model_validate_json(file.read_text())
    except ValidationError as error:
        problem = error.errors()[0]
        found = f"{problem['msg']} at {'.'.join(map(str, problem['loc']))}"
        raise BuildError(f"the builder's manifest in {file}", found, "`scripts/stack build --force`") from None


def find_sample(model: Model, settings: Settings) -> Path | None:
    """The model's first sample that lies in the model store."""
    for sample in model.samples:
        file = store_folder(settings) / "samples" / f"{model.name}-{model.version}" / sample.file
        if file.is_file():
            return file
    return None


def prepare_store(settings: Settings) -> None:
    """The builder runs as STACK_UID, and must own what it writes."""
    store = store_folder(settings)
    store.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        for path in (store, *store.rglob("*")):
            if path.lstat().st_uid != settings.stack_uid:
                os.chown(path, settings.stack_uid, settings.stack_gid, follow_symlinks=False)


class Failure(BaseModel):
    """What a process failed of; `subject`: the model, empty for the process itself."""

    expected: str
    found: str
    remedy: str
    subject: str = ""


class ModelOutcome(BaseModel):
    """`status`: built, unchanged, removed, unavailable or failed."""

    name: str
    version: str
    status: str


class Outcome(BaseModel):
    """What the builder did (docker/builder/builder/outcome.py); `failure`: why it ended with status 1."""

    models: list[ModelOutcome] = []
    failure: Failure | None = None


def run_builder(project: Project, arguments: list[str]) -> bool:
    """Shows the builder's lines as they come; returns whether the store changed. Raises BuildError with its reason."""
    prepare_store(project.settings)
    with outcome_folder(project.settings) as folder:
        told = ("--volume", f"{folder}:/outcome", "builder", "--outcome", "/outcome/outcome.json")
        status = project.stream(show_line, "run", "--rm", "-T", "--no-deps", *told, *arguments)
        outcome = read_outcome(folder / "outcome.json")
    if status != 0 or outcome is None:
        raise failure_of(outcome, status)
    if not any(model.is_available for model in read_manifest(project.settings).models):
        found = f"{len(read_manifest(project.settings).models)} in the manifest, none available"
        raise BuildError("a model to serve", found, "the remedies above, or a folder with a model.yaml in model_src")
    return any(model.status in ("built", "removed") for model in outcome.models)


@contextmanager
def outcome_folder(settings: Settings) -> Iterator[Path]:
    """Makes a folder for the outcome of one run, which STACK_UID may write; removes it afterwards."""
    STATE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=STATE, prefix="outcome-") as folder:
        if os.geteuid() == 0:
            os.chown(folder, settings.stack_uid, settings.stack_gid)
        yield Path(folder)


def show_line(line: str) -> None:
    """Leaves out what Compose says of the container."""
    if line and not re.match(r"^\s*(Container|Network|Volume) ", line):
        console.say(line)


def read_outcome(file: Path) -> Outcome | None:
    """Returns None where the builder ended before it could leave an outcome."""
    return Outcome.model_validate_json(file.read_text()) if file.is_file() else None


def failure_of(outcome: Outcome | None, status: int) -> BuildError:
    """The builder's own reason; without one, what its exit status says."""
    if outcome and outcome.failure:
        failure = outcome.failure
        who = f"{failure.subject}: " if failure.subject else ""
        return BuildError(who + failure.expected, failure.found, failure.remedy)
    if status == 137:
        found = "exit status 137 (killed, most often for its memory)"
        return BuildError("the builder to succeed", found, "a larger BUILDER_MEMORY in .env")
    return BuildError("the builder to succeed", f"exit status {status}", "the builder's lines above")
