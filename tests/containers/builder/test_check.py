"""The check runs an exported model as a worker would, and refuses one that misses its limits."""

import json
from pathlib import Path

import pytest
from small_model import labelled, trained, write_labelled

from builder.errors import BuildError, CheckFailed
from builder.spec import Engine, load_spec


def expect(model_folder: Path, answer: str) -> None:
    (model_folder / "samples" / "expected.json").write_text(json.dumps({"bright.png": answer}))


def test_an_untrained_model_is_recorded_as_such(build, model_folder: Path) -> None:
    expect(model_folder, "not judged")
    record, _ = build()
    assert record["trained"] is False
    assert "UNTRAINED" in record["weights"]["origin"]
    assert record["samples"][0]["expected"] is None
    assert record["precisions"]["f32"]["top1_disagreement"] == 0


def test_a_sample_with_its_expected_answer_passes(build, model_folder: Path) -> None:
    expect(model_folder, "1")
    record, _ = build(trained(model_folder))
    assert record["trained"] is True
    assert record["samples"][0]["expected"] == "1"


def test_a_sample_with_another_answer_stops_the_build(build, model_folder: Path) -> None:
    expect(model_folder, "0")
    with pytest.raises(CheckFailed, match=r"expected '0' for bright.png, found '1'"):
        build(trained(model_folder))


def test_a_sample_that_is_no_image_stops_the_build(build, model_folder: Path) -> None:
    (model_folder / "samples" / "note.png").write_text("not a picture")
    with pytest.raises(CheckFailed, match="expected an image"):
        build(trained(model_folder))


def test_an_accuracy_below_the_limit_stops_the_build(build, model_folder: Path) -> None:
    write_labelled(model_folder, label=0)
    accept = load_spec(model_folder / "model.yaml").accept.model_copy(update={"min_accuracy": 0.5})
    with pytest.raises(CheckFailed, match=r"at least 50.00%, found 0.00% on 2 images"):
        build(trained(model_folder, **labelled(), accept=accept))


def test_the_accuracy_and_the_report_are_recorded(build, model_folder: Path) -> None:
    write_labelled(model_folder, label=1)
    record, staging = build(trained(model_folder, **labelled()))
    assert record["accuracy"] == {"top1": 1.0, "images": 2}
    page = (staging / record["report"]).read_text()
    assert "100.00 %" in page
    assert "data:image/png;base64," in page


def test_a_model_file_with_two_modules_is_refused(build, model_folder: Path) -> None:
    with (model_folder / "model.py").open("a") as file:
        file.write("\n\nclass Another(nn.Module):\n    pass\n")
    with pytest.raises(BuildError, match="found Another, Brightness"):
        build()


def test_torchscript_answers_as_eager_does(build, model_folder: Path) -> None:
    record, staging = build(trained(model_folder, torchscript=True, engine=Engine(cpu="torchscript")))
    assert record["engine"] == "torchscript"
    assert record["precisions"]["f32"]["max_abs_error"] < 1e-5
    assert not (staging / "export" / "model.py").exists()
