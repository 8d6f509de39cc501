"""tuned.json keeps one entry per model, is never half written, and makes the next `up` restart the server."""

import json
import shutil
from pathlib import Path

import pytest

from contract.tuned import Tuned
from stackcli.common.errors import ConfigError
from stackcli.machine.registries import Secrets
from stackcli.project.compose import Project
from stackcli.project.settings import Settings
from stackcli.status.as_table import note_of
from stackcli.status.read import Serving, tuned_models
from stackcli.store.manifest import Model
from stackcli.store.tuned import forget_tuned, keep_tuned, read_tuned
from stackcli.tune.testbed import copy_model
from stackcli.up.start import settings_sha256

MNIST = Model(name="mnist", version="1.0", status="available", archive="mnist-1.0.mar")
ENTRY = Tuned(goal="throughput", settings={"workers": 1, "batchSize": 16, "maxBatchDelay": 0})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The settings of an empty model store."""
    return Settings(model_store=str(tmp_path))


def test_nothing_is_tuned_at_first(settings: Settings) -> None:
    assert read_tuned(settings) == {}


def test_an_entry_replaces_its_own_and_leaves_the_others(settings: Settings, tmp_path: Path) -> None:
    by_hand = {"densenet161 1.0": {"goal": "p99=20", "settings": {"workers": 2}, "note": "kept"}}
    (tmp_path / "tuned.json").write_text(json.dumps(by_hand))
    keep_tuned(settings, MNIST, Tuned(goal="p99=5", settings={"workers": 2}))
    keep_tuned(settings, MNIST, ENTRY)
    written = json.loads((tmp_path / "tuned.json").read_text())
    assert written["densenet161 1.0"] == by_hand["densenet161 1.0"]
    assert written["mnist 1.0"]["settings"] == {"workers": 1, "batchSize": 16, "maxBatchDelay": 0}
    assert [file.name for file in tmp_path.iterdir()] == ["tuned.json"]


@pytest.mark.parametrize(("version", "gone"), [(None, ["mnist 1.0", "mnist 2.0"]), ("1.0", ["mnist 1.0"]), ("3.0", [])])
def test_one_version_is_forgotten_or_all(settings: Settings, version: str | None, gone: list[str]) -> None:
    for name, number in (("mnist", "1.0"), ("mnist", "2.0"), ("mnist2", "1.0")):
        keep_tuned(settings, Model(name=name, version=number, status="available"), ENTRY)
    assert forget_tuned(settings, "mnist", version) == gone
    assert "mnist2 1.0" in read_tuned(settings)
    assert not set(gone) & read_tuned(settings).keys()


@pytest.mark.parametrize("text", ["{", "[]", '{"mnist 1.0": {}}', '{"mnist 1.0": {"goal": 1, "settings": []}}'])
def test_a_damaged_file_is_refused_with_a_remedy_and_status_says_so(
    settings: Settings, tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tuned.json").write_text(text)
    with pytest.raises(ConfigError, match=r"tuned\.json, found .*; try deleting it, and `scripts/stack tune` again"):
        keep_tuned(settings, MNIST, ENTRY)
    assert (tmp_path / "tuned.json").read_text() == text
    assert tuned_models(settings) == {}
    assert "tuned.json" in capsys.readouterr().out


def test_status_marks_a_tuned_model() -> None:
    serving = Serving(("healthy", ""), ("healthy", ""), [(MNIST, "READY")], {"mnist 1.0": ENTRY})
    assert note_of(serving, MNIST).plain == "tuned for throughput"


def test_what_was_tuned_is_an_input_of_the_server(settings: Settings, tmp_path: Path) -> None:
    project = Project(settings, "", Secrets(*[Path("/dev/null")] * 4))
    untuned = settings_sha256(project)
    keep_tuned(settings, MNIST, ENTRY)
    tuned = settings_sha256(project)
    forget_tuned(settings, "mnist", None)
    assert len({untuned, tuned, settings_sha256(project)}) == 3


@pytest.mark.parametrize("is_folder", [False, True], ids=["mar", "no-archive"])
def test_a_testbed_has_one_model_and_none_of_the_stacks_choices(tmp_path: Path, is_folder: bool) -> None:
    store = tmp_path / "store"
    (store / "mnist-1.0.mar").mkdir(parents=True)
    (store / "mnist-1.0.mar/model.py").write_text("weights")
    if not is_folder:
        shutil.rmtree(store / "mnist-1.0.mar")
        (store / "mnist-1.0.mar").write_text("weights")
    records = [{"name": "mnist", "version": version} for version in ("2.0", "1.0")]
    (store / "manifest.json").write_text(json.dumps({"schema": 1, "models": records}))
    (store / "tuned.json").write_text("{}")
    copy_model(store, MNIST, tmp_path / "copy")
    assert sorted(file.name for file in (tmp_path / "copy").iterdir()) == ["manifest.json", "mnist-1.0.mar"]
    manifest = json.loads((tmp_path / "copy/manifest.json").read_text())
    assert manifest == {"schema": 1, "models": [{"name": "mnist", "version": "1.0"}]}
