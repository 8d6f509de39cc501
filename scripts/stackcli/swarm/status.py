"""`scripts/stack swarm status`: machines, services and what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from rich.table import Table

from stackcli.common import console
from stackcli.project.compose import Project
from stackcli.swarm.state import UPDATING, Node, Service, Swarm, Task, read_nodes, read_services, shown_image

SCHEMA = 1
MOST_ERRORS = 3


@dataclass(frozen=True)
class SwarmStatus:
    """What a manager says at one time."""

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
        # With a majority of them there it can be changed; without, it only goes on.
        if there < len(managers) and there == len(managers) // 2 + 1:
            yield f"{there} of {len(managers)} managers are there: without one more, the Swarm cannot be changed"
        if not self.services:
            yield f"{self.stack} is not deployed: `scripts/stack swarm up`"
        for service in self.services:
            if not service.is_complete:
                doing = " while it is updated" if service.update in UPDATING else ""
                yield f"{service.name}: {service.running} of {service.wanted} run{doing}"
            if service.update.endswith("paused"):
                yield f"{service.name}: {service.update.replace('_', ' ')}: {service.update_message}"

    @property
    def is_healthy(self) -> bool:
        """A service that was rolled back serves what it served before."""
        return not self.problems


def show_status(project: Project, as_json: bool) -> bool:
    """Whether nothing is wrong."""
    swarm = Swarm.of(project)
    status = SwarmStatus(swarm.stack, read_nodes(swarm.manager), read_services(swarm.manager, swarm.stack))
    if as_json:
        print(
            json.dumps({"schema": SCHEMA, "healthy": status.is_healthy, **asdict(status), "problems": status.problems})
        )
    else:
        show(status)
    return status.is_healthy


def show(status: SwarmStatus) -> None:
    console.out.print(nodes_table(status.nodes))
    if status.services:
        console.out.print()
        console.out.print(services_table(status.services))
    for problem in status.problems:
        console.warn(problem)
    for task in latest_failures(status.services):
        console.say(f"{task.service} on {task.node or 'no machine'}: {task.state}: {task.error}")


def latest_failures(services: list[Service]) -> list[Task]:
    """Of services that are not complete: why may be what the latest tasks ended with."""
    return [task for service in services if not service.is_complete for task in service.failures[:MOST_ERRORS]]


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
