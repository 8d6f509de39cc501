"""The pages for those who join name files, commands and rooms that are there."""

import re
from pathlib import Path

import pytest

from stackcli.cli import COMMANDS, GROUPS
from stackcli.common.paths import ROOT
from stackcli.testing.asked import VERBS
from stackcli.testing.suites import SUITES

PAGES = ("CONTRIBUTING.md", "CHANGELOG.md")
NOTICE = (ROOT / "NOTICE").read_text()


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file(page: str) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)\)", (ROOT / page).read_text())
    assert targets
    assert [target for target in targets if "://" not in target and not (ROOT / target).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_is_named_is_one(page: str) -> None:
    named = set(re.findall(r"scripts/stack ([a-z]+)", (ROOT / page).read_text()))
    assert named
    assert named <= {*COMMANDS, *GROUPS}


def test_contributors_are_told_every_verb_of_the_tests() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for verb in {*VERBS, *SUITES}:
        assert re.search(rf"scripts/stack test {verb}\b|`{verb}`", text), verb


def test_how_we_write_is_shown_by_a_dozen_examples() -> None:
    _, _, examples = (ROOT / "CONTRIBUTING.md").read_text().partition("| before | after |")
    assert len(re.findall(r"^\| (?!--)[^|]+ \| [^|]+ \|$", examples, re.MULTILINE)) >= 12


def test_the_notice_names_files_that_are_there() -> None:
    for path in re.findall(r"(?:docker|tests|benchmarks|model_src)/\S*?[\w*]+(?:\.\w+)?(?=[\s,.])", NOTICE):
        assert list(ROOT.glob(path.rstrip("."))), path


def test_a_change_that_users_notice_has_its_kind() -> None:
    """As Keep a Changelog names them, and what is not done yet."""
    kinds = re.findall(r"^### (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "Known limits"}
    assert Path(ROOT / "LICENSE").is_file()
