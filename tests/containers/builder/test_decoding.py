"""common/decoding.py and colour_modes.py: every common kind of image file is read as the same picture."""

import contextlib

import numpy as np
import pytest
from common.bad_image import BadImageError
from common.decoding import read_picture
from drawn import PHOTO, SIDE, encoded, grey, png
from PIL import Image


def png16(image: Image.Image, colour: int, channels: int) -> bytes:
    """Return an image with 16 bits per channel, which Pillow does not write: the grey level in every channel."""
    levels = np.repeat((np.asarray(image).astype(np.uint16) * 257)[..., None], channels, axis=-1)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    return png(*image.size, rows, 16, colour)


def wide(white: float, dtype: str) -> Image.Image:
    """Return PHOTO in wider pixels, of which `white` is the brightest."""
    return Image.fromarray((np.asarray(PHOTO).astype(np.float64) * white / 255).astype(dtype))


FILES = {
    "PNG L": encoded(PHOTO, "PNG"),
    "PNG LA": encoded(PHOTO.convert("LA"), "PNG"),
    "PNG RGB": encoded(PHOTO.convert("RGB"), "PNG"),
    "PNG RGBA": encoded(PHOTO.convert("RGBA"), "PNG"),
    "PNG P": encoded(PHOTO.quantize(256), "PNG"),
    "PNG 16-bit grey": png16(PHOTO, 0, 1),
    "PNG 16-bit grey with alpha": png16(Image.fromarray(np.full((40, 60), 255, np.uint8)), 4, 2),
    "PNG 16-bit RGB": png16(PHOTO, 2, 3),
    "JPEG L": encoded(PHOTO, "JPEG", quality=95),
    "JPEG RGB": encoded(PHOTO.convert("RGB"), "JPEG", quality=95),
    "JPEG CMYK, inverted as Adobe's": encoded(PHOTO.convert("RGB").convert("CMYK"), "JPEG", quality=95),
    "JPEG progressive": encoded(PHOTO, "JPEG", quality=95, progressive=True),
    "WebP": encoded(PHOTO.convert("RGB"), "WEBP", quality=95),
    "WebP lossless RGBA": encoded(PHOTO.convert("RGBA"), "WEBP", lossless=True),
    "GIF": encoded(PHOTO, "GIF"),
    "BMP L": encoded(PHOTO, "BMP"),
    "BMP RGB": encoded(PHOTO.convert("RGB"), "BMP"),
    "TIFF L": encoded(PHOTO, "TIFF"),
    "TIFF RGB LZW": encoded(PHOTO.convert("RGB"), "TIFF", compression="tiff_lzw"),
    "TIFF CMYK": encoded(PHOTO.convert("RGB").convert("CMYK"), "TIFF"),
    "TIFF 16 bits": encoded(wide(65535, "<u2"), "TIFF"),
    "TIFF 16 bits, big-endian": encoded(wide(65535, ">u2"), "TIFF"),
    "TIFF 32 bits, white is 255": encoded(wide(255, "<i4"), "TIFF"),
    "TIFF 32 bits, white is 65535": encoded(wide(65535, "<i4"), "TIFF"),
    "TIFF floats, white is 1": encoded(wide(1, "<f4"), "TIFF"),
    "TIFF floats, white is 255": encoded(wide(255, "<f4"), "TIFF"),
    "PGM": encoded(PHOTO, "PPM"),
    "PGM 16 bits": encoded(wide(65535, "<i4"), "PPM"),
    "PPM": encoded(PHOTO.convert("RGB"), "PPM"),
}


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file_shows_the_same_picture(name: str) -> None:
    shown = grey(FILES[name])
    expected = np.asarray(PHOTO).astype(int) if "grey with alpha" not in name else np.full((40, 60), 255)
    assert shown.shape == (40, 60)
    assert np.abs(shown - expected).mean() < 3, name
    assert np.asarray(read_picture(FILES[name], "RGB", SIDE)).shape == (40, 60, 3)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF", "PPM"])
def test_one_bit_is_black_and_white(kind: str) -> None:
    half = Image.fromarray(np.repeat([0, 255], 32).astype(np.uint8)[None].repeat(40, 0)).convert("1")
    assert set(np.unique(grey(encoded(half, kind)))) == {0, 255}


