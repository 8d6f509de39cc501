"""Opens the running stack's playground in a real browser; an error that a page must never have fails its test."""

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from browser.playground import ARTIFACTS, DESKTOP, EDGE, PHONE, Open, Watch, load
from stackcli.common.paths import ROOT
from stackcli.machine.browser import PROGRAMS, find_browser

# Nothing of the browser's own goes anywhere either.
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
)
ANSWER_MS = 20_000
FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def catalogue() -> dict[str, Any]:
    """The served models of the running stack, as the page gets them."""
    session = requests.Session()
    session.trust_env = False  # a proxy of the host must not stand between a test and 127.0.0.1
    answer = session.get(f"{EDGE}/playground/models.json", timeout=10)
    assert answer.status_code == 200, f"{EDGE} answers {answer.status_code}: run scripts/stack up first"
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture(scope="session")
def browser(catalogue: dict[str, Any]) -> Iterator[Browser]:
    program = find_browser()
    assert program, f"none of {', '.join(PROGRAMS)} on the PATH: `scripts/stack test --yes` installs chromium"
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
    expect.set_options(timeout=ANSWER_MS)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=[*FLAGS, *sandbox])
        yield chromium
        chromium.close()


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def open_page(browser: Browser, watch: Watch, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens the playground; `scale`: pixels per CSS pixel; `before`: called with the page, which has loaded nothing."""
    contexts: list[BrowserContext] = []

    def open_page(
        size: tuple[int, int] = DESKTOP,
        locale: str = "en-GB",
        scheme: Any = "light",
        scale: int = 1,
        before: Callable[[Page], None] = lambda page: None,
    ) -> Page:
        phone = size == PHONE
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            device_scale_factor=2 if phone else scale,
            has_touch=phone,
            is_mobile=phone,
            locale=locale,
            color_scheme=scheme,
            reduced_motion="reduce",
            permissions=["clipboard-read", "clipboard-write"],
        )
        contexts.append(context)
        context.set_default_timeout(ANSWER_MS)
        page = context.new_page()
        watch.follow(page)
        before(page)
        load(page)
        return page

    yield open_page
    for number, context in enumerate(contexts):
        if request.node.stash.get(FAILED, False):
            ARTIFACTS.mkdir(parents=True, exist_ok=True)
            context.pages[0].screenshot(path=ARTIFACTS / f"failed-{request.node.name}-{number}.png", full_page=True)
        context.close()
    assert watch.found == []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and report.when == "call":
        item.stash[FAILED] = True
    return report


@pytest.fixture
def espresso() -> Path:
    """A photo of the repository, named for what it shows."""
    return ROOT / "model_src/efficientnet_lite0/samples/espresso.jpg"
