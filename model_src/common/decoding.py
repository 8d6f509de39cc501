"""Decode an image file from an untrusted client: within limits, upright, with 8 bits per channel.

Not for fitting the picture to a model. Limits are checked against what the file declares, before Pillow decodes it.
"""

import io
import struct
import warnings
from collections.abc import Iterator
from typing import Union

from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from common.bad_image import TOO_LARGE, UNSUPPORTED, BadImageError
from common.colour_modes import eight_bits
from common.image_format import READABLE, format_of

# Enough for JPEGs of the largest phone cameras, which can be decoded at a reduced size. Other formats are decoded in
# full: 25 million pixels took up to 500 MiB (WebP with alpha, TIFF of floats) in each worker that reads one.
MAX_JPEG_PIXELS, MAX_PIXELS = 50_000_000, 25_000_000
MAX_ASPECT = 100
# Every scan of a progressive JPEG, however short, covers all pixels; encoders write about ten scans.
MAX_SCANNED_PIXELS = 20 * MAX_JPEG_PIXELS
# Pillow's decoders in Python read a few bytes at a time, and some join these pieces at quadratic cost.
MAX_HEADER_READS, MAX_PIXEL_READS = 8_192, 500_000
ORIENTATION = 0x0112
MAX_STRIPS = 50_000
STRIPS = (273, 279, 324, 325)  # StripOffsets, StripByteCounts, TileOffsets, TileByteCounts
TILE_WIDTH, TILE_HEIGHT = 322, 323
# Bytes per value, by TIFF's type number.
TYPE_BYTES = (1, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8)
SHORT = 3
# The operation that turns a picture upright, by Exif's orientation number.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
Entry = tuple[int, int, int, int]

# Python remembers every text that it has warned with, so damaged files would fill the worker's memory and its log.
warnings.filterwarnings("ignore", module=r"PIL\.")


class _Jpeg(JpegImageFile):
    def getexif(self) -> Image.Exif:
        """Returns nothing: for the resolution alone, Pillow would copy the same tag data thousands of times."""
        return Image.Exif()


class _Tiff(TiffImageFile):
    def getexif(self) -> Image.Exif:
        """Returns only the orientation, for Pillow to turn the picture, not the directories it would read as well."""
        exif = Image.Exif()
        if ORIENTATION in self.tag_v2:
            exif[ORIENTATION] = self.tag_v2[ORIENTATION]
        return exif


# These classes rather than Image.open, so that no other decoder can be reached and only the first frame is read.
READERS = {
    "PNG": PngImageFile,
    "JPEG": _Jpeg,
    "WebP": WebPImageFile,
    "GIF": GifImageFile,
    "BMP": BmpImageFile,
    "TIFF": _Tiff,
    "PPM": PpmImageFile,
}


class _File(io.BytesIO):
    """A file that allows a limited number of reads."""

    reads_left = MAX_HEADER_READS

    def read(self, size: int = -1) -> bytes:
        """Raises BadImageError once the limit is reached."""
        self.reads_left -= 1
        if self.reads_left < 0:
            raise BadImageError("expected a readable image, found one split into too many small pieces")
        return super().read(size)


def read_picture(data: Union[bytes, bytearray], mode: str, side: int) -> Image.Image:
    """Return a file's first picture, upright, as `mode` (L or RGB). Raises BadImageError.

    side: pixels. A JPEG may be decoded at 1/2, 1/4 or 1/8 of its size if both of its sides stay at least this long.
    """
    name = format_of(data)
    if name is None:
        raise BadImageError(f"expected an image ({READABLE}), found {len(data):,} bytes of something else")
    if name not in READERS:
        raise BadImageError(f"expected {READABLE}, found {name}", UNSUPPORTED)
    try:
        return _decode(name, data, mode, side)
    except BadImageError:
        raise
    except (Image.DecompressionBombError, MemoryError):
        raise BadImageError(f"expected at most {_most(name):,} pixels, found a {name} with more", TOO_LARGE) from None
    # Pillow documents no set of errors for damaged files: its decoders raise whatever they run into. Any error here is
    # due to a client's data, and must not affect the other requests in the batch.
    except Exception as error:
        raise BadImageError(
            f"expected a readable image, found a {name} that is damaged or of an unsupported kind ({error})"[:300]
        ) from None


