"""Lists the repository's files, and runs a checker on them."""

import subprocess
from pathlib import Path

import pytest

from stackcli.common.paths import ROOT

TRACKED = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
)
FILES = [ROOT / name for name in TRACKED.stdout.splitlines() if (ROOT / name).is_file()]

# What mypy reads as one; .pre-commit-config.yaml names the same.
HOST_CODE = [
    "scripts/stackcli",
    "benchmarks/edge_cost",
    "benchmarks/metrics_cost",
    "benchmarks/peers",
    "benchmarks/scale_out",
    "benchmarks/soak",
    "docker/grafana/boards",
    "tests/conftest.py",
    "tests/lanes.py",
    "tests/unit",
    "tests/checks",
    "tests/containers",
    "tests/integration",
]


def run(*command: str | Path) -> None:
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        pytest.fail(f"{' '.join(map(str, command[:3]))}…\n{ended.stdout}{ended.stderr}", pytrace=False)
