"""common/model_input.py produces the same pixels as torchvision's transforms."""

import io

import numpy as np
import pytest
from common.model_input import ImageInput, normalise, read_pixels
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PHOTO = ImageInput(mode="RGB", resize=256, crop=224, mean=MEAN, std=STD)
DIGIT = ImageInput(mode="L", size=(28, 28), mean=(0.1307,), std=(0.3081,))


def read_array(body: object, spec: ImageInput) -> np.ndarray:
    """Return one image as the engine gets it: float32 [channels, height, width]."""
    return normalise(read_pixels(body, spec)[None], spec)[0]


def picture(width: int, height: int) -> Image.Image:
    generator = np.random.default_rng(0)
    return Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8))


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, format=kind)
    return file.getvalue()


@pytest.mark.parametrize("size", [(451, 300), (300, 451), (256, 256), (257, 301), (100, 40), (1200, 225)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_a_photo_becomes_what_torchvision_makes_of_it(size: tuple[int, int], interpolation: str) -> None:
    image = picture(*size)
    spec = ImageInput(mode="RGB", resize=256, crop=224, mean=MEAN, std=STD, interpolation=interpolation)
    reference = transforms.Compose(
        [
            transforms.Resize(256, InterpolationMode(interpolation)),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )(image)
    np.testing.assert_allclose(read_array(encoded(image), spec), reference.numpy(), atol=1e-6)


def test_a_large_jpeg_is_decoded_smaller_and_hardly_differs() -> None:
    """Compare a camera's photo, at four times the target size, with the same photo decoded at full size."""
    small = picture(40, 30).resize((2048, 1536), Image.Resampling.BICUBIC)
    whole = read_array(encoded(small, "PNG"), PHOTO)
    reduced = read_array(encoded(small, "JPEG"), PHOTO)
    assert np.abs(whole - reduced).mean() < 0.05  # in standard deviations of ImageNet's pixels


def test_a_grey_image_is_stretched_to_the_size_wanted() -> None:
    assert read_array(encoded(picture(40, 30)), DIGIT).shape == (1, 28, 28)
