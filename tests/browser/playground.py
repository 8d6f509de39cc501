"""Finds the playground, and watches its pages for what must never happen."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from playwright.sync_api import ConsoleMessage, Error, Page, Request

from stackcli.common.paths import ROOT

ARTIFACTS = ROOT / "artifacts/browser"
EDGE = f"http://127.0.0.1:{os.environ.get('EDGE_PORT', '8000')}"
DESKTOP, PHONE = (1280, 900), (390, 844)
Open = Callable[..., Page]
# What waits for a connection in Chromium while a network of this machine comes or goes fails with it.
NETWORK_CHANGED = "net::ERR_NETWORK_CHANGED"
LOADED_S = 30


@dataclass
class Watch:
    """What a page did that it must not. `refusals`: HTTP statuses that the test provokes, and Chromium complains of."""

    refusals: set[int] = field(default_factory=set)
    network_fails: bool = False
    found: list[str] = field(default_factory=list)

    def follow(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.found.append(f"page error: {error}"))
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        # Another container's network came or went on this host: of that Chromium tells too, and the page tries again.
        expected = [NETWORK_CHANGED, *(f"status of {status} " for status in self.refusals)]
        if self.network_fails:
            expected.append("net::ERR_")
        if message.type in ("error", "warning") and not any(text in message.text for text in expected):
            self.found.append(f"console {message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((f"{EDGE}/", f"blob:{EDGE}/", "data:")):
            self.found.append(f"request to {request.url}")


def load(page: Page) -> None:
    """Opens the playground; again where another container's network came or went meanwhile, as a person would."""
    lost: list[Request] = []

    def note(request: Request) -> None:
        lost.append(request)

    page.on("requestfailed", note)
    ends = time.monotonic() + LOADED_S
    while True:
        lost.clear()
        try:
            page.goto(f"{EDGE}/")
        except Error as error:
            if NETWORK_CHANGED not in str(error) or time.monotonic() > ends:
                raise
        else:
            if time.monotonic() > ends or not any(NETWORK_CHANGED in (one.failure or "") for one in lost):
                break
    page.remove_listener("requestfailed", note)
