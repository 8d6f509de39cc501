"""`scripts/stack doctor --report` says what a maintainer needs, and nothing that one would not tell a stranger."""

import getpass
import json
import os
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from docker.errors import ImageNotFound
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from stackcli.cli import make_app
from stackcli.common import console
from stackcli.common.check import Check
from stackcli.common.paths import ROOT
from stackcli.common.version import version
from stackcli.doctor import allowed, report
from stackcli.doctor.checks import check_compose
from stackcli.project.compose import Project
from stackcli.project.settings import Settings

# Where it stands → what stands there.
SECRETS = {
    "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20tr4cing-key",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://joan:c0llector@collector.corp.internal:4318",
    "TORCH_INDEX_URL": "https://joan:wh33ls@wheels.corp.internal/cpu",
    "TORCHSERVE_IMAGE": "registry.corp.internal:5000/joan/torchserve:private",
    "DEBIAN_IMAGE": "registry.corp.internal/debian:bookworm",
    "GRAFANA_IMAGE": "registry.corp.internal/grafana:11",
    "GRAFANA_PASSWORD_FILE": "/home/joan/gr4fana.txt",
    "ALERTMANAGER_CONFIG": "/home/joan/p4ger.yaml",
    "STACK_SIGNING_KEY": "/home/joan/s1gning.pem",
    "STACK_VERIFY_KEY": "/home/joan/v3rify.pem",
    "EDGE_SECRETS": "/home/joan/3dge",
    "MODEL_STORE": "/home/joan/secret-pr0ject/store",
    "MODEL_SRC": "/home/joan/secret-pr0ject/models",
    "MODEL_WEIGHTS": "acqu1sition=file:w3ights.pth",
    "SWARM_MANAGER": "ssh://joan@manager.corp.internal",
    "SWARM_REPOSITORY": "registry.corp.internal:5000/joan",
    "COMPOSE_PROJECT_NAME": "acqu1sition",
    "STACK_TAG": "acqu1sition-2",
    "BIND_ADDRESS": "10.20.30.40",
    "OBSERVABILITY_ADDRESS": "fd00::77",
    "RETENTION_TIME": "p4ss",
    "TORCHSERVE_MEMORY": "m3mory-is-free-text",
    "HTTPS_PROXY": "http://joan:pr0xy@proxy.corp.internal:3128",
    "PIP_INDEX_URL": "https://__token__:pypi-AgEIcHlwaS5vcmc@pypi.corp.internal/simple",
    "NPM_CONFIG__AUTH": "bnBtOnBhc3N3b3Jk",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "GITHUB_TOKEN": "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "DOCKER_HOST": "tcp://joan@engine.corp.internal:2376",
}
# Parts of them, each of which alone would say too much.
PARTS = [
    *(secret for secret in SECRETS.values()),
    *("joan", "corp", "internal", "10.20.30.40", "fd00", "acqu1sition", "pr0ject", "K7MDENG", "ghp_", "AgEI", "3128"),
    *("tr4cing", "c0llector", "wh33ls", "gr4fana", "p4ger", "s1gning", "v3rify", "3dge", "w3ights", "p4ss", "m3mory"),
]
SPOKEN = [
    "no route to registry.corp.internal:5000 for joan:pr0xy@10.20.30.40",
    "/home/joan/secret-pr0ject/store: Permission denied",
    "joan (predict), acqu1sition (manage)",
    "port 8080 held by container acqu1sition-edge-1",
    "Bearer%20tr4cing-key ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY in AWS_SECRET_ACCESS_KEY",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqb2FuIn0.c2ln from 0001:0db8:fd00::77",
]


