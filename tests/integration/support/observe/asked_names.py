"""Records what a stack's containers ask a name server for; Docker itself answers for the names of their project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from integration.support.observe import name_recorder
from integration.support.polling import wait_until
from integration.support.stack import Deployment
from integration.support.users import PROJECT_ROOT, image

RECORDER = "names"
DEADLINE_S = 60


def services() -> dict[str, Any]:
    """Returns the services of compose.yaml, by name."""
    found: dict[str, Any] = yaml.safe_load((PROJECT_ROOT / "compose.yaml").read_text())["services"]
    return found


class AskedNames:
    """Makes a recorder the name server of every service of a stack that is not started yet."""

    def __init__(self, stack: Deployment, folder: Path) -> None:
        self._stack = stack
        self._overlay = folder / "compose.yaml"
        stack.compose_files += (self._overlay,)
        self._configure({})
        stack.start(RECORDER)
        wait_until("the recorder listens", lambda: "listening" in stack.logs(RECORDER), DEADLINE_S)
        networks = stack.container(RECORDER).attrs["NetworkSettings"]["Networks"]
        # At its address in a network of the service's own: Docker asks from there, or from this machine.
        self._configure({name.removeprefix(f"{stack.project}_"): one["IPAddress"] for name, one in networks.items()})

    def _configure(self, addresses: dict[str, str]) -> None:
        """Writes the overlay. addresses: of the recorder, by network; without them it is not asked yet."""
        recorder = {
            "image": image("edge"),
            "pull_policy": "never",
            "init": True,
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
            # No root is needed for port 53: Docker's default, said for older engines.
            "sysctls": {"net.ipv4.ip_unprivileged_port_start": 0},
            "entrypoint": ["python3", "/name_recorder.py"],
            "volumes": [f"{name_recorder.__file__}:/name_recorder.py:ro"],
            "networks": sorted({network for service in services().values() for network in service["networks"]}),
            "healthcheck": {"disable": True},
        }
        others = {
            # Without the machine's search domains, each of which would make one more question of a name.
            name: {"dns": [addresses[network] for network in service["networks"]], "dns_search": ["."]}
            for name, service in services().items()
            if addresses
        }
        self._overlay.write_text(yaml.safe_dump({"services": {RECORDER: recorder, **others}}))

    def until_now(self) -> list[tuple[str, str]]:
        """Returns (who asked, for which name), in order; a removed container is named by its address."""
        lines = [json.loads(line) for line in self._stack.logs(RECORDER).splitlines() if line.startswith("{")]
        names = self._services_by_address()
        return [(names.get(line["client"], line["client"]), line["name"]) for line in lines if "client" in line]

    def are_recorded_from(self, service: str) -> None:
        """Fails unless a name that a running container of the service asks for is recorded."""
        name = mark_of(service)
        self._stack.container(service).exec_run(["getent", "hosts", name])
        wait_until(f"{name} is recorded", lambda: name in {asked for _, asked in self.until_now()}, DEADLINE_S)

    def _services_by_address(self) -> dict[str, str]:
        return {
            network["IPAddress"]: container.labels["com.docker.compose.service"]
            for container in self._stack.containers()
            for network in container.attrs["NetworkSettings"]["Networks"].values()
        }


def mark_of(service: str) -> str:
    """Returns a name that does not exist, asked for to check that the service's questions are recorded."""
    return f"asked-by-{service}.invalid"
