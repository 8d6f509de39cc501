"""Reads long bodies of refused requests to their end, so that clients see the refusal (templates/refuse.cfg.j2).

A client misses an answer that arrives while it is still sending. HAProxy cannot discard a body, so it sends such a
request here and replaces the answer with the refusal. No part of a body is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from pathlib import Path

SOCKET = "refused.sock"
CHUNK_BYTES = 1 << 16
# Twice HAProxy's buffer (tune.bufsize), so that a request's head always fits.
MAX_HEAD_BYTES = 1 << 17
# How long to wait for HAProxy to read an early answer and close the connection.
CLOSE_SECONDS = 5.0
ANSWER = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
LIMIT_HEADER = "Read-At-Most"
_NOT_READ = (asyncio.TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, ValueError)


def start_reading(folder: Path, seconds: float) -> None:
    """Listens on folder/refused.sock in the background; `seconds`: how long a body may take to arrive."""
    path = folder / SOCKET
    path.unlink(missing_ok=True)
    threading.Thread(target=asyncio.run, args=(_serve(path, seconds),), daemon=True).start()


async def _serve(path: Path, seconds: float) -> None:
    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(*_NOT_READ):
            await asyncio.wait_for(read_request(reader), seconds)
        # A body that is too slow or too long gets an answer as well, though its client may miss it.
        with contextlib.suppress(*_NOT_READ):
            writer.write(ANSWER)
            await asyncio.wait_for(_read_on(reader), CLOSE_SECONDS)
        writer.close()

    server = await asyncio.start_unix_server(serve_one, path, limit=MAX_HEAD_BYTES)
    await server.serve_forever()


async def read_request(reader: asyncio.StreamReader) -> None:
    """Reads one request to its end. Raises ValueError if its body is longer than LIMIT_HEADER allows."""
    head = await reader.readuntil(b"\r\n\r\n")
    left, length = _number(head, LIMIT_HEADER) or 0, _number(head, "Content-Length")
    if length is not None:
        await _skip(reader, length, left)
        return
    while size := int(await reader.readuntil(b"\r\n"), 16):
        await _skip(reader, size + 2, left)
        left -= size
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass  # a trailer


async def _skip(reader: asyncio.StreamReader, size: int, at_most: int) -> None:
    if size > at_most:
        raise ValueError(size)
    while size:
        chunk = await reader.read(min(size, CHUNK_BYTES))
        if not chunk:
            raise asyncio.IncompleteReadError(b"", size)
        size -= len(chunk)


async def _read_on(reader: asyncio.StreamReader) -> None:
    while await reader.read(CHUNK_BYTES):
        pass


def _number(head: bytes, header: str) -> int | None:
    found = re.search(rf"\r\n{header}: *(\d+)".encode(), head, re.IGNORECASE)
    return int(found[1]) if found else None
