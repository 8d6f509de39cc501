"""common/pictures.py and colours.py: every kind of image file people have, and hostile ones at little cost."""

import contextlib
import io
import resource
import struct
import zlib

import numpy as np
import pytest
from common.bad_image import BadImageError
from common.formats import BEGINNINGS, format_of
from common.pictures import MAX_PIXELS, READERS, read_picture
from PIL import Image

SIDE = 200
# 60 × 40, dark at the top left, bright at the bottom right; no two corners are alike.
PHOTO = Image.fromarray(np.add.outer(np.arange(40) * 2, np.arange(60) * 2).astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    return file.getvalue()


def grey(data: bytes) -> np.ndarray:
    return np.asarray(read_picture(data, "L", SIDE)).astype(int)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, pixels: bytes, depth: int = 8, colour: int = 0, extra: bytes = b"") -> bytes:
    """pixels: rows, each behind a byte 0."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def png16(image: Image.Image, colour: int, channels: int) -> bytes:
    """16 bits per channel, which Pillow does not write: the grey level, in every channel."""
    levels = np.repeat((np.asarray(image).astype(np.uint16) * 257)[..., None], channels, axis=-1)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    return png(*image.size, rows, 16, colour)


def wide(white: float, dtype: str) -> Image.Image:
    """PHOTO in wider pixels, of which `white` is the brightest."""
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
    """As the Exif standard numbers them: where the stored picture's first row and column are seen."""
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
    """A square of one colour in the middle of a transparent sheet."""
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


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_a_truncated_file_is_a_bad_request(kind: str, share: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = encoded(noise, kind)
    with pytest.raises(BadImageError, match=r"expected .*found ") as refused:
        grey(data[: max(12, int(len(data) * share))])
    assert refused.value.status == 400


@pytest.mark.parametrize("name", FILES)
def test_no_damage_is_worse_than_a_refusal(name: str) -> None:
    generator, data = np.random.default_rng(0), FILES[name]
    for _ in range(60):
        damaged = bytearray(data)
        for place in generator.integers(0, len(data), 1 + generator.integers(8)):
            damaged[place] = generator.integers(256)
        with contextlib.suppress(BadImageError):
            read_picture(damaged, "RGB", SIDE)


UNREAD = {
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    "SVG with a prologue": (b'\xef\xbb\xbf<?xml version="1.0"?>\n<svg/>', "SVG"),
    "PDF": (b"%PDF-1.7\n", "PDF"),
    "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
    "AVIF": (b"\0\0\0\x1cftypavif\0\0\0\0", "AVIF"),
    "MP4": (b"\0\0\0\x18ftypisom\0\0\0\0", "a video"),
    "PSD": (b"8BPS\0\x01", "PSD"),
    "ICO": (b"\0\0\x01\0\x01\0", "ICO"),
    "JPEG 2000": (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    "JPEG XL": (b"\xff\n\0\0", "JPEG XL"),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0", "PostScript"),
    "BigTIFF": (b"II+\0\x08\0\0\0", "BigTIFF"),
    "PPM as text": (b"P3\n1 1 255\n0 0 0\n", "PPM as text"),
    "DOCX": (b"PK\x03\x04", "a ZIP archive"),
    "DICOM": (bytes(128) + b"DICM", "DICOM"),
}


@pytest.mark.parametrize(("data", "found"), UNREAD.values(), ids=UNREAD)
def test_a_format_that_is_known_but_not_read_is_unsupported(data: bytes, found: str) -> None:
    with pytest.raises(BadImageError, match=f"expected PNG, JPEG, .*found {found}") as refused:
        grey(data)
    assert refused.value.status == 415


def test_every_reader_has_its_format() -> None:
    assert list(READERS) == [name for name in BEGINNINGS if name in READERS]
    assert format_of(b"no image") is None


def bmp(width: int, height: int, pixels: bytes) -> bytes:
    """Run-length encoded (RLE8)."""
    header = struct.pack("<LHHL", 0, 0, 0, 54 + 1024) + struct.pack(
        "<LllHHLLllLL", 40, width, height, 1, 8, 1, 0, 0, 0, 256, 0
    )
    return b"BM" + header + bytes(1024) + pixels


def tiff(size: int, content: bytes, *changed: tuple) -> bytes:
    """One strip of `size` × `size` grey pixels; changed: entries (tag, type, count, value) beside or instead of its own."""
    entries = {256: (4, 1, size), 257: (4, 1, size), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1)}
    entries.update({273: (4, 1, 200), 277: (3, 1, 1), 278: (4, 1, size), 279: (4, 1, size * size)})
    entries.update({tag: entry for tag, *entry in changed})
    body = b"".join(struct.pack("<HHLL", tag, *entries[tag]) for tag in sorted(entries))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + body + bytes(4) + content


def jpeg_of_size(width: int, height: int) -> bytes:
    data = bytearray(encoded(PHOTO, "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def webp_of_size(side: int) -> bytes:
    frames = [Image.new("RGBA", (64, 64), (level, 0, 0, 99)) for level in (50, 250)]
    data = bytearray(encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], duration=10))
    canvas = data.index(b"VP8X") + 12
    data[canvas : canvas + 6] = (side - 1).to_bytes(3, "little") * 2
    return bytes(data)


def gif_with(extension: bytes) -> bytes:
    data = encoded(PHOTO, "GIF")
    start = data.index(b",", 13 + 3 * (2 << (data[10] & 7)))
    return data[:start] + extension + data[start:]


def gif_frame_of_size(side: int) -> bytes:
    data = bytearray(gif_with(b""))
    start = data.index(b",", 13 + 3 * (2 << (data[10] & 7)))
    data[start + 5 : start + 9] = struct.pack("<HH", side, side)
    return bytes(data)


def exif_bomb() -> bytes:
    """5,000 tags that each name the same 60,000 bytes: 300 MB for who copies them."""
    entries = b"".join(struct.pack("<HHLL", 1000 + index, 7, 60_000, 0) for index in range(5000))
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 5000) + entries + bytes(4)


