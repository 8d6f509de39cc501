"""Twenty ImageNet photos that the foolbox package ships; the class index is in the name: imagenet_03_990.jpg."""

from collections.abc import Iterator
from pathlib import Path


def labelled_images(data: Path) -> Iterator[tuple[bytes, int]]:
    """(JPEG bytes, ImageNet class index)."""
    for photo in sorted(data.glob("foolbox/data/imagenet_*_*.jpg")):
        yield photo.read_bytes(), int(photo.stem.rpartition("_")[2])


def calibration_images(data: Path) -> Iterator[bytes]:
    """The same photos, without their labels: too few to set some aside, so the int8 figures flatter a little."""
    for image, _ in labelled_images(data):
        yield image
