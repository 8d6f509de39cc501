"""Recognise a file's format by its first bytes. Not for reading it."""

import re
from typing import Optional, Union

READABLE = "PNG, JPEG, WebP, GIF, BMP, TIFF or PPM"
# Name → regular expression for the beginning of such a file, the most common ones first. Formats that cannot be read
# are listed if people take them for images or send them by mistake.
BEGINNINGS = {
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "JPEG": rb"\xff\xd8\xff",
    "WebP": rb"RIFF....WEBP",
    "GIF": rb"GIF8[79]a",
    "BMP": rb"BM",
    "TIFF": rb"II\*\0|MM\0\*",
    "PPM": rb"P[456]\s",
    "PPM as text": rb"P[123]\s",
    "BigTIFF": rb"II\+\0|MM\0\+",
    "AVIF": rb"....ftypavi[fs]",
    "HEIC": rb"....ftyp(?:he[iv][a-z]|mif1|msf1)",
    "a video": rb"....ftyp|\x1aE\xdf\xa3",
    "JPEG 2000": rb"\0\0\0\x0cjP  |\xffO\xffQ",
    "JPEG XL": rb"\xff\n|\0\0\0\x0cJXL ",
    "PDF": rb"%PDF-",
    "PostScript": rb"%!PS|\xc5\xd0\xd3\xc6",
    "PSD": rb"8BPS",
    "ICO": rb"\0\0[\x01\x02]\0",
    "OpenEXR": rb"v/1\x01",
    "DICOM": rb".{128}DICM",
    "a ZIP archive": rb"PK\x03\x04",
    "gzip": rb"\x1f\x8b",
    "SVG, HTML or another XML": rb"(?:\xef\xbb\xbf)?\s*<(?:svg|\?xml|!|html)",
}
_NAMES = tuple(BEGINNINGS)
_BEGINNING = re.compile(b"|".join(b"(%s)" % expression for expression in BEGINNINGS.values()), re.DOTALL)


def format_of(data: Union[bytes, bytearray]) -> Optional[str]:
    """Return the name of the format, a key of BEGINNINGS, or None if it is none of them."""
    beginning = _BEGINNING.match(data)
    return _NAMES[beginning.lastindex - 1] if beginning else None
