"""Every variable is documented, read, and refused when it cannot be used."""

import os
import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from stackcli.common.errors import ConfigError
from stackcli.common.paths import ROOT
from stackcli.machine.registries import Secrets
from stackcli.project.settings import Settings, documented_variables, load_settings, with_weights
from stackcli.swarm.files import IMAGE_VARIABLES, contents

EXAMPLE = documented_variables(ROOT / ".env.example")
COMPOSE_FILES = sorted(ROOT.glob("compose*.yaml"))
# Set by `scripts/stack swarm` only: the images, and the hashes in the names of secrets and configs.
MADE = {*IMAGE_VARIABLES.values(), *(name for names in contents(Settings()).values() for name in names)}


# By `scripts/stack` for the labels of images, whatever the environment says.
LABELS = {"STACK_VERSION", "STACK_REVISION"}


def variables_of(file: Path) -> dict[str, str]:
    """Returns the variables `${NAME:-default}` of a compose file with their defaults; empty if that is a variable."""
    return {name: default or "" for name, default in re.findall(r"\$\{([A-Z_]+)(?::-([^}$]*))?", file.read_text())}


def folder_with(tmp_path: Path, env: str) -> Path:
    (tmp_path / ".env.example").write_bytes((ROOT / ".env.example").read_bytes())
    (tmp_path / ".env").write_text(env)
    return tmp_path


@pytest.mark.parametrize("file", COMPOSE_FILES, ids=lambda file: file.name)
def test_every_variable_of_a_compose_file_is_documented(file: Path) -> None:
    assert variables_of(file).keys() - MADE - LABELS <= EXAMPLE.keys()


def test_compose_and_its_documentation_agree_on_every_default() -> None:
    defaults = {name: value for name, value in variables_of(ROOT / "compose.yaml").items() if name not in LABELS}
    assert {name: EXAMPLE[name] for name in defaults} == defaults


def test_the_command_line_and_the_documentation_agree_on_every_default() -> None:
    ours = {name.upper(): str(field.default) for name, field in Settings.model_fields.items()}
    secrets = {f"STACK_{field.name.upper()}" for field in fields(Secrets)}
    assert ours == {name: value for name, value in EXAMPLE.items() if name not in secrets}


def test_the_project_name_is_the_one_in_compose_yaml() -> None:
    assert yaml.safe_load((ROOT / "compose.yaml").read_text())["name"] == Settings().compose_project_name


def test_the_example_copied_to_env_changes_nothing(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, (ROOT / ".env.example").read_text())
    assert load_settings(folder, {}) == load_settings(tmp_path / "nowhere", {})


def test_the_environment_wins_over_env_which_wins_over_the_default(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "INFERENCE_PORT=9000\nMETRICS_PORT=9002\n")
    settings = load_settings(folder, {"INFERENCE_PORT": "9100", "MANAGEMENT_PORT": ""})
    assert (settings.inference_port, settings.metrics_port, settings.management_port) == (9100, 9002, 8081)


def test_what_settings_say_to_compose_is_what_they_read_back(tmp_path: Path) -> None:
    """Compose recreates a container when a variable is written differently."""
    said = {name.upper(): str(value) for name, value in load_settings(folder_with(tmp_path, ""), {})}
    assert {name.upper(): str(value) for name, value in load_settings(folder_with(tmp_path, ""), said)} == said


def test_a_misspelt_variable_in_env_is_refused_with_the_right_spelling(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"found INFERENCE_PROT; try INFERENCE_PORT"):
        load_settings(folder_with(tmp_path, "INFERENCE_PROT=9000\n"), {})


def test_other_programs_variables_are_welcome_in_env(tmp_path: Path) -> None:
    load_settings(folder_with(tmp_path, "COMPOSE_FILE=compose.yaml:compose.gpu.yaml\nDOCKER_HOST=unix:///x\n"), {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INFERENCE_PORT", "80800"),
        ("INFERENCE_PORT", "x"),
        ("ARCHIVE_FORMAT", "rar"),
        ("TORCHSERVE_CPUS", "two"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"usable {name} .*found '{value}'; try correcting {name}"):
        load_settings(tmp_path, {name: value})


def test_the_builder_runs_as_the_caller_unless_that_is_root(tmp_path: Path) -> None:
    expected = 1000 if os.geteuid() == 0 else os.getuid()
    assert load_settings(tmp_path, {}).stack_uid == expected


def test_a_weights_option_replaces_the_same_models_entry_and_keeps_the_others() -> None:
    settings = Settings(model_weights="densenet161=file:a.pth other=random:1")
    assert with_weights(settings, ["densenet161=random:0"]).model_weights == "densenet161=random:0 other=random:1"


@pytest.mark.parametrize("option", ["densenet161", "=random:0", "densenet161="])
def test_a_weights_option_without_both_parts_is_refused(option: str) -> None:
    with pytest.raises(ConfigError, match="--weights MODEL=SPEC"):
        with_weights(Settings(), [option])
