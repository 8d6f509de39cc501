"""The pages of docs/: each is in the index and says what it is, evidence says what writes it, no block is missed."""

import re
from pathlib import Path

import pytest

from checks.markdown import links
from integration.support.pages.examples import INSTRUCTIONS, PAGES, README, SHOWN, blocks, examples, name_of, not_run
from stackcli.common.paths import ROOT

DOCS = ROOT / "docs"
INDEX = DOCS / "README.md"
EVIDENCE = sorted((DOCS / "evidence").glob("*.md"))
GUIDES = sorted((DOCS / "guides").glob("*.md"))
MAX_LINES = 220
# Looked up by an alert or a message, not read from top to bottom.
LISTS = {"runbook.md", "troubleshooting.md"}
# How many blocks of a page no test runs, each for the reason that it gives. Add only what cannot be run.
NOT_RUN = {
    "README.md": 1,
    "docs/guides/kubernetes.md": 1,
    "docs/guides/production.md": 1,
    "docs/guides/provenance.md": 1,
    "docs/guides/scale-out.md": 1,
    "docs/guides/swarm.md": 1,
    "docs/guides/tune-and-bench.md": 1,
    "docs/reference/logs-and-traces.md": 1,
}
WRITTEN = re.compile(r"(?:[Ww]ritten|[Dd]rawn) (?:from .+? )?by `([^`]+)`|by\s+hand", re.DOTALL)


def opening(page: Path) -> str:
    """What stands above the first section, table or list."""
    return re.split(r"^(?:##|\||-) ?", page.read_text().partition("\n")[2], flags=re.MULTILINE)[0]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_begins_with_its_title_and_what_it_is(page: Path) -> None:
    title, _, rest = page.read_text().partition("\n")
    assert re.match(r"# \S", title)
    assert re.match(r"\n[A-Z`*'\"]", rest), "expected a sentence under the title"


def test_every_page_is_in_the_index() -> None:
    listed = {(DOCS / link).resolve() for link in links(INDEX)}
    folders = [path for path in listed if path.is_dir()]
    pages = [page for page in PAGES if page not in (INDEX, README)]
    missing = [name_of(page) for page in pages if page not in listed and not any(map(page.is_relative_to, folders))]
    assert missing == []


@pytest.mark.parametrize("page", EVIDENCE, ids=name_of)
def test_evidence_names_what_writes_it(page: Path) -> None:
    source = WRITTEN.search(opening(page))
    assert source, "expected `Written by ...` or `by hand` above the first section"
    paths = re.findall(r"(?:tests|benchmarks)/[\w./-]+", source[1] or "")
    assert (source[1] is None) or paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", [README, *GUIDES], ids=name_of)
def test_a_guide_is_no_longer_than_one_sitting(page: Path) -> None:
    assert page.name in LISTS or len(page.read_text().splitlines()) < MAX_LINES


@pytest.mark.parametrize("page", INSTRUCTIONS, ids=name_of)
def test_a_block_is_run_or_says_why_not(page: Path) -> None:
    for block in blocks(page):
        assert block.is_run or block.exemption or block.language in SHOWN, f"nothing runs this block:\n{block.text}"
        if block.exemption:
            assert len(block.reason.split()) > 2 or block.exemption == "run-by", f"expected a reason:\n{block.text}"


@pytest.mark.parametrize("page", INSTRUCTIONS, ids=name_of)
def test_what_another_file_runs_is_known_to_it(page: Path) -> None:
    for block in blocks(page):
        if block.exemption == "run-by":
            text = (ROOT / block.reason).read_text()
            assert block.text.strip() in text or name_of(page) in text, f"{block.reason} does not run:\n{block.text}"


def test_no_more_blocks_than_these_are_not_run() -> None:
    counts = {name_of(page): len(list(not_run(page))) for page in INSTRUCTIONS}
    assert {page: count for page, count in counts.items() if count} == NOT_RUN


def test_most_guides_are_run() -> None:
    assert sum(len(examples(page)) for page in INSTRUCTIONS) >= 20
