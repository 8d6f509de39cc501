"""Every file of pinned requirements, and how it is made from the .in file beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stackcli.common.errors import ConfigError
from stackcli.common.paths import ROOT, shown

# The base image has torch, from a separate index. openvino-telemetry calls home.
TORCH = "torch"
TELEMETRY = "openvino-telemetry"
BASE_PINS = "../base/requirements.txt"
PEERS = "benchmarks/peers/servers/*/requirements.in"


@dataclass(frozen=True)
class Lock:
    """`source`: the .in file, from the root of the repository. `python`: the oldest version that the pins must serve.

    `without`: packages that are left out although others ask for them. `constraints`: files, named from the source's
    folder.
    """

    source: str
    python: str
    without: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        return self.source.removesuffix(".in") + ".txt"


def all_locks() -> list[Lock]:
    """Returns all locks in the order in which they are made: a constraint comes before what it constrains.

    The official image has Python 3.9, docker/base and Debian 12 have 3.11, and the command line starts from 3.10 on.
    """
    return [
        Lock("scripts/requirements.in", "3.10"),
        Lock("scripts/requirements-lock.in", "3.10"),
        Lock("scripts/requirements-test.in", "3.10"),
        Lock("docker/base/torch-2.14.1.in", "3.11"),
        Lock("docker/base/torch-2.4.0.in", "3.9"),
        Lock("docker/base/requirements.in", "3.9", (TORCH,)),
        Lock("docker/torchserve/requirements.in", "3.9", (TORCH, TELEMETRY), (BASE_PINS,)),
        Lock("docker/torchserve/requirements-test.in", "3.9"),
        Lock("docker/builder/requirements.in", "3.9", (TORCH, TELEMETRY), (BASE_PINS,)),
        Lock("docker/builder/requirements-test.in", "3.9"),
        Lock("docker/load/requirements.in", "3.9"),
        Lock("docker/load/requirements-test.in", "3.9"),
        Lock("docker/edge/requirements.in", "3.11"),
        *(Lock(str(file.relative_to(ROOT)), "3.11", (TORCH,)) for file in sorted(ROOT.glob(PEERS))),
    ]


def chosen_locks(files: Sequence[str]) -> list[Lock]:
    """Returns the locks whose .in or .txt file is named, or all if none is. Raises ConfigError for any other file."""
    locks = all_locks()
    wanted = [shown(Path(file)) for file in files]
    known = {name for lock in locks for name in (lock.source, lock.target)}
    for name in wanted:
        if name not in known:
            raise ConfigError("a file of pinned requirements", name, f"one such as {locks[0].target}")
    return [lock for lock in locks if not wanted or lock.source in wanted or lock.target in wanted]
