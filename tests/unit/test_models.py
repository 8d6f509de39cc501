"""The manifest and the builder's reasons reach the user unchanged."""

import json
from pathlib import Path

import pytest

from contract.failure import Failure
from contract.outcome import Outcome, read_outcome
from contract.served import State, Version
from stackcli.build.models import failure_of, outcome_folder
from stackcli.build.options import Options, chosen_settings
from stackcli.common.errors import BuildError
from stackcli.common.paths import ROOT
from stackcli.project.inside import Described, ServedState
from stackcli.project.settings import Settings
from stackcli.status.as_table import note_of
from stackcli.status.read import Serving, state_of
from stackcli.store.manifest import Manifest, Model, read_manifest

ENTRIES = [
    {"name": "densenet161", "version": "1.0", "status": "unavailable", "reason": "no answer", "remedy": "file:PATH"},
    {
        "name": "mnist",
        "version": "1.0",
        "status": "available",
        "trained": True,
        "accuracy": {"top1": 0.9912, "images": 10000},
        "samples": [{"file": "7.png", "expected": "7"}],
        "archive": "mnist-1.0.mar",
    },
    {"name": "mnist", "version": "2.0", "status": "available", "candidate": True},
    {"name": "toy", "version": "1.0", "status": "available", "trained": False, "accuracy": None, "samples": []},
]


def test_the_builders_reason_is_the_error(tmp_path: Path) -> None:
    models = [{"name": "mnist", "version": "1.0", "status": "failed", "seconds": 9.5, "failure": {}}]
    failure = {"expected": "99 %; found", "found": "12 %, try", "remedy": "more epochs", "subject": "mnist 1.0"}
    (tmp_path / "outcome.json").write_text(json.dumps({"models": models, "failure": failure}))
    outcome = read_outcome(tmp_path / "outcome.json")
    error = failure_of(outcome, 1)
    assert str(error) == "expected mnist 1.0: 99 %; found, found 12 %, try; try more epochs"
    assert outcome
    assert [model.status for model in outcome.models] == ["failed"]


def test_a_reason_of_the_builder_itself_names_no_model() -> None:
    failure = Failure(expected="a store", found="none", remedy="one")
    assert str(failure_of(Outcome(failure=failure), 1)) == "expected a store, found none; try one"


def test_a_builder_out_of_memory_points_to_its_limit(tmp_path: Path) -> None:
    assert "BUILDER_MEMORY" in failure_of(read_outcome(tmp_path / "outcome.json"), 137).remedy


def test_a_builder_that_ends_without_an_outcome_points_to_its_lines() -> None:
    assert str(failure_of(None, 2)) == (
        "expected the builder to succeed, found exit status 2; try the builder's lines above"
    )


def test_each_run_has_a_folder_of_its_own_for_its_outcome() -> None:
    with outcome_folder(Settings()) as first, outcome_folder(Settings()) as second:
        assert first != second
        assert list(first.iterdir()) == []
        assert first.stat().st_uid == Settings().stack_uid
    assert not first.exists()


def test_a_store_without_manifest_has_no_models(tmp_path: Path) -> None:
    assert read_manifest(Settings(model_store=str(tmp_path))) == Manifest()


def test_a_broken_manifest_is_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"models": [{"name": "mnist"')
    with pytest.raises(BuildError, match=r"expected a readable JSON manifest .*; try `scripts/stack build`"):
        read_manifest(Settings(model_store=str(tmp_path)))


def test_the_manifest_is_read_with_keys_the_host_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"schema": 1, "models": ENTRIES}))
    models = read_manifest(Settings(model_store=str(tmp_path))).models
    assert [(model.name, model.is_available, model.trained) for model in models] == [
        ("densenet161", False, True),
        ("mnist", True, True),
        ("mnist", True, True),
        ("toy", True, False),
    ]


def test_the_table_marks_what_is_untrained_or_a_candidate() -> None:
    serving = Serving(("healthy", ""), ("healthy", ""), [])
    notes = [note_of(serving, Model.model_validate(entry)) for entry in ENTRIES[1:]]
    assert [note.plain for note in notes] == ["", "candidate", "UNTRAINED"]
    assert [span.style for span in notes[2].spans] == ["red"]


@pytest.mark.parametrize(
    ("served", "state"),
    [
        ([{"modelName": "mnist", "modelVersion": "1.0", "workers": [{"status": "READY"}]}], "READY"),
        ([{"modelName": "mnist", "modelVersion": "1.0", "workers": [{"status": "UNLOADING"}]}], "0/1 READY"),
        ([{"modelName": "mnist", "modelVersion": "1.0", "workers": []}], "0/0 READY"),
        ([{"modelName": "mnist", "modelVersion": "2.0", "workers": [{"status": "READY"}]}], "NOT SERVED"),
        (None, "NO ANSWER"),
    ],
)
def test_a_models_state_is_its_own_versions_workers(served: list[Described] | None, state: str) -> None:
    inside = None if served is None else ServedState("", [], served)
    assert state_of(Version("mnist", "1.0"), inside) == state
    assert state_of(Version("densenet161", "1.0", State.UNAVAILABLE), inside) == "UNAVAILABLE"


def test_the_look_alike_is_a_project_of_its_own() -> None:
    settings = chosen_settings(Options(base="official-alike"))
    assert settings.compose_project_name == settings.stack_tag == "torchserve-stack-official-alike"
    assert (ROOT / settings.model_store) == ROOT / ".stack/model_store-official-alike"
