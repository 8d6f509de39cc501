"""Writes the log of the supervisor and of HAProxy as JSON, one object per line, like the access log."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from typing import IO

from contract.log_line import level_of, log_line

_HAPROXY = re.compile(r"\[(NOTICE|WARNING|ALERT)\] +\(\d+\) : (?:config : )?(.*)")
_HAPROXY_LEVELS = {"WARNING": "WARN", "ALERT": "ERROR"}
# HAProxy 2.6 logs these at every start, reload and stop, some of them once per server; they require no action.
_USUAL = re.compile(
    r"Proxy \S+ stopped \(|Former worker \(\d+\) exited with code 0 |.* changed from server-state after a reload"
    r"|server-state partially applied for |\S+ changed its IP from |Server \S+ administratively READY thanks to "
    r"|Server \S+ \('\S+'\) is UP/READY \(resolves again\)"
    r"|Exiting Master process|Current worker \(\d+\) exited with code (0|143) "
    r"|All workers exited. Exiting... \((0|143)\)"
)
_CHUNK = 1 << 16


def log(line: str) -> None:
    """Writes a line to stdout, unbuffered; its first word decides the level."""
    write(level_of(line), "edge", line)


def write(level: str, logger: str, message: str) -> None:
    """Writes a line in a single call, because several threads write."""
    _print(log_line(level, logger, message))


def follow_haproxy(said: IO[bytes]) -> threading.Thread:
    """Passes HAProxy's output on in the background, until all its processes have ended."""
    follower = threading.Thread(target=_pass_on, args=(said,), daemon=True)
    follower.start()
    return follower


def _pass_on(said: IO[bytes]) -> None:
    """Reads in chunks rather than lines, because ACCESS_LOG=all writes a line for every request."""
    rest = b""
    while chunk := said.read(_CHUNK):
        whole, end, rest = (rest + chunk).rpartition(b"\n")
        _print("".join(haproxy_lines(whole.decode(errors="replace"))) if end else "")
    _print("".join(haproxy_lines(rest.decode(errors="replace"))))


def haproxy_lines(said: str) -> Iterator[str]:
    """Yields access log lines unchanged and other messages as JSON, without notices and routine messages."""
    for line in said.split("\n"):
        words = _HAPROXY.fullmatch(line)
        kind, message = words.groups() if words else ("", line.strip())
        if line.startswith("{"):
            yield f"{line}\n"
        elif message and kind != "NOTICE" and not _USUAL.match(message):
            yield log_line(_HAPROXY_LEVELS.get(kind, "INFO"), "haproxy", message)


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
