"""mnist/handler.py: a digit of any size, on any background, is converted to the format of the training images."""

import importlib.util
import io
from pathlib import Path

import common
import numpy as np
import pytest
from PIL import Image

MNIST = Path(common.__file__).parents[1] / "mnist"
SPEC = importlib.util.spec_from_file_location("mnist_handler", MNIST / "handler.py")
MODULE = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(MODULE)
# The code under test needs nothing that a worker loads.
HANDLER = MODULE.MNISTDigitClassifier.__new__(MODULE.MNISTDigitClassifier)
SAMPLES = [MNIST / f"samples/{digit}.png" for digit in range(10)]


def read(image: Image.Image, kind: str = "PNG", **options: object) -> np.ndarray:
    """Return what the model gets: int [28, 28]."""
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    pixels = HANDLER.read(file.getvalue())
    assert pixels.dtype == np.uint8
    assert pixels.shape == (28, 28, 1)
    return pixels[:, :, 0].astype(int)


def inverted(image: Image.Image) -> Image.Image:
    return image.point(lambda level: 255 - level)


def enlarged(image: Image.Image, width: int = 280, height: int = 280) -> Image.Image:
    return image.resize((width, height), Image.Resampling.BICUBIC)


def on_paper(image: Image.Image) -> Image.Image:
    """Put it in one corner of a sheet that is lit from the other, with a camera's noise."""
    sheet = np.zeros((600, 800), np.float32)
    sheet[290:590, 30:330] = np.asarray(enlarged(image, 300, 300)) / 255
    light = 150 + np.linspace(0, 70, 800)[None] - np.linspace(0, 25, 600)[:, None]
    noise = np.random.default_rng(0).normal(0, 4, sheet.shape)
    return Image.fromarray(np.clip(light * (1 - 0.7 * sheet) + noise, 0, 255).astype(np.uint8))


def transparent(image: Image.Image, level: int) -> Image.Image:
    drawn = Image.new("RGBA", (280, 280), (level, level, level, 0))
    drawn.putalpha(enlarged(image))
    return drawn


SCENES = {
    "enlarged": enlarged,
    "enlarged, dark on light": lambda image: inverted(enlarged(image)),
    "black and white": lambda image: inverted(enlarged(image)).convert("1", dither=Image.Dither.NONE),
    "16 bits": lambda image: Image.fromarray(np.asarray(enlarged(image)).astype(np.uint16) * 257),
    "black on transparent": lambda image: transparent(image, 0),
    "white on transparent": lambda image: transparent(image, 255),
    "pale pencil": lambda image: enlarged(image).point(lambda level: 230 - level // 5),
    "in a corner of a sheet": on_paper,
}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_picture_in_the_data_sets_form_is_taken_as_it_is(sample: Path) -> None:
    image = Image.open(sample)
    np.testing.assert_array_equal(read(image), np.asarray(image))
    np.testing.assert_array_equal(read(image.convert("RGB")), np.asarray(image))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_dark_on_light_is_turned_over(sample: Path) -> None:
    image = Image.open(sample)
    assert np.abs(read(inverted(image)) - np.asarray(image)).max() <= 12


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_other_sizes_and_grounds_come_close_to_the_data_sets_form(sample: Path, scene: str) -> None:
    image = Image.open(sample)
    shown, expected = read(SCENES[scene](image)), np.asarray(image).astype(int)
    assert np.corrcoef(shown.ravel(), expected.ravel())[0, 1] > 0.7


@pytest.mark.parametrize(("width", "height"), [(14, 20), (200, 280), (1000, 300), (29, 29)])
def test_the_digit_fills_20_pixels_one_way_and_its_mass_is_in_the_middle(width: int, height: int) -> None:
    shown = read(enlarged(Image.open(SAMPLES[4]), width, height))
    rows, columns = (np.flatnonzero((shown > 30).any(axis=axis)) for axis in (1, 0))
    assert 18 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 20
    centre = np.array([shown.sum(axis=1) @ np.arange(28), shown.sum(axis=0) @ np.arange(28)]) / shown.sum()
    assert np.abs(centre - 14).max() <= 0.6


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (28, 28), (29, 28), (640, 480), (5000, 4000)])
@pytest.mark.parametrize("level", [0, 7, 128, 255])
def test_an_empty_sheet_of_any_size_is_an_empty_field(size: tuple, level: int) -> None:
    shown = read(Image.new("L", size, level))
    if size == (28, 28) and level <= 127:
        assert (shown == level).all()
    else:
        assert not shown.any()


def test_a_picture_full_of_ink_is_read_all_the_same() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (90, 60), dtype=np.uint8)
    assert read(Image.fromarray(noise)).any()
    checks = np.indices((30, 30)).sum(axis=0) % 2 * 255
    read(Image.fromarray(checks.astype(np.uint8)))


def test_a_client_of_json_gets_ten_probabilities_of_which_the_digit_has_the_most() -> None:
    scores = np.log(np.float32([0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.6, 0.08, 0.04]))
    answer = HANDLER.answer_json(scores)
    assert list(answer) == [str(digit) for digit in range(10)]
    assert list(answer.values()) == pytest.approx(np.exp(scores), rel=1e-5)
    assert sum(answer.values()) == pytest.approx(1)
    assert max(answer, key=answer.get) == str(HANDLER.answer(scores)) == "7"


def test_scores_that_are_no_log_probabilities_become_probabilities_all_the_same() -> None:
    answer = HANDLER.answer_json(np.float32([900, *[-900] * 9]))
    assert list(answer.values()) == [1, *[0] * 9]
