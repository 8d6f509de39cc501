"""Reads what each servers/<peer>/peer.yaml says about the server that is compared with ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal, get_args

import yaml

from contract.failure import Failure

FOLDER = Path(__file__).resolve().parent
SERVERS = FOLDER / "servers"
OURS = "ours"

Table = Literal["out-of-the-box", "equal-engine"]
Body = Literal["raw", "v2-json"]
Answer = Literal["json", "predictions", "v2-json", "v2-binary"]
TABLES: tuple[Table, ...] = get_args(Table)


class PeerError(Failure):
    """A peer.yaml or a peer's name is unusable."""


@dataclass(frozen=True)
class Peer:
    """A server to compare. `path` and `health` may contain {model}; the report names the versions of `packages`."""

    id: str
    name: str
    packages: list[str]
    path: str
    health: str
    notes: Mapping[Table, str]
    image: str = ""  # another peer's image to run, where this one is the same with other settings
    port: int = 8080
    body: Body = "raw"
    answer: Answer = "json"
    headers: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    shm: str = "64m"
    tables: list[Table] = field(default_factory=lambda: list(TABLES))
    documentation: list[str] = field(default_factory=list)

    @property
    def build(self) -> str:
        """Returns the peer from whose folder the image is built."""
        return self.image or self.id


def read_peer(name: str) -> Peer:
    """Reads a peer.yaml. Raises PeerError if the folder or a key is unknown or missing."""
    file = SERVERS / name / "peer.yaml"
    if not file.is_file():
        raise PeerError(f"one of {', '.join(peer_names())}", name, "`--peers fastapi,ours`")
    try:
        return Peer(id=name, **yaml.safe_load(file.read_text()))
    except (TypeError, yaml.YAMLError) as error:
        known = ", ".join(sorted({entry.name for entry in fields(Peer)} - {"id"}))
        raise PeerError(f"the keys {known} in {file}", str(error), "correcting that file") from None


def peer_names() -> list[str]:
    """Returns the peers in the order in which they run: ours first, then by name."""
    return sorted((file.parent.name for file in SERVERS.glob("*/peer.yaml")), key=lambda name: (name != OURS, name))
