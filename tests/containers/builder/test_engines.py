"""Every engine answers as the eager model does, within the limits in `accept`; otherwise it is not archived."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from common.engines import usable
from small_model import labelled, trained, write_labelled

from builder.errors import CheckFailed, ConversionFailed
from builder.export import check, exported
from builder.export.convert import OPENVINO_INT8
from builder.export.folder import SETTINGS
from builder.spec import Accept, Engine

ODD_MODEL = """
import torch
from torch import nn

class Brightness(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(16, 2)

    def forward(self, images):
        return self.linear(torch.linalg.svd(images.flatten(1))[2][:, :16])
"""


def write_calibration(model_folder: Path) -> dict:
    """Return changes to the spec: its two labelled images, also used for calibration; int8 on any CPU."""
    engines = model_folder.parent / "common" / "engines.py"
    engines.write_text(engines.read_text().replace('"avx512_vnni", "avx_vnni", "amx_int8"', ""))
    write_labelled(model_folder, label=1)
    with (model_folder / "dataset.py").open("a") as file:
        file.write("\ndef calibration_images(data):\n    return [image for image, _ in labelled_images(data)] * 10\n")
    return {**labelled(), "calibration": "dataset.py"}


@pytest.mark.parametrize("name", ["openvino", "onnxruntime", "torchscript", "eager"])
def test_an_engine_answers_as_eager_does(build, model_folder: Path, name: str) -> None:
    record, _ = build(trained(model_folder, engine=Engine(cpu=name), torchscript=name == "torchscript"))
    assert (record["engine"], record["precision"]) == (name, "f32")
    assert record["precisions"]["f32"]["max_relative_error"] < 1e-5


def test_the_fastest_engine_that_takes_the_model_is_the_default(build, model_folder: Path) -> None:
    record, staging = build(trained(model_folder))
    assert record["engine"] == "openvino"
    # The model itself is included as well, for explanations, GPUs, and machines without OpenVINO.
    assert {"openvino.xml", "openvino.bin", "weights.pth", "model.py"} <= {
        p.name for p in (staging / "export").iterdir()
    }


def test_a_model_that_no_engine_takes_is_served_as_it_is_and_the_build_says_so(
    build, model_folder: Path, capsys
) -> None:
    spec = trained(model_folder)
    (model_folder / "model.py").write_text(ODD_MODEL)
    record, _ = build(spec)
    assert record["engine"] == "eager"
    assert "WARNING: expected brightness 1.0 to convert to openvino" in capsys.readouterr().out


def test_an_engine_asked_for_by_name_that_cannot_take_the_model_stops_the_build(build, model_folder: Path) -> None:
    spec = trained(model_folder, engine=Engine(cpu="openvino"))
    (model_folder / "model.py").write_text(ODD_MODEL)
    with pytest.raises(ConversionFailed, match="convert to openvino"):
        build(spec)


def test_int8_is_calibrated_checked_and_archived_beside_float32(build, model_folder: Path) -> None:
    changes = write_calibration(model_folder)
    record, staging = build(trained(model_folder, **changes, engine=Engine(precision="f32", alternatives=["int8"])))
    assert set(record["precisions"]) == {"f32", "int8"}
    assert record["precisions"]["int8"]["accuracy"] == record["precisions"]["int8"]["eager_accuracy"] == 1.0
    assert (staging / "export" / OPENVINO_INT8).is_file()


def test_a_precision_past_its_limits_is_not_served(build, model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil_int8(monkeypatch)
    changes = write_calibration(model_folder)
    with pytest.raises(CheckFailed, match=r"at most 0.00% of answers to differ from the eager model's, found 100.00%"):
        build(trained(model_folder, **changes, engine=Engine(precision="int8")))


def test_an_alternative_past_its_limits_is_left_out(
    build, model_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    spoil_int8(monkeypatch)
    changes = write_calibration(model_folder)
    record, staging = build(trained(model_folder, **changes, engine=Engine(alternatives=["int8"])))
    assert set(record["precisions"]) == {"f32"}
    assert not (staging / "export" / OPENVINO_INT8).exists()
    assert "leaving out int8" in capsys.readouterr().out


def test_an_accuracy_drop_past_its_limit_stops_the_build(
    build, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil_int8(monkeypatch)
    accept = Accept(max_top1_disagreement=1.0, max_accuracy_drop=0.5)
    with pytest.raises(CheckFailed, match=r"below the eager model's 100.00%, found 100.00% below"):
        build(trained(model_folder, **write_calibration(model_folder), engine=Engine(precision="int8"), accept=accept))


def test_a_precision_that_this_cpu_cannot_compute_is_not_archived(
    build, model_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    engines = (model_folder.parent / "common" / "engines.py").read_text()
    old_cpu = engines.replace('"avx512_bf16", "amx_bf16"', '"an instruction of next year"')
    (model_folder.parent / "common" / "engines.py").write_text(old_cpu)
    record, staging = build(trained(model_folder, engine=Engine(precision="bf16")))
    assert (record["precision"], set(record["precisions"])) == ("f32", {"f32"})
    assert yaml.safe_load((staging / "export" / SETTINGS).read_text())["handler"]["engine"]["precision"] == "f32"
    assert "leaving out bf16" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "precision", "expected"),
    [
        ("avx2 avx512_bf16", "bf16", "bf16"),
        ("avx2", "bf16", "f32"),
        ("avx2 avx512_vnni", "int8", "int8"),
        ("avx2", "int8", "f32"),
        ("", "f32", "f32"),
    ],
)
def test_a_cpu_without_the_instructions_gets_float32(tmp_path: Path, flags: str, precision: str, expected: str) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags : fpu {flags}\n")
    engine, chosen, reason = usable(tmp_path, "openvino", precision, tmp_path / "cpuinfo")
    assert (engine, chosen) == ("openvino", expected)
    assert bool(reason) == (chosen != precision)


def test_without_the_engines_package_the_model_itself_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert usable(tmp_path, "openvino", "int8") == ("eager", "f32", "openvino is not installed")


def test_int8_is_not_calibrated_for_a_cpu_that_cannot_compute_it(
    build, model_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr(check, "write_int8", lambda images, folder: pytest.fail("calibrated for nothing"))
    changes = write_calibration(model_folder)
    engines = model_folder.parent / "common" / "engines.py"
    engines.write_text(engines.read_text().replace('"int8": (', '"int8": ("an instruction of next year",'))
    record, _ = build(trained(model_folder, **changes, engine=Engine(precision="int8")))
    assert (record["precision"], set(record["precisions"])) == ("f32", {"f32"})
    assert "leaving out int8" in capsys.readouterr().out


def spoil_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the quantised model answer with the other class."""
    honest = exported.ExportedModel.scores

    def scores(self: exported.ExportedModel, inputs: np.ndarray) -> np.ndarray:
        rows = honest(self, inputs)
        return -rows if self.handler.engine.precision == "int8" else rows

    monkeypatch.setattr(exported.ExportedModel, "scores", scores)
