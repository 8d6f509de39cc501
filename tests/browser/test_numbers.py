"""The strip of metrics shows what every version does right now, for a visitor of the page, and nothing else."""

import json
import re
from typing import Any

import requests
from playwright.sync_api import Locator, Page, Route, expect

from browser.accessibility import violations
from browser.playground import EDGE, Open, Watch
from integration.support.load.without_a_pause import asked_constantly
from stackcli.common.paths import ROOT

NUMBERS = "**/playground/metrics.json"
SEVEN = ROOT / "model_src/mnist/samples/7.png"
UNKNOWN = "–"
REQUESTS_PER_SECOND, P50, P99, BUSY, WORKERS = 0, 3, 4, 5, 6  # columns, after the version's name
# Says that the page is hidden, or is not, as the browser does.
SET_HIDDEN = """hidden => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def row(page: Page, version: str) -> Locator:
    return page.locator("#now-rows tr").filter(has=page.get_by_role("rowheader", name=version))


def cell(page: Page, version: str, column: int) -> Locator:
    return row(page, version).locator("td").nth(column)


def predict(client: requests.Session, number: int) -> None:
    client.post(f"{EDGE}/predictions/mnist/1.0", data=SEVEN.read_bytes(), timeout=30)


def test_the_numbers_move_with_real_requests(open_page: Open) -> None:
    page = open_page()
    expect(row(page, "mnist 1.0")).to_be_visible()
    with asked_constantly(predict):
        expect(cell(page, "mnist 1.0", REQUESTS_PER_SECOND)).to_have_text(re.compile(r"^([1-9][\d,]*)(\.\d)?$"))
        expect(cell(page, "mnist 1.0", P50)).to_have_text(re.compile(r"^[\d.,]+ ms$"))
        expect(cell(page, "mnist 1.0", P99)).to_have_text(re.compile(r"^[\d.,]+ ms$"))
        expect(cell(page, "mnist 1.0", WORKERS)).to_have_text(re.compile(r"^([1-9]\d*) of \1$"))
        assert violations(page) == []
    expect(cell(page, "mnist 1.0", REQUESTS_PER_SECOND)).to_have_text("0")
    expect(cell(page, "mnist 1.0", P50)).to_have_text(UNKNOWN)


def numbers_of(**changes: Any) -> dict[str, Any]:
    """Makes the metrics of one version, complete, with what a test changes."""
    model = {
        "name": "mnist",
        "version": "1.0",
        "share": 100.0,
        "rate": {"2xx": 1200.25, "4xx": 1.5, "5xx": 0.0},
        "p50_ms": 1.234,
        "p99_ms": 45.6,
        "in_flight": 12,
        "queue": 9,
        "queue_capacity": 100,
        "workers": {"ready": 1, "starting": 1, "failed": 0},
        "trained": True,
    }
    return {"seconds": 10.012, "models": [{**model, **changes}], "torchserve": []}


def answered(content: dict[str, Any]) -> Any:
    def answer(route: Route) -> None:
        route.fulfill(body=json.dumps(content), headers={"Content-Type": "application/json"})

    return answer


def cells(page: Page) -> list[str]:
    expect(page.locator("#now-rows td").first).to_be_visible()
    return page.locator("#now-rows td").all_inner_texts()


def test_each_number_has_its_column_in_both_languages(open_page: Open) -> None:
    page = open_page(before=lambda page: page.route(NUMBERS, answered(numbers_of())))
    assert cells(page) == ["1,201.8", "1.5", "0", "1.2 ms", "46 ms", "12 (9 queued)", "1 of 2"]
    expect(page.locator("#now-note")).to_have_text("Requests from all clients over the last 10 s.")
    page.get_by_role("button", name="中文").click()
    assert cells(page) == ["1,201.8", "1.5", "0", "1.2 毫秒", "46 毫秒", "12（排队 9）", "1/2"]
    assert violations(page) == []


def test_what_is_not_known_is_not_zero(open_page: Open) -> None:
    unknown = numbers_of(rate=None, p50_ms=None, p99_ms=None)
    page = open_page(before=lambda page: page.route(NUMBERS, answered(unknown)))
    assert cells(page)[:5] == [UNKNOWN] * 5


def test_an_untrained_version_is_told(open_page: Open) -> None:
    page = open_page(before=lambda page: page.route(NUMBERS, answered(numbers_of(trained=False))))
    expect(page.get_by_role("rowheader", name="mnist 1.0 · untrained")).to_be_visible()
    assert violations(page) == []


def test_without_numbers_it_says_so_and_comes_back(open_page: Open, watch: Watch) -> None:
    watch.network_fails = True
    page = open_page(before=lambda page: page.route(NUMBERS, lambda route: route.abort()))
    expect(page.locator("#now-note")).to_contain_text("No live numbers")
    expect(page.locator("#now-box")).to_be_hidden()
    assert violations(page) == []
    page.unroute(NUMBERS)
    page.route(NUMBERS, answered({**numbers_of(), "models": []}))
    expect(page.locator("#now-note")).to_contain_text("No live numbers")
    page.unroute(NUMBERS)
    expect(row(page, "mnist 1.0")).to_be_visible()


def test_nobody_asks_while_the_page_is_hidden(open_page: Open) -> None:
    asked: list[str] = []
    page = open_page()
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("metrics.json") else None)
    with page.expect_request(NUMBERS), page.expect_response(NUMBERS):
        pass
    page.evaluate(SET_HIDDEN, True)
    page.wait_for_timeout(2500)  # the pause that had begun
    asked.clear()
    page.wait_for_timeout(2500)
    assert asked == []
    with page.expect_request(NUMBERS):
        page.evaluate(SET_HIDDEN, False)


def test_the_numbers_are_asked_for_with_the_pages_key(open_page: Open, watch: Watch) -> None:
    watch.refusals = {401}
    keys: list[str] = []

    def with_keys(page: Page) -> None:
        page.add_init_script("sessionStorage.setItem('apiKey', 'good')")
        page.on("request", lambda request: keys.append(request.headers.get("authorization", "")))
        refusal = {"status": 401, "body": "{}", "headers": {"Content-Type": "application/json"}}
        page.route(NUMBERS, lambda route: route.fulfill(**refusal))

    page = open_page(before=with_keys)
    expect(page.locator("#now-note")).to_contain_text("No live numbers")
    assert "Bearer good" in keys
