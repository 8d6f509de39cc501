"""What a file of pinned requirements says, and what differs between two of them."""

from __future__ import annotations

import re

# `numpy==2.4.6 ; python_full_version < '3.12' \`: the name, the version with its condition.
PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==(.+?)(?: \\)?$")


def header_of(text: str) -> str:
    """Returns the comment lines at the top, which say how the file is made."""
    match = re.match(r"(?:#.*\n)*", text)
    return match[0] if match else ""


def requirements_of(text: str) -> list[str]:
    """Returns the lines that pip reads, without the resolver's comments, which name files of its machine."""
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def pins_of(text: str) -> dict[str, list[str]]:
    """Returns package → its versions, each with its condition if it has one."""
    found: dict[str, list[str]] = {}
    for line in requirements_of(text):
        match = PIN.match(line)
        if match:
            found.setdefault(match[1], []).append(match[2])
    return found


def changes_between(before: str, after: str) -> list[str]:
    """Returns what differs for pip, a line for each package; [] if nothing does, whatever the comments say."""
    if requirements_of(before) == requirements_of(after):
        return []
    old, new = pins_of(before), pins_of(after)
    changed = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    said = [f"{name}: {versions(old.get(name))} → {versions(new.get(name))}" for name in changed]
    return said or ["the same versions with other hashes"]


def versions(pinned: list[str] | None) -> str:
    return " and ".join(pinned) if pinned else "none"
