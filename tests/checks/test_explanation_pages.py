"""docs/explanation: pages that one can take in, whose code is where they say, and a glossary from A to W."""

import re
from pathlib import Path

import pytest

from stackcli.common.paths import ROOT

FOLDER = ROOT / "docs/explanation"
PAGES = sorted(FOLDER.rglob("*.md"))
MAX_LINES = 220
# Pages whose every section ends with the paths of its code.
OF_CODE = [FOLDER / "architecture.md", FOLDER / "engines-and-batching.md"]


def test_no_page_is_longer_than_one_sitting() -> None:
    lines = {page.name: len(page.read_text().splitlines()) for page in PAGES}
    assert {page: count for page, count in lines.items() if count > MAX_LINES} == {}


@pytest.mark.parametrize("page", OF_CODE, ids=lambda page: page.stem)
def test_every_section_ends_with_paths_that_exist(page: Path) -> None:
    for section in re.split(r"^## ", page.read_text(), flags=re.MULTILINE)[1:]:
        title, last = section.splitlines()[0], section.strip().rpartition("\n\n")[2]
        assert last.startswith("Code: "), f"{title}: expected its code's paths at the end, found {last[:40]!r}"
        paths = re.findall(r"`([^`]+)`", last)
        assert [path for path in paths if not (ROOT / path).exists()] == [], title
        assert paths, title


def test_the_glossary_is_sorted_and_its_links_into_the_code_exist() -> None:
    page = FOLDER / "glossary.md"
    words = [word.casefold() for word in re.findall(r"^\| \*\*([^*]+)\*\*", page.read_text(), re.MULTILINE)]
    assert words == sorted(words)
    links = re.findall(r"\]\((\.\./\.\./[^)#]+)\)", page.read_text())
    assert len(links) > len(words) / 2
    assert [link for link in links if not (FOLDER / link).exists()] == []


DECISIONS = sorted((FOLDER / "decisions").glob("[0-9]*.md"))
PARTS = ["Context", "Decision", "Alternatives", "Consequences"]


@pytest.mark.parametrize("record", DECISIONS, ids=lambda record: record.stem)
def test_every_decision_has_its_four_parts_and_names_its_code(record: Path) -> None:
    text = record.read_text()
    assert text.startswith(f"# {record.name[:4]}: ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == PARTS
    last = text.strip().rpartition("\n\n")[2]
    assert last.startswith("Code: ")
    assert [path for path in re.findall(r"`([^`]+)`", last) if not (ROOT / path).exists()] == []


def test_the_index_of_the_decisions_lists_them_all() -> None:
    index = (FOLDER / "decisions/README.md").read_text()
    assert re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", index) == [record.name for record in DECISIONS]
