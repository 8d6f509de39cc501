"""common/request_body.py finds the image however the client sent it, or says what it found instead."""

import base64
import io
import json

import pytest
from common.bad_image import BadImageError
from common.request_body import body_of, image_bytes
from PIL import Image


def png() -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").save(file, format="PNG")
    return file.getvalue()


PNG = png()
TEXT = base64.b64encode(PNG).decode()
LINES = base64.encodebytes(PNG).decode()
URL = f"data:image/png;base64,{TEXT}"

TRANSPORTS = {
    "raw": PNG,
    "raw, as the worker receives it": bytearray(PNG),
    "text": TEXT,
    "text as bytes": TEXT.encode(),
    "text as the worker receives it": bytearray(TEXT.encode()),
    "text in lines": LINES,
    "text in lines of Windows, as bytes": LINES.replace("\n", "\r\n").encode(),
    "data URL": URL,
    "data URL as bytes, in lines": URL.encode() + b"\r\n",
    "JSON": {"data": TEXT},
    "JSON with a data URL": {"data": URL},
    "JSON with other keys": {"id": 1, "data": LINES},
    "JSON string alone": json.loads(json.dumps(TEXT)),
    "JSON as bytes": json.dumps({"data": TEXT}).encode(),
    "JSON as bytes, with PHP's slashes": b'\n {"data": "' + URL.replace("/", "\\/").encode() + b'"}\n',
    "JSON string as bytes": bytearray(json.dumps(URL).encode()),
}


@pytest.mark.parametrize("body", TRANSPORTS.values(), ids=TRANSPORTS)
def test_the_image_is_found_in(body: object) -> None:
    assert image_bytes(body) == PNG


BAD = {
    "nothing": (b"", "an empty body"),
    "no text": ("", "an empty body"),
    "text": ("a seven, please", "15 bytes of something else"),
    "base64 of nothing": (b" \r\n", "base64 text without any data"),
    "base64 cut off": (TEXT[:-3], "bytes of something else"),
    "text beyond ASCII": ("eine Sieben für mich", "bytes of something else"),
    "half a character": ("\ud800", "bytes of something else"),
    "a data URL of text": ("data:text/plain,hello", "expected a data URL in base64"),
    "a data URL of nothing": ("data:", "expected a data URL in base64"),
    "JSON with other keys": ({"instances": [], "x": 1}, "found the keys `instances`, `x`"),
    "JSON without keys": ({}, "found no key"),
    "JSON in JSON": ({"data": {"data": TEXT}}, "found an object"),
    "a JSON list": ([1.0], "found a list"),
    "a JSON number": (7, "found a number"),
    "JSON true": ({"data": True}, "found true or false"),
    "JSON null": (None, "found null"),
    "no JSON": (b'{"data": ', "text that is not JSON"),
    "JSON nested without end": (b'{"data":' * 100_000, "text that is not JSON"),
    "a JSON list as bytes": (b'{"data": [[], []]}', "found a list"),
}


@pytest.mark.parametrize(("body", "found"), BAD.values(), ids=BAD)
def test_what_holds_no_image_is_a_bad_request_that_says_what_was_found(body: object, found: str) -> None:
    with pytest.raises(BadImageError) as refused:
        image_bytes(body)
    assert refused.value.status == 400
    assert "expected " in str(refused.value)
    assert found in str(refused.value)


def test_the_form_field_data_comes_before_the_body() -> None:
    assert body_of({"body": b"1", "data": b"2"}) == b"2"
    assert body_of({"body": b"1", "x": b"2"}) == b"1"
    assert body_of({}) == b""
    assert body_of({"body": None}) is None


def test_a_form_with_other_fields_is_told_which_one_is_expected() -> None:
    fields = {f"field{index}" + "x" * 99: b"" for index in range(9)}
    with pytest.raises(BadImageError, match=r"the form field `data`, found the fields `field0x{34}`, .*, …$"):
        body_of(fields)
    with pytest.raises(BadImageError, match="found the field `image`"):
        body_of({"image": PNG})
