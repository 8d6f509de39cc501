"""The house: no module and no folder that one cannot take in at a glance, and nothing in a container needs the host.

Who may import whom in scripts/stackcli and benchmarks/ is import-linter's (pyproject.toml).
"""

import ast
import subprocess
from collections import Counter
from pathlib import Path

from stackcli.common.paths import ROOT

MAX_LINES = 300
MAX_MODULES = 20
LANGUAGES = (".py", ".java", ".js")
CONTAINER_CODE = ("docker", "contract", "model_src")

TRACKED = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
)
MODULES = [Path(name) for name in TRACKED.stdout.splitlines() if name.endswith(LANGUAGES) and (ROOT / name).is_file()]


def test_no_module_is_longer_than_one_sitting() -> None:
    lines = {str(module): len((ROOT / module).read_text().splitlines()) for module in MODULES}
    assert {module: count for module, count in lines.items() if count > MAX_LINES} == {}


def test_no_folder_holds_more_modules_than_one_takes_in_at_a_glance() -> None:
    """A test module is found by the name of what it tests, and does not count."""
    counted = [module for module in MODULES if module.name != "__init__.py" and not module.name.startswith("test_")]
    folders = Counter(str(module.parent) for module in counted)
    assert {folder: count for folder, count in folders.items() if count > MAX_MODULES} == {}


def test_no_container_code_imports_the_hosts() -> None:
    inside = [module for module in MODULES if module.parts[0] in CONTAINER_CODE]
    assert [str(module) for module in inside if "stackcli" in imports_of(module)] == []


def imports_of(module: Path) -> set[str]:
    """Names of the packages that a Python module imports, anywhere in it; none for other languages."""
    if module.suffix != ".py":
        return set()
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / module).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names
