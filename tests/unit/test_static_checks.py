"""The linters, each as one test: what they say is the failure's text."""

import re
import subprocess
from pathlib import Path

import pytest

from stackcli.paths import ROOT

TRACKED = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
)
FILES = [ROOT / name for name in TRACKED.stdout.splitlines() if (ROOT / name).is_file()]
DOCKERFILES = [file for file in FILES if file.name.startswith("Dockerfile")]
HOST_CODE = ["scripts/stackcli", "benchmarks/peers", "benchmarks/soak", "tests/unit", "tests/integration"]


def is_shell(file: Path) -> bool:
    with file.open("rb") as content:
        return file.suffix == ".sh" or re.match(rb"#!.*\b(ba)?sh\b", content.readline(80)) is not None


def run(*command: str | Path) -> None:
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        pytest.fail(f"{' '.join(map(str, command[:3]))}…\n{ended.stdout}{ended.stderr}", pytrace=False)


def test_ruff_finds_nothing() -> None:
    run("ruff", "check", ".")


def test_every_python_file_is_formatted() -> None:
    run("ruff", "format", "--check", ".")


def test_host_code_is_typed() -> None:
    run("mypy", "--strict", *HOST_CODE)


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_hadolint_finds_nothing_in(file: Path) -> None:
    run("hadolint", "--no-color", file)


def test_shellcheck_finds_nothing() -> None:
    run("shellcheck", *[file for file in FILES if is_shell(file)])


def test_yamllint_finds_nothing() -> None:
    run("yamllint", "--strict", *[file for file in FILES if file.suffix in (".yaml", ".yml")])


@pytest.mark.parametrize("files", [["compose.yaml"], ["compose.yaml", "compose.gpu.yaml"]], ids=" + ".join)
def test_compose_accepts(files: list[str]) -> None:
    run("docker", "compose", *[option for file in files for option in ("--file", file)], "config", "--quiet")
