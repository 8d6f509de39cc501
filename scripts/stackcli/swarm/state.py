"""What a Swarm says of its machines and of the stack's services and tasks."""

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
    """`state`: ready, down, …; `availability`: active, pause, drain; `role`: leader, manager or worker."""

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
    """`state`: as the Swarm says it: running is a task that is healthy; `wanted`: the state it shall have."""

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
    """`replicas`: asked for, None: one on each machine; `update`: state of the last one, and when it began."""

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
        """Of the image that is asked for."""
        return sum(task.is_running and task.image == self.image for task in self.tasks)

    @property
    def is_complete(self) -> bool:
        """As many as are wanted run, none besides them, and no update is under way."""
        wanted = sum(task.is_wanted for task in self.tasks)
        return self.update not in UPDATING and 0 < self.running == self.wanted == wanted

    @property
    def failures(self) -> list[Task]:
        """The latest of each place first."""
        return [task for task in self.tasks if task.error]


@dataclass(frozen=True)
class Swarm:
    """One stack on a Swarm."""

    manager: Manager
    stack: str

    @classmethod
    def of(cls, project: Project) -> Swarm:
        """Raises EngineError where SWARM_MANAGER is none."""
        manager = Manager.of(project.settings)
        manager.check()
        return cls(manager, project.settings.compose_project_name)

    def services(self) -> dict[str, Service]:
        return {service.name: service for service in read_services(self.manager, self.stack)}

    def service(self, name: str) -> Service:
        """Raises ServeError where it is not deployed."""
        found = self.services().get(name)
        if found is None:
            raise ServeError(
                f"{self.stack} on the Swarm of {self.manager}", "no such stack", "`scripts/stack swarm up`"
            )
        return found


def read_nodes(manager: Manager) -> list[Node]:
    return [node_of(row) for row in manager.rows("node", "ls")]


def node_of(row: Mapping[str, Any]) -> Node:
    """A row of `docker node ls`."""
    role = {"": "worker", "Reachable": "manager"}.get(row["ManagerStatus"], row["ManagerStatus"].lower())
    return Node(row["Hostname"], role, row["Status"].lower(), row["Availability"].lower(), row["EngineVersion"])


def read_services(manager: Manager, stack: str) -> list[Service]:
    """Of the stack, by name; empty where it is not deployed."""
    ids = manager.do("service", "ls", "--quiet", "--filter", f"label={STACK_LABEL}={stack}").split()
    described = manager.inspected("service", *ids)
    rows = manager.rows("stack", "ps", "--no-trunc", stack) if described else []
    tasks = [task_of(row, stack) for row in rows]
    return sorted((service_of(one, stack, tasks) for one in described), key=lambda service: service.name)


def task_of(row: Mapping[str, Any], stack: str) -> Task:
    """A row of `docker stack ps --no-trunc`. Its name is STACK_SERVICE.SLOT, or .NODE of a global service."""
    service = row["Name"].lstrip("\\_ ").removeprefix(f"{stack}_").partition(".")[0]
    state, wanted = row["CurrentState"].split()[0].lower(), row["DesiredState"].lower()
    return Task(row["ID"], service, row["Node"], row["Image"], state, wanted, row["Error"].strip('"'))


def service_of(inspected: Mapping[str, Any], stack: str, tasks: Iterable[Task]) -> Service:
    """What `docker service inspect` says of one."""
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
    """Without the digest."""
    return image.partition("@")[0]
