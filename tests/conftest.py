"""What all tests share: the option that writes the docs, and the marks that a test gets by its folder or fixtures."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
NEED_DOCKER = ("containers", "browser", "integration")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-docs", action="store_true", help="write the pages of docs/ from what this run finds")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(TESTS).parts[0] in NEED_DOCKER:
            item.add_marker("docker")
        if "write_docs" in getattr(item, "fixturenames", ()):
            item.add_marker("writes_docs")


@pytest.fixture(scope="session")
def write_docs(pytestconfig: pytest.Config) -> bool:
    """Whether this run writes the pages of docs/ that it finds the contents of."""
    return bool(pytestconfig.getoption("--write-docs"))
