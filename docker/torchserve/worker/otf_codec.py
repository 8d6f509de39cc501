"""Parses and writes the messages between TorchServe's Java front end and its Python workers, each in a single step.

Replaces ts/protocol/otf_message_handler.py (0.12.0), which reads a request with 31 `recv` calls and imports torch
(300 MB in every worker) to recognise a tensor. The format is the same: a big-endian int32 length before every field,
-1 at the end of a list.
"""

import io
import json
import logging
import os
import socket
import struct
import sys
from collections.abc import Iterator
from typing import Any, Callable, Optional, Union

LOAD = b"L"
PREDICT = b"I"
# Less than the size from which malloc uses a separate memory mapping.
RECEIVE_BYTES = 1 << 16
END_OF_LIST = struct.pack("!i", -1)
_int = struct.Struct("!i")
_two_ints = struct.Struct("!ii")


class Request:
    """One prediction: its ID, its inputs by name, and its headers (with the content type of each input)."""

    __slots__ = ("headers", "id", "inputs")

    def __init__(self, request_id: str, inputs: dict[str, Any], headers: dict[str, Any]) -> None:
        self.id = request_id
        self.inputs = inputs
        self.headers = headers


Message = tuple[bytes, Any]


class Connection:
    """A connection from the front end, which sends one message and then waits for the answer."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._received = bytearray()

    def wait_for_message(self) -> Message:
        """Returns (LOAD, fields) or (PREDICT, list of Request). Raises EOFError if the front end is gone."""
        message, end = _Parser(self._received, self._receive).message()
        del self._received[:end]
        return message

    def _receive(self) -> None:
        data = self.sock.recv(RECEIVE_BYTES)
        if not data:
            raise EOFError("the front end closed the connection")
        self._received += data


def retrieve_msg(conn: socket.socket) -> Message:
    """Returns the next message; the function's name is upstream's. Raises EOFError if the front end is gone."""
    return Connection(conn).wait_for_message()


def create_load_model_response(code: int, message: str) -> bytes:
    """Returns the answer to LOAD: an HTTP status and a text."""
    return _int.pack(code) + _text(message) + END_OF_LIST


def create_predict_response(
    ret: Optional[list],
    req_id_map: dict[int, str],
    message: str,
    code: int,
    context: Any = None,
    ts_stream_next: bool = False,
) -> bytes:
    """Returns the answer to PREDICT, with `ret[i]` for the request `req_id_map[i]`; an error if `ret` is None.

    The signature is upstream's.
    """
    parts = [_int.pack(code), _text(message)]
    try:
        for index, request_id in req_id_map.items():
            parts.append(_text(request_id))
            parts.append(_head(context, index, code, ret, ts_stream_next))
            body = b"error" if ret is None else encode_answer(ret[index])
            parts += (_int.pack(len(body)), body)
    except TypeError:
        logging.warning("Unable to serialize model output.", exc_info=True)
        return create_predict_response(None, req_id_map, "Unsupported model output data type.", 503)
    parts.append(END_OF_LIST)
    return b"".join(parts)


def send_intermediate_predict_response(
    ret: list, req_id_map: dict[int, str], message: str, code: int, context: Any = None
) -> None:
    """Sends a part of a streamed answer immediately."""
    context.cl_socket.sendall(create_predict_response(ret, req_id_map, message, code, context, True))


def _head(context: Any, index: int, code: int, ret: Optional[list], stream_next: bool) -> bytes:
    """Returns the content type, status, reason and headers of one answer."""
    if context is None:
        return _int.pack(0) + _two_ints.pack(code, 0) + _int.pack(0)
    headers = context.get_response_headers(index)
    if stream_next:
        headers["ts_stream_next"] = "true"
    elif context.stopping_criteria:
        stop = context.stopping_criteria[index](ret[index] if ret else None)
        if stop is not None:
            headers["ts_stream_next"] = "false" if stop else "true"
    elif headers.get("ts_stream_next") == "true":
        headers["ts_stream_next"] = "false"
    status, reason = context.get_response_status(index)
    parts = [
        _text(headers.get("content-type") or ""),
        _int.pack(200 if status is None else status),
        _text(reason or ""),
    ]
    parts.append(_int.pack(len(headers)))
    for name, value in headers.items():
        parts += (_text(name), _text(value))
    return b"".join(parts)


def encode_answer(answer: Any) -> Union[bytes, bytearray]:
    """Returns a handler's answer as the client gets it. Raises TypeError if it cannot be expressed in JSON."""
    if isinstance(answer, (bytes, bytearray)):
        return answer
    if isinstance(answer, str):
        return answer.encode()
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(answer, torch.Tensor):
        buffer = io.BytesIO()
        torch.save(answer, buffer)
        return buffer.getvalue()
    return json.dumps(answer, indent=2).encode()


def _text(text: str) -> bytes:
    data = text.encode()
    return _int.pack(len(data)) + data


class _Parser:
    """Reads fields from the start of `data`, each as soon as it is complete; `receive` appends what comes next.

    No field is read twice, so the time that a batch takes grows with its size and not with the square of it.
    """

    def __init__(self, data: bytearray, receive: Callable[[], None]) -> None:
        self._data = data
        self._receive = receive
        self._at = 0

    def message(self) -> tuple[Message, int]:
        """Returns the message and where it ends."""
        command = bytes(self._take(1))
        if command == PREDICT:
            return (command, list(self._requests())), self._at
        if command == LOAD:
            return (command, self._load()), self._at
        raise ValueError(f"expected the command L or I, found {command!r}")

    def _take(self, size: int) -> bytearray:
        end = self._at + size
        while end > len(self._data):
            self._receive()
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def _int(self) -> int:
        return int(_int.unpack(self._take(4))[0])

    def _field(self) -> bytearray:
        return self._take(self._int())

    def _list(self) -> Iterator[bytearray]:
        """Yields the first field of every element, until the end of the list."""
        while (size := self._int()) >= 0:
            yield self._take(size)

    def _load(self) -> dict[str, Any]:
        """Returns the fields that ts.model_service_worker's load_model expects."""
        fields: dict[str, Any] = {"modelName": self._field(), "modelPath": self._field(), "batchSize": self._int()}
        fields["handler"] = self._field()
        gpu = self._int()
        if gpu >= 0:
            fields["gpu"] = gpu
        fields["envelope"] = self._field()
        fields["limitMaxImagePixels"] = self._take(1) != b"\0"
        return fields

    def _requests(self) -> Iterator[Request]:
        for request_id in self._list():
            own_headers = {name.decode(): self._field().decode() for name in self._list()}
            inputs: dict[str, Any] = {}
            headers: dict[str, Any] = {}
            for name in self._list():
                key, content_type = name.decode(), self._field().decode()
                inputs[key] = _decoded(self._field(), content_type)
                headers[key] = {"content-type": content_type}
            yield Request(request_id.decode(), inputs, {**headers, **own_headers})


def _decoded(value: bytearray, content_type: str) -> Any:
    """Returns JSON and text decoded (unless TS_DECODE_INPUT_REQUEST is off), and anything else or malformed as is."""
    if os.environ.get("TS_DECODE_INPUT_REQUEST", "true") == "true":
        try:
            if content_type == "application/json":
                return json.loads(value.decode())
            if content_type.startswith("text"):
                return value.decode()
        except (ValueError, RecursionError):
            logging.warning("expected %s, found %d bytes of something else; passing them on", content_type, len(value))
    return value
