"""The request that is sent repeatedly, as bytes made once, and the address that it goes to."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from load.errors import LoadError


@dataclass(frozen=True)
class Target:
    """`request`: head and body as sent over the wire; `expected`: the body of the right answer, or None for any."""

    host: str
    port: int
    request: bytes
    expected: bytes | None = None

    @classmethod
    def post(cls, url: str, body: bytes, headers: Mapping[str, str], expected: bytes | None = None) -> Target:
        """Makes a POST of `body`, with `headers` added to Host and Content-Length. Raises LoadError."""
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise LoadError("an http:// address", url, "http://HOST:PORT/PATH")
        path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        fields = {"Host": parts.netloc, "Content-Length": str(len(body)), **headers}
        head = "".join([f"POST {path} HTTP/1.1\r\n", *(f"{name}: {value}\r\n" for name, value in fields.items())])
        return cls(parts.hostname, parts.port or 80, f"{head}\r\n".encode("latin-1") + body, expected)

    def resolve(self) -> tuple[str, int]:
        """Returns the numeric address, so that it is looked up only once. Raises LoadError if nothing listens there."""
        try:
            with socket.create_connection((self.host, self.port), timeout=10) as connection:
                host, port, *_ = connection.getpeername()
        except OSError as error:
            found = f"{error.strerror or error}"
            raise LoadError(f"a server at {self.host}:{self.port}", found, "again once it has started") from None
        return host, port
