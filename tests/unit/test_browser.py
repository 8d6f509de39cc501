"""A missing browser is installed if allowed, and otherwise an error that says what to do; no test is skipped."""

import pytest

from stackcli.common.errors import BuildError
from stackcli.machine import browser
from stackcli.machine.browser import PACKAGES, ensure_browser

Commands = list[list[str]]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Commands:
    """A Debian without a browser, as root; gives what apt-get is told to do."""
    commands: Commands = []
    monkeypatch.setattr(browser, "find_browser", lambda: None)
    monkeypatch.setattr(browser, "read_os_release", lambda: {"ID": "debian"})
    monkeypatch.setattr(browser, "apt", commands.append)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return commands


def test_with_yes_it_is_installed_from_debians_packages(machine: Commands) -> None:
    ensure_browser(yes=True)
    assert [command[1] for command in machine] == ["update", "install"]
    assert machine[1][-len(PACKAGES) :] == list(PACKAGES)


def test_without_yes_nothing_is_installed_and_the_error_names_the_remedy(machine: Commands) -> None:
    with pytest.raises(BuildError, match=r"found none on the PATH; try `apt-get install chromium .*test --yes`"):
        ensure_browser(yes=False)
    assert machine == []


def test_another_system_is_asked_for_chromium_or_chrome(machine: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "read_os_release", lambda: {"ID": "ubuntu"})
    with pytest.raises(BuildError, match=r"try installing Chromium or Chrome$"):
        ensure_browser(yes=True)
    assert machine == []


def test_a_browser_that_is_there_is_used(machine: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "find_browser", lambda: "/usr/bin/chromium")
    ensure_browser(yes=True)
    assert machine == []
