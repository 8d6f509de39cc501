"""Open-loop load at a constant arrival rate, every request accounted for; knows nothing of what fails meanwhile.

Request i is due at i / rate whatever the server does: a stall does not make the load wait, so what users would have
sent meanwhile is in the figures. What came of each request:

- answered: 2xx with the expected body,
- wrong: any other answer, except
- refused: the connection was refused, or the answer is a 4xx or 5xx with TorchServe's JSON error,
- lost: sent, and the connection was reset, closed or silent for TIMEOUT_S.
"""

import asyncio
import json
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

TIMEOUT_S = 30.0
MAX_CONNECTIONS = 512
# A request that took longer than this is one that the fault held up.
SLOW_S = 1.0

Kind = Literal["answered", "wrong", "refused", "lost"]


@dataclass(frozen=True)
class Request:
    """due, seconds: of time.monotonic(), and from then to its end. detail: status and body, or the exception."""

    due: float
    seconds: float
    kind: Kind
    detail: str


@dataclass(frozen=True)
class Outcome:
    """All requests of one load; `fault` is the moment (time.monotonic()) at which one was marked, if any was."""

    rate: float
    requests: list[Request]
    fault: float | None

    def count(self, kind: Kind) -> int:
        return sum(request.kind == kind for request in self.requests)

    @property
    def sent(self) -> int:
        return len(self.requests)

    @property
    def seconds_to_recover(self) -> float | None:
        """Returns the seconds from the fault to the due time of the last failed or delayed request; 0 if none was."""
        if self.fault is None:
            return None
        hurt = [one.due for one in self.requests if one.kind != "answered" or one.seconds > SLOW_S]
        return max([0.0, *(due - self.fault for due in hurt)])

    @property
    def slowest_s(self) -> float:
        return max(request.seconds for request in self.requests)

    def details(self, *kinds: Kind) -> dict[str, int]:
        """Returns how the requests of these kinds ended, and how many."""
        return dict(Counter(f"{one.kind}: {one.detail}" for one in self.requests if one.kind in kinds))


class OpenLoop(ABC):
    """Begins `_send_one` `rate` times per second, in a separate thread, from `start` to `stop`."""

    def __init__(self, rate: float, longest_s: float) -> None:
        self._rate, self._longest_s = rate, longest_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._send_all()), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Sends no further request; returns once all have ended."""
        self._stopped.set()
        self._thread.join(self._longest_s + 10)
        assert not self._thread.is_alive(), "the load did not end"

    def keep_up(self, seconds: float) -> None:
        """Lets the load go on for this many seconds."""
        time.sleep(seconds)

    async def _send_all(self) -> None:
        tasks: set[asyncio.Task[None]] = set()
        number, began = 0, time.monotonic()
        while not self._stopped.is_set():
            due = began + number / self._rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            tasks.add(task := asyncio.create_task(self._send_one(due, number)))
            task.add_done_callback(tasks.discard)
            number += 1
        await asyncio.gather(*tasks)
        self._close()
        await asyncio.sleep(0)  # an aborted transport closes its socket in the loop's next turn

    @abstractmethod
    async def _send_one(self, due: float, number: int) -> None:
        """Sends the request with that number, which is due at that time.monotonic()."""

    @abstractmethod
    def _close(self) -> None:
        """Aborts what is idle."""


class ConstantLoad(OpenLoop):
    """Sends `request` to an address, and knows when the fault was."""

    def __init__(self, host: str, port: int, request: bytes, expected: str, rate: float) -> None:
        super().__init__(rate, TIMEOUT_S)
        self._address = (host, port)
        self._request, self._expected = request, expected.encode()
        self._idle: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)
        self._ended: list[Request] = []
        self._fault: float | None = None

    def mark_fault(self) -> None:
        """Marks the moment of the fault, from which recovery counts."""
        self._fault = time.monotonic()

    @property
    def outcome(self) -> Outcome:
        """Returns the outcome of the requests that have ended so far; of all, once the load has stopped."""
        return Outcome(self._rate, sorted(self._ended, key=lambda one: one.due), self._fault)

    def _close(self) -> None:
        for _, writer in self._idle:
            writer.transport.abort()

    async def _send_one(self, due: float, number: int) -> None:
        async with self._slots:
            try:
                kind, detail = await asyncio.wait_for(self._exchange(), TIMEOUT_S)
            except (TimeoutError, asyncio.TimeoutError):
                kind, detail = "lost", f"no answer in {TIMEOUT_S:g} s"
        self._ended.append(Request(due, time.monotonic() - due, kind, detail))

    async def _exchange(self) -> tuple[Kind, str]:
        try:
            reader, writer = self._idle_connection() or await asyncio.open_connection(*self._address)
        except OSError as error:
            return "refused", type(error).__name__
        try:
            writer.write(self._request)
            status, is_kept, body = await read_answer(reader)
        except (OSError, asyncio.IncompleteReadError) as error:
            writer.transport.abort()
            return "lost", type(error).__name__
        except BaseException:  # cancelled by the time limit
            writer.transport.abort()
            raise
        if is_kept:
            self._idle.append((reader, writer))
        else:
            writer.close()
        return self._judge(status, body)

    def _idle_connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Returns a connection that the server has not closed, the longest unused one, so that all stay in use."""
        while self._idle:
            reader, writer = self._idle.popleft()
            if not (reader.at_eof() or reader.exception() or writer.is_closing()):
                return reader, writer
            writer.transport.abort()
        return None

    def _judge(self, status: int, body: bytes) -> tuple[Kind, str]:
        if 200 <= status < 300 and body == self._expected:
            return "answered", str(status)
        is_refusal = status >= 400 and is_json_error(body, status)
        return "refused" if is_refusal else "wrong", f"{status} {body[:200].decode(errors='replace')}"


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bool, bytes]:
    """Reads the status, whether the connection stays open, and the body of one HTTP/1.1 answer with a length."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status, *lines = head.rstrip().split("\r\n")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(fields.get("content-length", 0)))
    return int(status.split()[1]), fields.get("connection", "").lower() != "close", body


def is_json_error(body: bytes, status: int) -> bool:
    """Tells whether the body is TorchServe's {code, type, message}."""
    try:
        error = json.loads(body)
    except ValueError:
        return False
    return isinstance(error, dict) and error.get("code") == status and {"type", "message"} <= error.keys()


@contextmanager
def constant_load(url: str, body: bytes, *, expected: str, rate: float) -> Iterator[ConstantLoad]:
    """POST `body` to an http:// address `rate` times a second while the block runs."""
    parts = urlsplit(url)
    assert parts.hostname, f"expected an http:// address, found {url}"
    head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
    load = ConstantLoad(parts.hostname, parts.port or 80, head.encode() + body, expected, rate)
    load.start()
    try:
        yield load
    finally:
        load.stop()
