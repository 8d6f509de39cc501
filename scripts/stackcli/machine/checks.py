"""Checks that this machine has what the stack needs: an engine, disk and memory."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import docker

from stackcli.common.check import Check
from stackcli.machine.engine import Engine, describe

BUILD_GIB = 15  # free disk for the base image, the three images built on it and the build cache
RUN_GIB = 1
MEMORY_GIB = 4
GIB = 1024**3


def check_engine(engine: Engine, yes: bool) -> Check:
    found = describe(engine)
    if engine.is_usable:
        return Check("engine", "ok", found)
    expected = "a running Docker Engine 23+ with Compose 2.20+ and Buildx"
    if engine.is_refused:
        remedy = "`sudo usermod -aG docker $USER` and a new login, or sudo"
        return Check("engine", "failed", f"no permission ({engine.error})", expected, remedy)
    if yes and os.geteuid() == 0:
        return Check("engine", "ok", f"{found}; will be {'installed' if engine.needs_install else 'started'}")
    sudo = "" if os.geteuid() == 0 else "sudo "
    action = "installs it from the distribution's packages" if engine.needs_install else "starts it"
    return Check("engine", "failed", found, expected, f"`{sudo}scripts/stack up --yes`, which {action}")


def check_disk(client: docker.DockerClient | None, images_here: bool) -> Check:
    folder = Path(str(client.info()["DockerRootDir"])) if client else Path("/var/lib")
    while not folder.exists():
        folder = folder.parent
    return judge_disk(shutil.disk_usage(folder).free / GIB, str(folder), images_here)


def judge_disk(free: float, folder: str, images_here: bool) -> Check:
    """Judges the free disk space; `free`: GiB."""
    needed = RUN_GIB if images_here else BUILD_GIB
    found = f"{free:.0f} GiB free in {folder}"
    if free >= needed:
        return Check("disk", "ok", found)
    remedy = "freeing space (`docker system df` shows what Docker uses)"
    return Check("disk", "failed", found, f"{needed} GiB free", remedy)


def memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB


def check_memory(total: float) -> Check:
    """Judges the machine's memory; `total`: GiB."""
    found = f"{total:.1f} GiB"
    if total >= MEMORY_GIB:
        return Check("memory", "ok", found)
    return Check("memory", "warning", found, f"{MEMORY_GIB} GiB", "fewer models, or TORCHSERVE_WORKERS=1 in .env")
