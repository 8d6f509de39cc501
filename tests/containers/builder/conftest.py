"""Fixtures for the builder's tests. They run inside the builder's image, with model_src mounted at /model_src."""

import shutil
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from builder.build import Build
from builder.job import Job
from builder.model import build_model
from builder.publish.signing import RecordSigner
from builder.publish.store import ModelStore
from builder.spec import ModelSpec, load_spec
from contract.outcome import Outcome

MODEL_SRC = Path("/model_src")
# Makes handlers import `common` as from an unpacked archive.
sys.path.insert(0, str(MODEL_SRC))

MODEL = """
import torch
from torch import nn

class Brightness(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(16, 2)

    def forward(self, images):
        return self.linear(torch.flatten(images, 1))
"""
SPEC = """
name: brightness
version: "1.0"
weights: {random: 0}
handler: handler.py
input: {mode: L, size: [4, 4], mean: [0.5], std: [0.5]}
"""
HANDLER = """
from common.image_handler import ImageHandler

class Brightness(ImageHandler):
    pass
"""
# Modules in the model's folder, which every test writes for itself.
OWN_MODULES = ("model", "handler", "dataset", "train", "steps")


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """A small model in its own model_src: 4×4 grey images, two classes, random weights."""
    folder = tmp_path / "model_src" / "brightness"
    (folder / "samples").mkdir(parents=True)
    shutil.copytree(MODEL_SRC / "common", folder.parent / "common")
    (folder / "model.py").write_text(MODEL)
    (folder / "handler.py").write_text(HANDLER)
    (folder / "model.yaml").write_text(textwrap.dedent(SPEC))
    Image.fromarray(np.full((4, 4), 200, np.uint8)).save(folder / "samples" / "bright.png")
    return folder


@pytest.fixture
def build(model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Build the small model, or the one in another folder, in this process; returns (record, staging folder)."""
    path, modules, deterministic = list(sys.path), dict(sys.modules), torch.are_deterministic_algorithms_enabled()
    count = iter(range(100))

    def run(spec: "ModelSpec | None" = None, archive_format: str = "zip-store", folder: Path = model_folder):
        staging = tmp_path / f"staging-{next(count)}"
        staging.mkdir()
        for name in OWN_MODULES:
            sys.modules.pop(name, None)
        spec = spec or load_spec(folder / "model.yaml")
        job = Job(spec=spec, folder=folder, cache=tmp_path / "cache", staging=staging, archive_format=archive_format)
        return build_model(job), staging

    yield run
    sys.path[:] = path
    for name in set(sys.modules) - set(modules):
        if name in OWN_MODULES or name.partition(".")[0] == "common":
            del sys.modules[name]
    torch.use_deterministic_algorithms(deterministic)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    folder = tmp_path / "store"
    folder.mkdir()
    return ModelStore(folder)


@pytest.fixture
def run(build, model_folder: Path, store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run the builder on the small model in this process: takes (arguments, signer, strict), returns the outcome."""

    def build_into(self, folder: Path, spec, staging: Path) -> dict:
        record, elsewhere = build(spec, self.archive_format)
        for name in (record["archive"], "samples"):
            (elsewhere / name).rename(staging / name)
        return record

    monkeypatch.setattr(Build, "_make", build_into)

    def once(wanted: tuple = (), signer: "RecordSigner | None" = None, strict: bool = False) -> Outcome:
        builder = Build(store, model_folder.parent, tmp_path / "cache", signer=signer, strict=strict)
        with store.locked():
            builder.run(list(wanted))
        return builder.outcome

    return once
