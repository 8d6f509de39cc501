"""The tests' folders hold what their names say: no test is imported, and every module is short."""

import ast
from collections.abc import Iterator
from pathlib import Path

from stackcli.common.paths import ROOT

TESTS = ROOT / "tests"
MODULES = sorted(TESTS.rglob("*.py"))
MAX_LINES = 300


def imported(file: Path) -> Iterator[str]:
    """The full name of each module that the file imports, and of what it takes out of one."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_module_imports_a_test() -> None:
    """What two tests need lies in a module beside them, or in tests/integration/support."""
    tests = {file.stem for file in MODULES if file.name.startswith("test_")}
    for file in MODULES:
        found = [module for module in imported(file) if module.rpartition(".")[2] in tests]
        assert not found, f"{file}: expected imports of no test, found {found}; try a module that both import"


def test_support_knows_nothing_of_the_folders_that_use_it() -> None:
    support = TESTS / "integration/support"
    others = {folder.name for folder in TESTS.iterdir()} - {"integration"}
    areas = {folder.name for folder in support.parent.iterdir() if folder.is_dir()} - {"support", "__pycache__"}
    for file in support.rglob("*.py"):
        parts = [module.split(".") for module in imported(file)]
        assert not [found for found in parts if found[0] in others], file
        assert not [found for found in parts if found[0] == "integration" and found[1] in areas], file


def test_every_module_is_short() -> None:
    long = {file: lines for file in MODULES if (lines := len(file.read_text().splitlines())) > MAX_LINES}
    assert not long, f"expected at most {MAX_LINES} lines, found {long}; try two modules"
