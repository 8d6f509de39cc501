"""The state of a Swarm is read correctly, problems are named, and files and variables match."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from stackcli.common.errors import ConfigError, ServeError
from stackcli.common.paths import ROOT
from stackcli.machine.registries import Secrets
from stackcli.project.compose import Project
from stackcli.project.settings import Settings
from stackcli.swarm import update
from stackcli.swarm.files import CLOSED, OBSERVED, SIGNED, STACK, files_of, hashes_of, variables
from stackcli.swarm.manager import Manager
from stackcli.swarm.state import Node, Service, Swarm, Task, node_of, service_of, task_of
from stackcli.swarm.status import SwarmStatus
from stackcli.swarm.update import wait_until_complete

IMAGE, OTHER = "registry:5000/stack/torchserve:a@sha256:1", "registry:5000/stack/torchserve:b@sha256:2"
CLOSED_FILES = "compose.yaml:compose.prod.yaml"


def row(name: str = "models_torchserve.1", state: str = "Running 2 minutes ago", **changes: str) -> dict[str, str]:
    """Makes a row of `docker stack ps --no-trunc --format json`."""
    made = {"ID": "id", "Name": name, "Image": IMAGE, "Node": "node-1", "DesiredState": "Running", "Error": ""}
    return {**made, "CurrentState": state, **changes}


def inspected(replicas: int | None = 1, **update: str) -> dict[str, Any]:
    """Makes the output of `docker service inspect`."""
    mode = {"Global": {}} if replicas is None else {"Replicated": {"Replicas": replicas}}
    spec = {"Name": "models_torchserve", "Mode": mode, "TaskTemplate": {"ContainerSpec": {"Image": IMAGE}}}
    return {"Spec": spec, **({"UpdateStatus": update} if update else {})}


def service(*rows: dict[str, str], replicas: int | None = 1, **update: str) -> Service:
    return service_of(inspected(replicas, **update), "models", [task_of(one, "models") for one in rows])


def node(name: str = "node-1", role: str = "leader", state: str = "ready") -> Node:
    return Node(name, role, state, "active", "26.1.5")


def test_a_row_is_a_task_of_its_service() -> None:
    ended = row(
        "\\_ models_edge.x1y2", "Failed 3 seconds ago", DesiredState="Shutdown", Error='"task: non-zero exit (1)"'
    )
    expected = Task("id", "edge", "node-1", IMAGE, "failed", "shutdown", "task: non-zero exit (1)")
    assert task_of(ended, "models") == expected


@pytest.mark.parametrize(("said", "role"), [("Leader", "leader"), ("Reachable", "manager"), ("", "worker")])
def test_a_machine_has_one_role(said: str, role: str) -> None:
    made = node_of(
        {"Hostname": "a", "ManagerStatus": said, "Status": "Ready", "Availability": "Drain", "EngineVersion": "26"}
    )
    assert made == Node("a", role, "ready", "drain", "26")


def test_a_service_is_complete_once_as_many_run_its_image_as_are_asked_for() -> None:
    assert service(row()).is_complete
    assert not service(row(state="Starting 2 seconds ago")).is_complete, "it is not healthy yet"
    assert not service(row(Image=OTHER)).is_complete, "it runs another image"
    assert not service(row(), replicas=2).is_complete
    assert not service(row(), row(Image=OTHER)).is_complete, "one has still to end"
    assert service(row(), row(state="Shutdown 1 minute ago", DesiredState="Shutdown")).is_complete
    assert not service(replicas=None).is_complete
    assert service(row(), row(), replicas=None).is_complete


@pytest.mark.parametrize(
    ("state", "is_complete"), [("updating", False), ("rollback_started", False), ("completed", True)]
)
def test_while_an_update_goes_on_it_is_not_complete(state: str, is_complete: bool) -> None:
    assert service(row(), State=state).is_complete is is_complete


def test_nothing_is_wrong_with_a_whole_swarm() -> None:
    assert SwarmStatus("models", [node()], [service(row())]).is_healthy
    assert SwarmStatus("models", [node()], [service(row(), State="rollback_completed")]).is_healthy


@pytest.mark.parametrize(
    ("nodes", "services", "problem"),
    [
        ([node(), node("node-2", "worker", "down")], [service(row())], "node-2 is down"),
        ([node()], [], "models is not deployed: `scripts/stack swarm up`"),
        ([node()], [service(row(), replicas=2)], "torchserve: 1 of 2 running"),
        (
            [node()],
            [service(row(), State="rollback_paused", Message="a task failed")],
            "torchserve: rollback paused: a task failed",
        ),
        (
            [node(), node("node-2", "manager"), node("node-3", "unreachable", "down")],
            [service(row())],
            "2 of 3 managers are reachable: if one more fails, the Swarm cannot be changed",
        ),
    ],
)
def test_what_is_wrong_is_named(nodes: list[Node], services: list[Service], problem: str) -> None:
    status = SwarmStatus("models", nodes, services)
    assert problem in status.problems
    assert not status.is_healthy


def test_an_open_edge_is_refused_unless_somebody_says_so() -> None:
    """A Swarm publishes its port on every address of the machines."""
    with pytest.raises(ConfigError, match=r"compose\.prod\.yaml, or BIND_ADDRESS=0\.0\.0\.0"):
        files_of(Settings(), is_observed=False)
    assert files_of(Settings(bind_address="0.0.0.0"), is_observed=False) == [STACK]
    assert files_of(Settings(compose_file=CLOSED_FILES), is_observed=True) == [STACK, CLOSED, OBSERVED]
    signed = Settings(compose_file=CLOSED_FILES, stack_verify_key="verify.pem")
    assert files_of(signed, is_observed=False) == [STACK, CLOSED, SIGNED]


def made(settings: Settings) -> dict[str, str]:
    return variables(Project(settings, "base", Secrets(*[Path()] * 4)), {"torchserve": IMAGE, "edge": "e@sha256:3"})


def test_each_task_has_its_share_of_a_machine_and_each_edge_a_place_for_all() -> None:
    found = made(Settings(swarm_replicas=20))
    assert "TORCHSERVE_CPUS" not in found, "0 is all CPUs of one machine"
    assert found["EDGE_MOST_REPLICAS"] == "21"
    assert (found["SWARM_TORCHSERVE_IMAGE"], found["SWARM_REPLICAS"]) == (IMAGE, "20")
    assert made(Settings(torchserve_cpus="1.5"))["TORCHSERVE_CPUS"] == "1.5"


def test_a_changed_secret_has_another_name(tmp_path: Path) -> None:
    for name in ("keys", "certificate.pem", "private-key.pem"):
        (tmp_path / name).write_text(name)
    settings = Settings(compose_file=CLOSED_FILES, edge_secrets=str(tmp_path))
    before = hashes_of(settings, [STACK, CLOSED])
    (tmp_path / "keys").write_text("another")
    after = hashes_of(settings, [STACK, CLOSED])
    assert {name for name in before if before[name] != after[name]} == {"SWARM_EDGE_KEYS"}
    (tmp_path / "keys").unlink()
    assert hashes_of(settings, [STACK]) == {}
    with pytest.raises(ConfigError, match="`scripts/stack certs` and `scripts/stack key add NAME`"):
        hashes_of(settings, [STACK, CLOSED])


def load(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


@pytest.mark.parametrize("name", ["torchserve", "edge"])
def test_a_service_of_the_swarm_is_that_of_compose_yaml(name: str) -> None:
    ours, theirs = load("compose.swarm.yaml")["services"][name], load("compose.yaml")["services"][name]
    assert ours["environment"].keys() == theirs["environment"].keys()
    for same in ("init", "read_only", "cap_drop", "ulimits", "stop_grace_period", "logging"):
        assert ours[same] == theirs[same], same
    assert {volume["target"] for volume in ours["volumes"]} == {text.partition(":")[0] for text in theirs["tmpfs"]}
    targets = [volume["target"] for volume in ours["volumes"]]
    assert targets == sorted(targets), "`docker service update` sorts them, and another order is another task"
    limits = ours["deploy"]["resources"]["limits"]
    assert (limits["memory"], limits["pids"]) == (theirs["mem_limit"], theirs["pids_limit"])


@pytest.mark.parametrize("name", ["prometheus", "alertmanager", "node-exporter"])
def test_who_observes_the_swarm_is_started_as_in_compose_yaml(name: str) -> None:
    ours, theirs = load(OBSERVED)["services"][name], load("compose.yaml")["services"][name]
    for same in ("entrypoint", "environment", "healthcheck", "init", "read_only", "cap_drop", "ulimits", "logging"):
        assert ours.get(same) == theirs.get(same), same


def test_beside_a_compose_project_of_the_same_name_nothing_of_it_is_taken() -> None:
    """A manager may be a machine that also runs the compose project."""
    for kind in ("networks", "volumes"):
        ours = {*(load(STACK).get(kind) or {}), *load(OBSERVED)[kind]}
        assert not ours & load("compose.yaml")[kind].keys()


def test_prometheus_has_the_jobs_of_one_machine_and_finds_each_task_by_itself() -> None:
    here, swarm = load("docker/prometheus/prometheus.yaml"), load("docker/prometheus/prometheus.swarm.yaml")
    jobs = {job["job_name"] for job in here["scrape_configs"]} - {"grafana"}
    assert {job["job_name"] for job in swarm["scrape_configs"]} == jobs
    services = load(STACK)["services"] | load(OBSERVED)["services"]
    for job in swarm["scrape_configs"]:
        for source in job.get("dns_sd_configs", []):
            assert {name.removeprefix("tasks.") for name in source["names"]} <= services.keys()


@dataclass(frozen=True)
class ToldSwarm(Swarm):
    """A Swarm whose service is, at each look, the next of those given; the last one is repeated."""

    looks: list[Service]

    def service(self, name: str) -> Service:
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]


def swarm_that_says(*looks: Service) -> ToldSwarm:
    return ToldSwarm(Manager(""), "models", list(looks))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update, "LOOK_SECONDS", 0)


def test_what_looks_complete_before_its_update_begins_is_not(impatient: None) -> None:
    as_it_was, updating = service(row()), service(row(), State="updating", StartedAt="now")
    complete = service(row(), State="completed", StartedAt="now")
    swarm = swarm_that_says(as_it_was, updating, updating, complete, complete, complete, updating)
    wait_until_complete(swarm, "torchserve", "")
    assert swarm.looks == [updating], "it has looked six times"


def test_only_an_update_of_its_own_is_told_to_be_rolled_back(impatient: None) -> None:
    rolled_back = service(row(), State="rollback_completed", StartedAt="now")
    wait_until_complete(swarm_that_says(rolled_back), "torchserve", "now")
    with pytest.raises(ServeError, match=r"found rollback completed .*the earlier image serves"):
        wait_until_complete(swarm_that_says(rolled_back), "torchserve", "before")
