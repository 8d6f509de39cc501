"""Markdown as the reference pages have it: a head that says where the page comes from, and tables."""

from collections.abc import Iterable

HEAD = """# {title}

{what} Written from {source}
by `scripts/stack test tests/checks/test_reference_pages.py --write-docs`; change nothing here by hand. A test compares
it.

"""


def head(title: str, what: str, source: str) -> str:
    """what: one sentence about the page; source: the code that it is written from."""
    return HEAD.format(title=title, what=what, source=source)


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Ends in a line break. Cells may hold a vertical bar."""
    header = list(header)
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def code(text: str) -> str:
    """In backticks; empty text stays empty."""
    return f"`{text}`" if text else ""
