"""Machines of a Swarm, each a container with its own engine and network; knows nothing of what runs on them."""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import docker
from docker.models.containers import Container
from docker.models.networks import Network
from docker.types import IPAMConfig, IPAMPool, Mount

from integration.support.commands import run_command
from integration.support.evidence import keepers
from integration.support.polling import wait_until
from integration.support.registry import Registry, build_image
from integration.support.stack import docker_engine

NETWORK = "torchserve-stack-test-swarm"
# Kept from run to run: what every image of a run has in common is pulled once.
VOLUME = "torchserve-stack-test-nodes"
MANAGERS = ("node-1", "node-2", "node-3")
LATER = "node-4"
REGISTRY_PORT, SWARM_PORT = 5000, 2377
DEADLINE_S = 120


@dataclass
class Node:
    """One machine. `socket`: where its engine answers; nothing but this machine's root reaches it."""

    name: str
    address: str
    container: Container
    socket: Path

    @property
    def host(self) -> str:
        """Returns the address in the form of DOCKER_HOST."""
        return f"unix://{self.socket}"

    @property
    def edge(self) -> str:
        return f"http://{self.address}:8000"

    @cached_property
    def engine(self) -> docker.DockerClient:
        """Returns the engine's client; the engine has to answer at the first use."""
        return docker.DockerClient(base_url=self.host, timeout=DEADLINE_S)

    def docker(self, *arguments: str) -> str:
        """Runs the docker command line against its engine; a failure fails the test."""
        ended = self.try_docker(*arguments)
        assert ended.returncode == 0, f"{self.name}: docker {' '.join(arguments)}: {ended.stdout}"
        return ended.stdout

    def try_docker(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_command(["docker", "--host", self.host, *arguments], os.environ)

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.docker(*arguments, "--format", "{{json .}}").splitlines()]

    def kill(self) -> None:
        """Powers the machine off: its processes are gone, and its address no longer answers."""
        self.container.kill()
        self.container.wait()

    def start(self) -> None:
        self.container.start()
        wait_until(f"the engine of {self.name} answers", lambda: self.docker("info"), DEADLINE_S)

    def remove(self) -> None:
        if "engine" in self.__dict__:
            self.engine.close()
        self.container.remove(force=True, v=True)

    @property
    def is_on(self) -> bool:
        self.container.reload()
        return bool(self.container.status == "running")


