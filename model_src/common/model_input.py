"""Turn request bodies into pixels, and a batch of pixels into the model's input. Not for inference."""

from dataclasses import dataclass
from functools import cached_property
from typing import Optional

import numpy as np
from PIL import Image

from common.decoding import read_picture
from common.request_body import image_bytes

INTERPOLATION = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@dataclass(frozen=True)
class ImageInput:
    """How an image is turned into the model's input: the `input:` section of model.yaml.

    Either `size` (height, width), to which the image is stretched, or `resize` (pixels of the shorter side) followed by
    a square centre `crop` (pixels), like torchvision's Resize and CenterCrop. `mean` and `std` are per channel, for
    pixels scaled to 0…1.
    """

    mode: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: Optional[tuple[int, int]] = None
    resize: Optional[int] = None
    crop: Optional[int] = None
    interpolation: str = "bilinear"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one input."""
        height, width = self.size or (self.crop, self.crop)
        return (len(self.mean), height, width)

    @cached_property
    def scale(self) -> np.ndarray:
        """The factor in pixel * scale + shift, which equals (pixel / 255 - mean) / std; float32 [channels, 1, 1]."""
        return (1 / (255 * np.float64(self.std))).astype(np.float32)[:, None, None]

    @cached_property
    def shift(self) -> np.ndarray:
        """The summand in pixel * scale + shift; float32 [channels, 1, 1]."""
        return (-np.float64(self.mean) / np.float64(self.std)).astype(np.float32)[:, None, None]


def read_pixels(body: object, spec: ImageInput) -> np.ndarray:
    """Turn a request's body, in any accepted form, into uint8 [height, width, channels]. Raises BadImageError."""
    # Decode at twice the target size or more, so that resizing keeps its quality (as Pillow does for thumbnails).
    picture = read_picture(image_bytes(body), spec.mode, 2 * (spec.resize or max(spec.size)))
    pixels = np.asarray(_fit(picture, spec))
    return pixels.reshape(*pixels.shape[:2], -1)


def normalise(pixels: np.ndarray, spec: ImageInput) -> np.ndarray:
    """Turn pixels, uint8 [N, height, width, channels], into the model's input, float32 [N, channels, height, width]."""
    inputs = pixels.transpose(0, 3, 1, 2).astype(np.float32, order="C")
    inputs *= spec.scale
    inputs += spec.shift
    return inputs


def _fit(image: Image.Image, spec: ImageInput) -> Image.Image:
    if spec.size:
        height, width = spec.size
        return image if image.size == (width, height) else image.resize((width, height), INTERPOLATION["bilinear"])
    return _centre_crop(_resize_shorter_side(image, spec.resize, spec.interpolation), spec.crop)


def _resize_shorter_side(image: Image.Image, pixels: int, interpolation: str) -> Image.Image:
    """Resize; truncates the length of the longer side, as torchvision.transforms.Resize does."""
    width, height = image.size
    shorter = min(width, height)
    scaled = (int(width * pixels / shorter), int(height * pixels / shorter))
    return image if scaled == image.size else image.resize(scaled, INTERPOLATION[interpolation])


def _centre_crop(image: Image.Image, pixels: int) -> Image.Image:
    """Crop the centre; rounds half to even, as torchvision.transforms.CenterCrop does."""
    left = round((image.width - pixels) / 2)
    top = round((image.height - pixels) / 2)
    return image.crop((left, top, left + pixels, top + pixels))