def jpeg_with(marker: bytes, content: bytes) -> bytes:
    """In front of everything else, so that there are no dots per inch yet."""
    data = encoded(PHOTO, "JPEG")
    after_jfif = 4 + struct.unpack(">H", data[4:6])[0]
    return data[:2] + marker + struct.pack(">H", len(content) + 2) + content + data[after_jfif:]


def many_scans() -> bytes:
    large = encoded(Image.new("L", (3000, 2000), 128), "JPEG", progressive=True)
    last = large.rindex(b"\xff\xda")
    return large[:-2] + large[last:-2] * 300 + large[-2:]


TOO_LARGE = {
    "PNG": png(5001, 5000, b""),
    "JPEG": jpeg_of_size(10_000, 5001),
    "WebP": webp_of_size(16_383),
    "GIF": encoded(PHOTO, "GIF")[:6] + struct.pack("<HH", 65_000, 65_000) + encoded(PHOTO, "GIF")[10:],
    "GIF whose frame is larger than itself": gif_frame_of_size(65_000),
    "BMP": bmp(7000, 7000, b""),
    "TIFF": tiff(40_000, bytes(64)),
    "TIFF whose tile is larger than itself": tiff(
        64, bytes(4096), (322, 4, 1, 40_000), (323, 4, 1, 40_000), (324, 4, 1, 200)
    ),
    "PPM": b"P6 99999 99999 255\n",
}


@pytest.mark.parametrize("data", TOO_LARGE.values(), ids=TOO_LARGE)
def test_too_many_pixels_are_refused_by_what_the_header_says(data: bytes, address_space: None) -> None:
    with pytest.raises(BadImageError, match=r"expected at most [25][50],000,000 pixels, found ") as refused:
        grey(data)
    assert refused.value.status == 413


def test_as_many_pixels_as_allowed_are_read() -> None:
    side = int(MAX_PIXELS**0.5)
    assert grey(png(side, side, bytes((side + 1) * side))).shape == (side, side)


BOMBS = {
    "an image a thousand times longer than wide": (bmp(50_000, 1, b"\0\2\xff\xff" * 999), "100 times"),
    "text in a PNG": (png(8, 8, bytes(72), extra=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 26)))), "readable"),
    "a colour profile": (
        png(8, 8, bytes(72), extra=chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(1 << 26)))),
        "readable",
    ),
    "a million chunks": (png(8, 8, bytes(72), extra=chunk(b"tIME", b"1234567") * 99_999), "too many small pieces"),
    "padding": (encoded(PHOTO, "JPEG")[:2] + b"\xff" * 999_999 + encoded(PHOTO, "JPEG")[2:], "too many small pieces"),
    "a comment": (gif_with(b"!\xfe" + (b"\xff" + b"x" * 255) * 9999 + b"\0"), "too many small pieces"),
    "a picture pixel by pixel": (b"P6 1000 1000 254\n" + bytes(3_000_000), "too many small pieces"),
    "scans": (many_scans(), "scans"),
    "tags": (tiff(8, bytes(999_999), *((1000 + index, 7, 900_000, 0) for index in range(999))), "tags are longer"),
    "strips": (tiff(8, bytes(999_999), (273, 4, 99_999, 200)), "strips or tiles"),
    "no size": (tiff(0, bytes(64)), "readable"),
    "a directory beyond the end": (b"II*\0\xff\xff\xff\x7f", "readable"),
}


@pytest.mark.parametrize(("data", "expected"), BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_before_it_takes_memory(data: bytes, expected: str, address_space: None) -> None:
    with pytest.raises(BadImageError, match=expected) as refused:
        grey(data)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "data",
    [jpeg_with(b"\xff\xe1", exif_bomb()), jpeg_with(b"\xff\xe2", b"MPF\0" + exif_bomb()[6:])],
    ids=["Exif", "MPF"],
)
def test_tags_that_all_name_the_same_bytes_are_not_copied(data: bytes, address_space: None) -> None:
    assert grey(data).shape == (40, 60)


@pytest.fixture
def address_space():
    """Fails the test whose decoder grows the process by more than 256 MiB."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 256, f"the process grew by {grown:.0f} MiB"
