"""The README and the guides are run: their commands, in order, as a user's, with the output that they show.

All pages share one reader's stack. The README starts it; a guide starts from it, and may leave it changed.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.support.fresh import FreshDeployments
from integration.support.pages.examples import INSTRUCTIONS, README, examples, name_of
from integration.support.pages.reader import Reader
from integration.support.stack import Deployment
from integration.support.users import PROJECT_ROOT

TEST_COMMAND = "scripts/stack test --yes"
TROUBLESHOOTING = PROJECT_ROOT / "docs/guides/troubleshooting.md"
GUIDES = [page for page in INSTRUCTIONS if page != README and examples(page)]


@pytest.fixture(scope="module")
def reader(running_stack: Deployment, workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """What a reader has after cloning: nothing is started yet."""
    deployments = FreshDeployments(workspace)
    try:
        yield Reader.of(running_stack, deployments, tmp_path_factory.mktemp("clone"))
    finally:
        deployments.remove_all()


def test_the_commands_of_the_readme_do_what_it_shows(reader: Reader) -> None:
    for example in examples(README):
        reader.type(example)


@pytest.mark.parametrize("guide", GUIDES, ids=name_of)
def test_the_commands_of_a_guide_do_what_it_shows(reader: Reader, guide: Path) -> None:
    reader.open_stack()
    for example in examples(guide):
        reader.type(example)


def test_continuous_integration_runs_the_test_command_of_the_readme() -> None:
    assert f"\n{TEST_COMMAND}\n" in README.read_text()
    assert f"exec {TEST_COMMAND}\n" in (PROJECT_ROOT / ".ci/run").read_text()


def test_the_error_texts_of_the_guide_exist() -> None:
    section = TROUBLESHOOTING.read_text().partition("## When something is wrong")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.+?`) \|", section, re.MULTILINE)
    texts = [text for cell in cells for text in re.findall(r"`(.+?)`", cell)]
    assert texts
    source = subprocess.run(
        ["git", "grep", "-h", "", "--", "docker", "scripts"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert not [text for text in texts if text not in source]
