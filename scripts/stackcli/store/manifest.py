"""Reads the manifest that the builder writes to the model store, and picks the model that a command means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from contract import manifest
from contract.failure import Failure
from stackcli.common.errors import BuildError, ConfigError
from stackcli.common.paths import ROOT
from stackcli.project.settings import Settings


class Accuracy(BaseModel):
    """Measured accuracy. `top1`: share of `images` classified correctly."""

    top1: float
    images: int


class Sample(BaseModel):
    """One sample. `file`: its name in the model's samples folder of the model store."""

    file: str
    expected: str | None = None


class Exactness(BaseModel):
    """One precision compared with the eager model on the same `images`; shares are 0 to 1, `accuracy` needs labels."""

    top1_disagreement: float
    images: int
    accuracy: float | None = None
    eager_accuracy: float | None = None


class Weights(BaseModel):
    """A model's weights. `origin`: where they came from, as the builder puts it."""

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
        return self.status == manifest.AVAILABLE


class Manifest(BaseModel):
    """The models that the builder published."""

    models: list[Model] = []


def store_folder(settings: Settings) -> Path:
    return ROOT / settings.model_store


def read_manifest(settings: Settings) -> Manifest:
    """Reads the manifest; it has no models if the builder has not run yet. Raises BuildError."""
    store = store_folder(settings)
    try:
        return Manifest(models=[Model.model_validate(record) for record in manifest.read_manifest(store)])
    except Failure as failure:
        raise BuildError(failure.expected, failure.found, failure.remedy) from None
    except ValidationError as error:
        problem = error.errors()[0]
        found = f"{problem['msg']} at {'.'.join(map(str, problem['loc']))}"
        expected = f"the builder's manifest in {store / manifest.MANIFEST}"
        raise BuildError(expected, found, "`scripts/stack build --force`") from None


def label_of(model: Model) -> str:
    return f"{model.name} {model.version}"


def named(name: str, version: str | None) -> str:
    return f"{name} {version}" if version else name


def find_sample(model: Model, settings: Settings) -> Path | None:
    """Returns the model's first sample that exists in the model store; None if there is none."""
    for sample in model.samples:
        file = store_folder(settings) / manifest.SAMPLES / f"{model.name}-{model.version}" / sample.file
        if file.is_file():
            return file
    return None


def pick_model(models: list[Model], name: str | None) -> Model:
    """Picks the named model, by default the most accurate; a candidate only if there is no other.

    Raises ConfigError.
    """
    available = [model for model in models if model.is_available and name in (None, model.name)]
    available = [model for model in available if not model.candidate] or available
    if not available:
        found = ", ".join(dict.fromkeys(model.name for model in models if model.is_available)) or "none"
        raise ConfigError(f"{name or 'a model'} among the served models", found, "`scripts/stack status`")
    return max(available, key=lambda model: model.accuracy.top1 if model.accuracy else 0)


def pick_version(models: list[Model], name: str, version: str | None) -> Model:
    """Picks a version, by default the newest, which the manifest lists first. Raises ConfigError.

    A candidate is picked only by its version, or if there is no other version.
    """
    available = [model for model in models if model.is_available]
    found = [model for model in available if model.name == name and version in (None, model.version)]
    if found:
        return next((model for model in found if not model.candidate), found[0])
    others = ", ".join(label_of(model) for model in available) or "none"
    raise ConfigError(f"{named(name, version)} in the model store", others, "`scripts/stack status`")
