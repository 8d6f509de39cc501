"""Image files for the tests that read them: drawn, or assembled by hand if Pillow cannot write them."""

import io
import struct
import zlib

import numpy as np
from common.decoding import read_picture
from PIL import Image

SIDE = 200
# 60 × 40 pixels, dark at the top left, bright at the bottom right; no two corners are alike.
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
    """Return a PNG; pixels: rows, each preceded by a zero byte."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
