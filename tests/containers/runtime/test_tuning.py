"""Tuned settings are applied if they fit, and never prevent a model from being served."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from contract.served import State
from contract.tuned import Tuned
from runtime import prepare
from runtime.manifest import Model
from runtime.sizing import Sizing
from runtime.tuning import Tuning, read_tunings

SIZING = Sizing(workers=2, threads=1, reasons=())
ARCHIVED = {
    "batchSize": 8,
    "maxBatchDelay": 1,
    "responseTimeout": 120,
    "handler": {"engine": {"cpu": "openvino", "precision": "bf16"}, "trained": True},
}
SETTINGS = {"workers": 1, "threads": 2, "batchSize": 32, "maxBatchDelay": 2, "precision": "int8"}


@pytest.fixture
def serve(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Takes tuned.json's text (or content), returns the model-config.yaml with which TorchServe loads mnist 1.0."""
    monkeypatch.setattr(prepare, "UNPACKED", tmp_path / "unpacked")
    with zipfile.ZipFile(store / "mnist-1.0.mar", "w") as archive:
        archive.writestr("model-config.yaml", yaml.safe_dump(ARCHIVED))

    def unpacked(tuned: Any, cpus: float = 2) -> Mapping[str, Any]:
        (store / "tuned.json").write_text(tuned if isinstance(tuned, str) else json.dumps(tuned))
        model = Model(
            "mnist", "1.0", State.SERVED, archive="mnist-1.0.mar", precisions=("bf16", "int8"), engine="openvino"
        )
        prepare.unpack_models([(model, tmp_path / "unpacked/mnist-1.0.mar")], store, SIZING, cpus)
        return yaml.safe_load((tmp_path / "unpacked/mnist-1.0.mar/model-config.yaml").read_text())

    return unpacked


def entry(**settings: Any) -> dict[str, Any]:
    return {"mnist 1.0": {"goal": "throughput", "settings": settings, "date": "2026-11-22", "figures": {"rate": 1}}}


def test_settings_land_where_torchserve_and_the_handler_read_them(serve, capsys) -> None:
    config = serve(entry(**SETTINGS))
    assert config == {
        "minWorkers": 1,
        "maxWorkers": 1,
        "batchSize": 32,
        "maxBatchDelay": 2,
        "responseTimeout": 120,
        "handler": {"engine": {"cpu": "openvino", "precision": "int8"}, "trained": True, "threads": 2},
        **prepare.KEEP_TRYING,
    }
    assert "serving mnist 1.0: 1 worker with 2 threads, batchSize 32" in capsys.readouterr().out


def test_without_an_entry_the_archives_settings_hold(serve) -> None:
    other = {"mnist 2.0": entry(**SETTINGS)["mnist 1.0"]}
    config = serve(other)
    assert (config["minWorkers"], config["batchSize"], config["handler"]["engine"]["precision"]) == (2, 8, "bf16")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "Expecting"),
        ("[]", "no attribute"),
        ("null", "no attribute"),
        (entry(batch_size=8), "batch_size"),
        (entry(workers="two"), "workers: 'two'"),
        (entry(workers=0), "workers: 0"),
        (entry(threads=True), "threads: True"),
        (entry(batchSize=1.5), "batchSize: 1.5"),
        (entry(precision=8), "precision: 8"),
        ({"mnist 1.0": {"settings": {}}}, "goal"),
        ({"mnist 1.0": {"goal": "throughput"}}, "settings"),
    ],
    ids=str,
)
def test_a_damaged_file_is_named_and_serving_goes_on_without_it(serve, capsys, text: Any, named: str) -> None:
    config = serve(text)
    assert (config["minWorkers"], config["batchSize"]) == (2, 8)
    (warning,) = [line for line in capsys.readouterr().out.splitlines() if "WARNING" in line]
    assert "what `scripts/stack tune` wrote in " in warning
    assert named in warning


def test_a_precision_that_a_later_build_left_out_is_named_and_not_served(serve, capsys) -> None:
    config = serve(entry(precision="f32", batchSize=32))
    assert (config["batchSize"], config["handler"]["engine"]["precision"]) == (8, "bf16")
    assert "served as untuned: expected a precision of the archive (bf16, int8), found f32" in capsys.readouterr().out


def test_a_shape_for_more_cpus_is_named_and_not_served(serve, capsys) -> None:
    config = serve(entry(workers=4, threads=2), cpus=2)
    assert (config["minWorkers"], config["handler"]["threads"]) == (2, 1)
    assert (
        "workers × threads to be at most 2 (the CPUs), found 8; try `scripts/stack tune mnist`"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(("workers", "threads", "fits"), [(2, 1, True), (1, 2, True), (2, 2, False), (3, None, False)])
def test_workers_and_threads_count_together(workers, threads, fits: bool) -> None:
    shape = {"workers": workers, "threads": threads}
    tuning = Tuning(Tuned("throughput", {key: value for key, value in shape.items() if value}))
    assert (tuning.misfit((), 2.5) == "") == fits


def test_no_file_is_nothing_wrong(store: Path) -> None:
    assert read_tunings(store) == ({}, "")
