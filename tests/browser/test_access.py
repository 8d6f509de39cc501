"""Everyone can use the page: by keyboard, with a screen reader, in dark mode, on a phone, in Chinese."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from browser.accessibility import violations
from browser.acts import SEVEN, card, choose_model, draw, drop, expect_answer
from browser.playground import ARTIFACTS, DESKTOP, PHONE, Open
from stackcli.common.paths import ROOT

PICTURE_OF_README = ROOT / "docs/playground.png"
MAX_BYTES = 200_000
SEEN_FOCUS = """() => {
  const element = document.activeElement;
  const style = getComputedStyle(element.matches("[type=radio]") ? element.nextElementSibling : element);
  return [element.id || element.className || element.tagName, style.outlineStyle];
}"""
LUMINANCE = """() => {
  const canvas = document.createElement("canvas").getContext("2d");
  canvas.fillStyle = getComputedStyle(document.body).backgroundColor;
  canvas.fillRect(0, 0, 1, 1);
  return canvas.getImageData(0, 0, 1, 1).data[0];
}"""
# Each text's name and what is filled into it, those of the problems as well.
TEXTS = """async name => {
  const { problems, ...texts } = (await import(`/playground/${name}.js`)).default;
  const all = Object.entries({ ...texts, ...problems });
  return all.map(([key, text]) => [key, ...(String(text).match(/{\\w+}/g) ?? []).sort()].join(" ")).sort();
}"""


def keep(page: Page, name: str) -> None:
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)


LOOKS: dict[str, dict[str, Any]] = {
    "desktop": {},
    "desktop-dark": {"scheme": "dark"},
    "phone": {"size": PHONE},
    "phone-dark-chinese": {"size": PHONE, "scheme": "dark", "locale": "zh-CN"},
}


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_before_and_with_answers(open_page: Open, espresso: Path, look: str) -> None:
    page = open_page(**LOOKS[look])
    expect(page.locator(".samples button").first).to_be_visible()
    assert violations(page) == []
    draw(page)
    expect_answer(page, "7")
    compare = page.get_by_role("switch")
    if compare.is_visible():
        compare.click()
        expect_answer(page, "7", 1)
    card(page).locator(".explain").click()
    expect(card(page).locator(".heat")).to_be_visible()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    keep(page, f"{look}-drawn")
    choose_model(page, "efficientnet_lite0")
    drop(page, espresso)
    expect_answer(page, "espresso")
    assert violations(page) == []
    keep(page, f"{look}-photo")


def tab_through(page: Page) -> Iterator[tuple[str, str]]:
    """Returns (focused element, its outline's style) for each Tab, from the top until the focus leaves the page."""
    while True:
        page.keyboard.press("Tab")
        focused, outline = page.evaluate(SEEN_FOCUS)
        if focused == "BODY":
            return
        yield focused, outline


def test_the_keyboard_reaches_everything_is_seen_and_is_never_trapped(open_page: Open) -> None:
    page = open_page()
    draw(page)
    expect_answer(page, "7")
    page.locator(".skip").focus()
    path = list(tab_through(page))
    reached = [name for name, _ in path]
    for name in ("language", "theme", "undo", "clear", "pick", "version", "explain", "copy-curl", "copy-python"):
        assert name in reached, f"{name} not among {reached}"
    assert len(path) < 60
    assert [name for name, outline in path if outline == "none"] == []


def test_a_digit_is_recognised_and_explained_without_a_mouse(open_page: Open) -> None:
    page = open_page()
    sample = page.get_by_role("button", name="Sample 3.png")
    expect(sample).to_be_visible()
    press_tab_until(page, sample)
    page.keyboard.press("Enter")
    expect_answer(page, "3")
    expect(page.locator("#live")).to_have_text(re.compile(r"^3, [\d.]+%$"))
    press_tab_until(page, page.locator(".explain"))
    page.keyboard.press("Enter")
    expect(page.locator(".heat")).to_be_visible()
    press_tab_until(page, page.get_by_role("radio", name="mnist"))
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("radio", name="efficientnet_lite0")).to_be_checked()
    expect(page.locator("#photo-hint")).to_be_visible()


def press_tab_until(page: Page, target: Any) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            return
    pytest.fail(f"60 times Tab, and {target} has no focus")


def test_a_screen_reader_hears_the_answer_once_and_can_read_each_bar(open_page: Open) -> None:
    page = open_page()
    draw(page)
    expect(page.get_by_role("status").last).to_have_text("7, >99.9%")
    items = page.get_by_role("list", name="Probabilities").get_by_role("listitem")
    expect(items).to_have_count(10)
    assert items.nth(7).inner_text().split() == ["7", ">99.9%"]


@pytest.mark.parametrize(
    ("locale", "language", "button"), [("zh-CN", "zh-CN", "清空"), ("zh-TW", "zh-CN", "清空"), ("fr-FR", "en", "Clear")]
)
def test_the_browsers_language_decides(open_page: Open, locale: str, language: str, button: str) -> None:
    page = open_page(locale=locale)
    expect(page.locator("html")).to_have_attribute("lang", language)
    expect(page.get_by_role("button", name=button)).to_be_visible()


def test_the_language_is_switched_with_an_answer_shown_and_stays(open_page: Open) -> None:
    page = open_page()
    draw(page)
    expect_answer(page, "7")
    page.get_by_role("button", name="Explain this answer").click()
    expect(page.locator(".heat-title")).to_have_text("Evidence for “7”")
    page.get_by_role("button", name="中文").click()
    expect(page.locator(".heat-title")).to_have_text("“7”的依据")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.get_by_role("heading", level=1)).to_have_text("在线体验模型")
    expect_answer(page, "7")
    expect(page.locator(".measured")).to_contain_text("毫秒")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("在线体验模型")
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Model playground")


def test_both_languages_have_the_same_texts(open_page: Open) -> None:
    page = open_page()
    english, chinese = page.evaluate(TEXTS, "en"), page.evaluate(TEXTS, "zh")
    assert english == chinese
    assert len(english) > 50


def test_the_theme_is_the_systems_until_it_is_switched(open_page: Open) -> None:
    dark = open_page(scheme="dark")
    assert dark.evaluate(LUMINANCE) < 40
    page = open_page()
    assert page.evaluate(LUMINANCE) > 220
    page.get_by_role("button", name="Dark theme").click()
    page.wait_for_function(f"() => ({LUMINANCE})() < 40")
    page.reload()
    assert page.evaluate(LUMINANCE) < 40


def test_the_pictures_of_the_page_are_kept(open_page: Open, write_docs: bool) -> None:
    """Empty, at both widths; and the README's, which `--write-docs` puts into docs/."""
    for name, size in (("desktop", DESKTOP), ("phone", PHONE)):
        page = open_page(size)
        expect(page.locator(".samples button").first).to_be_visible()
        keep(page, f"{name}-empty")
    page = open_page(scale=2)
    draw(page, SEVEN)
    expect_answer(page, "7")
    page.locator("h1").hover()
    target = ARTIFACTS / "playground.png"
    page.screenshot(path=target, clip={"x": 56, "y": 0, "width": 1168, "height": 1090}, full_page=True)
    Image.open(target).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(target, optimize=True)
    assert target.stat().st_size < MAX_BYTES
    if write_docs:
        PICTURE_OF_README.write_bytes(target.read_bytes())
    assert PICTURE_OF_README.stat().st_size < MAX_BYTES
