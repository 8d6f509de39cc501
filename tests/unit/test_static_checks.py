"""The linters, each as one test: what they say is the failure's text."""

import os
import re
import subprocess
import sys
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
# Every compose file, as it is used.
LAYERS = [
    ("compose.yaml",),
    ("compose.yaml", "compose.gpu.yaml"),
    ("compose.yaml", "compose.prod.yaml"),
    ("compose.yaml", "tests/integration/compose.fresh.yaml"),
    ("compose.yaml", "tests/integration/compose.config.yaml"),
]
HOST_CODE = [
    "scripts/stackcli",
    "benchmarks/edge_cost",
    "benchmarks/peers",
    "benchmarks/soak",
    "tests/unit",
    "tests/integration",
]


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


def test_every_compose_file_is_among_those_that_are_checked() -> None:
    found = {file.relative_to(ROOT) for file in FILES if file.match("compose*.yaml")}
    assert found == {Path(name) for files in LAYERS for name in files}


@pytest.mark.parametrize("files", LAYERS, ids=" + ".join)
def test_compose_accepts(files: tuple[str, ...]) -> None:
    render(files)


# The linter is for Python 3.11 and later (scripts/requirements-test.in).
if sys.version_info >= (3, 11):

    @pytest.mark.parametrize("files", LAYERS, ids=" + ".join)
    def test_compose_lint_finds_nothing_at_any_level_in(files: tuple[str, ...], tmp_path: Path) -> None:
        """In what Compose makes of the files together: an overlay alone is no stack. Exceptions: .compose-lint.yml."""
        merged = tmp_path / "compose.yaml"
        merged.write_text(render(files))
        run("compose-lint", "check", "--fail-on=low", "--strict-config", f"--config={ROOT}/.compose-lint.yml", merged)


def render(files: tuple[str, ...]) -> str:
    """The files as Compose merges them, with every profile and every variable's default."""
    options = [f"--file={file}" for file in files]
    command = ["docker", "compose", "--project-directory=.", "--env-file=/dev/null", "--profile=*", *options, "config"]
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "DOCKER_HOST")}
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env={**kept, "TEST_CACHE_VOLUME": "any", "TEST_CONFIG": "/any"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        pytest.fail(f"{' + '.join(files)}\n{ended.stderr}", pytrace=False)
    return ended.stdout
