"""The code that "Copy as curl" and "Copy as Python" give runs unchanged, and gets the answer that the page shows."""

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Response, expect

from browser.acts import choose_model, draw, drop, expect_answer, paste
from browser.playground import Open

Answer = dict[str, float]


def run(command: list[str], folder: Path) -> str:
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, f"{command}\n{ended.stdout}{ended.stderr}"
    return ended.stdout


def run_curl(snippet: str, folder: Path) -> Any:
    return json.loads(run(["bash", "-c", snippet], folder))


def run_python(snippet: str, folder: Path) -> Any:
    return ast.literal_eval(run([sys.executable, "-c", snippet], folder))


def drawn(page: Page, photo: Path) -> None:
    choose_model(page, "mnist")
    draw(page)
    expect_answer(page, "7")


def sampled(page: Page, photo: Path) -> None:
    choose_model(page, "mnist")
    page.get_by_role("button", name="Sample 4.png").click()
    expect_answer(page, "4")


def dropped(page: Page, photo: Path) -> None:
    choose_model(page, "efficientnet_lite0")
    drop(page, photo)
    expect_answer(page, "espresso")
    expect(page.locator("#code-note")).to_have_text(f"Run this in the folder that contains {photo.name}.")


@pytest.mark.parametrize("language", ["curl", "Python"])
@pytest.mark.parametrize("give", [drawn, sampled, dropped], ids=lambda act: act.__name__)
def test_what_is_copied_runs_and_gets_the_same_answer(
    open_page: Open, espresso: Path, tmp_path: Path, give: Callable[[Page, Path], None], language: str
) -> None:
    # A name that a shell and Python have to be kept from understanding.
    photo = tmp_path / 'it\'s "a" $photo.jpg'
    photo.write_bytes(espresso.read_bytes())
    page = open_page()
    answers: list[Answer] = []

    def listen(response: Response) -> None:
        if "/predictions/" in response.url:
            answers.append(response.json())

    page.on("response", listen)
    give(page, photo)
    page.get_by_role("button", name=f"Copy as {language}").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    snippet = page.evaluate("navigator.clipboard.readText()")
    found = (run_curl if language == "curl" else run_python)(snippet, tmp_path)
    assert found == pytest.approx(answers[-1], rel=1e-3, abs=1e-6)


def test_a_pasted_picture_can_be_saved_for_the_code_to_find(open_page: Open, espresso: Path, tmp_path: Path) -> None:
    page = open_page()
    choose_model(page, "efficientnet_lite0")
    paste(page, espresso)
    expect_answer(page, "espresso")
    with page.expect_download() as saving:
        page.locator("#code-note a").click()
    saving.value.save_as(tmp_path / saving.value.suggested_filename)
    found = run_curl(page.locator("#curl").inner_text(), tmp_path)
    assert next(iter(found)) == "espresso"