@dataclass
class Nodes:
    """All machines by name; some may not have joined."""

    network: Network
    folder: Path
    image: str
    registry: Registry
    all: dict[str, Node] = field(default_factory=dict)

    @property
    def on(self) -> list[Node]:
        return [node for node in self.all.values() if node.is_on]

    @property
    def manager(self) -> Node:
        """Returns a machine that answers as a manager."""
        return next(node for node in self.on if node.engine.info()["Swarm"]["ControlAvailable"])

    def states(self) -> dict[str, tuple[str, str]]:
        """Returns machine → its state and its role among the managers, as the Swarm sees them."""
        return {row["Hostname"]: (row["Status"], row["ManagerStatus"]) for row in self.manager.rows("node", "ls")}

    def add(self, name: str) -> Node:
        """Adds a machine that runs but belongs to no Swarm yet."""
        socket = self.folder / name / "docker.sock"
        socket.parent.mkdir()
        container = docker_engine.containers.create(
            self.image,
            name=f"{NETWORK}-{name}",
            hostname=name,
            init=True,
            privileged=True,
            # Together, four machines weigh as much as an edge of another test.
            cpu_shares=512,
            # As on any machine, empty when it is started again.
            tmpfs={"/run": ""},
            environment={"NAME": name, "REGISTRY_PORT": str(self.registry.port)},
            mounts=[Mount("/nodes", VOLUME), Mount("/run/node", str(socket.parent), type="bind")],
        )
        # Its own address: a machine that comes back has the one that it had.
        address = self.address_of(len(self.all) + 10)
        docker_engine.networks.get("bridge").disconnect(container)
        self.network.connect(container, ipv4_address=address)
        self.all[name] = Node(name, address, container, socket)
        self.all[name].start()
        return self.all[name]

    def address_of(self, number: int) -> str:
        subnet = self.network.attrs["IPAM"]["Config"][0]["Subnet"]
        return f"{subnet.rpartition('.')[0]}.{number}"

    def form_swarm(self) -> None:
        """Forms a Swarm of the existing machines, each a manager."""
        first, *others = self.all.values()
        first.engine.swarm.init(advertise_addr=first.address, listen_addr=f"{first.address}:{SWARM_PORT}")
        for node in others:
            self.join(node, "Manager")
        wait_until(
            "every machine is ready", lambda: {state for state, _ in self.states().values()} == {"Ready"}, DEADLINE_S
        )

    def join(self, node: Node, role: str) -> None:
        """Joins a machine to the Swarm; role: Manager or Worker."""
        manager = self.manager
        token = manager.engine.swarm.attrs["JoinTokens"][role]
        remote = f"{manager.address}:{SWARM_PORT}"
        node.engine.swarm.join([remote], token, listen_addr=f"{node.address}:{SWARM_PORT}", advertise_addr=node.address)

    def keep_evidence(self, folder: Path) -> None:
        """Saves the engines' logs and the tasks' states."""
        for name, node in self.all.items():
            (folder / f"{name}.log").write_bytes(node.container.logs(timestamps=True))
        for node in self.on:
            stacks = node.try_docker("stack", "ls", "--format", "{{.Name}}").stdout.split()
            for what in (["node", "ls"], ["service", "ls"], *(["stack", "ps", "--no-trunc", name] for name in stacks)):
                (folder / f"{node.name}-{'-'.join(what)}.txt").write_text(node.try_docker(*what).stdout)
            # Not `docker service logs`: it may wait forever for a machine that is gone.
            for container in node.engine.containers.list(all=True, ignore_removed=True):
                (folder / f"{node.name}-{container.name}.log").write_bytes(container.logs(timestamps=True))


@contextmanager
def swarm_nodes(registry: Registry, references: Sequence[str], folder: Path) -> Iterator[Nodes]:
    """Runs three managers whose engines have the named images; removes everything afterwards except the seed."""
    remove_left_overs()
    image = build_image("node")
    network = make_network()
    network.connect(registry.container, aliases=["registry"])
    nodes = Nodes(network, folder, image, registry)
    try:
        seed(nodes, references)
        for name in MANAGERS:
            nodes.add(name)
        nodes.form_swarm()
        keepers.append(nodes.keep_evidence)
        yield nodes
    finally:
        if nodes.keep_evidence in keepers:
            keepers.remove(nodes.keep_evidence)
        for node in nodes.all.values():
            node.remove()
        network.disconnect(registry.container)
        network.remove()


def remove_left_overs() -> None:
    for container in docker_engine.containers.list(all=True, filters={"name": f"^{NETWORK}-"}):
        container.remove(force=True, v=True)
    for network in docker_engine.networks.list(names=[NETWORK]):
        network.reload()
        for container in network.containers:
            network.disconnect(container)
        network.remove()


def make_network() -> Network:
    """Makes a network with a free subnet, which has to be given explicitly to allow fixed addresses."""
    found = docker_engine.networks.create(NETWORK)
    found.reload()
    subnet = found.attrs["IPAM"]["Config"][0]["Subnet"]
    found.remove()
    network = docker_engine.networks.create(NETWORK, ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)]))
    network.reload()
    return network


def seed(nodes: Nodes, references: Sequence[str]) -> None:
    """Writes the images to a folder for every machine (images/node/seed.sh)."""
    output = docker_engine.containers.run(
        nodes.image,
        ["/opt/node/seed.sh", " ".join(references), *MANAGERS, LATER],
        name=f"{NETWORK}-seed",
        entrypoint="bash",
        network=NETWORK,
        init=True,
        privileged=True,
        remove=True,
        environment={"REGISTRY_PORT": str(nodes.registry.port)},
        mounts=[Mount("/nodes", VOLUME)],
        stderr=True,
    )
    print(output.decode(errors="replace"))
