"""A keep-alive HTTP/1.1 connection with one request in flight at a time and little Python code per request."""

from __future__ import annotations

import asyncio
from typing import Protocol

from httptools import HttpParserError, HttpResponseParser


class Owner(Protocol):
    """Gets the events of a connection."""

    def on_connected(self, connection: Connection) -> None:
        """The connection can be used."""

    def on_answer(self, connection: Connection, status: int) -> None:
        """The answer to the request in flight is complete; `connection.due` is still that request's."""

    def on_failure(self, connection: Connection, kind: str) -> None:
        """The request in flight will not be answered."""

    def on_lost(self, connection: Connection) -> None:
        """The connection was closed by either side."""


class Connection(asyncio.Protocol):
    """A connection. `due`, `sent`: times of the request in flight, in seconds of time.monotonic()."""

    __slots__ = ("_failure", "_owner", "_parser", "_request", "_transport", "due", "in_flight", "is_open", "sent")
    _transport: asyncio.Transport

    def __init__(self, owner: Owner, request: bytes) -> None:
        self._owner = owner
        self._request = request
        self._parser = HttpResponseParser(self)
        self._failure = "reset"
        self.due = self.sent = 0.0
        self.in_flight = self.is_open = False

    def send(self, due: float, now: float) -> None:
        self.due, self.sent, self.in_flight = due, now, True
        self._transport.write(self._request)

    def abort(self, failure: str) -> None:
        """Closes the connection. `failure`: the reason for the failure of the request in flight, if there is one."""
        self._failure, self.is_open = failure, False
        self._transport.abort()

    # asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self.is_open = transport, True  # type: ignore[assignment]
        self._owner.on_connected(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except HttpParserError:
            self.abort("no HTTP")

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if self.in_flight:
            self.in_flight = False
            self._owner.on_failure(self, self._failure)
        self._owner.on_lost(self)

    # httptools calls this

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200 or not self.in_flight:  # 100 Continue is not an answer
            return
        self.in_flight = False
        if not self._parser.should_keep_alive():
            self.is_open = False
            self._transport.close()
        self._owner.on_answer(self, status)


class ReadingConnection(Connection):
    """Keeps the body of the latest answer, at the cost of a call for every piece of it."""

    __slots__ = ("body",)

    def __init__(self, owner: Owner, request: bytes) -> None:
        super().__init__(owner, request)
        self.body = b""

    def on_message_begin(self) -> None:
        self.body = b""

    def on_body(self, data: bytes) -> None:
        self.body += data
