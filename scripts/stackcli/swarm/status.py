"""`scripts/stack swarm status`: shows machines, services and their problems."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from rich.table import Table

from stackcli.common import console
from stackcli.project.compose import Project
from stackcli.swarm.state import UPDATING, Node, Service, Swarm, Task, read_nodes, read_services, shown_image

SCHEMA = 1
MAX_ERRORS = 3


@dataclass(frozen=True)
class SwarmStatus:
    """The state of the Swarm at one time."""

    stack: str
    nodes: list[Node]
    services: list[Service]

    @property
    def problems(self) -> list[str]:
        return [*self._problems()]

    def _problems(self) -> Iterator[str]:
        managers = [node for node in self.nodes if node.role != "worker"]
        there = sum(node.is_well and node.role != "unreachable" for node in managers)
        for node in self.nodes:
            if not node.is_well:
                yield f"{node.name} is {node.state}"
        # A Swarm needs a majority of its managers to be changed; without one it only keeps running.
        if there < len(managers) and there == len(managers) // 2 + 1:
            yield f"{there} of {len(managers)} managers are reachable: if one more fails, the Swarm cannot be changed"
        if not self.services:
            yield f"{self.stack} is not deployed: `scripts/stack swarm up`"
        for service in self.services:
            if not service.is_complete:
                doing = " during an update" if service.update in UPDATING else ""
                yield f"{service.name}: {service.running} of {service.wanted} running{doing}"
            if service.update.endswith("paused"):
                yield f"{service.name}: {service.update.replace('_', ' ')}: {service.update_message}"

    @property
    def is_healthy(self) -> bool:
        """Tells whether there is no problem; a service that was rolled back counts as healthy."""
        return not self.problems


def show_status(project: Project, as_json: bool) -> bool:
    """Shows the status and tells whether the Swarm is healthy. Raises StackError."""
    swarm = Swarm.of(project)
    status = SwarmStatus(swarm.stack, read_nodes(swarm.manager), read_services(swarm.manager, swarm.stack))
    if as_json:
        print(
            json.dumps({"schema": SCHEMA, "healthy": status.is_healthy, **asdict(status), "problems": status.problems})
        )
    else:
        print_status(status)
    return status.is_healthy


def print_status(status: SwarmStatus) -> None:
    console.out.print(nodes_table(status.nodes))
    if status.services:
        console.out.print()
        console.out.print(services_table(status.services))
    for problem in status.problems:
        console.warn(problem)
    for task in latest_failures(status.services):
        console.say(f"{task.service} on {task.node or 'no machine'}: {task.state}: {task.error}")


def latest_failures(services: list[Service]) -> list[Task]:
    """Returns the latest failed tasks of incomplete services, which may tell the reason."""
    return [task for service in services if not service.is_complete for task in service.failures[:MAX_ERRORS]]


def nodes_table(nodes: list[Node]) -> Table:
    table = Table("machine", "role", "state", "availability", "engine", box=None, pad_edge=False)
    for node in nodes:
        colour = "green" if node.is_well else "red"
        table.add_row(node.name, node.role, f"[{colour}]{node.state}[/{colour}]", node.availability, node.engine)
    return table


def services_table(services: list[Service]) -> Table:
    table = Table("service", "running", "on", "last update", "image", box=None, pad_edge=False)
    for service in services:
        on = sorted(task.node for task in service.tasks if task.is_running)
        colour = "green" if service.is_complete else "red"
        running = f"[{colour}]{service.running} of {service.wanted}[/{colour}]"
        update = service.update.replace("_", " ") or "-"
        table.add_row(service.name, running, ", ".join(on), update, shown_image(service.image))
    return table
