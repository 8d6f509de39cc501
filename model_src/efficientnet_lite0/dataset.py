"""Twenty ImageNet photos from the foolbox package, whose names contain the class index: imagenet_03_990.jpg."""

from collections.abc import Iterator
from pathlib import Path


def labelled_images(data: Path) -> Iterator[tuple[bytes, int]]:
    """Yield (JPEG bytes, ImageNet class index)."""
    for photo in sorted(data.glob("foolbox/data/imagenet_*_*.jpg")):
        yield photo.read_bytes(), int(photo.stem.rpartition("_")[2])
