"""Load at a constant arrival rate on several addresses that answer alike, as a careful client sends it.

Each request goes to the next address. Where none answers there (refused, reset, silent, a wrong answer) the client asks
another one, and leaves that one out: every LEFT_OUT_S one request finds out whether it answers again. A request is:

- answered: 200 with the expected body, by whichever address,
- failed: none of MOST_TRIES tries came to that.
"""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from integration.support.load.constant import OpenLoop, read_answer

CONNECT_S, ANSWER_S = 1.0, 10.0
LEFT_OUT_S = 5.0
MOST_TRIES = 6

Address = tuple[str, int]
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Spread:
    """One request. `failures`: host and end of each try that failed."""

    due: float
    seconds: float
    is_answered: bool
    failures: tuple[str, ...]


@dataclass(frozen=True)
class SpreadOutcome:
    requests: list[Spread]

    @property
    def sent(self) -> int:
        return len(self.requests)

    @property
    def failed(self) -> int:
        return sum(not one.is_answered for one in self.requests)

    @property
    def asked_again(self) -> int:
        """Requests that needed more than one try."""
        return sum(bool(one.failures) for one in self.requests)

    @property
    def slowest_s(self) -> float:
        return max(one.seconds for one in self.requests)

    def last_trouble(self, since: float) -> float:
        """Returns the seconds from `since` (time.monotonic()) to the due time of the last retried or failed request."""
        return max([0.0, *(one.due - since for one in self.requests if one.failures)])

    def reasons(self) -> dict[str, int]:
        return dict(Counter(reason for one in self.requests for reason in one.failures))


class TryError(Exception):
    """One address did not answer as it should; the message says how."""


@dataclass
class Target:
    """One address: its idle connections, and until when (time.monotonic()) it is left out, 0 where it answers."""

    address: Address
    out_until: float = 0.0
    idle: list[Connection] = field(default_factory=list)

    async def connection(self) -> Connection:
        while self.idle:
            reader, writer = self.idle.pop()
            if not (reader.at_eof() or reader.exception() or writer.is_closing()):
                return reader, writer
            writer.transport.abort()
        # A separate socket: if wait_for cancels within open_connection, its socket is never closed.
        new = socket.socket()
        new.setblocking(False)
        try:
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(new, self.address), CONNECT_S)
        except BaseException:
            new.close()
            raise
        return await asyncio.open_connection(sock=new)

    async def ask(self, request: bytes, expected: bytes) -> None:
        """Raises TryError."""
        try:
            reader, writer = await self.connection()
        except (OSError, asyncio.TimeoutError) as error:
            raise TryError(f"not connected: {type(error).__name__}") from error
        try:
            writer.write(request)
            status, is_kept, body = await asyncio.wait_for(read_answer(reader), ANSWER_S)
        except (OSError, EOFError, asyncio.TimeoutError) as error:
            writer.transport.abort()
            raise TryError(f"no answer: {type(error).__name__}") from error
        if is_kept:
            self.idle.append((reader, writer))
        else:
            writer.transport.abort()
        if (status, body) != (200, expected):
            raise TryError(f"{status} {body[:120].decode(errors='replace')}" if status != 503 else "503")

    def close(self) -> None:
        for _, writer in self.idle:
            writer.transport.abort()


class SpreadLoad(OpenLoop):
    """Sends `request` to the addresses by turns."""

    def __init__(self, addresses: Sequence[Address], request: bytes, expected: str, rate: float) -> None:
        super().__init__(rate, CONNECT_S + ANSWER_S * MOST_TRIES)
        self._targets = [Target(address) for address in addresses]
        self._request, self._expected = request, expected.encode()
        self._ended: list[Spread] = []

    @property
    def outcome(self) -> SpreadOutcome:
        """Returns the outcome of the requests that have ended so far; of all, once the load has stopped."""
        return SpreadOutcome(sorted(self._ended, key=lambda one: one.due))

    def _close(self) -> None:
        for target in self._targets:
            target.close()

    async def _send_one(self, due: float, number: int) -> None:
        failures: list[str] = []
        while len(failures) < MOST_TRIES:
            target = self._choose(number + len(failures))
            try:
                await target.ask(self._request, self._expected)
                target.out_until = 0.0
                break
            except TryError as error:
                target.out_until = time.monotonic() + LEFT_OUT_S
                failures.append(f"{target.address[0]}: {error}")
        is_answered = len(failures) < MOST_TRIES
        self._ended.append(Spread(due, time.monotonic() - due, is_answered, tuple(failures)))

    def _choose(self, turn: int) -> Target:
        """Chooses the next address that is not left out, or the next one if all are."""
        order = self._targets[turn % len(self._targets) :] + self._targets[: turn % len(self._targets)]
        now = time.monotonic()
        chosen = next((target for target in order if target.out_until <= now), order[0])
        if chosen.out_until:
            chosen.out_until = now + LEFT_OUT_S
        return chosen


@contextmanager
def spread_load(urls: Sequence[str], body: bytes, *, expected: str, rate: float) -> Iterator[SpreadLoad]:
    """POST `body` to http:// addresses by turns, `rate` times a second together, while the block runs."""
    parts = [urlsplit(url) for url in urls]
    head = f"POST {parts[0].path} HTTP/1.1\r\nHost: edge\r\nContent-Length: {len(body)}\r\n\r\n"
    addresses = [(part.hostname or "", part.port or 80) for part in parts]
    load = SpreadLoad(addresses, head.encode() + body, expected, rate)
    load.start()
    try:
        yield load
    finally:
        load.stop()
