"""Decides, from /etc/os-release, which packages give this machine a Docker Engine; runs nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from stackcli.common.errors import EngineError
from stackcli.machine.apt import find_debian_uri

SOURCE_FILE = "/etc/apt/sources.list.d/torchserve-stack-trixie.sources"
PIN_FILE = "/etc/apt/preferences.d/torchserve-stack-trixie"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
DOCKER_DOCS = "https://docs.docker.com/engine/install/"


@dataclass(frozen=True)
class InstallPlan:
    """The packages for apt-get, and the files to write first."""

    packages: list[str]
    files: dict[str, str] = field(default_factory=dict)

    @property
    def commands(self) -> list[list[str]]:
        return [
            ["apt-get", "update", "-q"],
            ["apt-get", "install", "-y", "-q", "--no-install-recommends", "--no-remove", *self.packages],
        ]


def plan_install(
    release: dict[str, str], sources: str, knows: Callable[[str], bool], has_engine: bool = False
) -> InstallPlan:
    """Plans the installation. `sources`: the text of all apt sources; `knows`: whether apt has a package of that name.

    `has_engine`: an engine is there, from whatever source, and only its plugins are missing. Raises EngineError.
    """
    system, codename = release.get("ID", ""), release.get("VERSION_CODENAME", "")
    is_new_debian = system == "debian" and codename not in ("stretch", "buster", "bullseye", "bookworm")
    if has_engine and knows("docker-compose-plugin"):
        return InstallPlan(["docker-compose-plugin", "docker-buildx-plugin"])
    if system == "debian" and codename == "bookworm":
        return plan_bookworm(sources, has_engine)
    if system == "ubuntu" or is_new_debian:
        compose = "docker-compose-v2" if knows("docker-compose-v2") else "docker-compose"
        engine = [] if has_engine else ["docker.io", *(["docker-cli"] if knows("docker-cli") else []), "iptables"]
        return InstallPlan([*engine, "docker-buildx", compose, "ca-certificates"])
    raise EngineError(
        "Debian 12+ or Ubuntu 22.04+ to install a Docker Engine on",
        release.get("PRETTY_NAME", "an unknown system"),
        f"installing Docker Engine 23+ with Compose 2.20+ as described at {DOCKER_DOCS}",
    )


def plan_bookworm(sources: str, has_engine: bool) -> InstallPlan:
    """Plans trixie's packages, which install on Debian 12; its own engine is 20.10 and its Compose the retired v1."""
    uri = find_debian_uri(sources, "bookworm")
    if uri is None:
        raise EngineError(
            "a Debian source for bookworm in /etc/apt", "none", "adding Debian's main archive to apt's sources"
        )
    source = f"Types: deb\nURIs: {uri}\nSuites: trixie\nComponents: main\nSigned-By: {KEYRING}\n"
    pin = "Package: *\nPin: release n=trixie\nPin-Priority: 100\n"
    engine = [] if has_engine else ["docker.io/trixie", "docker-cli/trixie", "iptables"]
    return InstallPlan(
        [*engine, "docker-buildx/trixie", "docker-compose/trixie", "ca-certificates"],
        {SOURCE_FILE: source, PIN_FILE: pin},
    )
