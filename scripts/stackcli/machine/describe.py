"""Describes the machine that measurements apply to: CPU, cores, memory and operating system."""

from __future__ import annotations

import platform
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import docker


def describe_machine(client: docker.DockerClient) -> dict[str, Any]:
    engine = client.info()
    return {
        "cpu": cpu_name(),
        "cores": engine["NCPU"],
        "memory_gib": round(engine["MemTotal"] / 2**30),
        "system": engine["OperatingSystem"],
    }


def machine_today(client: docker.DockerClient) -> str:
    """Describes in one line where and when a page's measurements were taken: date, cores, CPU and system."""
    info = client.info()
    date = datetime.now().astimezone().strftime("%Y-%m-%d")
    return f"{date}, {info['NCPU']} cores of {cpu_name()}, {info['OperatingSystem']}"


def cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    match = re.search(r"^model name\s*: (.+)$", info.read_text(), re.MULTILINE) if info.is_file() else None
    return match[1] if match else platform.processor() or platform.machine()
