"""Image files of every format and mode that people send, drawn from one picture, and ways to send them."""

import base64
import io
import json
import struct
import zlib
from collections.abc import Callable

import numpy as np
import requests
from PIL import Image

from integration.support.stack import Deployment, session

JSON = "application/json"
Sender = Callable[[Deployment, str, bytes], requests.Response]
Files = dict[tuple[str, str], bytes]


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    """Makes one chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_by_hand(width: int, height: int, rows: bytes, depth: int, colour: int) -> bytes:
    """Makes a PNG; rows: each after a byte 0; colour: PNG's number, 0 for grey and 2 for RGB."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def png_16_bit_rgb(image: Image.Image) -> bytes:
    """Makes a file that Pillow can read but not write."""
    levels = (np.asarray(image.convert("RGB")).astype(np.uint16) * 257).astype(">u2")
    return png_by_hand(*image.size, b"".join(b"\0" + row.tobytes() for row in levels), 16, 2)


def taken_turned(image: Image.Image, kind: str) -> bytes:
    """Makes a photo as a camera held sideways stores it: the Exif tag says how to turn it back."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(image.transpose(Image.Transpose.ROTATE_90), kind, exif=exif)


def with_clear_border(image: Image.Image) -> Image.Image:
    """Makes an RGBA picture whose outermost eighth is transparent."""
    alpha = Image.new("L", image.size, 0)
    width, height = image.size
    alpha.paste(255, (width // 8, height // 8, width - width // 8, height - height // 8))
    clear = image.convert("RGBA")
    clear.putalpha(alpha)
    return clear


def image_files(picture: Image.Image) -> Files:
    """Makes an RGB picture into a file of every format and mode."""
    grey, clear = picture.convert("L"), with_clear_border(picture)
    wide = np.asarray(grey).astype(np.uint16) * 257
    later = [Image.new("RGB", picture.size, colour) for colour in ("red", "blue")]
    cmyk = picture.convert("CMYK")
    return {
        ("PNG", "L"): encoded(grey, "PNG"),
        ("PNG", "LA"): encoded(grey.convert("LA"), "PNG"),
        ("PNG", "P"): encoded(picture.quantize(256), "PNG"),
        ("PNG", "P with transparency"): encoded(clear.quantize(256), "PNG"),
        ("PNG", "RGB"): encoded(picture, "PNG"),
        ("PNG", "RGBA"): encoded(clear, "PNG"),
        ("PNG", "16-bit grey"): encoded(Image.fromarray(wide), "PNG"),
        ("PNG", "16-bit RGB"): png_16_bit_rgb(picture),
        ("PNG", "turned"): taken_turned(picture, "PNG"),
        ("JPEG", "L"): encoded(grey, "JPEG"),
        ("JPEG", "RGB"): encoded(picture, "JPEG"),
        ("JPEG", "progressive"): encoded(picture, "JPEG", progressive=True),
        ("JPEG", "CMYK (Adobe)"): encoded(cmyk, "JPEG"),
        ("JPEG", "turned"): taken_turned(picture, "JPEG"),
        ("WebP", "RGB"): encoded(picture, "WEBP"),
        ("WebP", "lossless RGBA"): encoded(clear, "WEBP", lossless=True, method=0),
        ("WebP", "turned"): taken_turned(picture, "WEBP"),
        ("WebP", "animated"): encoded(picture, "WEBP", save_all=True, append_images=later, method=0),
        ("GIF", "P"): encoded(picture.quantize(256), "GIF"),
        ("GIF", "L"): encoded(grey, "GIF"),
        ("GIF", "transparent"): encoded(clear, "GIF"),
        ("GIF", "animated"): encoded(picture, "GIF", save_all=True, append_images=later),
        ("BMP", "L"): encoded(grey, "BMP"),
        ("BMP", "P"): encoded(picture.quantize(256), "BMP"),
        ("BMP", "RGB"): encoded(picture, "BMP"),
        ("TIFF", "L"): encoded(grey, "TIFF"),
        ("TIFF", "RGB"): encoded(picture, "TIFF"),
        ("TIFF", "RGB (LZW)"): encoded(picture, "TIFF", compression="tiff_lzw"),
        ("TIFF", "RGBA"): encoded(clear, "TIFF"),
        ("TIFF", "CMYK"): encoded(cmyk, "TIFF"),
        ("TIFF", "16-bit grey"): encoded(Image.fromarray(wide), "TIFF"),
        ("TIFF", "32-bit integers"): encoded(Image.fromarray(wide.astype(np.int32)), "TIFF"),
        ("TIFF", "floats"): encoded(Image.fromarray(np.asarray(grey).astype(np.float32) / 255), "TIFF"),
        ("TIFF", "turned"): taken_turned(picture, "TIFF"),
        ("TIFF", "pages"): encoded(picture, "TIFF", save_all=True, append_images=later),
        ("PPM", "L"): encoded(grey, "PPM"),
        ("PPM", "RGB"): encoded(picture, "PPM"),
    }


def one_bit_files(picture: Image.Image) -> Files:
    """Makes files with one bit per pixel, for digits only: a two-coloured photo is no photo."""
    two = picture.convert("L").convert("1", dither=Image.Dither.NONE)
    return {(kind, "1"): encoded(two, kind) for kind in ("PNG", "GIF", "BMP", "TIFF", "PPM")}


def post(stack: Deployment, model: str, body: bytes, content_type: str | None = None) -> requests.Response:
    headers = {"Content-Type": content_type} if content_type else {}
    return session.post(f"{stack.inference}/predictions/{model}", data=body, headers=headers, timeout=60)


def upload(stack: Deployment, model: str, body: bytes) -> requests.Response:
    """Sends the body as `curl -T` does."""
    return session.put(f"{stack.inference}/predictions/{model}", data=body, timeout=60)


def fill_in(stack: Deployment, model: str, body: bytes, field: str = "data") -> requests.Response:
    """Sends the body as `curl -F data=@file` does."""
    return session.post(f"{stack.inference}/predictions/{model}", files={field: ("picture", body)}, timeout=60)


def base64_of(data: bytes) -> bytes:
    return base64.b64encode(data)


def data_url(data: bytes) -> bytes:
    return b"data:image/png;base64," + base64_of(data)


def json_of(data: bytes) -> bytes:
    return json.dumps({"data": data.decode()}).encode()


# Titles of columns → how to send a file that way.
TRANSPORTS: dict[str, Sender] = {
    "POST": post,
    "PUT (`-T`)": upload,
    "form field `data`": fill_in,
    "base64 as text": lambda stack, model, data: post(stack, model, base64_of(data), "text/plain"),
    "base64 in lines": lambda stack, model, data: post(stack, model, base64.encodebytes(data)),
    "data URL": lambda stack, model, data: post(stack, model, data_url(data)),
    "JSON": lambda stack, model, data: post(stack, model, json_of(base64_of(data)), JSON),
    "JSON, data URL": lambda stack, model, data: post(stack, model, json_of(data_url(data)), f"{JSON}; charset=utf-8"),
    "JSON text": lambda stack, model, data: post(stack, model, json.dumps(base64_of(data).decode()).encode(), JSON),
}