class Engine:
    """A Docker client whose images and containers say secrets wherever there is room for text."""

    def __init__(self) -> None:
        labels = {
            "org.opencontainers.image.title": "torchserve-stack/edge",
            "org.opencontainers.image.version": "0.1.0",
            "org.opencontainers.image.revision": "registry.corp.internal",
            "org.opencontainers.image.source": "https://git.corp.internal/joan",
            "maintainer": "joan",
        }
        self.images = SimpleNamespace(get=lambda name: SimpleNamespace(id="sha256:" + "ab" * 32, labels=labels))
        self.containers = SimpleNamespace(list=lambda **_: [])

    def info(self) -> dict[str, Any]:
        return {"DockerRootDir": "/home/joan/docker", "CgroupVersion": "2", "Name": "joan-laptop"}


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Secrets in the environment, in what checks find and in the model store; returns that store."""
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    store = tmp_path / "joan"
    store.mkdir()
    monkeypatch.setenv("MODEL_STORE", str(store))
    monkeypatch.setenv("EDGE_PORT", "9000")
    model = {"name": "acqu1sition", "version": "p4ss", "status": "available", "engine": "joan", "precision": "s1gning"}
    known = {"name": "mnist", "version": "1.0", "status": "available", "engine": "openvino", "precision": "f32"}
    (store / "manifest.json").write_text(json.dumps({"schema": 1, "models": [model, known]}))
    checks = [Check(f"model {SECRETS['STACK_TAG']}", "failed", text, "x", "y") for text in SPOKEN]
    monkeypatch.setattr(report, "all_checks", lambda client, project: [Check("engine", "ok", "valid"), *checks])
    monkeypatch.setattr(report, "write_secrets", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))  # no program is asked: the engine named above is nowhere
    return store


@pytest.mark.parametrize("client", [None, Engine()], ids=["without an engine", "with one"])
def test_no_secret_is_in_a_report(planted: Path, client: Any) -> None:
    text = report.report(client)
    assert [part for part in PARTS if part.lower() in text.lower()] == []
    for name in (getpass.getuser(), socket.gethostname(), str(Path.home()), str(planted)):
        assert name not in text.split()


def test_every_setting_that_differs_is_named_and_only_a_harmless_value_shown(planted: Path) -> None:
    text = report.report(None)
    assert "| EDGE_PORT | 9000 |" in text
    for name in SECRETS:
        if name.lower() in Settings.model_fields:
            assert f"| {name} | {allowed.SET} |" in text


def test_every_setting_is_shown_by_the_form_of_its_value_or_not_at_all() -> None:
    """What is not a number, a size, a time or one of a few words is told as set."""
    for name, value in Settings():
        if name in allowed.SETTINGS and value != "":
            assert allowed.setting(name, value) == str(value)
    free = set(Settings.model_fields) - set(allowed.SETTINGS)
    assert free == {
        *("compose_project_name", "stack_tag", "torch_index_url", "model_src", "model_store", "model_weights"),
        *("stack_uid", "stack_gid", "otel_exporter_otlp_endpoint", "otel_exporter_otlp_headers", "edge_secrets"),
        *("swarm_manager", "swarm_repository", "grafana_password_file", "alertmanager_config"),
        *("stack_signing_key", "stack_verify_key"),
    }


@pytest.mark.parametrize("name", sorted(allowed.SETTINGS))
@pytest.mark.parametrize("secret", ["hunter2hunter2", "joan@corp.internal", "/home/joan", "a b", "10.20.30.40"])
def test_a_secret_in_any_setting_is_not_shown(name: str, secret: str) -> None:
    assert allowed.setting(name, secret) == allowed.SET


@given(st.from_regex(r"[A-Za-z]{2,}[0-9_/+=]{1,}[A-Za-z0-9_/+=]{6,40}", fullmatch=True), st.sampled_from("'\"(:,"))
def test_a_key_in_a_sentence_is_never_shown(key: str, before: str) -> None:
    assert key not in allowed.said(f"expected a key, found {before}{key}{before}; try another")


@given(st.ip_addresses())
def test_an_address_in_a_sentence_is_never_shown(address: Any) -> None:
    shown = allowed.said(f"connection to {address} refused or ({address}): {address}.")
    assert str(address) not in shown


def test_the_stacks_own_words_and_numbers_are_shown() -> None:
    """Otherwise the report would be safe and useless."""
    text = "Docker Engine 20.10.24, Compose 2.26.1, Buildx v0.13.1"
    assert allowed.said(text) == text
    assert allowed.said("Buildx 0.13.1+ds1-1+b5") == "Buildx 0.13.1"
    assert allowed.said("port 8000 held by another program") == "port 8000 held by another program"
    assert allowed.said(f"none in {ROOT / 'model_store'}") == "none in model_store"
    assert allowed.said(f"{Path.home()}/x/y: Permission denied") == "~/[hidden] Permission denied"


def test_a_report_without_docker_has_every_section(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in SECRETS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    text = report.report(None)
    for said in (
        f"| version | {version()} |",
        "| Docker Engine | none |",
        "#### Settings",
        "#### Images",
        "#### Models",
    ):
        assert said in text
    assert "| compose.yaml | failed | no docker command to read it |" in text


def test_an_env_file_that_cannot_be_used_is_told_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_PORT", "s3cret")
    text = report.report(None)
    assert "has a value that cannot be used" in text
    assert "s3cret" not in text


def test_an_image_is_shown_by_service_id_and_the_labels_that_the_stack_gives(planted: Path) -> None:
    client: Any = Engine()
    line = next(line for line in report.report(client).splitlines() if line.startswith("| edge |"))
    assert line == "| edge | abababababab | title torchserve-stack/edge, version 0.1.0 |"


def test_an_image_that_is_not_there_has_no_row() -> None:
    def missing(name: str) -> None:
        raise ImageNotFound(name)

    client: Any = SimpleNamespace(images=SimpleNamespace(get=missing))
    assert report.image_rows(client, Settings()) == []


def test_models_of_the_repository_are_named_and_others_counted(planted: Path) -> None:
    text = report.report(None)
    assert "| mnist | 1.0 | NO ANSWER | openvino | f32 |" in text
    assert "| a model of yours | [hidden] | NO ANSWER | [hidden] | [hidden] |" in text


def test_the_named_models_are_those_of_the_repository() -> None:
    specs = [yaml.safe_load(file.read_text()) for file in ROOT.glob("model_src/*/model.yaml")]
    assert set(allowed.MODELS) <= {spec["name"] for spec in specs}


def test_the_command_prints_the_report_alone_on_stdout(planted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "connect_if_running", lambda: None)
    monkeypatch.setattr(console, "leave_stdout_alone", lambda: None)
    monkeypatch.setattr(console, "phase", lambda title: None)
    ended = CliRunner().invoke(make_app(["doctor"]), ["doctor", "--report"])
    assert ended.exit_code == 0
    assert ended.output.startswith("### Report of")


def test_a_doctor_without_docker_names_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    check = check_compose(Project(Settings(), "any"))
    assert (check.verdict, check.remedy) == ("failed", "`scripts/stack up --yes`")
    assert os.environ["PATH"] == str(tmp_path)
