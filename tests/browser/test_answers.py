"""A user can draw, drop, paste or choose a picture, and read the answers of one or two versions."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from browser.acts import (
    ONE,
    SEVEN,
    bars,
    begin,
    card,
    choose_model,
    draw,
    draw_by_pen,
    draw_by_touch,
    drop,
    expect_answer,
    on_pad,
    paste,
)
from browser.playground import EDGE, PHONE, Open

PHOTO_MODEL = "efficientnet_lite0"
COLOURS = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let warm = 0, cold = 0;
  for (let at = 0; at < data.length; at += 4) {
    if (data[at] > data[at + 2] + 40) warm++;
    if (data[at + 2] > data[at] + 40) cold++;
  }
  return [warm, cold, canvas.width];
}"""


def versions_of(catalogue: dict[str, Any], model: str) -> list[str]:
    found = [entry for entry in catalogue["models"] if entry["name"] == model]
    assert found, f"{model} is not served here"
    return [version["version"] for version in found[0]["versions"]]


@pytest.mark.parametrize("hand", [draw, draw_by_pen], ids=["mouse", "pen"])
def test_a_drawn_seven_wins(open_page: Open, hand: Any) -> None:
    page = open_page()
    hand(page)
    expect_answer(page, "7")
    shown = bars(page)
    assert [text.split()[0] for text in shown] == [str(digit) for digit in range(10)]
    expect(page.locator(".bars .best")).to_contain_text("7")


def test_a_seven_drawn_with_a_finger_on_a_phone_wins(open_page: Open) -> None:
    page = open_page(PHONE)
    draw_by_touch(page)
    expect_answer(page, "7")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


@pytest.mark.parametrize("scale", [0.25, 0.5])
def test_a_small_seven_in_a_corner_wins_as_well(open_page: Open, scale: float) -> None:
    page = open_page()
    draw(page, [(x * scale, y * scale) for x, y in SEVEN])
    expect_answer(page, "7")


def test_the_bars_move_while_the_hand_draws(open_page: Open) -> None:
    page = open_page()
    begin(page, SEVEN[:4])
    expect(page.locator(".bars li")).to_have_count(10)
    before = bars(page)
    for place in on_pad(page, SEVEN[4:]):
        page.mouse.move(*place, steps=2)
    expect_answer(page, "7")
    assert bars(page) != before
    page.mouse.up()


def test_one_request_at_a_time_and_the_latest_drawing_wins(open_page: Open) -> None:
    held: list[Route] = []
    seen: list[str] = []

    def hold(route: Route) -> None:
        seen.append(route.request.url)
        if len(seen) == 1:
            held.append(route)
        elif len(seen) == 2:
            route.fulfill(body="2")
        else:
            route.continue_()

    page = open_page(before=lambda page: page.route("**/predictions/**", hold))
    draw(page, ONE)
    expect(page.locator(".card")).to_have_class("card working")
    draw(page, ((0.2, 0.5), (0.8, 0.5)))
    assert len(seen) == 1
    held[0].fulfill(body="1")
    expect_answer(page, "2")
    assert len(seen) == 2
    page.click("#clear")
    draw(page)
    expect_answer(page, "7")


def test_undo_takes_back_a_stroke_and_clear_takes_back_the_answer(open_page: Open) -> None:
    page = open_page()
    draw(page)
    expect_answer(page, "7")
    draw(page, ONE)
    page.click("#undo")
    expect_answer(page, "7")
    page.click("#clear")
    expect(page.locator(".verdict")).to_be_hidden()
    expect(page.locator(".bars li")).to_have_count(0)
    expect(page.locator("#clear")).to_be_disabled()


def test_each_sample_is_a_button_whose_answer_is_the_expected_one(open_page: Open, catalogue: dict[str, Any]) -> None:
    page = open_page()
    for model in catalogue["models"]:
        choose_model(page, model["name"])
        stable = next(version for version in model["versions"] if version["version"] == model["stable"])
        for sample in (each for each in stable["samples"] if each["expected"]):
            page.get_by_role("button", name=f"Sample {sample['file']}").click()
            expect_answer(page, str(sample["expected"]).replace("_", " "))


@pytest.mark.parametrize("hand", [drop, paste], ids=["dropped", "pasted"])
def test_a_photo_gets_its_label_and_five_bars(open_page: Open, espresso: Path, hand: Any) -> None:
    page = open_page()
    choose_model(page, PHOTO_MODEL)
    hand(page, espresso)
    expect_answer(page, "espresso")
    assert len(bars(page)) == 5
    expect(page.locator("#picture")).to_be_visible()


def test_a_picked_photo_stays_when_another_model_is_chosen(open_page: Open, espresso: Path) -> None:
    page = open_page()
    page.set_input_files("#file", espresso)
    # A model of digits has to see one in a cup.
    expect(card(page).locator(".label")).to_have_text(re.compile(r"^\d$"))
    choose_model(page, PHOTO_MODEL)
    expect_answer(page, "espresso")


