"""An HTTP/2 client that sends the parts of one request on demand, and keeps what it receives, frame by frame.

HAProxy accepts HTTP/2 without TLS from a client with prior knowledge (RFC 9113, section 3.3).
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1
STREAM, FRAME_BYTES, FIRST_WINDOW_BYTES = 1, 16_384, 65_535
ANSWER_SECONDS = 30


@dataclass
class Answer:
    """What was received on the stream: the body, whether it is complete, and the code of a reset, if any."""

    body: bytes = b""
    is_whole: bool = False
    reset: int | None = None


@dataclass
class Request:
    """A connection with one request."""

    address: tuple[str, int]
    answer: Answer = field(default_factory=Answer)

    def __post_init__(self) -> None:
        self._socket = socket.create_connection(self.address, timeout=ANSWER_SECONDS)
        self._incoming = self._socket.makefile("rb")
        self._window = {0: FIRST_WINDOW_BYTES, STREAM: FIRST_WINDOW_BYTES}
        self._pings = 0
        self._socket.sendall(PREFACE)
        self._send(SETTINGS, 0, 0, b"")

    def __enter__(self) -> Request:
        return self

    def __exit__(self, *_: object) -> None:
        self._incoming.close()
        self._socket.close()

    def send_head(self, path: str, headers: Mapping[str, str] = {}, method: str = "POST") -> None:
        """Sends the head of a request that has a body."""
        fields = {":method": method, ":scheme": "http", ":path": path, ":authority": "edge", **headers}
        self._send(HEADERS, END_HEADERS, STREAM, b"".join(literal(*field) for field in fields.items()))

    def wait_until_read(self) -> None:
        """Waits until the server has read what was sent so far, which it shows by answering a PING."""
        before = self._pings
        self._send(PING, 0, 0, bytes(8))
        while self._pings == before:
            self._receive()

    def send_body(self, body: bytes) -> None:
        """Sends all of the body as fast as the server allows; stops if the stream is reset."""
        for at in range(0, len(body), FRAME_BYTES):
            part = body[at : at + FRAME_BYTES]
            while min(self._window.values()) < len(part):
                self._receive()
                if self.answer.reset is not None:
                    return
            self._window = {stream: left - len(part) for stream, left in self._window.items()}
            self._send(DATA, END_STREAM if at + FRAME_BYTES >= len(body) else 0, STREAM, part)

    def wait_for_answer(self) -> Answer:
        """Returns the complete answer, and a reset if the server sends one after it."""
        while not self.answer.is_whole and self.answer.reset is None:
            self._receive()
        self.wait_until_read()
        return self.answer

    def _send(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        head = len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big")
        self._socket.sendall(head + payload)

    def _receive(self) -> None:
        """Reads one frame. Raises ConnectionError if the server has closed the connection."""
        head = self._incoming.read(9)
        if len(head) < 9:
            raise ConnectionError("the server has closed the connection")
        kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
        payload = self._incoming.read(int.from_bytes(head[:3], "big"))
        if kind == SETTINGS and not flags & ACK:
            self._send(SETTINGS, ACK, 0, b"")
        elif kind == PING and flags & ACK:
            self._pings += 1
        elif kind == WINDOW_UPDATE:
            self._window[stream] += int.from_bytes(payload, "big")
        elif kind == GOAWAY:
            raise ConnectionError(f"the server says goodbye: {payload!r}")
        elif kind == RST_STREAM:
            self.answer.reset = int.from_bytes(payload, "big")
        elif kind == DATA:
            self.answer.body += payload
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            self.answer.is_whole = True


def literal(name: str, value: str) -> bytes:
    """Returns a header field in HPACK's simplest form (RFC 7541, section 6.2.2), for texts of up to 126 bytes."""
    return b"".join([b"\0", *(bytes((len(text),)) + text.encode() for text in (name, value))])
