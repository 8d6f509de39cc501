"""Two ways to generate load: a fixed number of requests in flight (closed loop) or a fixed arrival rate (open loop).

A closed loop sends the next request when the previous one has been answered. So if a server stalls for 2 s, it gets
only one request in those 2 s, and the many requests that users would have sent meanwhile are missing from the figures.
Gil Tene calls this "coordinated omission" (in his talk "How NOT to Measure Latency"; his wrk2 corrects for it). The
open loop omits nothing: request i is due at begin + i / rate whatever the server does, and its latency counts from that
moment, not from when it could be sent. Use the closed loop for throughput at a given concurrency, the open loop for
latency.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Coroutine

from load.connection import Connection, ReadingConnection
from load.recorder import Recorder, Window
from load.target import Target
from load.ticker import NS, Ticker

SWEEP_SECONDS = 0.05  # the accuracy of timeouts
RETRY_SECONDS = 0.05  # between two attempts to connect if nothing listens
monotonic = time.monotonic


class Loop(ABC):
    """What both loops have in common: connections, the time window, timeouts. Each object runs once.

    `timeout`: seconds from when a request is sent. `notify` is called with "measuring" and, when the window closes,
    with "measured". Requests in flight when the window closes still get their answer or time out.
    """

    mode = ""

    window: Window
    recorder: Recorder

    def __init__(
        self, target: Target, warmup: float, seconds: float, timeout: float, notify: Callable[[str], None]
    ) -> None:
        self._expected = target.expected
        self._warmup, self._seconds = warmup, seconds
        self.connections: set[Connection] = set()
        self.peak = 0  # maximum number of connections open at once
        self.generator_cpu = 0.0  # share of one core that this process used in the window
        self._timeout, self._notify = timeout, notify
        self._request, self._address = target.request, target.resolve()
        self._tasks: set[asyncio.Task[None]] = set()
        self._connecting = 0

    async def run(self) -> Recorder:
        self.window = Window.opening_after(self._warmup, self._seconds)
        self.recorder = Recorder(self.window)
        self._start()
        self._spawn(self._sweep())
        await sleep_until(self.window.start)
        cpu = time.process_time()
        self._notify("measuring")
        await sleep_until(self.window.end)
        self.generator_cpu = (time.process_time() - cpu) / self.window.seconds
        self._notify("measured")
        self._stop()
        while self._is_waiting() or any(connection.in_flight for connection in self.connections):
            await asyncio.sleep(SWEEP_SECONDS)
        for connection in list(self.connections):
            connection.abort("reset")
        await asyncio.sleep(0)  # lets the connections close
        return self.recorder

    async def _sweep(self) -> None:
        """Aborts late requests; checking all connections periodically costs less than a timer per request."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            late = monotonic() - self._timeout
            for connection in list(self.connections):
                if connection.in_flight and connection.sent < late:
                    connection.abort("timeout")

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _connect(self) -> None:
        self._connecting += 1
        self._spawn(self._open_connection())

    async def _open_connection(self) -> None:
        kind = Connection if self._expected is None else ReadingConnection
        create = asyncio.get_running_loop().create_connection(lambda: kind(self, self._request), *self._address)
        try:
            await asyncio.wait_for(create, self._timeout)
        except (OSError, asyncio.TimeoutError):
            self._connecting -= 1
            self._on_unreachable()
            await asyncio.sleep(RETRY_SECONDS)
            self._on_free_slot()

    def on_connected(self, connection: Connection) -> None:
        self._connecting -= 1
        self.connections.add(connection)
        self.peak = max(self.peak, len(self.connections))
        self._on_ready(connection, monotonic())

    def on_answer(self, connection: Connection, status: int) -> None:
        now = monotonic()
        if isinstance(connection, ReadingConnection):
            is_expected = connection.body == self._expected
            self.recorder.answer(connection.due, now, status, is_expected)
            if not (is_expected and 200 <= status < 300):
                self.recorder.other(connection.due, status, connection.body)
        else:
            self.recorder.answer(connection.due, now, status)
        if connection.is_open:
            self._on_ready(connection, now)

    def on_failure(self, connection: Connection, kind: str) -> None:
        self.recorder.failure(connection.due, kind)

    def on_lost(self, connection: Connection) -> None:
        self.connections.discard(connection)
        self._on_free_slot()

    @abstractmethod
    def _start(self) -> None: ...

    @abstractmethod
    def _on_ready(self, connection: Connection, now: float) -> None:
        """A connection is ready for a request."""

    @abstractmethod
    def _on_free_slot(self) -> None:
        """There is one fewer connection."""

    @abstractmethod
    def _on_unreachable(self) -> None:
        """An attempt to connect failed."""

    def _stop(self) -> None:  # noqa: B027 - only the open loop overrides it
        """The window has closed."""

    def _is_waiting(self) -> bool:
        """Whether there are requests still to be sent."""
        return False


