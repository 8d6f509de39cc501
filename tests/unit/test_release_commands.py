"""`scripts/stack release` does its steps in the right order; the containers here only record what they are told."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
from docker.models.containers import Container

from contract.releases import Canary, Release
from stackcli.common.errors import ConfigError, ServeError, StackError
from stackcli.machine.registries import Secrets
from stackcli.project.compose import Project
from stackcli.project.settings import Settings
from stackcli.release import change, commands
from stackcli.store.releases import read_releases, write_release


class Servers:
    """Two torchserve containers: the versions of mnist that each serves, its default one, and what was done to them."""

    def __init__(self) -> None:
        self.served = {"one": ["1.0"], "two": ["1.0"]}
        self.default = {"one": "1.0", "two": "1.0"}
        self.broken: set[tuple[str, str]] = set()
        self.done: list[str] = []

    def run_inside(self, container: Any, _module: str, action: str, _name: str, version: str) -> dict[str, Any]:
        self.done.append(f"{container.name}: {action} {version}")
        served = self.served[container.name]
        if (container.name, action) in self.broken:
            raise ServeError("an answer", "another", "correcting it")
        if action == "default":
            self.default[container.name] = version
        elif action == "undeploy":
            served.remove(version)
        elif version in served:
            return {"done": "unchanged", "answers": 0}
        else:
            served.append(version)
        return {"done": "deployed", "answers": 3}

    def read_models(self, container: Any) -> list[dict[str, Any]]:
        return [
            {
                "modelName": "mnist",
                "modelVersion": version,
                "workers": [{"status": "READY"}],
                "default": version == self.default[container.name],
            }
            for version in self.served[container.name]
        ]


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Servers:
    servers = Servers()
    monkeypatch.setattr(change, "run_inside", servers.run_inside)
    monkeypatch.setattr(change, "read_models", servers.read_models)
    return servers


@pytest.fixture
def stack(servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> change.Stack:
    """A stack that serves mnist 1.0; 2.0 was built, 3.0 could not be built, and no edge runs."""
    states = {"3.0": "unavailable", "2.0": "available", "1.0": "available"}
    models = [{"name": "mnist", "version": version, "status": status} for version, status in states.items()]
    (tmp_path / "manifest.json").write_text(json.dumps({"schema": 1, "models": models}))
    monkeypatch.setattr(change, "running", lambda *_: [])
    project = Project(Settings(model_store=str(tmp_path)), "base", Secrets(*[tmp_path] * 4))
    containers = [cast(Container, type("Named", (), {"name": name})) for name in servers.served]
    return change.Stack(cast(Any, None), project, containers)


def state_of(stack: change.Stack) -> "Release | None":
    return read_releases(stack.project.settings).get("mnist")


def test_the_first_release_finds_what_the_servers_serve(stack: change.Stack, servers: Servers) -> None:
    change.deploy(stack, "mnist", "2.0")
    assert servers.served == {"one": ["1.0", "2.0"], "two": ["1.0", "2.0"]}
    assert state_of(stack) == Release(stable="1.0", deployed=("1.0", "2.0"))


def test_a_version_that_fails_in_one_container_is_taken_back_from_the_others(
    stack: change.Stack, servers: Servers
) -> None:
    servers.broken.add(("two", "deploy"))
    with pytest.raises(ServeError, match="expected an answer"):
        change.deploy(stack, "mnist", "2.0")
    assert servers.served == {"one": ["1.0"], "two": ["1.0"]}
    assert state_of(stack) is None


def test_a_container_that_serves_it_already_keeps_it(stack: change.Stack, servers: Servers) -> None:
    servers.served["one"].append("2.0")
    servers.broken.add(("two", "deploy"))
    with pytest.raises(ServeError, match="expected an answer"):
        change.deploy(stack, "mnist", "2.0")
    assert servers.served["one"] == ["1.0", "2.0"]


def test_a_canary_is_deployed_first(stack: change.Stack, servers: Servers) -> None:
    change.set_canary(stack, "mnist", Canary(version="2.0", weight=10))
    assert servers.done == ["one: deploy 2.0", "two: deploy 2.0"]
    change.set_canary(stack, "mnist", Canary(version="2.0", weight=20))
    assert len(servers.done) == 2
    state = state_of(stack)
    assert state
    assert state.canary == Canary(version="2.0", weight=20)


def test_a_promotion_and_a_rollback_change_the_default_of_every_container(
    stack: change.Stack, servers: Servers
) -> None:
    change.set_canary(stack, "mnist", Canary(version="2.0", weight=10))
    change.promote(stack, "mnist")
    assert servers.default == {"one": "2.0", "two": "2.0"}
    assert state_of(stack) == Release(stable="2.0", previous="1.0", deployed=("1.0", "2.0"))
    change.roll_back(stack, "mnist")
    assert servers.default == {"one": "1.0", "two": "1.0"}
    assert state_of(stack) == Release(stable="1.0", deployed=("1.0", "2.0"))


def test_a_promotion_that_fails_in_one_container_is_undone_in_the_others(stack: change.Stack, servers: Servers) -> None:
    change.deploy(stack, "mnist", "2.0")
    servers.broken.add(("two", "default"))
    with pytest.raises(ServeError):
        change.promote(stack, "mnist", "2.0")
    assert servers.default == {"one": "1.0", "two": "1.0"}
    state = state_of(stack)
    assert state
    assert state.stable == "1.0"


def test_the_end_of_a_canary_changes_no_default(stack: change.Stack, servers: Servers) -> None:
    change.set_canary(stack, "mnist", Canary(version="2.0", weight=10))
    servers.done.clear()
    change.roll_back(stack, "mnist")
    assert servers.done == []
    assert state_of(stack) == Release(stable="1.0", deployed=("1.0", "2.0"))


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("deploy", "nothing", "1.0"), "a model named nothing in the manifest, found none"),
        (("deploy", "mnist", "9.0"), "a version 9.0 of mnist, found 3.0, 2.0, 1.0 in the manifest"),
        (("deploy", "mnist", "3.0"), "an archive of mnist 3.0, found it is unavailable"),
        (("promote", "mnist"), "a canary of mnist, found none"),
        (("promote", "mnist", "1.0"), "a version of mnist to promote, found 1.0, which is already stable"),
        (("promote", "mnist", "2.0"), "mnist 2.0 READY in every container, found it is not deployed"),
        (("roll_back", "mnist"), "a canary or a previous version of mnist 1.0, found neither"),
        (("roll_back", "nothing"), "a served version of nothing, found none"),
        (("decide", "mnist", 1.0, 1), "a canary of mnist, found none"),
    ],
)
def test_what_cannot_be_done_is_said(stack: change.Stack, servers: Servers, words: Any, text: str) -> None:
    action, *arguments = words
    with pytest.raises(StackError) as refused:
        getattr(change, action)(stack, *arguments)
    assert str(refused.value).startswith(f"expected {text}")
    assert servers.done == []
    assert state_of(stack) is None


def test_a_comparison_takes_no_version() -> None:
    with pytest.raises(ConfigError, match=r"expected --auto alone.*, found --auto with 2\.0; try dropping one"):
        commands.promote("mnist", "2.0", auto=True)


def test_the_stable_version_is_no_canary(stack: change.Stack) -> None:
    with pytest.raises(ConfigError, match="a canary of mnist that is not its stable version"):
        change.set_canary(stack, "mnist", Canary(version="1.0", weight=10))


def test_a_version_that_only_some_containers_serve_is_not_promoted(stack: change.Stack, servers: Servers) -> None:
    servers.served["one"].append("2.0")
    write_release(stack.project.settings, "mnist", Release(stable="1.0", deployed=("1.0", "2.0")))
    with pytest.raises(ServeError, match="READY in every container"):
        change.promote(stack, "mnist", "2.0")


class Edge:
    """An edge's container that shows one state after another, the last for good."""

    name = "edge"

    def __init__(self, *states: dict[str, Any]) -> None:
        self.states = list(states)

    def exec_run(self, _command: list[str]) -> Any:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return type("Ended", (), {"exit_code": 0, "output": json.dumps({"models": [state]}).encode()})


def in_force(stable: str, canary: "dict[str, Any] | None", *versions: str) -> dict[str, Any]:
    return {"name": "mnist", "stable": stable, "canary": canary, "versions": [{"version": one} for one in versions]}


def test_a_change_is_done_when_the_edge_has_it() -> None:
    wanted = Release(stable="1.0", canary=Canary(version="2.0", weight=10), deployed=("1.0", "2.0"))
    canary = {"version": "2.0", "weight": 10, "sticky_header": None}
    states = [in_force("1.0", None, "1.0"), in_force("1.0", None, "1.0", "2.0"), in_force("1.0", canary, "1.0", "2.0")]
    edge = Edge(*states)
    change.wait_for_edge(cast(Container, edge), "mnist", wanted)
    assert edge.states == states[-1:]


def test_an_edge_that_does_not_take_a_change_over_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change, "EDGE_SECONDS", 0.05)
    edge = cast(Container, Edge(in_force("1.0", None, "1.0")))
    with pytest.raises(ServeError, match=r"the edge to apply .*, found stable 1\.0"):
        change.wait_for_edge(edge, "mnist", Release(stable="2.0", deployed=("1.0", "2.0")))
