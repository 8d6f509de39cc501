"""Starts a peer's container, waits until its answer is right, and reads its CPU time and memory. Not the load."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import requests
from docker.errors import NotFound
from docker.models.containers import Container
from docker.models.networks import Network

from peers.errors import PeerFailure
from peers.peer import Peer
from peers.tasks import Task
from peers.wire import WireRequest, is_same, read_answer

NETWORK = "torchserve-stack-peers"
PREFIX = "torchserve-stack-peer"
READY_SECONDS = 180
ANSWER_SECONDS = 120
# One worker's answer says nothing about the other's: this long after the first answer both have loaded.
SETTLE_SECONDS = 5
# A server counts as idle if it uses at most this many cores more than before any load; how long to wait for that.
IDLE_CORES = 0.2
IDLE_SECONDS = 60
MIB = 1 << 20


@dataclass(frozen=True)
class Server:
    """A running container: `url` from this machine (checks only), `inner_url` from the load's container."""

    container: Container
    url: str
    inner_url: str


@dataclass(frozen=True)
class Usage:
    """`cpu_ns`: of all processes since the start; `memory`: bytes without the inactive file cache."""

    cpu_ns: int
    memory: int


def run_peer(client: docker.DockerClient, peer: Peer, task: Task, image: str, models: Path) -> Container:
    """Starts a peer's container; `models`: the folder of unpacked archives."""
    return client.containers.run(
        image,
        name=f"{PREFIX}-{peer.id}",
        environment={**task.environment, **peer.environment},
        volumes={str(models): {"bind": "/models", "mode": "ro"}},
        shm_size=peer.shm,
        network=NETWORK,
        ports={f"{peer.port}/tcp": ("127.0.0.1", 0)},  # for the checks; the load comes over the network
        detach=True,
        init=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
    )


@contextmanager
def network(client: docker.DockerClient) -> Iterator[Network]:
    """Opens a separate bridge, so that no proxy of Docker's between two containers is measured."""
    for stale in client.networks.list(names=[f"^{NETWORK}$"]):
        stale.remove()
    made = client.networks.create(NETWORK, driver="bridge")
    try:
        yield made
    finally:
        made.remove()


@contextmanager
def removed_afterwards(container: Container, log: Path) -> Iterator[Container]:
    """Keeps the container's output in `log`, then removes it."""
    try:
        yield container
    finally:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(container.logs())
        container.remove(force=True)


def remove_stale(client: docker.DockerClient) -> None:
    """Removes what a killed run left behind."""
    for container in client.containers.list(all=True, filters={"name": f"^/{PREFIX}-"}):
        with suppress(NotFound):
            container.remove(force=True)


def address(container: Container, peer: Peer) -> Server:
    """Returns where the server will answer. Raises PeerFailure if the container has ended already."""
    container.reload()
    published = (container.ports or {}).get(f"{peer.port}/tcp")
    if not published:
        raise PeerFailure("a running container", last_line(container), "its log")
    return Server(container, f"http://127.0.0.1:{published[0]['HostPort']}", f"http://{container.name}:{peer.port}")


def wait_until_right(server: Server, peer: Peer, model: str, request: WireRequest, expected: Any) -> None:
    """Waits for the documented health path, then for an answer, which must be the expected one."""
    deadline = time.monotonic() + READY_SECONDS
    problem = "no answer"
    while time.monotonic() < deadline:
        server.container.reload()
        if server.container.status != "running":
            raise PeerFailure("a running container", last_line(server.container), "its log")
        problem = why_not_ready(server, peer, model, request, expected)
        if not problem:
            time.sleep(SETTLE_SECONDS)
            return
        time.sleep(0.5)
    raise PeerFailure(f"the right answer within {READY_SECONDS} s", problem, "its log")


def why_not_ready(server: Server, peer: Peer, model: str, request: WireRequest, expected: Any) -> str:
    """Says why the server is not ready; empty if it is. Raises PeerFailure for a wrong answer."""
    try:
        with requests.Session() as session:
            session.trust_env = False  # no proxy for this machine's own port
            health = session.get(server.url + peer.health.format(model=model), timeout=10)
            if not health.ok:
                return f"HTTP {health.status_code} from {peer.health}"
            response = session.post(
                server.url + request.path, data=request.body, headers=dict(request.headers), timeout=ANSWER_SECONDS
            )
    except requests.RequestException as error:
        return str(error)
    if not response.ok:
        return f"HTTP {response.status_code}: {response.text[:300]}"
    try:
        answer = read_answer(peer, response.headers, response.content)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        found = f"{error!r} in {response.text[:300]}"
        raise PeerFailure("an answer as peer.yaml says", found, "its server code") from None
    if not is_same(answer, expected):
        raise PeerFailure(f"the answer {expected}", str(answer), "its server code")
    return ""


def read_usage(container: Container) -> Usage:
    """Reads the usage from the Engine's API."""
    stats = container.stats(stream=False, one_shot=True)
    assert isinstance(stats, dict)
    memory = stats["memory_stats"]
    inactive = memory["stats"].get("inactive_file", memory["stats"].get("total_inactive_file", 0))
    return Usage(int(stats["cpu_stats"]["cpu_usage"]["total_usage"]), int(memory["usage"]) - int(inactive))


def cores_in_use(container: Container, seconds: float) -> float:
    """Returns how many cores the container uses on average over the next `seconds`."""
    before = read_usage(container).cpu_ns
    time.sleep(seconds)
    return (read_usage(container).cpu_ns - before) / (seconds * 1e9)


def wait_until_idle(container: Container, idle_cores: float) -> None:
    """Waits until the server is idle, because requests that a run left queued would be measured with the next one.

    `idle_cores`: what the server used before any load; some poll for work all the time.
    """
    deadline = time.monotonic() + IDLE_SECONDS
    while time.monotonic() < deadline and cores_in_use(container, 0.5) > idle_cores + IDLE_CORES:
        pass


def read_versions(container: Container, packages: list[str]) -> dict[str, str]:
    """Returns package → version as installed in the container."""
    code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    status, output = execute(container, ["python", "-c", code, *packages])
    words = output.split()
    if status != 0 or len(words) != len(packages):
        raise PeerFailure(f"the packages {', '.join(packages)}", output[-200:], "its requirements.in")
    return dict(zip(packages, words, strict=True))


def execute(container: Container, command: list[str]) -> tuple[int | None, str]:
    """Runs a command in a container; returns exit status and output."""
    ended = container.exec_run(command)
    assert isinstance(ended.output, bytes)
    return ended.exit_code, ended.output.decode(errors="replace").strip()


def last_line(container: Container) -> str:
    lines = container.logs(tail=5).decode(errors="replace").strip().splitlines()
    state = container.attrs["State"]
    return f"{state['Status']} with exit code {state['ExitCode']}: {lines[-1] if lines else 'no output'}"
