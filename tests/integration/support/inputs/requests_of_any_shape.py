"""Hypothesis strategies for requests of any shape, as bytes: what no client library would send is among them."""

import base64
import json

from hypothesis import strategies as st

from integration.support.clients.raw_http import post

MODELS = [
    "mnist",
    "efficientnet_lite0",
    "nobody",
    "",
    "mnist/1.0",
    "mnist/9.9",
    "mnist/",
    "..",
    "%2e%2e%2f",
    "%00",
    "%",
]
DOORS = ["predictions", "explanations", "ping", "models", "metrics", "api-description", "v1", "v2", "wfpredict", ""]
METHODS = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE", "CONNECT", "get", "POST POST", ""]
CONTENT_TYPES = [
    "application/json",
    "application/json; charset=utf-16",
    "application/json; charset=nonsense",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
    "application/x-www-form-urlencoded; charset=nonsense",
    "image/png",
    "multipart/form-data",
    "multipart/form-data; boundary=",
    "multipart/form-data; boundary=edge",
    "multipart/form-data; boundary=edge; charset=nonsense",
    "multipart/mixed; boundary=edge",
    "text/plain",
    "text/plain; charset=nonsense",
    "/",
]
HEADERS = ["Accept", "Authorization", "Content-Encoding", "Cookie", "Expect", "Range", "Upgrade", "X-Forwarded-For"]
EXPLAIN = ["explain", "ts_stream_next", "ts_request_sequence_id", "customAttributes"]  # TorchServe's own
LENGTHS = ["-1", "0", "1", "99999999999999999999", "16777217", "0x10", "nonsense", " 5", "5, 5"]

line_bytes = st.binary(max_size=40).map(lambda data: data.replace(b"\n", b"").replace(b"\r", b""))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4),
    max_leaves=12,
)


def images(corpus: list[bytes]) -> st.SearchStrategy[bytes]:
    """Draws an image of the corpus, a part of one, or any bytes."""
    whole = st.sampled_from(corpus)
    return st.one_of(whole, st.builds(lambda image, size: image[:size], whole, st.integers(0, 200)), st.binary())


def bodies(corpus: list[bytes]) -> st.SearchStrategy[bytes]:
    """Draws a body: raw, base64, JSON around either, a form, or multipart."""
    image = images(corpus)
    text = image.map(base64.b64encode)
    wrapped = st.builds(lambda key, data: json.dumps({key: data.decode()}).encode(), keys(), text)
    loose = json_values.map(lambda value: json.dumps(value).encode())
    form = st.builds(lambda key, data: key.encode() + b"=" + data, keys(), image | text)
    return st.one_of(image, text, wrapped, loose, form, multipart(image))


def keys() -> st.SearchStrategy[str]:
    return st.sampled_from(["data", "body", "instances", "inputs", "b64", ""]) | st.text(max_size=8)


@st.composite
def multipart(draw: st.DrawFn, image: st.SearchStrategy[bytes]) -> bytes:
    """Parts with any of their lines missing or odd, between boundaries that may not be the declared one."""
    body = b""
    for _ in range(draw(st.integers(0, 3))):
        boundary = draw(st.sampled_from([b"--edge", b"--edge", b"--edge", b"--other", b"edge", b""]))
        name = draw(keys()).encode()
        lines = [
            b'Content-Disposition: form-data; name="' + name + b'"; filename="7.png"',
            b"Content-Type: " + draw(st.sampled_from([one.encode() for one in CONTENT_TYPES])),
            b"Content-Transfer-Encoding: " + draw(st.sampled_from([b"binary", b"base64", b"nonsense"])),
        ]
        kept = [line for line in lines if draw(st.integers(0, 4))]
        body += b"\r\n".join([boundary, *kept, b"", draw(image), b""])
    return body + draw(st.sampled_from([b"--edge--\r\n", b"--edge--", b"--edge", b""]))


@st.composite
def targets(draw: st.DrawFn) -> bytes:
    """Draws a path and query string."""
    segments = draw(
        st.one_of(
            st.tuples(st.sampled_from(DOORS), st.sampled_from(MODELS)).map("/".join),
            st.lists(st.sampled_from(DOORS + MODELS), max_size=4).map("/".join),
            st.text(max_size=20),
            st.integers(1, 5000).map("a".__mul__),
        )
    )
    query = draw(
        st.sampled_from(["", "", "", "?", "?a=b", "?data=x", "?data=%zz", "?%", "?a=b&&=&a", "?" + "q" * 5000])
    )
    return f"/{segments}{query}".encode(errors="replace")


def plain_requests(image: bytes) -> list[bytes]:
    """Returns requests of careful clients, for mutations."""
    form = (
        b'--edge\r\nContent-Disposition: form-data; name="data"; filename="7.png"\r\n\r\n' + image + b"\r\n--edge--\r\n"
    )
    encoded = base64.b64encode(image)
    return [
        post("/predictions/mnist", image),
        post("/predictions/mnist/1.0", image, "Expect: 100-continue"),
        post("/predictions/mnist", form, "Content-Type: multipart/form-data; boundary=edge"),
        post("/predictions/mnist", b"data=" + encoded, "Content-Type: application/x-www-form-urlencoded"),
        post("/predictions/mnist", json.dumps({"data": encoded.decode()}).encode(), "Content-Type: application/json"),
        post("/predictions/mnist?data=" + encoded.decode(), b""),
        b"GET /ping HTTP/1.1\r\nHost: fuzz\r\n\r\n",
        b"OPTIONS / HTTP/1.1\r\nHost: fuzz\r\n\r\n",
        b"GET /api-description HTTP/1.1\r\nHost: fuzz\r\nAccept: */*\r\n\r\n",
    ]


@st.composite
def requests(draw: st.DrawFn, corpus: list[bytes]) -> tuple[bytes, bool]:
    """Draws a request, and whether it is complete: four lengths in five are honest, so that most reach a handler."""
    method = draw(st.one_of(st.just("POST"), st.sampled_from(METHODS), st.text(max_size=5))).encode(errors="replace")
    plain = st.sampled_from([b"/predictions/mnist", b"/predictions/efficientnet_lite0", b"/explanations/mnist"])
    target = draw(st.one_of(plain, targets(), line_bytes))
    version = draw(st.sampled_from([b"HTTP/1.1"] * 6 + [b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9.9", b"", b"nonsense"]))
    body = draw(bodies(corpus))
    lines = [method + b" " + target + b" " + version, b"Host: fuzz"]
    if draw(st.booleans()):
        lines.append(b"Content-Type: " + draw(st.sampled_from([one.encode() for one in CONTENT_TYPES]) | line_bytes))
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from([one.encode() for one in HEADERS + EXPLAIN]) | line_bytes)
        lines.append(
            name + b": " + draw(st.sampled_from([b"True", b"100-continue", b"gzip", b"*/*", b""]) | line_bytes)
        )
    framing = draw(st.sampled_from(["honest"] * 12 + ["chunked", "bad chunks", "odd length"]))
    if framing == "honest":
        lines.append(b"Content-Length: " + str(len(body)).encode())
    elif framing == "odd length":
        lines.append(b"Content-Length: " + draw(st.sampled_from([one.encode() for one in LENGTHS])))
    else:
        lines.append(b"Transfer-Encoding: chunked")
        size = f"{len(body):x}".encode() if framing == "chunked" else draw(line_bytes)
        body = size + b"\r\n" + body + b"\r\n0\r\n\r\n"
    return b"\r\n".join([*lines, b"", b""]) + body, framing in ("honest", "chunked")
