"""Runs the load: wrk in a separate container on the servers' network, as a closed loop."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.models.containers import Container

from peers.containers import NETWORK, PREFIX, execute
from peers.errors import PeerFailure
from peers.peer import FOLDER
from peers.wire import WireRequest

ANSWER_SECONDS = 120


@dataclass(frozen=True)
class Load:
    """The client's container; `requests`: the folder on this machine that it sees as /requests."""

    container: Container
    requests: Path

    def keep_body(self, name: str, request: WireRequest) -> str:
        """Writes the body where wrk reads it; returns the path in the client's container."""
        (self.requests / name).write_bytes(request.body)
        return f"/requests/{name}"

    def run(self, url: str, body: str, headers: Mapping[str, str], connections: int, seconds: int) -> dict[str, Any]:
        """Runs wrk and returns what wrk.lua prints; times in microseconds."""
        command = ["wrk", "--threads=1", f"--connections={connections}", f"--duration={seconds}s"]
        command += [f"--timeout={ANSWER_SECONDS}s", "--script=/wrk.lua", url, "--", body]
        command += [f"{name}: {value}" for name, value in headers.items()]
        _, output = execute(self.container, command)
        try:
            measured: dict[str, Any] = json.loads(output.splitlines()[-1])
        except (IndexError, ValueError):
            raise PeerFailure("wrk's figures", output[-300:] or "no output", "the load image") from None
        return measured


@contextmanager
def load_container(client: docker.DockerClient, image: str, requests: Path) -> Iterator[Load]:
    """Starts the load's container; `image` has wrk on its PATH."""
    requests.mkdir(parents=True, exist_ok=True)
    container = client.containers.run(
        image,
        entrypoint=["sleep"],
        command=["infinity"],
        name=f"{PREFIX}-load",
        network=NETWORK,
        init=True,
        detach=True,
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
        volumes={
            str(requests): {"bind": "/requests", "mode": "ro"},
            str(FOLDER / "wrk.lua"): {"bind": "/wrk.lua", "mode": "ro"},
        },
    )
    try:
        yield Load(container, requests)
    finally:
        container.remove(force=True)
