"""model.yaml: what is accepted, and how mistakes are reported."""

from pathlib import Path

import pytest

from builder.errors import SpecError
from builder.export.folder import settings_of
from builder.spec import RandomWeights, load_spec, override_weights

FOLDERS = sorted(Path("/model_src").glob("*/model.yaml"))


@pytest.mark.parametrize("path", FOLDERS, ids=lambda path: path.parent.name)
def test_every_model_of_the_repository_has_a_valid_spec(path: Path) -> None:
    assert load_spec(path).name


def test_the_repository_has_models() -> None:
    assert FOLDERS


def change(model_folder: Path, old: str, new: str) -> Path:
    path = model_folder / "model.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def test_an_archive_names_the_timeouts_that_its_model_yaml_names_and_no_others(model_folder: Path) -> None:
    silent = settings_of(load_spec(model_folder / "model.yaml"), trained=False, engine="eager")
    assert not {"responseTimeout", "startupTimeout"} & silent.keys()
    named = change(model_folder, "name: brightness", "serving: {startupTimeout: 33}\nname: brightness")
    settings = settings_of(load_spec(named), trained=False, engine="eager")
    assert (settings["startupTimeout"], "responseTimeout" in settings) == (33, False)


def test_an_unknown_key_is_rejected_with_its_line(model_folder: Path) -> None:
    path = change(model_folder, "weights: {random: 0}", "weights: {random: 0}\nwieghts: {random: 1}")
    with pytest.raises(SpecError, match=r"brightness/model.yaml line 5: wieghts: unknown key"):
        load_spec(path)


def test_an_unknown_key_inside_a_section_is_rejected_with_its_line(model_folder: Path) -> None:
    path = change(model_folder, "mode: L,", "mode: L, crops: 3,")
    with pytest.raises(SpecError, match=r"line 6: input.crops: unknown key"):
        load_spec(path)


def test_a_mistake_in_the_weights_is_told_for_the_kind_that_was_meant(model_folder: Path) -> None:
    path = change(model_folder, "{random: 0}", "{url: 'https://example.org/x.pth', sha256: abc}")
    with pytest.raises(SpecError, match=r"line 4: weights.sha256: String should match") as caught:
        load_spec(path)
    assert "random" not in str(caught.value)
    assert "train" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("size: [4, 4]", "resize: 5", "either `size`, or both `resize` and `crop`"),
        ("size: [4, 4]", "resize: 4, crop: 5", "`crop` to be at most `resize`"),
        ("mean: [0.5]", "mean: [0.5, 0.5]", "expected 1 values in `mean`"),
        ("name: brightness", "name: ../up", "String should match"),
        ('version: "1.0"', "version: 1.0", "valid string"),
    ],
)
def test_a_wrong_value_is_rejected(model_folder: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        load_spec(change(model_folder, old, new))


def test_the_files_of_a_model_may_lie_in_another_models_folder(model_folder: Path) -> None:
    change(model_folder, "handler: handler.py", "handler: ../first/handler.py\nsamples: ../first/samples")
    spec = load_spec(model_folder / "model.yaml")
    assert spec.folders(model_folder) == [model_folder, model_folder.parent / "first"]


def test_text_that_is_not_yaml_is_rejected(model_folder: Path) -> None:
    (model_folder / "model.yaml").write_text("name: [\n")
    with pytest.raises(SpecError, match="expected YAML"):
        load_spec(model_folder / "model.yaml")


def test_weights_are_overridden_by_name(model_folder: Path) -> None:
    spec = load_spec(model_folder / "model.yaml")
    assert override_weights(spec, "random:7").weights == RandomWeights(random=7)
    with pytest.raises(SpecError, match="random:SEED"):
        override_weights(spec, "randm:7")
