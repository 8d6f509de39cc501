"""The manifest and the builder's words reach the person unchanged."""

import json
from pathlib import Path

import pytest

from stackcli.build.models import failure_of
from stackcli.build.options import Options, chosen_settings
from stackcli.common.errors import BuildError
from stackcli.common.paths import ROOT
from stackcli.project.inside import Described
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


def test_the_builders_reason_is_the_error() -> None:
    error = failure_of(["mnist 1.0: FAIL: expected 99 %, found 12 %; try more epochs", "done"], 1)
    assert str(error) == "FAIL: expected mnist 1.0: 99 %, found 12 %; try more epochs"


def test_a_builder_out_of_memory_points_to_its_limit() -> None:
    assert "BUILDER_MEMORY" in failure_of(["mnist 1.0: training"], 137).remedy


def test_a_store_without_manifest_has_no_models(tmp_path: Path) -> None:
    assert read_manifest(Settings(model_store=str(tmp_path))) == Manifest()


def test_a_broken_manifest_is_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"models": [{"name": "mnist"')
    with pytest.raises(BuildError, match="build --force"):
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
    assert state_of(Model.model_validate(ENTRIES[1]), served) == state
    assert state_of(Model.model_validate(ENTRIES[0]), served) == "UNAVAILABLE"


def test_the_look_alike_is_a_project_of_its_own() -> None:
    settings = chosen_settings(Options(base="official-alike"))
    assert settings.compose_project_name == settings.stack_tag == "torchserve-stack-official-alike"
    assert (ROOT / settings.model_store) == ROOT / ".stack/model_store-official-alike"
