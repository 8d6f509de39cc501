"""The linters, each as one test: what they say is the failure's text."""

import os
import re
import shutil
import subprocess
import sys
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
DOCKERFILES = [file for file in FILES if file.name.startswith("Dockerfile")]
# For `docker stack deploy`.
SWARM = (
    "compose.swarm.yaml",
    "compose.swarm.closed.yaml",
    "compose.swarm.signed.yaml",
    "compose.swarm.observability.yaml",
)
# Every compose file, as it is used.
LAYERS = [
    ("compose.yaml",),
    ("compose.yaml", "compose.gpu.yaml"),
    ("compose.yaml", "compose.prod.yaml"),
    ("compose.yaml", "compose.scale.yaml"),
    SWARM,
    ("compose.yaml", "benchmarks/metrics_cost/compose.yaml"),
    ("compose.yaml", "tests/integration/compose.fresh.yaml"),
    ("compose.yaml", "tests/integration/compose.config.yaml"),
]
HOST_CODE = [
    "scripts/stackcli",
    "benchmarks/edge_cost",
    "benchmarks/metrics_cost",
    "benchmarks/peers",
    "benchmarks/scale_out",
    "benchmarks/soak",
    "docker/grafana/boards",
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


# Apart: there are two modules named conftest.
@pytest.mark.parametrize("code", [HOST_CODE, ["tests/browser"]], ids=["host code", "browser"])
def test_host_code_is_typed(code: list[str]) -> None:
    run("mypy", "--strict", *code)


def test_every_import_keeps_to_the_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'scripts'}:{ROOT / 'benchmarks'}")
    run("lint-imports", "--no-cache")


PAGE = [file for file in FILES if file.is_relative_to(ROOT / "docker/edge/page")]

# Where there is a JavaScript engine to ask; the browser's own word is in tests/browser.
if shutil.which("node"):

    def test_the_pages_modules_can_be_parsed() -> None:
        for file in PAGE:
            if file.suffix == ".js":
                run("sh", "-c", 'node --input-type=module --check < "$1"', "sh", file)


def test_the_page_is_small_modules_and_names_no_other_host() -> None:
    """HAProxy answers with each file from a buffer of half a megabyte."""
    for file in PAGE:
        text = file.read_text()
        assert len(text.splitlines()) < 300, file
        assert file.stat().st_size < 500_000, file
        # Of SVG's own namespace nothing is loaded.
        hosts = set(re.findall(r"https?://[^/\"'`\s]+", text)) - {"http://www.w3.org", "http://localhost:8000"}
        assert not hosts, f"{file} names {hosts}"
        assert not re.search(r"\bstyle=|\bon[a-z]+=\"|<style|<script(?! src| type=\"module\" src)", text), file


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


def test_a_swarm_accepts_its_files() -> None:
    """`docker stack` has a reader of its own."""
    run("docker", "stack", "config", *[f"--compose-file={file}" for file in SWARM])


# The linter is for Python 3.11 and later (scripts/requirements-test.in).
if sys.version_info >= (3, 11):

    @pytest.mark.parametrize("files", LAYERS, ids=" + ".join)
    def test_compose_lint_finds_nothing_at_any_level_in(files: tuple[str, ...], tmp_path: Path) -> None:
        """In what Compose makes of the files together: an overlay alone is no stack. Exceptions: .compose-lint*.yml."""
        merged = tmp_path / "compose.yaml"
        merged.write_text(render(files))
        exceptions = ROOT / (".compose-lint.swarm.yml" if files == SWARM else ".compose-lint.yml")
        run("compose-lint", "check", "--fail-on=low", "--strict-config", f"--config={exceptions}", merged)


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
