"""Reads the state of a Swarm: its machines, and the stack's services and tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stackcli.common.errors import ServeError
from stackcli.project.compose import Project
from stackcli.swarm.manager import Manager

STACK_LABEL = "com.docker.stack.namespace"
UPDATED, ROLLED_BACK = ("completed",), ("rollback_completed", "paused", "rollback_paused")
UPDATING = ("updating", "rollback_started")


@dataclass(frozen=True)
class Node:
    """A machine. `state`: ready, down, …; `availability`: active, pause, drain; `role`: leader, manager or worker."""

    name: str
    role: str
    state: str
    availability: str
    engine: str

    @property
    def is_well(self) -> bool:
        return self.state == "ready"


@dataclass(frozen=True)
class Task:
    """A task. `state`: as reported by the Swarm, where running implies healthy; `wanted`: the desired state."""

    id: str
    service: str
    node: str
    image: str
    state: str
    wanted: str
    error: str

    @property
    def is_wanted(self) -> bool:
        return self.wanted in ("running", "ready")

    @property
    def is_running(self) -> bool:
        return self.state == "running" and self.wanted == "running"


@dataclass(frozen=True)
class Service:
    """A service. `replicas`: the desired number, None: one on each machine; `update`: state of the last update."""

    name: str
    image: str
    replicas: int | None
    update: str
    update_began: str
    update_message: str
    tasks: Sequence[Task]

    @property
    def wanted(self) -> int:
        found = sum(task.is_wanted for task in self.tasks)
        return found if self.replicas is None else self.replicas

    @property
    def running(self) -> int:
        """Returns how many tasks run the current image."""
        return sum(task.is_running and task.image == self.image for task in self.tasks)

    @property
    def is_complete(self) -> bool:
        """Tells whether exactly the wanted tasks run and no update is in progress."""
        wanted = sum(task.is_wanted for task in self.tasks)
        return self.update not in UPDATING and 0 < self.running == self.wanted == wanted

    @property
    def failures(self) -> list[Task]:
        """Returns the failed tasks, the latest of each slot first."""
        return [task for task in self.tasks if task.error]


@dataclass(frozen=True)
class Swarm:
    """One stack on a Swarm."""

    manager: Manager
    stack: str

    @classmethod
    def of(cls, project: Project) -> Swarm:
        """Connects to SWARM_MANAGER. Raises EngineError if it is not a manager."""
        manager = Manager.of(project.settings)
        manager.check()
        return cls(manager, project.settings.compose_project_name)

    def services(self) -> dict[str, Service]:
        return {service.name: service for service in read_services(self.manager, self.stack)}

    def service(self, name: str) -> Service:
        """Returns one service. Raises ServeError if it is not deployed."""
        found = self.services().get(name)
        if found is None:
            raise ServeError(
                f"{self.stack} on the Swarm of {self.manager}", "no such stack", "`scripts/stack swarm up`"
            )
        return found


def read_nodes(manager: Manager) -> list[Node]:
    return [node_of(row) for row in manager.rows("node", "ls")]


def node_of(row: Mapping[str, Any]) -> Node:
    """Makes a node of a row of `docker node ls`."""
    role = {"": "worker", "Reachable": "manager"}.get(row["ManagerStatus"], row["ManagerStatus"].lower())
    return Node(row["Hostname"], role, row["Status"].lower(), row["Availability"].lower(), row["EngineVersion"])


def read_services(manager: Manager, stack: str) -> list[Service]:
    """Returns the stack's services, sorted by name; [] if it is not deployed. Raises ServeError."""
    ids = manager.do("service", "ls", "--quiet", "--filter", f"label={STACK_LABEL}={stack}").split()
    described = manager.inspected("service", *ids)
    rows = manager.rows("stack", "ps", "--no-trunc", stack) if described else []
    tasks = [task_of(row, stack) for row in rows]
    return sorted((service_of(one, stack, tasks) for one in described), key=lambda service: service.name)


def task_of(row: Mapping[str, Any], stack: str) -> Task:
    """Makes a task of a row of `docker stack ps --no-trunc`, named STACK_SERVICE.SLOT, or .NODE if global."""
    service = row["Name"].lstrip("\\_ ").removeprefix(f"{stack}_").partition(".")[0]
    state, wanted = row["CurrentState"].split()[0].lower(), row["DesiredState"].lower()
    return Task(row["ID"], service, row["Node"], row["Image"], state, wanted, row["Error"].strip('"'))


def service_of(inspected: Mapping[str, Any], stack: str, tasks: Iterable[Task]) -> Service:
    """Makes a service of what `docker service inspect` says of it."""
    spec, update = inspected["Spec"], inspected.get("UpdateStatus") or {}
    name = spec["Name"].removeprefix(f"{stack}_")
    return Service(
        name,
        spec["TaskTemplate"]["ContainerSpec"]["Image"],
        (spec["Mode"].get("Replicated") or {}).get("Replicas"),
        update.get("State", ""),
        update.get("StartedAt", ""),
        update.get("Message", ""),
        [task for task in tasks if task.service == name],
    )


def shown_image(image: str) -> str:
    """Returns the image without its digest."""
    return image.partition("@")[0]
