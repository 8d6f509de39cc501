"""Acts as a user of the page: draws, drops, pastes and chooses pictures, and reads the results."""

import base64
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

Point = tuple[float, float]
# Strokes in parts of the pad's side, from its upper left corner.
SEVEN: tuple[Point, ...] = (
    (0.24, 0.27),
    (0.40, 0.245),
    (0.60, 0.245),
    (0.73, 0.25),
    (0.735, 0.28),
    (0.66, 0.41),
    (0.57, 0.57),
    (0.50, 0.71),
    (0.46, 0.84),
)
ONE: tuple[Point, ...] = ((0.5, 0.2), (0.5, 0.5), (0.5, 0.82))
# A DataTransfer as drag and drop, and the clipboard, hand one over.
CARRY = """([name, type, content]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], name, { type }));
  return carried;
}"""
PASTE = "(data) => dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }))"


def draw(page: Page, stroke: Sequence[Point] = SEVEN) -> None:
    """Draws with the mouse, from press to release."""
    begin(page, stroke)
    page.mouse.up()


def begin(page: Page, stroke: Sequence[Point]) -> None:
    """Begins to draw with the mouse, which stays pressed."""
    places = on_pad(page, stroke)
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=2)


def draw_by_touch(page: Page, stroke: Sequence[Point] = SEVEN) -> None:
    session = page.context.new_cdp_session(page)
    kinds = ["touchStart", *["touchMove"] * (len(stroke) - 1)]
    for kind, (x, y) in zip(kinds, on_pad(page, stroke), strict=True):
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def draw_by_pen(page: Page, stroke: Sequence[Point] = SEVEN) -> None:
    session = page.context.new_cdp_session(page)
    kinds = ["mousePressed", *["mouseMoved"] * (len(stroke) - 1), "mouseReleased"]
    places = on_pad(page, stroke)
    for number, (kind, (x, y)) in enumerate(zip(kinds, [*places, places[-1]], strict=True)):
        pen = {"pointerType": "pen", "force": 0.3 + number / 20, "button": "left", "buttons": 1, "clickCount": 1}
        session.send("Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, **pen})


def on_pad(page: Page, stroke: Sequence[Point]) -> list[Point]:
    """Parts of the pad's side → pixels of the window."""
    pad = page.locator("#pad")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    assert box, "the pad is not shown"
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]


def drop(page: Page, file: Path, kind: str = "image/jpeg") -> None:
    carried = page.evaluate_handle(CARRY, [file.name, kind, base64.b64encode(file.read_bytes()).decode()])
    for event in ("dragenter", "dragover", "drop"):
        page.dispatch_event("body", event, {"dataTransfer": carried})


def paste(page: Page, file: Path, kind: str = "image/jpeg") -> None:
    carried = page.evaluate_handle(CARRY, ["image.png", kind, base64.b64encode(file.read_bytes()).decode()])
    page.evaluate(PASTE, carried)


def choose_model(page: Page, name: str) -> None:
    page.locator(".models label", has_text=name).click()


def card(page: Page, place: int = 0) -> Locator:
    return page.locator(".card").nth(place)


def expect_answer(page: Page, label: str, place: int = 0) -> None:
    expect(card(page, place).locator(".label")).to_have_text(label)


def expect_problem(page: Page, text: str) -> None:
    expect(card(page).locator(".problem-text")).to_have_text(text)


def bars(page: Page, place: int = 0) -> list[str]:
    """Returns each bar's text: a label and a percentage."""
    return card(page, place).locator(".bars li").all_inner_texts()
