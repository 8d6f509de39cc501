"""A TCP proxy that makes connections bad, in toxiproxy's vocabulary (its README, section "Toxics").

Units are toxiproxy's: milliseconds, except `rate` (kilobytes per second), `slicer`'s delay (microseconds) and bytes.
A toxic works on one direction (`upstream`: from the client to the server, `downstream`: back) of the share `toxicity`
of the connections. Not a fault of the server's own: that is what the tests do to the container.
"""

import asyncio
import random
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

CHUNK_BYTES = 1 << 15
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: on, 0 s

Chunks = AsyncIterator[bytes]


class CutError(Exception):
    """The toxic ends the connection in both directions; with a TCP reset where it says so."""

    def __init__(self, is_reset: bool = False) -> None:
        self.is_reset = is_reset


async def latency(chunks: Chunks, latency: float = 0, jitter: float = 0) -> Chunks:
    """Delays all data by latency ± jitter."""
    async for chunk in chunks:
        await asyncio.sleep(max(0.0, latency + random.uniform(-jitter, jitter)) / 1000)
        yield chunk


async def bandwidth(chunks: Chunks, rate: float) -> Chunks:
    """Limits a connection to a number of kilobytes per second."""
    step = max(1, int(rate * 100))  # bytes in a tenth of a second
    async for chunk in chunks:
        for start in range(0, len(chunk), step):
            piece = chunk[start : start + step]
            await asyncio.sleep(len(piece) / (rate * 1000))
            yield piece


async def slow_close(chunks: Chunks, delay: float) -> Chunks:
    """Delays the connection's close."""
    async for chunk in chunks:
        yield chunk
    await asyncio.sleep(delay / 1000)


async def timeout(chunks: Chunks, timeout: float) -> Chunks:
    """Stops all data, and closes the connection after `timeout`; 0: never."""
    await _sleep_unless_closed(chunks, timeout / 1000 if timeout else None)
    raise CutError
    yield b""  # a generator like the others


async def reset_peer(chunks: Chunks, timeout: float = 0) -> Chunks:
    """Resets the connection after `timeout`, and passes nothing on."""
    await _sleep_unless_closed(chunks, timeout / 1000)
    raise CutError(is_reset=True)
    yield b""  # a generator like the others


async def slicer(chunks: Chunks, average_size: int, size_variation: int = 0, delay: float = 0) -> Chunks:
    """Cuts data into pieces of average_size ± size_variation bytes, with a delay between them."""
    async for chunk in chunks:
        while chunk:
            size = max(1, average_size + random.randint(-size_variation, size_variation))
            yield chunk[:size]
            chunk = chunk[size:]
            await asyncio.sleep(delay / 1_000_000)


async def limit_data(chunks: Chunks, bytes: int) -> Chunks:
    """Closes the connection when this many bytes have gone through."""
    left = bytes
    async for chunk in chunks:
        yield chunk[:left]
        left -= len(chunk)
        if left <= 0:
            raise CutError


async def _sleep_unless_closed(chunks: Chunks, seconds: float | None) -> None:
    """Reads on and throws away: a client that gives up is not kept waiting."""

    async def drain() -> None:
        _ = [chunk async for chunk in chunks]

    with suppress(TimeoutError, asyncio.TimeoutError):
        await asyncio.wait_for(drain(), seconds)
        if seconds:
            await asyncio.sleep(seconds)


TOXICS: dict[str, Callable[..., Chunks]] = {
    toxic.__name__: toxic for toxic in (latency, bandwidth, slow_close, timeout, reset_peer, slicer, limit_data)
}


@dataclass(frozen=True)
class Toxic:
    """type: a key of TOXICS; attributes: that function's arguments; toxicity: share of the connections, 0 to 1."""

    type: str
    stream: Literal["upstream", "downstream"] = "downstream"
    attributes: Mapping[str, float] = field(default_factory=dict)
    toxicity: float = 1.0


class TcpProxy:
    """Listens on 127.0.0.1:`port` and connects each client to `upstream`; `toxics` hold for later connections."""

    def __init__(self, upstream: tuple[str, int]) -> None:
        self.upstream = upstream
        self.toxics: list[Toxic] = []
        self.port = 0
        # Nothing else keeps a waiting connection from the garbage collector.
        self._tasks: set[asyncio.Task[None] | None] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10), "the proxy does not listen"

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(10)

    async def _run(self) -> None:
        """asyncio.run cancels the connections that are open at the end."""
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopped.wait()
        server.close()

    async def _serve(self, client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        writers, is_reset = [client_writer], False
        try:
            server_reader, server_writer = await asyncio.open_connection(*self.upstream)
            writers.append(server_writer)
            pumps = [
                asyncio.ensure_future(pump(self._through("upstream", client_reader), server_writer)),
                asyncio.ensure_future(pump(self._through("downstream", server_reader), client_writer)),
            ]
            try:
                await asyncio.gather(*pumps)
            finally:
                for one in pumps:
                    one.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except CutError as cut:
            is_reset = cut.is_reset
        except (OSError, asyncio.CancelledError):
            pass
        for writer in writers:
            if is_reset:
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                writer.transport.abort()
            writer.close()
        self._tasks.discard(asyncio.current_task())

    def _through(self, stream: str, reader: asyncio.StreamReader) -> Chunks:
        chunks = read_chunks(reader)
        for toxic in self.toxics:
            if toxic.stream == stream and random.random() < toxic.toxicity:
                chunks = TOXICS[toxic.type](chunks, **toxic.attributes)
        return chunks


async def read_chunks(reader: asyncio.StreamReader) -> Chunks:
    while chunk := await reader.read(CHUNK_BYTES):
        yield chunk


async def pump(chunks: Chunks, writer: asyncio.StreamWriter) -> None:
    """Passes chunks on until they end, and then the end of that direction."""
    async for chunk in chunks:
        writer.write(chunk)
        await writer.drain()
    writer.write_eof()


@contextmanager
def tcp_proxy(upstream: tuple[str, int]) -> Iterator[TcpProxy]:
    proxy = TcpProxy(upstream)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
