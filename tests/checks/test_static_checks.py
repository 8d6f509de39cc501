"""Runs each linter as one test, whose failure is the linter's output."""

import re
import shutil
from pathlib import Path

import pytest

from checks.files import FILES, HOST_CODE, run
from stackcli.common.paths import ROOT

DOCKERFILES = [file for file in FILES if file.name.startswith("Dockerfile")]


def is_shell(file: Path) -> bool:
    with file.open("rb") as content:
        return file.suffix == ".sh" or re.match(rb"#!.*\b(ba)?sh\b", content.readline(80)) is not None


def test_ruff_finds_nothing() -> None:
    run("ruff", "check", ".")


def test_every_python_file_is_formatted() -> None:
    run("ruff", "format", "--check", ".")


@pytest.mark.parametrize("code", [HOST_CODE, ["tests/browser"]], ids=["host code", "browser"])
def test_host_code_is_typed(code: list[str]) -> None:
    run("mypy", "--strict", *code)


def test_every_import_keeps_to_the_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'scripts'}:{ROOT / 'contract'}:{ROOT / 'benchmarks'}")
    run("lint-imports", "--no-cache")


PAGE = [file for file in FILES if file.is_relative_to(ROOT / "docker/edge/page")]

# Needs a JavaScript engine; tests/browser loads the page in a real browser.
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
        # The SVG namespace is a name; nothing is loaded from it.
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
