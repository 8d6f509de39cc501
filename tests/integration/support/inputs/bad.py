"""Requests that contain no image, each with the required answer."""

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import requests
from PIL import Image

from integration.support.inputs.image_files import JSON, encoded, fill_in, json_of, png_by_hand, post
from integration.support.stack import Deployment

BAD_REQUEST, TOO_LARGE, UNSUPPORTED = 400, 413, 415
TYPES = {
    BAD_REQUEST: "BadRequestException",
    TOO_LARGE: "PayloadTooLargeException",
    UNSUPPORTED: "UnsupportedMediaTypeException",
}
REQUEST_LIMIT_BYTES = 16_777_216


@dataclass(frozen=True)
class BadInput:
    """`message`: what the answer's message has to contain."""

    name: str
    send: Callable[[Deployment, str], requests.Response]
    status: int
    message: str


def body(name: str, content: bytes, message: str, status: int = BAD_REQUEST, kind: str | None = None) -> BadInput:
    """kind: the content type."""
    return BadInput(name, lambda stack, model: post(stack, model, content, kind), status, message)


def photo() -> Image.Image:
    """Makes a photo of noise, in which any damage shows."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))


def half(kind: str) -> bytes:
    whole = encoded(photo(), kind)
    return whole[: len(whole) // 2]


def many_scans() -> bytes:
    """Makes a progressive JPEG that repeats its last scan; each scan goes through all pixels again."""
    data = encoded(Image.new("L", (3000, 2000), 128), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * 300 + data[-2:]


def jpeg_of_size(width: int, height: int) -> bytes:
    data = bytearray(encoded(photo(), "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def gif_of_size(side: int) -> bytes:
    data = encoded(photo(), "GIF")
    return data[:6] + struct.pack("<HH", side, side) + data[10:]


def bad_inputs() -> list[BadInput]:
    png = encoded(photo(), "PNG")
    return [
        body("empty body", b"", "found an empty body"),
        body("text", b"a seven, please", "found 15 bytes of something else", kind="text/plain"),
        body("random bytes", bytes(range(256)) * 8, "found 2,048 bytes of something else"),
        body("a PNG's first 8 bytes", png[:8], "expected a readable image, found a PNG"),
        *(
            body(f"half a {kind}", half(kind), f"expected a readable image, found a {name}")
            for kind, name in [("PNG", "PNG"), ("JPEG", "JPEG"), ("WEBP", "WebP"), ("GIF", "GIF"), ("BMP", "BMP")]
        ),
        body("half a TIFF", half("TIFF"), "found a TIFF"),
        body("PNG of 0 × 0 pixels", png_by_hand(0, 0, b"", 8, 0), "expected a readable image, found a PNG"),
        body("PNG of 3000 × 1 pixels", encoded(Image.new("L", (3000, 1)), "PNG"), "at most 100 times longer than wide"),
        body("PNG of 5001 × 5000 pixels", png_by_hand(5001, 5000, b"", 8, 0), "at most 25,000,000 pixels", TOO_LARGE),
        body("GIF of 65000 × 65000 pixels", gif_of_size(65_000), "at most 25,000,000 pixels", TOO_LARGE),
        body("JPEG of 10000 × 5001 pixels", jpeg_of_size(10_000, 5001), "at most 50,000,000 pixels", TOO_LARGE),
        body("JPEG of 300 more scans than usual", many_scans(), "scans"),
        body("SVG", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "found SVG", UNSUPPORTED, "image/svg+xml"),
        body("PDF", b"%PDF-1.7\n", "found PDF", UNSUPPORTED, "application/pdf"),
        body("HEIC", b"\0\0\0\x18ftypheic\0\0\0\0", "found HEIC", UNSUPPORTED, "image/heic"),
        body("AVIF", b"\0\0\0\x1cftypavif\0\0\0\0", "found AVIF", UNSUPPORTED, "image/avif"),
        body("PSD", b"8BPS\0\x01", "found PSD", UNSUPPORTED),
        body("ICO", b"\0\0\x01\0\x01\0", "found ICO", UNSUPPORTED),
        body("JPEG 2000", b"\0\0\0\x0cjP  \r\n\x87\n", "found JPEG 2000", UNSUPPORTED),
        body("EPS", b"%!PS-Adobe-3.0 EPSF-3.0", "found PostScript", UNSUPPORTED),
        body("base64 of a PDF", json_of(b"JVBERi0xLjcK"), "found PDF", UNSUPPORTED, JSON),
        body("JSON with other keys", b'{"instances": []}', 'expected JSON {"data": "<base64>"}', kind=JSON),
        body("JSON with a number", b'{"data": 7}', "found a number", kind=JSON),
        body("JSON cut off", b'{"data": "iVBOR', "found text that is not JSON", kind=JSON),
        body("JSON nested without end", b"[" * 100_000, "something else", kind=JSON),
        body("data URL of text", b"data:text/plain,hello", "expected a data URL in base64"),
        BadInput(
            "form with the field `image`",
            lambda stack, model: fill_in(stack, model, png, "image"),
            BAD_REQUEST,
            "expected the image in the form field `data`, found the field `image`",
        ),
    ]


def oversize() -> BadInput:
    """Makes a body larger than the front end accepts."""
    return body("more than 16 MiB", bytes(REQUEST_LIMIT_BYTES + 1), "at most 16777216 bytes", TOO_LARGE)
