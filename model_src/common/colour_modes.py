"""Bring the pixels of any colour mode to 8 bits, opaque, grey or RGB. Not for reading files."""

import numpy as np
from PIL import Image

# A brightness (0 to 255) at which what is visible of a transparent picture would vanish on white paper.
NEARLY_WHITE = 224
HALF_OPAQUE = 128
# The usual whites of pixels that are more than a byte; floats may also be 0 to 1.
WHITES = (1.0, 255.0, 65535.0)


def eight_bits(image: Image.Image, mode: str) -> Image.Image:
    """image: decoded, any mode of Pillow's → `mode` (L or RGB), on a background where it is transparent."""
    if image.mode == mode and "transparency" not in image.info:
        return image
    if image.mode[0] in "IF":
        image = Image.fromarray(_scaled(image))
    elif image.has_transparency_data:
        image = _on_background(image)
    return image if image.mode == mode else image.convert(mode)


def _scaled(image: Image.Image) -> np.ndarray:
    """Modes I, I;16 and F → uint8 [height, width]: scaled, where Pillow's own convert cuts off at 255.

    16 bits keep their upper byte, as Pillow has it for 16-bit RGB. Other integers and floats have no fixed white: it is
    the smallest usual one that nothing exceeds; without one, or with values below 0, darkest to brightest is stretched.
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
    """Transparent → RGB on white paper; on black where the visible part itself is nearly white."""
    image = image.convert("RGBA")
    alpha = image.getchannel("A")
    if alpha.getextrema()[0] == 255:
        return image.convert("RGB")
    visible = image.convert("L").histogram(alpha.point(lambda value: 255 * (value >= HALF_OPAQUE)))
    brightness = sum(level * pixels for level, pixels in enumerate(visible)) / max(sum(visible), 1)
    picture = Image.new("RGB", image.size, "black" if brightness >= NEARLY_WHITE else "white")
    picture.paste(image, mask=alpha)
    return picture
