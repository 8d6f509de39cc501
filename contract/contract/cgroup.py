"""Reads a container's CPU and memory limits from its control group (version 2 or 1)."""

from __future__ import annotations

from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
# cgroup v1 writes "no limit" as the largest page-aligned number; no machine has half of that.
_NO_LIMIT_BYTES = 1 << 62


def cpu_limit(cgroup: Path = CGROUP) -> tuple[float, str] | None:
    """Returns how many CPUs the scheduler grants (quota / period) and the file that says so; None without a quota."""
    v2 = read_text(cgroup / "cpu.max")
    if v2:
        quota, _, period = v2.partition(" ")
        source = "cpu.max"
    else:
        quota, period = read_text(cgroup / "cpu/cpu.cfs_quota_us"), read_text(cgroup / "cpu/cpu.cfs_period_us")
        source = "cpu.cfs_quota_us"
    if not (quota.isdecimal() and period.isdecimal() and int(period)):
        return None  # "max" (v2), "-1" (v1), or no such file
    return int(quota) / int(period), source


def memory_limit(cgroup: Path = CGROUP) -> tuple[int, str] | None:
    """Returns the memory limit in bytes and the file that says so, or None without a limit."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        text = read_text(cgroup / name)
        if text.isdecimal() and int(text) < _NO_LIMIT_BYTES:
            return int(text), Path(name).name
    return None


def read_text(path: Path) -> str:
    """Returns a cgroup file's text; empty if it cannot be read."""
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
