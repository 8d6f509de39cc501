"""`scripts/stack up --observability` checks its ports and images, and keeps Grafana's password secret."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stackcli.machine.registries import Secrets
from stackcli.project.compose import Project
from stackcli.project.containers import observer_urls
from stackcli.project.settings import Settings
from stackcli.up import observers


def engine(*services: str) -> Any:
    """Makes the part of a Docker client that is used: the running containers."""
    running = [SimpleNamespace(labels={"com.docker.compose.service": service}) for service in services]
    return SimpleNamespace(containers=SimpleNamespace(list=lambda **_: running))


def project_of(tmp_path: Path, **settings: Any) -> Project:
    return Project(Settings(**settings), "base", Secrets(tmp_path, tmp_path, tmp_path, tmp_path))


def test_a_plain_up_asks_for_none_of_their_ports() -> None:
    assert not {"PROMETHEUS_PORT", "ALERTMANAGER_PORT", "GRAFANA_PORT"} & Settings().ports.keys()


def test_a_port_of_theirs_that_another_program_holds_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observers, "is_taken", lambda address, port: port == 9093)
    monkeypatch.setattr(observers, "port_holders", lambda client: {})
    with pytest.raises(Exception, match=r"expected free ports, found port 9093 held by .*another ALERTMANAGER_PORT"):
        observers.check_observer_ports(engine(), Settings())


def test_without_grafanas_image_it_says_so_and_what_to_try(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(observers, "has_image", lambda client, name: False)
    monkeypatch.setattr(observers, "try_pull", lambda client, name: "no route")
    assert not observers.has_grafana(engine(), Settings())
    said = capsys.readouterr().out
    assert "WARNING: Grafana is left out, the others start without it: expected the image grafana/grafana:" in said
    assert "\n    found that it cannot be pulled (no route)\n    try `docker load`" in said


def test_grafanas_password_is_made_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "grafana_password"
    monkeypatch.setattr(observers, "PASSWORD", file)
    first, made = observers.with_password(project_of(tmp_path)), file.read_text()
    observers.with_password(project_of(tmp_path))
    assert first.environment["GRAFANA_PASSWORD_FILE"] == str(file)
    assert file.read_text() == made
    assert len(made) >= 20


def test_a_password_of_the_users_own_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(observers, "PASSWORD", tmp_path / "none")
    project = project_of(tmp_path, grafana_password_file="/mine")
    assert observers.with_password(project) is project
    assert not (tmp_path / "none").exists()


def test_the_urls_are_of_those_that_run() -> None:
    urls = observer_urls(engine("torchserve", "prometheus"), Settings(prometheus_port=9999))
    assert urls == {"prometheus": "http://localhost:9999"}
