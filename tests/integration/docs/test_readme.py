"""The README's commands run in order, as a user would run them, and print the output that it shows.

Its project has its own name, ports and folders; the models that need no rebuilding come from the user's store.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration.support.commands import run_command
from integration.support.fresh import FreshDeployments
from integration.support.stack import Deployment
from integration.support.store import give_to_container_user
from integration.support.users import PROJECT_ROOT

README = (PROJECT_ROOT / "README.md").read_text()
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TEST_COMMAND = "scripts/stack test --yes"
# Pictures are drawn, not run.
NOT_RUN = {"mermaid"}


@dataclass(frozen=True)
class Example:
    """Commands of one block and the output lines that the README shows beneath it; … stands for anything."""

    commands: str
    output: list[str]


def examples() -> list[Example]:
    found: list[Example] = []
    for language, text in BLOCK.findall(README):
        if language == "bash":
            found.append(Example(text, []))
        elif language == "text":
            found[-1].output.extend(text.splitlines())
        else:
            assert language in NOT_RUN, f"a {language or 'nameless'} block that no test runs:\n{text}"
    return found


def assert_shown_in_order(shown: list[str], printed: str) -> None:
    """Each shown line is found in the output, after the previous one."""
    lines = iter(printed.splitlines())
    for line in shown:
        pattern = re.compile(r"\s+".join(re.escape(word).replace("…", ".*") for word in line.split()))
        if line != "…":
            assert any(pattern.search(candidate) for candidate in lines), f"{line!r} is not in:\n{printed}"


@pytest.fixture
def readers_stack(running_stack: Deployment, workspace: Path, tmp_path: Path) -> Iterator[Deployment]:
    """What a reader has after cloning, except for the name, the ports and a store that is already filled."""
    (tmp_path / "scripts").symlink_to(PROJECT_ROOT / "scripts")
    shutil.copytree(running_stack.model_src, tmp_path / "model_src", ignore=shutil.ignore_patterns("__pycache__"))
    deployments = FreshDeployments(workspace)
    store = give_to_container_user(shutil.copytree(running_stack.model_store, tmp_path / "model_store"))
    yield deployments(model_src=tmp_path / "model_src", model_store=store, EDGE_SECRETS=str(tmp_path / "edge"))
    deployments.remove_all()


def test_the_commands_of_the_readme_do_what_it_shows(readers_stack: Deployment, tmp_path: Path) -> None:
    ports = readers_stack.ports
    for example in examples():
        if example.commands.strip() == TEST_COMMAND:
            continue  # this very run; see the next test
        commands = example.commands.replace("localhost:8080", f"localhost:{ports.inference}")
        commands = commands.replace("localhost:8081", f"localhost:{ports.management}")
        commands = commands.replace("localhost:8082", f"localhost:{ports.metrics}")
        commands = commands.replace("localhost:8000", f"localhost:{ports.edge}")
        commands = commands.replace(".stack/secrets/edge", str(tmp_path / "edge"))
        ended = run_command(["bash", "-euc", f"cd {tmp_path}\n{commands}"], readers_stack.environment())
        assert ended.returncode == 0, f"{example.commands}\nexit {ended.returncode}\n{ended.stdout}"
        shown = [line.replace("localhost:8080", f"localhost:{ports.inference}") for line in example.output]
        shown = [line.replace("localhost:8000", f"localhost:{ports.edge}") for line in shown]
        assert_shown_in_order(shown, ended.stdout)


def test_continuous_integration_runs_the_test_command_of_the_readme() -> None:
    assert any(example.commands.strip() == TEST_COMMAND for example in examples())
    assert f"exec {TEST_COMMAND}\n" in (PROJECT_ROOT / ".ci/run").read_text()


def test_the_error_texts_of_the_readme_exist() -> None:
    section = README.partition("## When something is wrong")[2].partition("\n## ")[0]
    texts = re.findall(r"^\| `(.+?)` \|", section, re.MULTILINE)
    assert texts
    source = subprocess.run(
        ["git", "grep", "-h", "", "--", "docker", "scripts"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert not [text for text in texts if text not in source]
