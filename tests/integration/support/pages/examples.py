"""The code blocks of the README and of docs/: which are run, which are not, and what they are said to print.

A block is run unless the line that opens it says otherwise, in words that GitHub does not show:

    ```bash not-run: needs a cluster
    ```python run-by: tests/integration/security/test_provenance.py

`text` under a `bash` block is that block's output, `mermaid` is drawn, and `json` shows a file. No other language goes
without such words.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from integration.support.users import PROJECT_ROOT

README = PROJECT_ROOT / "README.md"
# What a user does; docs/evidence/ says what was measured, and docs/explanation/ why things are as they are.
INSTRUCTIONS = [
    README,
    *(page for room in ("guides", "reference") for page in sorted((PROJECT_ROOT / "docs" / room).glob("*.md"))),
]
PAGES = [README, *sorted((PROJECT_ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w*)(?: (not-run|run-by): (\S[^\n]*))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^ *```", re.MULTILINE)
OUTPUT, COMMANDS = "text", "bash"
# Not run: a picture, what a command prints, and what lies in a file.
SHOWN = ("mermaid", OUTPUT, "json")


@dataclass(frozen=True)
class Block:
    """`exemption`: not-run or run-by, with its `reason`: why not, or the file that runs it. Both may be empty."""

    language: str
    exemption: str
    reason: str
    text: str

    @property
    def is_run(self) -> bool:
        return self.language == COMMANDS and not self.exemption


@dataclass(frozen=True)
class Example:
    """Commands of one block and the output lines that the page shows beneath it; … stands for anything."""

    commands: str
    output: list[str]


def blocks(page: Path) -> list[Block]:
    """All code blocks of a page. Fails on a fence that opens or closes none of them."""
    text = page.read_text()
    found = [Block(*groups) for groups in BLOCK.findall(text)]
    fences = len(FENCE.findall(text))
    assert fences == 2 * len(found), f"{name_of(page)}: expected {2 * len(found)} fences, found {fences}"
    return found


def examples(page: Path) -> list[Example]:
    """What is run of a page, in its order; empty if nothing is."""
    found: list[Example] = []
    below: Block | None = None
    for block in blocks(page):
        if block.is_run:
            found.append(Example(block.text, []))
        elif block.language == OUTPUT and below and below.is_run:
            found[-1].output.extend(block.text.splitlines())
        below = below if block.language == OUTPUT else block
    return found


def not_run(page: Path) -> Iterator[Block]:
    """The blocks that no test runs."""
    return (block for block in blocks(page) if block.exemption == "not-run")


def name_of(page: Path) -> str:
    return page.relative_to(PROJECT_ROOT).as_posix()


def assert_shown_in_order(shown: list[str], printed: str) -> None:
    """Each shown line is found in the output, after the one before it."""
    lines = iter(printed.splitlines())
    for line in shown:
        pattern = re.compile(r"\s+".join(re.escape(word).replace("…", ".*") for word in line.split()))
        if line != "…":
            assert any(pattern.search(candidate) for candidate in lines), f"{line!r} is not in:\n{printed}"
