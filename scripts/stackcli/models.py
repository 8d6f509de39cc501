"""Runs the builder and reads the manifest it leaves in the model store."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from stackcli import console
from stackcli.compose import Project
from stackcli.errors import FAILURE, BuildError
from stackcli.paths import ROOT
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


def run_builder(project: Project, arguments: list[str]) -> bool:
    """Shows the builder's lines as they come; returns whether the store changed. Fails with the builder's reason."""
    prepare_store(project.settings)
    lines: list[str] = []

    def take(line: str) -> None:
        if line and not re.match(r"^\s*(Container|Network|Volume) ", line):
            lines.append(line)
            console.say(line)

    status = project.stream(take, "run", "--rm", "-T", "--no-deps", "builder", *arguments)
    if status != 0:
        raise failure_of(lines, status)
    if not any(model.is_available for model in read_manifest(project.settings).models):
        found = f"{len(read_manifest(project.settings).models)} in the manifest, none available"
        raise BuildError("a model to serve", found, "the remedies above, or a folder with a model.yaml in model_src")
    return any(re.search(r": (built|removed)\b", line) for line in lines)


def failure_of(lines: list[str], status: int) -> BuildError:
    for line in reversed(lines):
        match = FAILURE.search(line)
        if match:
            who = f"{match['who']}: " if match["who"] else ""
            return BuildError(who + match["expected"], match["found"], match["remedy"])
    out_of_memory = "a larger BUILDER_MEMORY in .env" if status == 137 else "the builder's lines above"
    found = f"exit status {status}{' (killed, most often for its memory)' if status == 137 else ''}"
    return BuildError("the builder to succeed", found, out_of_memory)
