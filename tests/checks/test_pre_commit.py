"""A commit is checked by the linters of the static checks, from this machine alone, and editors keep their form."""

import configparser
import re
import shlex
import sys
from pathlib import Path

import pytest
import yaml

from checks.files import FILES, HOST_CODE
from stackcli.common.paths import ROOT

CONFIG = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
HOOKS = {hook["id"]: hook for repository in CONFIG["repos"] for hook in repository["hooks"]}
ENVIRONMENT = ".stack/venv/bin/"
CHECKS = (ROOT / "tests/checks/test_static_checks.py").read_text()
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yaml"))


def program_of(hook: str) -> tuple[str, list[str]]:
    """The program that a hook runs, and its arguments."""
    words = [word for word in shlex.split(HOOKS[hook]["entry"]) if word != "env" and "=" not in word]
    return words[0], words[1:]


def test_every_hook_is_local_and_downloads_nothing() -> None:
    assert [repository["repo"] for repository in CONFIG["repos"]] == ["local"]
    assert "://" not in (ROOT / ".pre-commit-config.yaml").read_text()
    for hook in HOOKS.values():
        assert hook["language"] == "system"
        assert "additional_dependencies" not in hook


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_runs_a_linter_that_the_tests_install_and_run(hook: str) -> None:
    program, _ = program_of(hook)
    assert program.startswith(ENVIRONMENT)
    name = program.removeprefix(ENVIRONMENT)
    assert (Path(sys.executable).parent / name).is_file()
    assert f'run("{name}"' in CHECKS


def test_every_linter_of_the_static_checks_is_a_hook() -> None:
    used = set(re.findall(r'run\("([\w-]+)"', CHECKS)) - {"sh"}  # sh asks node, where there is one
    assert used == {program_of(hook)[0].removeprefix(ENVIRONMENT) for hook in HOOKS}


def test_mypy_looks_at_the_same_code() -> None:
    assert program_of("mypy")[1] == ["--strict", *HOST_CODE]


def test_editors_and_the_linters_agree_on_the_length_of_a_line() -> None:
    text = (ROOT / ".editorconfig").read_text()
    config = configparser.ConfigParser(default_section="", strict=True)
    config.read_string(f"[top]\n{text}")
    assert config["top"]["root"] == "true"
    assert config["*"]["max_line_length"] == "120"
    assert "line-length = 120" in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize("suffix", [".py", ".java", ".js", ".sh", ".yaml"])
def test_the_files_are_as_editorconfig_says(suffix: str) -> None:
    for file in FILES:
        if file.suffix == suffix:
            text = file.read_bytes()
            assert b"\r\n" not in text, file
            assert not text or text.endswith(b"\n"), file
            assert not re.search(rb"[ \t]$", text, re.MULTILINE), file


@pytest.mark.parametrize("file", FORMS, ids=lambda file: file.stem)
def test_an_issues_form_can_be_read_and_asks_for_the_report(file: Path) -> None:
    form = yaml.safe_load(file.read_text())
    assert {"name", "description", "body"} <= form.keys()
    fields = {part["id"]: part for part in form["body"] if part["type"] != "markdown"}
    assert all(part["attributes"]["label"] for part in fields.values())
    assert "scripts/stack doctor --report" in fields["report"]["attributes"]["description"]


def test_a_bug_cannot_be_reported_without_the_report() -> None:
    form = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/bug.yaml").read_text())
    required = {part["id"] for part in form["body"] if part.get("validations", {}).get("required")}
    assert "report" in required
