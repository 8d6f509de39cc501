"""Recognise the digit in a picture of any size, by converting it to the format of the training images."""

import numpy as np
from common.decoding import read_picture
from common.image_handler import ImageHandler
from common.probabilities import softmax
from common.request_body import image_bytes
from PIL import Image

FIELD, BOX = 28, 20
# Length of the longer side, in pixels, that is enough to find a digit.
MAX_SIDE = 320
# Out of 255; anything fainter is paper, not ink.
MIN_INK = 24
# As a fraction of the ink's darkness; anything darker is part of the digit.
INK = 0.3


class MNISTDigitClassifier(ImageHandler):
    """Answers a picture of one handwritten digit with the digit or, for JSON, with ten probabilities."""

    def answer(self, scores: np.ndarray) -> int:
        """Return the digit, 0 to 9, for scores: float32 [10], log-probabilities."""
        return int(scores.argmax())

    def answer_json(self, scores: np.ndarray) -> dict[str, float]:
        """Return {digit: probability}, from 0 to 9, for scores: float32 [10], log-probabilities."""
        return {str(digit): float(probability) for digit, probability in enumerate(softmax(scores))}

    def read(self, body: object) -> np.ndarray:
        """Turn a request's body into uint8 [28, 28, 1], light on dark. Raises BadImageError.

        A picture of 28×28 pixels, light on dark, is not changed, because it is in the data set's format.
        """
        picture = read_picture(image_bytes(body), "L", 2 * MAX_SIDE)
        pixels = np.asarray(picture)
        if picture.size != (FIELD, FIELD):
            pixels = in_field(light_on_dark(_reduced(picture)))
        elif _has_bright_border(picture):
            pixels = np.rint(light_on_dark(pixels)).astype(np.uint8)
        return pixels[:, :, None]


def light_on_dark(pixels: np.ndarray) -> np.ndarray:
    """Turn grey pixels [height, width] of ink on paper, or chalk on a board, into float32, 0 (paper) to 255 (ink).

    The border is taken to be paper; subtracting a plane through its levels removes uneven lighting.
    """
    pixels = pixels.astype(np.float32)
    paper, noise = _paper(pixels)
    ink = pixels - paper
    if -ink.min() > ink.max():
        ink = -ink
    ink = np.maximum(ink - min(noise, INK * ink.max()), 0)
    if ink.max() < MIN_INK:
        return np.zeros_like(ink)
    # Not the maximum, because a single glint would make everything else pale.
    strongest = np.percentile(ink[ink > ink.max() * INK], 90)
    return np.minimum(ink * (255 / strongest), 255)


def in_field(ink: np.ndarray) -> np.ndarray:
    """Turn ink, float32 [height, width], 0 to 255, into uint8 [28, 28], as MNIST's images were made from NIST's.

    The digit is scaled to fit 20×20 pixels, keeping its aspect ratio, and centred in the field by its centre of mass
    (LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition, 1998, section III.A).
    """
    rows, columns = (np.flatnonzero((ink > 255 * INK).any(axis=axis)) for axis in (1, 0))
    field = np.zeros((FIELD, FIELD), np.uint8)
    if not len(rows):
        return field
    digit = Image.fromarray(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    scale = BOX / max(digit.size)
    size = [max(1, round(side * scale)) for side in digit.size]
    small = np.clip(np.asarray(digit.resize(size, Image.Resampling.BICUBIC)), 0, 255)
    top, left = (_start(small.sum(axis=axis), length) for axis, length in ((1, small.shape[0]), (0, small.shape[1])))
    field[top : top + small.shape[0], left : left + small.shape[1]] = np.rint(small)
    return field


def _start(mass: np.ndarray, length: int) -> int:
    """Return where a digit must begin for its centre of mass to be on pixel 14; mass: by row or by column."""
    centre = float(mass @ np.arange(length) / mass.sum())
    return min(max(round(FIELD / 2 - centre), 0), FIELD - length)


def _has_bright_border(picture: Image.Image) -> bool:
    """Whether most of the outermost pixels of a 28×28 picture are bright. For so few, bytes are faster than arrays."""
    grey = picture.tobytes()
    border = grey[:FIELD] + grey[-FIELD:] + grey[::FIELD] + grey[FIELD - 1 :: FIELD]
    return sorted(border)[len(border) // 2] > 127


def _reduced(picture: Image.Image) -> np.ndarray:
    """Return uint8 [height, width], at most MAX_SIDE long, with each pixel the mean of those that it replaces."""
    return np.asarray(picture.reduce(-(-max(picture.size) // MAX_SIDE)))


def _paper(pixels: np.ndarray) -> tuple[np.ndarray, float]:
    """Return a plane through the border's levels, float32 [height, width], and how far the levels are from it."""
    height, width = pixels.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    border = (y == 0) | (y == height - 1) | (x == 0) | (x == width - 1)
    basis = np.stack([np.ones_like(x), x / width, y / height], axis=-1)
    points, levels = basis[border], pixels[border]
    # Leave out levels far from the median, because pen strokes on the border are not paper.
    keep = np.abs(levels - np.median(levels)) <= 128
    plane = np.linalg.lstsq(points[keep], levels[keep], rcond=None)[0]
    noise = 2 * float(np.std(levels[keep] - points[keep] @ plane))
    return basis @ plane, noise
