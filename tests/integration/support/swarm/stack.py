"""The stack on the tests' Swarm, as its administrator and its clients see it."""

import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from docker.errors import DockerException
from docker.models.containers import Container

from integration.support.commands import run_command
from integration.support.load.edge import ASK_SERVERS, count_ready
from integration.support.models.archives import DOES_NOT_LOAD, write_manifest
from integration.support.polling import wait_until
from integration.support.registry import Registry
from integration.support.signatures import signed
from integration.support.stack import session
from integration.support.store import archive_sha256, read_manifest
from integration.support.swarm.nodes import Node, Nodes
from integration.support.users import PROJECT_ROOT, users_tag
from stackcli.swarm.state import UPDATING

STACK = "models"
REPLICAS = 6
# Three machines share two cores here: each task gets half a CPU, so that a machine has room for four.
VARIABLES = {
    "COMPOSE_PROJECT_NAME": STACK,
    "COMPOSE_FILE": "",
    "BIND_ADDRESS": "0.0.0.0",
    "SWARM_REPLICAS": str(REPLICAS),
    "SWARM_START_PERIOD": "90s",
    "TORCHSERVE_CPUS": "0.5",
    "TORCHSERVE_MEMORY": "1g",
    "SCRAPE_INTERVAL": "5s",
}
COMMAND_LIMIT_S = 900
DEADLINE_S = 300


@dataclass
class SwarmStack:
    """`store`: what the next image is baked from; `key`: which signs it; `variables`: beyond VARIABLES."""

    nodes: Nodes
    registry: Registry
    store: Path
    key: Path
    variables: Mapping[str, str]

    def with_store(self, store: Path) -> "SwarmStack":
        return replace(self, store=store)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs `scripts/stack swarm …`."""
        settings = {"SWARM_MANAGER": self.nodes.manager.host, "SWARM_REPOSITORY": self.registry.repository}
        environment = {**os.environ, **VARIABLES, **settings, "MODEL_STORE": str(self.store)}
        environment |= {"STACK_TAG": users_tag(), **self.variables}
        ended = run_command([str(PROJECT_ROOT / "scripts/stack"), "swarm", *arguments], environment, COMMAND_LIMIT_S)
        print(ended.stdout)  # pytest shows it where a test fails
        return ended

    def do(self, *arguments: str) -> str:
        ended = self.command(*arguments)
        assert ended.returncode == 0, f"scripts/stack swarm {' '.join(arguments)}: {ended.stdout}"
        return ended.stdout

    def status(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self.command("status", "--json").stdout.splitlines()[-1])
        return said

    @property
    def predictions(self) -> list[str]:
        """Returns the URL of each running machine's edge."""
        return [f"{node.edge}/predictions/mnist" for node in self.nodes.on]

    def containers(self, node: Node, service: str) -> list[Container]:
        """Returns the service's containers on the machine."""
        label = f"com.docker.swarm.service.name={STACK}_{service}"
        return list(node.engine.containers.list(filters={"label": label}))

    def is_at_full_strength(self, among: list[Node]) -> bool:
        """Tells whether all replicas are ready, for the Swarm and these machines' edges, and no update is running."""
        manager = self.nodes.manager
        running = {"label": f"com.docker.stack.namespace={STACK}"}
        for service in manager.engine.services.list(filters=running):
            if (service.attrs.get("UpdateStatus") or {}).get("State") in UPDATING:
                return False
        tasks = manager.rows("stack", "ps", "--filter", "desired-state=running", STACK)
        ready = [row for row in tasks if row["CurrentState"].startswith("Running") and "_torchserve." in row["Name"]]
        return len(ready) == REPLICAS and all(self.ready_behind(node) == REPLICAS for node in among)

    def tasks(self, service: str) -> set[str]:
        """Returns the ids of the tasks that should run."""
        rows = self.nodes.manager.rows("service", "ps", "--filter", "desired-state=running", f"{STACK}_{service}")
        return {row["ID"] for row in rows}

    def ready_behind(self, node: Node) -> int:
        """TorchServes that this machine's edge routes to; 0 where it has none."""
        try:
            (edge,) = self.containers(node, "edge")
            return count_ready(output_of(edge, *ASK_SERVERS))
        except (DockerException, ValueError):
            return 0

    def wait_until_full_strength(self, among: list[Node]) -> None:
        wait_until(f"{REPLICAS} are ready behind each edge", lambda: self.is_at_full_strength(among), DEADLINE_S)


def output_of(container: Container, *command: str) -> str:
    """Returns the output of a command in the container."""
    output = container.exec_run(list(command)).output
    assert isinstance(output, bytes)
    return output.decode()


def answer_of(node: Node, picture: Path) -> tuple[str, str]:
    """Returns what a client of that machine's edge gets, and from which version."""
    answer = session.post(f"{node.edge}/predictions/mnist", data=picture.read_bytes(), timeout=30)
    return answer.text, answer.headers.get("X-Model-Version", "")


def released(store: Path, folder: Path, stable: str) -> Path:
    """Returns a copy of the store in which that version of mnist is the stable one."""
    shutil.copytree(store, folder)
    versions = [entry["version"] for entry in read_manifest(folder)]
    release = {"stable": stable, "previous": None, "canary": None, "deployed": versions}
    (folder / "releases.json").write_text(json.dumps({"schema": 1, "models": {"mnist": release}}))
    return folder


def sign(store: Path, key: Path) -> None:
    """Signs all of the store's manifest with the private key."""
    write_manifest(store, [signed(entry, key) for entry in read_manifest(store)])


def with_a_model_that_does_not_load(store: Path, folder: Path, version: str, key: Path) -> Path:
    """Returns a copy of the store in which that version's handler fails, although its record is signed."""
    shutil.copytree(store, folder)
    entries = read_manifest(folder)
    for entry in entries:
        if entry["version"] == version:
            archive = folder / entry["archive"]
            append_to_handler(archive, DOES_NOT_LOAD)
            entry["sha256"] = archive_sha256(archive)
    write_manifest(folder, [signed(entry, key) for entry in entries])
    return folder


def append_to_handler(archive: Path, code: str) -> None:
    with zipfile.ZipFile(archive) as source:
        files = {name: source.read(name) for name in source.namelist()}
    with zipfile.ZipFile(archive, "w") as target:
        for name, content in files.items():
            target.writestr(name, content + code.encode() if name == "handler.py" else content)
