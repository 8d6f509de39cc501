"""Markdown as GitHub reads it: where links lead, and which anchors headings have. Not for code blocks."""

import re
from collections import Counter
from pathlib import Path

CODE_BLOCK = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def prose(page: Path) -> str:
    """A page without its code blocks, in which a comment would look like a heading."""
    return CODE_BLOCK.sub("", page.read_text())


def links(page: Path) -> list[str]:
    """Where the page's links and pictures lead, except to other sites."""
    return [target for target in LINK.findall(prose(page)) if not re.match(r"[a-z]+:", target)]


def anchors(page: Path) -> set[str]:
    """What may follow # in a link to the page; a heading that repeats gets a number."""
    found: Counter[str] = Counter()
    names = set()
    for heading in HEADING.findall(prose(page)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        names.add(f"{name}-{found[name]}" if found[name] else name)
        found[name] += 1
    return names
