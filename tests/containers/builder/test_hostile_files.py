"""common/decoding.py: damaged, unknown and hostile files are refused with the right status, at little cost."""

import resource
import struct
import zlib

import numpy as np
import pytest
from common.bad_image import BadImageError
from common.decoding import MAX_PIXELS, READERS
from common.image_format import BEGINNINGS, format_of
from drawn import PHOTO, chunk, encoded, grey, png
from PIL import Image


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_a_truncated_file_is_a_bad_request(kind: str, share: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = encoded(noise, kind)
    with pytest.raises(BadImageError, match=r"expected .*found ") as refused:
        grey(data[: max(12, int(len(data) * share))])
    assert refused.value.status == 400


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
    """Return a run-length encoded (RLE8) BMP."""
    header = struct.pack("<LHHL", 0, 0, 0, 54 + 1024) + struct.pack(
        "<LllHHLLllLL", 40, width, height, 1, 8, 1, 0, 0, 0, 256, 0
    )
    return b"BM" + header + bytes(1024) + pixels


def tiff(size: int, content: bytes, *changed: tuple) -> bytes:
    """Return a TIFF with one strip of `size` × `size` grey pixels; changed: entries (tag, type, count, value)."""
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
    """Return 5,000 tags that all refer to the same 60,000 bytes: copying them would take 300 MB."""
    entries = b"".join(struct.pack("<HHLL", 1000 + index, 7, 60_000, 0) for index in range(5000))
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 5000) + entries + bytes(4)


def jpeg_with(marker: bytes, content: bytes) -> bytes:
    """Put it before everything else, so that the resolution is not known yet."""
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
    """Fails a test if its decoder makes the process grow by more than 256 MiB."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 256, f"the process grew by {grown:.0f} MiB"
