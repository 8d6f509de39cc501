"""An HTTP/1.1 client that sends any bytes as a request, the impossible ones too, and reads whatever comes back."""

import json
import socket
from dataclasses import dataclass
from typing import Any

ANSWER_S = 20.0
# An incomplete request gets no answer: after this long the client says that nothing more will come.
SILENCE_S = 0.1
# What looks complete may not be so to the server.
COMPLETE_S = 3.0


@dataclass(frozen=True)
class Answer:
    """status 0: the connection was closed, or nothing came because the request was not complete."""

    status: int
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """TorchServe's {code, type, message}; empty where the body is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


class RawConnection:
    """One connection at a time, opened again after every answer that ends it."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._socket: socket.socket | None = None

    def close(self) -> None:
        if self._socket:
            self._socket.close()
        self._socket = None

    def ask(self, request: bytes) -> Answer:
        """Sends a whole request with an honest length; the connection is kept."""
        answer, is_kept = self._exchange(request, ANSWER_S)
        if not is_kept:
            self.close()
        return answer

    def ask_anything(self, request: bytes, is_complete: bool) -> Answer:
        """Sends any bytes on a separate connection; an incomplete request may be met with silence."""
        self.close()
        answer, _ = self._exchange(request, COMPLETE_S if is_complete else SILENCE_S)
        self.close()
        return answer

    def _exchange(self, request: bytes, wait_s: float) -> tuple[Answer, bool]:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=ANSWER_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(wait_s)
        try:
            self._socket.sendall(request)
            return read_answer(self._socket, is_head=request.startswith(b"HEAD "))
        except TimeoutError:
            if wait_s == ANSWER_S:
                raise
            return self._say_goodbye(), False
        except ConnectionError:
            return Answer(0, b""), False

    def _say_goodbye(self) -> Answer:
        """Expects the server to answer what was complete, or to close; raises TimeoutError if it does neither."""
        assert self._socket
        self._socket.settimeout(ANSWER_S)
        try:
            self._socket.shutdown(socket.SHUT_WR)
            return read_answer(self._socket)[0]
        except ConnectionError:
            return Answer(0, b"")


def read_answer(connection: socket.socket, is_head: bool = False) -> tuple[Answer, bool]:
    """Reads the next final answer, and whether the connection stays open. Raises ConnectionError if none comes."""
    received = b""
    while True:
        head, separator, rest = received.partition(b"\r\n\r\n")
        if separator and head.split(b" ", 2)[1].startswith(b"1"):  # 100 Continue
            received = rest
        elif separator:
            break
        else:
            received += receive(connection)
    status, *lines = head.decode("latin-1").split("\r\n")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = 0 if is_head else int(fields.get("content-length", 0))
    while len(rest) < length:
        rest += receive(connection)
    is_kept = fields.get("connection", "").lower() != "close" and len(rest) == length
    return Answer(int(status.split()[1]), rest[:length]), is_kept


def receive(connection: socket.socket) -> bytes:
    if not (data := connection.recv(1 << 16)):
        raise ConnectionError("closed")
    return data


def post(path: str, body: bytes, *headers: str) -> bytes:
    """Makes a request as a careful client would send it."""
    lines = [f"POST {path} HTTP/1.1", "Host: fuzz", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body
