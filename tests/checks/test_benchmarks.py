"""Every benchmark starts from a checkout: it finds its modules, and prints its help."""

from pathlib import Path

import pytest

from checks.files import FILES, run
from stackcli.common.paths import ROOT

BENCHMARKS = [path for path in FILES if path.match("benchmarks/*/run")]


@pytest.mark.parametrize("benchmark", BENCHMARKS, ids=lambda path: path.parent.name)
def test_a_benchmark_prints_its_help(benchmark: Path) -> None:
    run(benchmark, "--help")


def test_each_folder_of_benchmarks_with_a_program_is_among_them() -> None:
    assert {path.parent for path in BENCHMARKS} == {path.parent for path in (ROOT / "benchmarks").glob("*/run.py")}
