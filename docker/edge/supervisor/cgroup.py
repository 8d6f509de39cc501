"""This container's memory and CPU usage and its limits, from its control group (v2 or v1)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from contract.cgroup import CGROUP, cpu_limit, memory_limit, read_text


def container_series(cgroup: Path = CGROUP) -> Iterator[Metric]:
    """Yields container_* in bytes, seconds and cores, leaving out limits that are not set and values it cannot read."""
    is_v2 = (cgroup / "cgroup.controllers").is_file()
    for name, text, value in (_of_v2 if is_v2 else _of_v1)(cgroup):
        if value is not None:
            family = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            yield family(name, text, value=value)


def _of_v2(cgroup: Path) -> Iterator[tuple[str, str, float | None]]:
    cpu = _fields(cgroup / "cpu.stat")
    used, inactive = _number(cgroup / "memory.current"), _fields(cgroup / "memory.stat").get("inactive_file", 0.0)
    yield from _series(
        cgroup,
        memory=None if used is None else used - inactive,
        cpu_seconds=_scaled(cpu.get("usage_usec"), 1e-6),
        throttled_seconds=_scaled(cpu.get("throttled_usec"), 1e-6),
    )


def _of_v1(cgroup: Path) -> Iterator[tuple[str, str, float | None]]:
    used = _number(cgroup / "memory/memory.usage_in_bytes")
    inactive = _fields(cgroup / "memory/memory.stat").get("total_inactive_file", 0.0)
    yield from _series(
        cgroup,
        memory=None if used is None else used - inactive,
        cpu_seconds=_scaled(_number(cgroup / "cpuacct/cpuacct.usage"), 1e-9),
        throttled_seconds=_scaled(_fields(cgroup / "cpu/cpu.stat").get("throttled_time"), 1e-9),
    )


def _series(
    cgroup: Path, memory: float | None, cpu_seconds: float | None, throttled_seconds: float | None
) -> Iterator[tuple[str, str, float | None]]:
    bytes_limit, cores = memory_limit(cgroup), cpu_limit(cgroup)
    yield "container_memory_bytes", "Memory in use, without cache that the kernel can reclaim at once.", memory
    yield (
        "container_memory_limit_bytes",
        "Memory limit, at which the kernel kills a process.",
        bytes_limit[0] if bytes_limit else None,
    )
    yield "container_cpu_seconds_total", "CPU time used.", cpu_seconds
    yield "container_cpu_throttled_seconds_total", "Time throttled by the CPU limit.", throttled_seconds
    yield "container_cpu_limit_cores", "CPUs that the container may use.", cores[0] if cores else None


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _fields(path: Path) -> dict[str, float]:
    """Returns a file's lines `NAME NUMBER`; empty if there is no such file."""
    lines = (line.split() for line in read_text(path).splitlines())
    return {words[0]: float(words[1]) for words in lines if len(words) == 2 and words[1].isdecimal()}


def _number(path: Path) -> float | None:
    """Returns None for "max" (v2), "-1" (v1), or a missing file."""
    text = read_text(path)
    return float(text) if text.isdecimal() else None
