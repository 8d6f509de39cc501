"""Convert pixels of any colour mode to opaque 8-bit grey or RGB. Not for reading files."""

import numpy as np
from PIL import Image

# The brightness (0 to 255) from which a transparent picture's visible part would vanish on a white background.
NEARLY_WHITE = 224
HALF_OPAQUE = 128
# The usual values of white in pixels of more than a byte; floats may also range from 0 to 1.
WHITES = (1.0, 255.0, 65535.0)


def eight_bits(image: Image.Image, mode: str) -> Image.Image:
    """Convert a decoded image from any of Pillow's modes to `mode` (L or RGB); put transparent ones on a background."""
    if image.mode == mode and "transparency" not in image.info:
        return image
    if image.mode[0] in "IF":
        image = Image.fromarray(_scaled(image))
    elif image.has_transparency_data:
        image = _on_background(image)
    return image if image.mode == mode else image.convert(mode)


def _scaled(image: Image.Image) -> np.ndarray:
    """Scale modes I, I;16 and F to uint8 [height, width], whereas Pillow's own convert clips at 255.

    16-bit values keep their upper byte, as in Pillow for 16-bit RGB. Other integers and floats have no fixed white: use
    the smallest usual one that no value exceeds. If there is none, or any value is below 0, stretch the whole range.
    """
    values = np.asarray(image)
    if values.dtype.itemsize == 2 or image.format in ("PNG", "PPM"):
        return (values >> 8).astype(np.uint8)
    numbers = np.nan_to_num(values.astype(np.float32), posinf=0, neginf=0)
    low, high = float(numbers.min()), float(numbers.max())
    whites = [white for white in WHITES if high <= white and (white > 1 or image.mode == "F")]
    if low < 0 or not whites:
        return ((numbers - low) * (255 / max(high - low, 1e-30))).astype(np.uint8)
    return (numbers * (255 / whites[0])).astype(np.uint8)


def _on_background(image: Image.Image) -> Image.Image:
    """Convert a transparent image to RGB on a white background, or on black if its visible part is nearly white."""
    image = image.convert("RGBA")
    alpha = image.getchannel("A")
    if alpha.getextrema()[0] == 255:
        return image.convert("RGB")
    visible = image.convert("L").histogram(alpha.point(lambda value: 255 * (value >= HALF_OPAQUE)))
    brightness = sum(level * pixels for level, pixels in enumerate(visible)) / max(sum(visible), 1)
    picture = Image.new("RGB", image.size, "black" if brightness >= NEARLY_WHITE else "white")
    picture.paste(image, mask=alpha)
    return picture
