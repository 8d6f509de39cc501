"""The manifest that the builder leaves in the model store, read; and which of its models a command means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from stackcli.common.errors import BuildError, ConfigError
from stackcli.common.paths import ROOT
from stackcli.project.settings import Settings


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


def label_of(model: Model) -> str:
    return f"{model.name} {model.version}"


def named(name: str, version: str | None) -> str:
    return f"{name} {version}" if version else name


def find_sample(model: Model, settings: Settings) -> Path | None:
    """The model's first sample that lies in the model store."""
    for sample in model.samples:
        file = store_folder(settings) / "samples" / f"{model.name}-{model.version}" / sample.file
        if file.is_file():
            return file
    return None


def pick_model(models: list[Model], name: str | None) -> Model:
    """The named one; without a name the available one that is most often right. A candidate only for want of others."""
    available = [model for model in models if model.is_available and name in (None, model.name)]
    available = [model for model in available if not model.candidate] or available
    if not available:
        found = ", ".join(dict.fromkeys(model.name for model in models if model.is_available)) or "none"
        raise ConfigError(f"{name or 'a model'} among the served models", found, "`scripts/stack status`")
    return max(available, key=lambda model: model.accuracy.top1 if model.accuracy else 0)


def pick_version(models: list[Model], name: str, version: str | None) -> Model:
    """The newest where none is named: the manifest has it first. A candidate only for want of others, or by name."""
    available = [model for model in models if model.is_available]
    found = [model for model in available if model.name == name and version in (None, model.version)]
    if found:
        return next((model for model in found if not model.candidate), found[0])
    others = ", ".join(label_of(model) for model in available) or "none"
    raise ConfigError(f"{named(name, version)} in the model store", others, "`scripts/stack status`")
