"""Writes peers.md and peers.svg out of results.json."""

from __future__ import annotations

import os
from pathlib import Path

import docker
from docker.errors import ContainerError

from peers import tables
from peers.errors import PeerFailure, last_words
from peers.peer import FOLDER, Peer
from peers.results import load_results
from stackcli.common import console


def write(client: docker.DockerClient, image: str, results: Path, peers: list[Peer], folder: Path) -> None:
    """Writes both files to `folder`. `image`: one with matplotlib; `peers`: all, for their set-ups."""
    measured = load_results(results)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "peers.md").write_text(tables.render(measured, peers))
    if measured.runs:
        draw(client, image, results, folder)
    console.done(f"{folder}/peers.md")


def draw(client: docker.DockerClient, image: str, results: Path, folder: Path) -> None:
    """Draws the plot in a container, so that this machine needs no matplotlib."""
    mounts = {FOLDER / "plot.py": ("/plot.py", "ro"), results: ("/results.json", "ro"), folder: ("/out", "rw")}
    try:
        client.containers.run(
            image,
            entrypoint=["python", "/plot.py"],
            command=["/results.json", "/out/peers.svg"],
            volumes={str(source): {"bind": target, "mode": mode} for source, (target, mode) in mounts.items()},
            user=f"{os.getuid()}:{os.getgid()}",
            environment={"HOME": "/tmp", "MPLCONFIGDIR": "/tmp"},  # noqa: S108 the container's own
            network_mode="none",
            remove=True,
        )
    except ContainerError as error:
        raise PeerFailure("a plot", last_words(error), f"`python plot.py results.json peers.svg` in {image}") from None
