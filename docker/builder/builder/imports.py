"""Find what Python files import by parsing them; no code is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path


def imported_names(path: Path) -> Iterator[str]:
    """Yield the top-level name of every absolute import, wherever it is in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def imported_files(names: list[str], folders: list[Path]) -> list[Path]:
    """Return the files in `folders` of these modules and of all they import, sorted; of a package, all its files."""
    found: dict[Path, None] = {}
    wanted, seen = list(names), set()
    while wanted:
        name = wanted.pop()
        if name not in seen:
            seen.add(name)
            files = [path for folder in folders for path in (folder / f"{name}.py", *(folder / name).rglob("*.py"))]
            found.update(dict.fromkeys(path for path in files if path.is_file()))
            wanted += [imported for path in files if path.is_file() for imported in imported_names(path)]
    return sorted(found)