async def sleep_until(moment: float) -> None:
    """Sleeps until `moment` but never less; the event loop's own timers may be half a millisecond early."""
    while (left := moment - monotonic()) > 0:
        await asyncio.sleep(left)


class ClosedLoop(Loop):
    """Keeps `connections` requests in flight at all times; a request is due when it is sent."""

    mode = "closed"

    def __init__(
        self,
        target: Target,
        warmup: float,
        seconds: float,
        timeout: float,
        notify: Callable[[str], None],
        connections: int,
    ) -> None:
        super().__init__(target, warmup, seconds, timeout, notify)
        self._count = connections

    def _start(self) -> None:
        for _ in range(self._count):
            self._connect()

    def _on_ready(self, connection: Connection, now: float) -> None:
        if now < self.window.end:
            connection.send(now, now)

    def _on_free_slot(self) -> None:
        if monotonic() < self.window.end:
            self._connect()

    def _on_unreachable(self) -> None:
        self.recorder.failure(monotonic(), "connect")


class OpenLoop(Loop):
    """Sends `rate` requests per second, evenly spaced, over as many connections as needed, up to `max_connections`.

    If all connections are busy, requests wait here and keep their due times; those still waiting when the window closes
    count as the error "unsent".
    """

    mode = "open"

    def __init__(
        self,
        target: Target,
        warmup: float,
        seconds: float,
        timeout: float,
        notify: Callable[[str], None],
        rate: float,
        max_connections: int,
    ) -> None:
        super().__init__(target, warmup, seconds, timeout, notify)
        self._max = max_connections
        self._interval_ns = round(NS / rate)
        self._next = 0  # number of the next request
        self._idle: list[Connection] = []  # last in, first out, to use as few connections as possible
        self._waiting: deque[float] = deque()

    def _start(self) -> None:
        self._begin_ns = round(self.window.begin * NS)
        self._ticker = Ticker(self._begin_ns, self._interval_ns)
        asyncio.get_running_loop().add_reader(self._ticker.fileno(), self._on_tick)

    def _stop(self) -> None:
        asyncio.get_running_loop().remove_reader(self._ticker.fileno())
        self._ticker.close()
        self._dispatch(monotonic())
        while len(self._waiting) > self._connecting:  # the rest will get the connections that are being opened
            self.recorder.failure(self._waiting.pop(), "unsent")

    def _is_waiting(self) -> bool:
        return bool(self._waiting)

    def _on_tick(self) -> None:
        self._ticker.clear()
        self._dispatch(monotonic())

    def _dispatch(self, now: float) -> None:
        self._schedule(now)
        while self._waiting and (connection := self._take_idle()):
            connection.send(self._waiting.popleft(), now)
        self._grow()

    def _schedule(self, now: float) -> None:
        """Queues every request that was due by `now`, however late this is called."""
        until = min(now, self.window.end)
        while (due := (self._begin_ns + self._next * self._interval_ns) / NS) < until:
            self._next += 1
            self.recorder.lag(due, now)
            self._waiting.append(due)

    def _take_idle(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:  # the server may have closed it meanwhile
                return connection
        return None

    def _grow(self) -> None:
        while len(self._waiting) > self._connecting and len(self.connections) + self._connecting < self._max:
            self._connect()

    def _on_ready(self, connection: Connection, now: float) -> None:
        if self._waiting:
            connection.send(self._waiting.popleft(), now)
        else:
            self._idle.append(connection)

    def _on_free_slot(self) -> None:
        self._grow()

    def _on_unreachable(self) -> None:
        if self._waiting:
            self.recorder.failure(self._waiting.popleft(), "connect")
