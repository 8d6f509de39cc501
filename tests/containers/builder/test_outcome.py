"""The outcome reports what a run did with each model, and why it failed, as data for the command line."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import builder.__main__ as command
from builder.build import Build
from builder.errors import CheckFailed
from builder.publish.store import ModelStore
from contract.failure import Failure
from contract.outcome import ModelOutcome, Outcome


def statuses(outcome: Outcome) -> list:
    return [(model.name, model.version, model.status) for model in outcome.models]


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def copy_model(model_folder: Path, name: str) -> Path:
    folder = shutil.copytree(model_folder, model_folder.parent / name)
    change(folder / "model.yaml", "name: brightness", f"name: {name}")
    return folder


def test_a_model_is_built_then_unchanged_then_removed(run, model_folder: Path) -> None:
    first = run()
    assert statuses(first) == [("brightness", "1.0", "built")]
    assert first.models[0].seconds > 0
    assert statuses(run()) == [("brightness", "1.0", "unchanged")]
    shutil.rmtree(model_folder)
    last = run()
    assert statuses(last) == [("brightness", "1.0", "removed")]
    assert (last.exit_status, last.failure) == (0, None)


def test_a_model_that_fails_is_named_with_its_reason_and_the_others_are_built(
    run, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_model(model_folder, "darkness")
    make = Build._make

    def make_or_fail(self: Build, folder: Path, spec, staging: Path) -> dict:
        if spec.name == "darkness":
            raise CheckFailed("light", "none", "a window")
        return make(self, folder, spec, staging)

    monkeypatch.setattr(Build, "_make", make_or_fail)
    outcome = run()
    assert statuses(outcome) == [("brightness", "1.0", "built"), ("darkness", "1.0", "failed")]
    assert outcome.exit_status == 1
    assert outcome.failure == outcome.models[1].failure == Failure("light", "none", "a window", "darkness 1.0")


@pytest.mark.parametrize("strict", [False, True])
def test_an_unavailable_model_says_why_and_is_a_failure_only_where_that_is_asked_for(
    run, model_folder: Path, strict: bool
) -> None:
    change(model_folder / "model.yaml", "{random: 0}", "{file: absent.pth}")
    outcome = run(strict=strict)
    assert statuses(outcome) == [("brightness", "1.0", "unavailable")]
    why = outcome.models[0].failure
    assert (why.subject, why.found) == ("brightness 1.0", "no such file")
    assert outcome.failure == (why if strict else None)


def test_a_model_whose_yaml_is_wrong_is_named_by_its_folder_and_nothing_is_removed(
    run, store: ModelStore, model_folder: Path
) -> None:
    run()
    model_folder.rename(model_folder.parent / "gone")
    (model_folder.parent / "broken").mkdir()
    (model_folder.parent / "broken" / "model.yaml").write_text("name: [")
    (model_folder.parent / "gone" / "model.yaml").unlink()
    outcome = run()
    assert statuses(outcome) == [("broken", "", "failed")]
    assert outcome.failure.subject == "broken"
    assert store.find("brightness", "1.0")


@pytest.fixture
def call(store: ModelStore, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Call the command with these arguments; returns (exit status, the outcome's JSON or None)."""
    monkeypatch.setattr(command, "MODEL_SRC", model_folder.parent)
    monkeypatch.setattr(command, "MODEL_STORE", store.folder)
    monkeypatch.setattr(command, "CACHE", tmp_path / "cache")
    file = tmp_path / "outcome.json"

    def once(*arguments: str) -> tuple:
        monkeypatch.setattr(sys, "argv", ["builder", "--outcome", str(file), *arguments])
        status = command.main()
        return status, json.loads(file.read_text())

    return once


def test_the_command_leaves_its_outcome_as_json(call, run) -> None:
    run()
    status, outcome = call()
    (model,) = outcome["models"]
    assert model.pop("seconds") >= 0
    assert model == {"name": "brightness", "version": "1.0", "status": "unchanged", "failure": None}
    assert (status, outcome["failure"]) == (0, None)


def test_a_problem_of_the_builder_itself_is_reported_for_no_model(call) -> None:
    status, outcome = call("nonsense")
    failure = outcome["failure"]
    assert (status, outcome["models"]) == (1, [])
    assert (failure["subject"], failure["found"]) == ("", "nonsense")
    assert failure["expected"].startswith("models of model_src")
    assert failure["remedy"] == "one of those names"


def test_a_store_that_cannot_be_written_to_is_told_as_well(call, store: ModelStore) -> None:
    store.folder.chmod(0o500)
    status, outcome = call()
    assert status == 1
    assert outcome["failure"]["expected"].startswith("a model store that user")


def test_a_killed_run_leaves_no_outcome_of_the_run_before(
    call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("nonsense")
    monkeypatch.setattr(Build, "run", interrupt)
    with pytest.raises(KeyboardInterrupt):
        call()
    assert not (tmp_path / "outcome.json").exists()


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_an_outcome_is_whole_and_readable_for_everyone(tmp_path: Path) -> None:
    outcome = Outcome([ModelOutcome("m", "1.0", "failed", 1.5, Failure("a", "b", "c", "m 1.0"))])
    outcome.write(tmp_path / "outcome.json")
    assert [path.name for path in tmp_path.iterdir()] == ["outcome.json"]
    assert (tmp_path / "outcome.json").stat().st_mode & 0o777 == 0o644
    (model,) = json.loads((tmp_path / "outcome.json").read_text())["models"]
    assert model["failure"] == {"expected": "a", "found": "b", "remedy": "c", "subject": "m 1.0"}


def test_a_run_that_builds_nothing_imports_no_torch() -> None:
    code = "import builder.__main__, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
