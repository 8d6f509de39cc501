"""What the repository's files point to is there: links between pages, their anchors, and paths that are named."""

import re
from pathlib import Path

import pytest

from checks.files import FILES
from checks.markdown import anchors, links
from stackcli.common.paths import ROOT

PAGES = [file for file in FILES if file.suffix == ".md"]
TEXT = [file for file in FILES if file.suffix not in (".png", ".jpg", ".svg", ".gz")]
# Named in any file: docs/guides/runbook.md#servicedown. Not in addresses of other sites, which have a slash before it.
NAMED = re.compile(r"(?<![\w./-])docs/(?:[\w./-]*\w)?(?:#[\w-]+)?")
# Named in pages: the tests and benchmarks that a promise is shown by; a star stands for any characters.
SHOWN_BY = re.compile(r"(?<![\w./-])(?:tests|benchmarks|findings)/[a-z0-9_./*-]*[a-z0-9_*]")
THIS = Path(__file__).resolve()


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def is_dead(target: str, folder: Path) -> bool:
    """Whether a path, perhaps with an anchor, leads nowhere from the folder."""
    path, _, anchor = target.partition("#")
    found = (folder / path).resolve()
    return not found.exists() or bool(anchor and found.suffix == ".md" and anchor not in anchors(found))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    inside = [f"{page.name}{link}" if link.startswith("#") else link for link in links(page)]
    assert [link for link in inside if is_dead(link, page.parent)] == []


def test_every_path_in_docs_that_a_file_names_is_there() -> None:
    named = {
        (name_of(file), path)
        for file in TEXT
        if file != THIS
        for path in NAMED.findall(file.read_text("utf-8", "replace"))
    }
    assert len(named) > 100
    assert sorted((file, path) for file, path in named if is_dead(path, ROOT)) == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_test_and_benchmark_that_a_page_names_is_there(page: Path) -> None:
    assert [path for path in SHOWN_BY.findall(page.read_text()) if not list(ROOT.glob(path))] == []
