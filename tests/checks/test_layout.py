"""The house: no module and no folder that one cannot take in at a glance, and nothing that imports what is above it.

import-linter (pyproject.toml) checks which module in scripts/stackcli and benchmarks/ may import which.
"""

import ast
from collections import Counter
from pathlib import Path

from checks.files import FILES
from stackcli.common.paths import ROOT

MAX_LINES = 300
MAX_MODULES = 20
LANGUAGES = (".py", ".java", ".js")
CONTAINER_CODE = ("docker", "contract", "model_src")

MODULES = [file.relative_to(ROOT) for file in FILES if file.suffix in LANGUAGES]
TESTS = [module for module in MODULES if module.parts[0] == "tests" and module.suffix == ".py"]
SUPPORT = Path("tests/integration/support")


def test_no_module_is_longer_than_one_sitting() -> None:
    lines = {str(module): len((ROOT / module).read_text().splitlines()) for module in MODULES}
    assert {module: count for module, count in lines.items() if count > MAX_LINES} == {}


def test_no_folder_holds_more_modules_than_one_takes_in_at_a_glance() -> None:
    """Test modules do not count, because each is found by the name of what it tests."""
    counted = [module for module in MODULES if module.name != "__init__.py" and not module.name.startswith("test_")]
    folders = Counter(str(module.parent) for module in counted)
    assert {folder: count for folder, count in folders.items() if count > MAX_MODULES} == {}


def test_no_container_code_imports_the_hosts() -> None:
    inside = [module for module in MODULES if module.parts[0] in CONTAINER_CODE]
    imports = {module: {name.partition(".")[0] for name in imports_of(module)} for module in inside}
    assert [str(module) for module in inside if "stackcli" in imports[module]] == []


def test_no_module_imports_a_test() -> None:
    """What two tests need lies in a module next to them, or in tests/integration/support."""
    tests = {module.stem for module in TESTS if module.name.startswith("test_")}
    for module in TESTS:
        found = [name for name in imports_of(module) if name.rpartition(".")[2] in tests]
        assert not found, f"{module}: expected imports of no test, found {found}; try a module that both import"


def test_support_knows_nothing_of_the_folders_that_use_it() -> None:
    folders = {parent.relative_to("tests") for module in TESTS for parent in module.parents[:-2]}
    above = {".".join(folder.parts) for folder in folders if folder.parts[:2] != ("integration", "support")}
    for module in TESTS:
        if module.is_relative_to(SUPPORT):
            packages = {name.rpartition(".")[0] for name in imports_of(module)}
            assert not packages & above, module


def imports_of(module: Path) -> set[str]:
    """Returns the full names that a Python module imports, modules and their members; an empty set for other files."""
    if module.suffix != ".py":
        return set()
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / module).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module or ''}.{alias.name}" for alias in node.names} | {node.module or ""}
    return names
