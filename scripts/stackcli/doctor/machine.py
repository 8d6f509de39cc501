"""What a report says of the machine: its system, its size and Docker's versions. Neither its name nor its users."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import docker
from docker.errors import DockerException

from stackcli.common.paths import ROOT
from stackcli.common.process import capture
from stackcli.doctor import allowed
from stackcli.machine.apt import read_os_release
from stackcli.machine.checks import GIB, memory_gib
from stackcli.machine.describe import cpu_name
from stackcli.machine.engine import find_engine

NONE = "none"
# A CPU's name as its maker gives it; a longer name, or one with other characters, is some other text.
CPU = re.compile(r"[\w ()@.+-]{1,80}")
SYSTEM_IDS = ("debian", "ubuntu", "fedora", "rhel", "centos", "rocky", "almalinux", "arch", "alpine", "amzn")
MACHINES = ("x86_64", "aarch64", "arm64")


def machine_facts(client: docker.DockerClient | None) -> Sequence[tuple[str, str]]:
    engine = find_engine()
    return [
        ("system", system()),
        ("kernel", kernel()),
        ("architecture", allowed.one_of(platform.machine(), MACHINES)),
        ("CPU", found[0] if (found := CPU.fullmatch(cpu_name())) else allowed.HIDDEN),
        ("CPUs", f"{len(os.sched_getaffinity(0))} of {os.cpu_count()}"),
        ("memory", f"{memory_gib():.1f} GiB"),
        ("free disk", f"{shutil.disk_usage(docker_folder(client)).free / GIB:.0f} GiB"),
        ("Python", allowed.harmless(platform.python_version())),
        ("Docker Engine", version_in(engine.server)),
        ("Compose", version_in(engine.compose)),
        ("Buildx", version_in(engine.buildx)),
        ("BuildKit", buildkit()),
        ("cgroup", cgroup_version(client)),
    ]


def system() -> str:
    """Returns a name such as `debian 12`; only known distributions are named."""
    found = read_os_release()
    return f"{allowed.one_of(found.get('ID', ''), SYSTEM_IDS)} {version_in(found.get('VERSION_ID', ''))}"


def kernel() -> str:
    """Returns only the kernel's version, because a custom kernel may have a name after it."""
    release = platform.release()
    return f"{version_in(release)}{' (WSL)' if 'microsoft' in release.lower() else ''}"


def version_in(text: str) -> str:
    """Returns the numbers at the start of a program's version."""
    match = re.match(r"v?\d{1,4}(?:\.\d{1,4}){0,2}", text)
    return match[0] if match else NONE


def buildkit() -> str:
    match = re.search(r"^BuildKit version:\s*(\S+)", capture(["docker", "buildx", "inspect"], 20).stdout, re.MULTILINE)
    return version_in(match[1]) if match else NONE


def docker_folder(client: docker.DockerClient | None) -> Path:
    """Returns where Docker keeps images, if this machine has that folder; reports do not name it."""
    try:
        folder = Path(str(client.info()["DockerRootDir"])) if client else ROOT
    except (DockerException, KeyError):
        folder = ROOT
    return folder if folder.is_dir() else ROOT


def cgroup_version(client: docker.DockerClient | None) -> str:
    """Returns the engine's cgroup version; without an engine, this machine's."""
    try:
        found = str(client.info().get("CgroupVersion", "")) if client else ""
    except DockerException:
        found = ""
    return version_in(found or ("2" if Path("/sys/fs/cgroup/cgroup.controllers").is_file() else "1"))
