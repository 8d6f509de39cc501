"""Chooses the compose files of a Swarm deployment, and the variables in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from contract.keys import KEYS
from stackcli.access.folder import CERTIFICATE, PRIVATE_KEY, secrets_folder
from stackcli.common.errors import ConfigError
from stackcli.common.files import digest_of
from stackcli.common.paths import ROOT, shown
from stackcli.project.compose import Project
from stackcli.project.settings import NO_KEY, Settings

STACK, CLOSED, SIGNED, OBSERVED = (
    "compose.swarm.yaml",
    "compose.swarm.closed.yaml",
    "compose.swarm.signed.yaml",
    "compose.swarm.observability.yaml",
)
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104
DIGITS = 12
REMEDIES = {CLOSED: "`scripts/stack certs` and `scripts/stack key add NAME`"}
# Service → the variable that names its image.
IMAGE_VARIABLES = {
    "torchserve": "SWARM_TORCHSERVE_IMAGE",
    "edge": "SWARM_EDGE_IMAGE",
    "prometheus": "SWARM_PROMETHEUS_IMAGE",
}


def files_of(settings: Settings, is_observed: bool) -> list[str]:
    """Returns the compose files. Raises ConfigError if the edge would be open to everyone by accident."""
    if not settings.is_closed and settings.bind_address not in EVERYWHERE:
        raise ConfigError(
            "an edge with TLS and keys, because a Swarm publishes its port on all addresses of each machine",
            "an open one",
            "COMPOSE_FILE=compose.yaml:compose.prod.yaml, or BIND_ADDRESS=0.0.0.0 to open it to everyone",
        )
    chosen = {CLOSED: settings.is_closed, SIGNED: settings.stack_verify_key != NO_KEY, OBSERVED: is_observed}
    return [STACK, *(file for file, is_wanted in chosen.items() if is_wanted)]


def variables(project: Project, images: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables of the files, except those of `hashes_of`. `images`: by service."""
    settings = project.settings
    found = project.environment
    # On a single machine 0 means all CPUs; on a Swarm each task gets the default share of the compose file.
    if float(settings.torchserve_cpus) == 0:
        found.pop("TORCHSERVE_CPUS")
    # During an update there is one more.
    found["EDGE_MOST_REPLICAS"] = str(max(settings.edge_most_replicas, settings.swarm_replicas + 1))
    return found | {IMAGE_VARIABLES[service]: image for service, image in images.items()}


def hashes_of(settings: Settings, files: Iterable[str]) -> dict[str, str]:
    """Returns the hashes of the mounted files, by variable. Raises ConfigError if such a file is missing."""
    known = contents(settings)
    return {
        variable: digest(path, REMEDIES.get(file, "correcting its path in .env"))
        for file in files
        for variable, path in known.get(file, {}).items()
    }


def contents(settings: Settings) -> dict[str, dict[str, Path]]:
    """Returns compose file → variable → the file it hashes.

    Swarm secrets and configs are immutable, so each has the hash of its content in its name.
    """
    folder = secrets_folder(settings)
    return {
        CLOSED: {
            "SWARM_EDGE_KEYS": folder / KEYS,
            "SWARM_EDGE_CERTIFICATE": folder / CERTIFICATE,
            "SWARM_EDGE_PRIVATE_KEY": folder / PRIVATE_KEY,
        },
        SIGNED: {"SWARM_VERIFY_KEY": ROOT / settings.stack_verify_key},
        OBSERVED: {
            "SWARM_PROMETHEUS_CONFIG": ROOT / "docker/prometheus/prometheus.swarm.yaml",
            "SWARM_ALERTMANAGER_CONFIG": ROOT / settings.alertmanager_config,
        },
    }


def digest(path: Path, remedy: str) -> str:
    if not path.is_file():
        raise ConfigError(f"the file {shown(path)}", "none", remedy)
    return digest_of(path.read_text())[:DIGITS]