def test_two_versions_answer_the_same_drawing_side_by_side(open_page: Open, catalogue: dict[str, Any]) -> None:
    versions = versions_of(catalogue, "mnist")
    assert len(versions) > 1, f"expected two versions of mnist, found {versions}"
    page = open_page()
    draw(page)
    expect_answer(page, "7")
    page.get_by_role("switch", name="Compare versions").click()
    for place in (0, 1):
        expect_answer(page, "7", place)
        version = card(page, place).locator(".version").input_value()
        expect(card(page, place).locator(".answered-by")).to_have_text(f"version {version}")
        expect(card(page, place).locator(".latency")).to_contain_text("ms")
    assert card(page, 0).locator(".version").input_value() != card(page, 1).locator(".version").input_value()
    expect(page.locator("#agreement")).to_have_text("Both versions say 7.")


def test_another_version_is_chosen_and_answers(open_page: Open, catalogue: dict[str, Any]) -> None:
    page = open_page()
    for version in versions_of(catalogue, "mnist"):
        card(page).locator(".version").select_option(version)
        draw(page)
        expect_answer(page, "7")
        expect(card(page).locator(".answered-by")).to_have_text(f"version {version}")
        page.click("#clear")


def test_the_request_id_is_the_servers(open_page: Open) -> None:
    page = open_page()
    with page.expect_response("**/predictions/**") as answer:
        page.get_by_role("button", name="Sample 7.png").click()
    expect(page.locator(".request-id")).to_have_text(answer.value.headers["x-request-id"])


@pytest.mark.parametrize("model", ["mnist", PHOTO_MODEL])
def test_an_explanation_is_a_heat_map_over_the_input_with_its_legend(
    open_page: Open, espresso: Path, model: str
) -> None:
    page = open_page()
    choose_model(page, model)
    if model == "mnist":
        draw(page)
    else:
        drop(page, espresso)
    page.get_by_role("button", name="Explain this answer").click()
    expect(page.locator(".why-waiting")).to_contain_text("Finding out which pixels mattered")
    heat = page.get_by_role("img", name="Heat map of the pixels that count for")
    expect(heat).to_be_visible()
    warm, cold, width = heat.evaluate(COLOURS)
    assert warm > 10
    assert cold > 0
    assert width == (28 if model == "mnist" else 448)
    expect(page.locator(".legend")).to_contain_text("against")
    page.click("#clear")
    expect(heat).to_be_hidden()


def test_what_is_served_is_said_as_the_server_says_it(open_page: Open, catalogue: dict[str, Any]) -> None:
    page = open_page()
    expect(page.locator(".models label")).to_have_text([model["name"] for model in catalogue["models"]])
    for missing in catalogue["unavailable"]:
        entry = page.locator("#unavailable-list li", has_text=f"{missing['name']} {missing['version']}")
        expect(entry).to_contain_text(missing["reason"])
        expect(entry).to_contain_text(missing["remedy"])


def served(change: Any) -> Any:
    """Lets a page read the server's own catalogue, changed."""

    def answer(route: Route) -> None:
        document = route.fetch().json()
        change(document)
        route.fulfill(body=json.dumps(document), content_type="application/json")

    return lambda page: page.route("**/playground/models.json", answer)


def test_untrained_weights_accuracy_engine_and_canary_are_shown(open_page: Open) -> None:
    def change(document: dict[str, Any]) -> None:
        model = next(entry for entry in document["models"] if entry["name"] == "mnist")
        version = {**model["versions"][0], "version": "9.0", "trained": False, "engine": "onnxruntime"}
        version |= {"precision": "f32", "accuracy": {"top1": 0.1009, "images": 10000}}
        model["versions"].append(version)
        model["canary"] = {"version": "9.0", "weight": 10, "sticky_header": None}

    page = open_page(before=served(change))
    card(page).locator(".version").select_option("9.0")
    expect(page.locator(".untrained")).to_contain_text("Untrained")
    expect(card(page).locator(".about")).to_contain_text("ONNX Runtime")
    expect(card(page).locator(".about")).to_contain_text("float32")
    expect(card(page).locator(".about")).to_contain_text("10.09% of 10,000 images")
    expect(card(page).locator(".traffic")).to_have_text("10% of traffic")
    expect(card(page).locator(".version option:checked")).to_have_text("9.0 · canary")


def test_an_answer_that_says_untrained_is_believed(open_page: Open) -> None:
    def answer(route: Route) -> None:
        route.fulfill(body="3", headers={"X-Model-Untrained": "true", "Content-Type": "application/json"})

    page = open_page(before=lambda page: page.route("**/predictions/**", answer))
    draw(page)
    expect_answer(page, "3")
    expect(page.locator(".untrained")).to_be_visible()


def test_the_page_allows_itself_nothing_from_elsewhere(open_page: Open) -> None:
    loaded: list[str] = []
    page = open_page(before=lambda page: page.on("request", lambda request: loaded.append(request.url)))
    expect(page.locator(".samples button").first).to_be_visible()
    policy = page.request.get(f"{EDGE}/").headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert {url.rpartition("/")[0] for url in loaded if not url.startswith("blob:")} >= {f"{EDGE}/playground"}
