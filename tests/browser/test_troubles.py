"""If something fails, the page says what in plain words, and recovers as soon as it can."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from browser.acts import choose_model, draw, expect_answer, expect_problem
from browser.playground import Open, Watch

PREDICTIONS, CATALOGUE = "**/predictions/**", "**/playground/models.json"


def refuse(status: int, kind: str = "SomeException", **headers: str) -> Any:
    """Makes a refusal as the edge words it, with an error of that type."""
    message = "expected one thing, found another"
    error = {"code": status, "type": kind, "message": message, "request_id": "r-1"}

    def answer(route: Route) -> None:
        route.fulfill(status=status, body=json.dumps(error), headers={"Content-Type": "application/json", **headers})

    return answer


def test_a_file_that_is_no_picture_gets_a_readable_message(open_page: Open, watch: Watch, tmp_path: Path) -> None:
    watch.refusals = {400}
    notes = tmp_path / "notes.txt"
    notes.write_text("Milk, eggs, bread.")
    page = open_page()
    choose_model(page, "efficientnet_lite0")
    page.set_input_files("#file", notes)
    expect_problem(page, "That is not a picture the model can read.")
    expect(page.locator(".problem-advice")).to_have_text("PNG, JPEG, WebP, GIF, BMP and TIFF work.")
    expect(page.locator("#file-name")).to_have_text("notes.txt")
    page.get_by_text("Server message").click()
    expect(page.locator(".problem-detail")).to_contain_text("expected an image")
    expect(page.locator("#live")).to_have_text("That is not a picture the model can read.")


def test_a_picture_that_is_too_large_gets_a_readable_message(open_page: Open, watch: Watch, tmp_path: Path) -> None:
    watch.refusals = {413}
    large = tmp_path / "large.bmp"
    large.write_bytes(b"BM" + bytes(17 << 20))
    page = open_page()
    page.set_input_files("#file", large)
    expect_problem(page, "That picture is too large.")


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (404, "This version is no longer served."),
        (413, "That picture is too large."),
        (415, "The model cannot read this kind of file."),
        (500, "The server could not answer."),
        (504, "The model took too long."),
    ],
)
def test_each_refusal_has_its_words(open_page: Open, watch: Watch, status: int, text: str) -> None:
    watch.refusals = {status}
    page = open_page(before=lambda page: page.route(PREDICTIONS, refuse(status)))
    draw(page)
    expect_problem(page, text)
    page.get_by_text("Server message").click()
    expect(page.locator(".problem-detail")).to_have_text(f"expected one thing, found another ({status}) · r-1")


@pytest.mark.parametrize(
    ("status", "kind", "text"),
    [
        (429, "TooManyRequestsException", "You are sending requests faster than this server allows."),
        (503, "ServiceUnavailableException", "The model is busy right now."),
    ],
)
def test_after_too_fast_and_too_busy_it_tries_again_by_itself(
    open_page: Open, watch: Watch, status: int, kind: str, text: str
) -> None:
    watch.refusals = {status}
    page = open_page(before=lambda page: page.route(PREDICTIONS, refuse(status, kind, **{"Retry-After": "1"})))
    page.get_by_role("button", name="Sample 7.png").click()
    expect_problem(page, text)
    expect(page.locator(".problem-advice")).to_have_text("Trying again in 1 s.")
    page.unroute(PREDICTIONS)
    expect_answer(page, "7")


@pytest.mark.parametrize("status", [500, 503])
def test_a_model_that_fails_is_asked_once(open_page: Open, watch: Watch, status: int) -> None:
    """TorchServe answers a handler's failure as it does a full queue, except for the type."""
    watch.refusals = {status}
    failing = refuse(status, "InternalServerException", **{"Retry-After": "1"})
    asked: list[str] = []

    def count_and_fail(route: Route) -> None:
        asked.append(route.request.url)
        failing(route)

    def prepare(page: Page) -> None:
        page.clock.install()
        page.route(PREDICTIONS, count_and_fail)

    page = open_page(before=prepare)
    page.get_by_role("button", name="Sample 7.png").click()
    expect_problem(page, "The server could not answer.")
    page.clock.run_for(10_000)
    expect_problem(page, "The server could not answer.")
    assert len(asked) == 1, asked


def test_without_a_server_it_says_so_and_comes_back_by_itself(open_page: Open, watch: Watch) -> None:
    watch.network_fails = True
    page = open_page(before=lambda page: page.route(CATALOGUE, lambda route: route.abort()))
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer.")
    page.unroute(CATALOGUE)
    expect(page.get_by_role("radio").first).to_be_attached()
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_server_that_goes_away_while_drawing_is_missed_and_met_again(open_page: Open, watch: Watch) -> None:
    watch.network_fails = True
    page = open_page()
    expect(page.locator(".card")).to_be_visible()
    for url in (PREDICTIONS, CATALOGUE):
        page.route(url, lambda route: route.abort())
    draw(page)
    expect_problem(page, "The server does not answer.")
    for url in (PREDICTIONS, CATALOGUE):
        page.unroute(url)
    expect_answer(page, "7")


def test_a_connection_that_breaks_once_is_tried_again(open_page: Open, watch: Watch) -> None:
    watch.network_fails = True
    page = open_page(before=lambda page: page.route(PREDICTIONS, lambda route: route.abort(), times=1))
    page.get_by_role("button", name="Sample 7.png").click()
    expect_answer(page, "7")


def test_without_models_it_says_what_to_do_and_what_is_missing(open_page: Open) -> None:
    missing = {"name": "densenet161", "version": "1.0", "reason": "no weights", "remedy": "again later"}
    empty = {"generation": "0", "keys": False, "models": [], "unavailable": [missing]}
    page = open_page(before=lambda page: page.route(CATALOGUE, lambda route: route.fulfill(body=json.dumps(empty))))
    expect(page.get_by_role("alert")).to_contain_text("scripts/stack build")
    expect(page.locator("#unavailable-list")).to_contain_text("densenet161 1.0")
    expect(page.locator("#workbench")).to_be_hidden()


@pytest.fixture
def guarded() -> Any:
    """Makes a page's server ask for the key `good`, as the edge does where keys are on."""

    def guard(page: Page) -> None:
        def check(route: Route) -> None:
            if route.request.headers.get("authorization") != "Bearer good":
                refuse(401)(route)
            elif route.request.url.endswith("models.json"):
                route.fulfill(body=json.dumps({**route.fetch().json(), "keys": True}))
            else:
                route.continue_()

        for url in (PREDICTIONS, CATALOGUE, "**/playground/samples/**"):
            page.route(url, check)

    return guard


def test_a_server_with_keys_asks_for_one_and_takes_the_right_one(open_page: Open, watch: Watch, guarded: Any) -> None:
    watch.refusals = {401}
    page = open_page(before=guarded)
    field = page.get_by_label("This server requires an API key")
    field.fill("bad")
    field.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("This API key is not accepted.")
    field.fill("good")
    page.get_by_role("button", name="Use this key").click()
    expect(page.get_by_role("alert")).to_be_hidden()
    page.get_by_role("button", name="Sample 7.png").click()
    expect_answer(page, "7")
    code = page.locator("#code").inner_text()
    assert code.count("API_KEY") == 4
    assert "good" not in code
    assert page.evaluate("Object.values(localStorage).includes('good')") is False
    page.reload()
    expect(page.get_by_role("button", name="Sample 7.png")).to_be_visible()
    page.get_by_role("button", name="Forget this key").click()
    assert page.evaluate("sessionStorage.length") == 0