def _decode(name: str, data: Union[bytes, bytearray], mode: str, side: int) -> Image.Image:
    if name == "TIFF":
        _check_tiff(data)
    file = _File(data)
    image = READERS[name](file)
    _check_size(name, *image.size)
    if name == "JPEG":
        _check_scans(data, *image.size)
        image.draft(None, (side, side))
    file.reads_left = MAX_PIXEL_READS
    image.load()
    exif = image.info.get("exif") if name != "TIFF" else None
    picture = eight_bits(image, mode)
    turn = UPRIGHT.get(_orientation(exif)) if exif else None
    return picture if turn is None else picture.transpose(turn)


def _most(name: str) -> int:
    return MAX_JPEG_PIXELS if name == "JPEG" else MAX_PIXELS


def _check_size(name: str, width: int, height: int) -> None:
    if width * height > _most(name):
        raise BadImageError(f"expected at most {_most(name):,} pixels, found a {name} of {width} × {height}", TOO_LARGE)
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise BadImageError(
            f"expected an image at most {MAX_ASPECT} times longer than wide, found {width} × {height} pixels"
        )


def _check_scans(data: Union[bytes, bytearray], width: int, height: int) -> None:
    scans = data.count(b"\xff\xda")
    if scans * width * height > MAX_SCANNED_PIXELS:
        raise BadImageError(f"expected a readable image, found a JPEG with {width} × {height} pixels in {scans} scans")


def _check_tiff(data: Union[bytes, bytearray]) -> None:
    """Raise BadImageError for a directory that would make a decoder use more memory than the pixels need."""
    entries = list(_directory(data))
    if sum(count * TYPE_BYTES[kind] for _, kind, count, _ in entries if kind < len(TYPE_BYTES)) > len(data):
        raise BadImageError(f"expected a readable TIFF, found one whose tags are longer than its {len(data):,} bytes")
    if any(tag in STRIPS and count > MAX_STRIPS for tag, _, count, _ in entries):
        raise BadImageError(f"expected a TIFF with at most {MAX_STRIPS:,} strips or tiles, found more")
    width, height = (
        max((value for tag, _, _, value in entries if tag == wanted), default=0) for wanted in (TILE_WIDTH, TILE_HEIGHT)
    )
    if width * height > MAX_PIXELS:
        raise BadImageError(f"expected at most {MAX_PIXELS:,} pixels, found tiles of {width} × {height}", TOO_LARGE)


def _orientation(exif: bytes) -> int:
    """Return the orientation, 1 (upright) to 8; 1 if the Exif data are damaged, as the picture may still be good."""
    try:
        tags = {tag: value for tag, _, _, value in _directory(exif[6:] if exif[:4] == b"Exif" else exif)}
    except struct.error:
        return 1
    return tags.get(ORIENTATION, 1)


def _directory(tiff: Union[bytes, bytearray]) -> Iterator[Entry]:
    """Yield (tag, type, count, value or its offset) from the first directory of a TIFF file or of Exif data.

    Raises struct.error if the data end too early. Format: TIFF 6.0, section 2.
    """
    order = "<" if tiff[:2] == b"II" else ">"
    (start,) = struct.unpack_from(order + "L", tiff, 4)
    (count,) = struct.unpack_from(order + "H", tiff, start)
    for offset in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(order + "HHL", tiff, offset)
        (value,) = struct.unpack_from(order + ("H" if kind == SHORT else "L"), tiff, offset + 8)
        yield tag, kind, values, value