def test_numbers_without_a_usual_white_are_stretched_and_what_is_no_number_is_none() -> None:
    stretched = grey(encoded(wide(1e6, "<f4"), "TIFF"))
    assert (stretched.min(), stretched.max()) == (0, 255)
    below_zero = grey(encoded(Image.fromarray(np.asarray(PHOTO).astype(np.float32) - 100), "TIFF"))
    assert (below_zero.min(), below_zero.max()) == (0, 255)
    odd = np.full((4, 4), np.nan, np.float32)
    odd[0] = np.inf
    odd[1] = 1
    assert grey(encoded(Image.fromarray(odd), "TIFF"))[1].min() == 255


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_taken_with_the_camera_turned_is_upright(kind: str, orientation: int) -> None:
    """Exif's orientation numbers say where the stored picture's first row and column are shown."""
    lying = {
        1: PHOTO,
        2: PHOTO.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: PHOTO.transpose(Image.Transpose.ROTATE_180),
        4: PHOTO.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: PHOTO.transpose(Image.Transpose.TRANSPOSE),
        6: PHOTO.transpose(Image.Transpose.ROTATE_90),
        7: PHOTO.transpose(Image.Transpose.TRANSVERSE),
        8: PHOTO.transpose(Image.Transpose.ROTATE_270),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    shown = grey(encoded(lying.convert("RGB"), kind, exif=exif))
    assert shown.shape == (40, 60)
    assert np.abs(shown - np.asarray(PHOTO)).mean() < 5


def test_damaged_exif_costs_no_picture() -> None:
    for exif in (b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0", b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01"):
        assert grey(encoded(PHOTO, "JPEG", exif=exif)).shape == (40, 60)


@pytest.mark.parametrize(("kind", "options"), [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})])
def test_of_an_animation_the_first_picture_counts(kind: str, options: dict) -> None:
    others = [Image.new("RGB", PHOTO.size, colour) for colour in ("red", "blue")]
    data = encoded(PHOTO.convert("RGB"), kind, save_all=True, append_images=others, **options)
    assert np.abs(grey(data) - np.asarray(PHOTO)).mean() < 3


def drawing(colour: tuple) -> Image.Image:
    """Return a square of one colour in the middle of a transparent image."""
    sheet = Image.new("RGBA", (60, 40), (*colour, 0))
    sheet.paste((*colour, 255), (20, 10, 40, 30))
    return sheet


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_what_is_transparent_is_white_paper(kind: str) -> None:
    shown = grey(encoded(drawing((200, 0, 0)), kind))
    assert shown[0, 0] == 255
    assert shown[20, 30] < 100


def test_what_is_nearly_white_on_transparent_is_seen_on_black() -> None:
    shown = grey(encoded(drawing((250, 255, 250)), "PNG"))
    assert shown[0, 0] == 0
    assert shown[20, 30] > 240


def test_the_transparent_colour_of_a_palette_and_of_grey_is_paper_too() -> None:
    assert grey(encoded(drawing((200, 0, 0)).quantize(4), "PNG"))[0, 0] == 255
    assert grey(encoded(drawing((200, 0, 0)), "GIF"))[0, 0] == 255
    level = Image.fromarray(np.where(np.asarray(PHOTO) < 20, 7, 99).astype(np.uint8))
    assert grey(encoded(level, "PNG", transparency=7))[0, 0] == 255
    assert grey(encoded(level.convert("RGB"), "PNG", transparency=(7, 7, 7)))[0, 0] == 255


def test_an_invisible_picture_is_white_paper() -> None:
    assert set(np.unique(grey(encoded(Image.new("RGBA", (9, 9), (255, 255, 255, 0)), "PNG")))) == {255}


@pytest.mark.parametrize("name", FILES)
def test_no_damage_is_worse_than_a_refusal(name: str) -> None:
    generator, data = np.random.default_rng(0), FILES[name]
    for _ in range(60):
        damaged = bytearray(data)
        for place in generator.integers(0, len(data), 1 + generator.integers(8)):
            damaged[place] = generator.integers(256)
        with contextlib.suppress(BadImageError):
            read_picture(damaged, "RGB", SIDE)
