"""Fixtures for the builder's tests. They run inside the builder's image, with model_src mounted at /model_src."""

import shutil
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from builder.build import build_model
from builder.spec import ModelSpec, load_spec

MODEL_SRC = Path("/model_src")
# Handlers import `common` as they do from an unpacked archive.
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
# Modules of the model's folder: every test writes its own.
OWN_MODULES = ("model", "handler", "dataset", "train", "steps")


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """A small model of its own in a model_src of its own: 4×4 grey images, two classes, random weights."""
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
    """Build the small model, or that of another folder, in this process → (record, staging folder)."""
    path, modules, deterministic = list(sys.path), dict(sys.modules), torch.are_deterministic_algorithms_enabled()
    count = iter(range(100))

    def run(spec: "ModelSpec | None" = None, archive_format: str = "zip-store", folder: Path = model_folder):
        staging = tmp_path / f"staging-{next(count)}"
        staging.mkdir()
        for name in OWN_MODULES:
            sys.modules.pop(name, None)
        spec = spec or load_spec(folder / "model.yaml")
        record = build_model(spec, folder, tmp_path / "cache", archive_format, staging)
        return record, staging

    yield run
    sys.path[:] = path
    for name in set(sys.modules) - set(modules):
        if name in OWN_MODULES or name.partition(".")[0] == "common":
            del sys.modules[name]
    torch.use_deterministic_algorithms(deterministic)
