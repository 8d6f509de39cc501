"""Small HTTP servers that answer as a test needs. The tests run inside the load image, with the package `load`."""

import asyncio
import threading
from collections.abc import Awaitable, Iterator
from typing import Callable, Optional

import pytest

from load.target import Target

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BODY = b"an image"
# Maps the number of a request, from 0, to the bytes of its answer; None cuts the connection.
Answer = Callable[[int], Awaitable[Optional[bytes]]]


class Server:
    """Serves keep-alive HTTP/1.1 on 127.0.0.1 in a separate thread, so that it cannot hold up the generator."""

    def __init__(self, answer: Answer) -> None:
        self.requests: list[bytes] = []
        self._answer = answer
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/predictions/mnist"

    @property
    def target(self) -> Target:
        return Target.post(self.url, BODY, {"Content-Type": "image/png"})

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                number = len(self.requests)
                self.requests.append(head + await reader.readexactly(len(BODY)))
                answer = await self._answer(number)
                if answer is None:
                    return
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    async def _cancel(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def stop(self) -> None:
        self._call(self._cancel())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()


async def at_once(number: int) -> bytes:
    return OK


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Starts a server that answers with `answer`."""
    servers: list[Server] = []

    def start(answer: Answer = at_once) -> Server:
        servers.append(Server(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
