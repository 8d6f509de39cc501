"""Trained weights are kept for later builds until something changes that can affect them."""

import importlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from builder.build import Build
from builder.fingerprint import fingerprint
from builder.inputs import weights_cache
from builder.inputs.weights import Weights, load_weights
from builder.job import Job
from builder.publish.store import ModelStore
from builder.spec import load_spec
from conftest import OWN_MODULES

TRAIN = """
import torch
from steps import COUNT

def train(model, data, seed, log):
    log("training")
    with torch.no_grad():
        model.linear.bias.fill_(COUNT)
    return [{"loss": 1.0, "accuracy": 0.5, "test_loss": 1.0, "test_accuracy": 0.5}]
"""


@pytest.fixture
def trained_folder(model_folder: Path) -> Path:
    """The small model, trained by a train.py that imports another module."""
    (model_folder / "train.py").write_text(TRAIN)
    (model_folder / "steps.py").write_text("COUNT = 7\n")
    change(model_folder / "model.yaml", "{random: 0}", "{train: train.py, seed: 1}")
    return model_folder


@pytest.fixture
def lines() -> list[str]:
    """The log's messages."""
    return []


@pytest.fixture
def load(trained_folder: Path, tmp_path: Path, lines: list[str]) -> Iterator:
    """Fill a new model as a separate process would: takes (reuse), returns (the model, its Weights)."""
    path = list(sys.path)

    def once(reuse: bool = True) -> tuple[torch.nn.Module, Weights]:
        spec = load_spec(trained_folder / "model.yaml")
        forget_modules()
        sys.path.insert(0, str(trained_folder))
        module = importlib.import_module("model").Brightness()
        return module, load_weights(spec, module, trained_folder, tmp_path / "cache", lines.append, reuse)

    yield once
    sys.path[:] = path
    forget_modules()


def forget_modules() -> None:
    for name in OWN_MODULES:
        sys.modules.pop(name, None)


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_the_second_build_takes_the_firsts_weights_and_says_so(load, lines: list[str]) -> None:
    first, weights = load()
    assert weights.origin == "trained here by train.py (seed 1)"
    second, again = load()
    assert lines == ["training"]
    assert again.origin.startswith("trained by train.py (seed 1) in an earlier build, 20")
    assert again.history == weights.history
    assert all(torch.equal(first.state_dict()[name], value) for name, value in second.state_dict().items())


def test_a_build_that_must_not_reuse_weights_trains(load, lines: list[str]) -> None:
    load()
    _, weights = load(reuse=False)
    assert lines == ["training", "training"]
    assert "earlier" not in weights.origin


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("train.py", "0.5", "0.6"),
        ("steps.py", "7", "8"),
        ("model.py", "Linear(16, 2)", "Linear(16, 2, dtype=torch.float32)"),
        ("model.yaml", "seed: 1", "seed: 2"),
        ("rates.json", "1", "2"),
    ],
)
def test_what_decides_the_weights_trains_again(
    load, trained_folder: Path, lines: list[str], file: str, old: str, new: str
) -> None:
    (trained_folder / "rates.json").write_text("1")
    load()
    change(trained_folder / file, old, new)
    load()
    assert lines == ["training", "training"]


@pytest.mark.parametrize("what", ["another CPU", "another torch"])
def test_another_machine_trains_again(load, monkeypatch: pytest.MonkeyPatch, lines: list[str], what: str) -> None:
    load()
    if what == "another CPU":
        monkeypatch.setattr(weights_cache, "_cpu_kind", lambda cpuinfo: what)
    else:
        monkeypatch.setattr(weights_cache, "version", lambda tool: what)
    load()
    assert lines == ["training", "training"]


def test_what_has_no_part_in_training_trains_nothing(load, trained_folder: Path, lines: list[str]) -> None:
    load()
    for file in (trained_folder / "handler.py", trained_folder.parent / "common" / "model_input.py"):
        with file.open("a") as code:
            code.write("\n# changed\n")
    change(trained_folder / "model.yaml", "std: [0.5]", "std: [0.25]")
    load()
    assert lines == ["training"]


def test_data_in_the_models_folder_decide_too(load, trained_folder: Path, lines: list[str]) -> None:
    (trained_folder / "data").mkdir()
    with (trained_folder / "model.yaml").open("a") as spec:
        spec.write("data: {folder: data}\n")
    load()
    (trained_folder / "data" / "one.txt").write_text("1")
    load()
    assert lines == ["training", "training"]


@pytest.mark.parametrize("damage", ["cut off", "another file"])
def test_damaged_weights_are_trained_again(load, tmp_path: Path, lines: list[str], damage: str) -> None:
    load()
    (kept,) = (tmp_path / "cache" / "weights").iterdir()
    if damage == "cut off":
        kept.write_bytes(kept.read_bytes()[:-200])
    else:
        torch.save({"linear.bias": torch.zeros(2)}, kept)
    load()
    assert lines == ["training", "training"]
    _, weights = load()
    assert "earlier" in weights.origin


def test_of_each_version_the_newest_weights_are_kept(load, trained_folder: Path, tmp_path: Path) -> None:
    load()
    change(trained_folder / "steps.py", "7", "8")
    load()
    assert [path.name for path in (tmp_path / "cache" / "weights").iterdir()] == ["brightness-1.0.pth"]


@pytest.mark.parametrize(
    ("force", "signer", "reuse"), [(False, None, True), (True, None, False), (False, "key", False)]
)
def test_with_force_or_a_signing_key_no_earlier_weights_are_taken(
    trained_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force: bool, signer: object, reuse: bool
) -> None:
    jobs = []

    def run(arguments: list[str]) -> object:
        job = Job.model_validate_json(Path(arguments[-1]).read_text())
        jobs.append(job)
        job.answer({"name": "brightness"})
        return type("Run", (), {"returncode": 0})

    monkeypatch.setattr(subprocess, "run", run)
    spec = load_spec(trained_folder / "model.yaml")
    build = Build(ModelStore(tmp_path), trained_folder.parent, tmp_path / "cache", force=force, signer=signer)
    assert build._make(trained_folder, spec, tmp_path) == {"name": "brightness"}
    assert [(job.spec, job.reuse) for job in jobs] == [(spec, reuse)]


def test_a_version_shares_the_files_of_another(build, trained_folder: Path, tmp_path: Path) -> None:
    second = trained_folder.parent / "second"
    second.mkdir()
    shutil.copy(trained_folder / "model.py", second)
    (second / "train.py").write_text(TRAIN)
    (second / "model.yaml").write_text(
        'name: brightness\nversion: "2.0"\ncandidate: true\nweights: {train: train.py}\n'
        "handler: ../brightness/handler.py\nsamples: ../brightness/samples\n"
        "input: {mode: L, size: [4, 4], mean: [0.5], std: [0.5]}\n"
    )
    spec = load_spec(second / "model.yaml")
    before = fingerprint(spec, second, "zip-store")
    record, staging = build(spec, folder=second)
    assert (record["version"], record["candidate"]) == ("2.0", True)
    assert [sample["file"] for sample in record["samples"]] == ["bright.png"]
    assert (staging / "export" / "handler.py").read_text() == (trained_folder / "handler.py").read_text()
    with (trained_folder / "handler.py").open("a") as handler:
        handler.write("# changed\n")
    assert fingerprint(spec, second, "zip-store") != before
