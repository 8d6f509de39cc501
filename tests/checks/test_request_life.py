"""docs/explanation/request-life.md names the code of every hop by path, line and symbol, and each of them is right.

Code moves. After that, `--write-docs` writes the line numbers again.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from stackcli.common.paths import ROOT

PAGE = ROOT / "docs/explanation/request-life.md"
MEND = "`scripts/stack test tests/checks/test_request_life.py --write-docs`"
REFERENCE = re.compile(r"`(?P<path>[\w./-]+):(?P<line>\d+) (?P<symbol>[^`]+)`")


@dataclass(frozen=True)
class Reference:
    """A piece of code as the page names it; `symbol`: words that stand on that line and on no other of the file."""

    path: str
    line: int
    symbol: str

    @classmethod
    def of(cls, found: re.Match[str]) -> "Reference":
        return cls(found["path"], int(found["line"]), found["symbol"])

    def lines(self, root: Path) -> list[int]:
        """The lines of the file with the symbol as whole words; none where there is no such file."""
        file = root / self.path
        if not file.is_file():
            return []
        start, end = (r"\b" if self.symbol[place].isalnum() else "" for place in (0, -1))
        symbol = re.compile(start + re.escape(self.symbol) + end)
        return [number for number, line in enumerate(file.read_text().splitlines(), 1) if symbol.search(line)]

    def problem(self, root: Path) -> str:
        """What is wrong with it, and what to do; empty where it is right."""
        said, lines = f"`{self.path}:{self.line} {self.symbol}`", self.lines(root)
        if lines == [self.line]:
            return ""
        if not (root / self.path).is_file():
            return f"{said}: expected that file, found none; try where its code has gone"
        if not lines:
            return f"{said}: expected {self.symbol} in that file, found it nowhere; try what has taken its place"
        if len(lines) > 1:
            return f"{said}: expected a symbol of one line, found it on {lines}; try more of the line that is meant"
        return f"{said}: expected line {lines[0]}, found {self.line}; try {MEND}"


def mended(text: str, root: Path) -> str:
    """The page with the number of each line that can be told."""

    def mend(found: re.Match[str]) -> str:
        reference = Reference.of(found)
        lines = reference.lines(root)
        line = lines[0] if len(lines) == 1 else reference.line
        return f"`{reference.path}:{line} {reference.symbol}`"

    return REFERENCE.sub(mend, text)


def test_every_reference_is_where_the_page_says(write_docs: bool) -> None:
    if write_docs:
        PAGE.write_text(mended(PAGE.read_text(), ROOT))
    references = [Reference.of(found) for found in REFERENCE.finditer(PAGE.read_text())]
    assert len(references) > 50
    assert [problem for reference in references if (problem := reference.problem(ROOT))] == []


def test_every_hop_names_its_code() -> None:
    hops = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]
    assert [hop.splitlines()[0] for hop in hops if not REFERENCE.search(hop)] == []


CODE = "import os\n\n\ndef handle(batch):\n    return handle_one(batch)\n"


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        (Reference("a.py", 4, "handle"), ""),
        (Reference("a.py", 1, "handle"), "expected line 4"),
        (Reference("a.py", 4, "handle_all"), "found it nowhere"),
        (Reference("a.py", 4, "batch"), "[4, 5]"),
        (Reference("b.py", 4, "handle"), "found none"),
    ],
)
def test_a_reference_that_is_wrong_is_told_with_what_is_right(reference: Reference, told: str, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(CODE)
    problem = reference.problem(tmp_path)
    assert told in problem
    assert bool(told) == bool(problem)


def test_the_numbers_of_lines_are_mended_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(CODE)
    page = "`a.py:1 def handle` answers; `a.py:1 batch` and `b.py:3 gone` stay, and `a.py` too."
    assert mended(page, tmp_path) == page.replace("`a.py:1 def", "`a.py:4 def")
