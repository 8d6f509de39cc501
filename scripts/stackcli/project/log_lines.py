"""Parses a line of the containers' logs and makes it readable.

Each line is one JSON object (docs/reference/logs-and-traces.md); other lines, such as the JVM's own, are taken as
they are.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

# TorchServe's name for a worker's output, such as W-9000-mnist_1.0-stdout; its own loggers have other names.
WORKER = re.compile(r"W-\d+-(?P<model>.+)_(?P<version>[^_]+)(-std(out|err))")
LEVELS = {"WARN": "yellow", "WARNING": "yellow", "ERROR": "red", "FATAL": "red"}


@dataclass(frozen=True)
class LogLine:
    """A log line. `service`: such as torchserve-2; `time`: Docker's; `text`: the rest; `said`: its object, or None."""

    service: str
    time: datetime
    text: str
    said: dict[str, Any] | None

    @classmethod
    def parse(cls, service: str, line: str) -> LogLine:
        """Parses `line`, which starts with Docker's timestamp; Python keeps microseconds of it."""
        stamp, _, text = line.partition(" ")
        time = datetime.fromisoformat(re.sub(r"(\.\d{1,6})\d*Z$", r"\1+00:00", stamp).replace("Z", "+00:00"))
        return cls(service, time, text, said_in(text))

    @property
    def message(self) -> str:
        return self.text if self.said is None else str(self.said.get("message", ""))

    @property
    def model(self) -> str:
        return str(self._about("model"))

    @property
    def version(self) -> str:
        return str(self._about("version"))

    def _about(self, what: str) -> Any:
        said = self.said or {}
        worker = WORKER.fullmatch(str(said.get("logger", "")))
        return worker[what] if worker else said.get(what) or ""

    @property
    def is_access(self) -> bool:
        return bool(self.said) and "status" in (self.said or {})

    def is_about(self, model: str) -> bool:
        """Tells whether the line belongs to the model or, if it belongs to none, names it."""
        return self.model == model if self.model else names(self.text, model)

    def concerns(self, request_id: str) -> bool:
        """Tells whether this is the request's access line, or a line whose message names it."""
        return (self.said or {}).get("request_id") == request_id or names(self.message, request_id)


def names(text: str, word: str) -> bool:
    """Tells whether `text` contains `word` as a whole word."""
    return re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w-])", text) is not None


def said_in(text: str) -> dict[str, Any] | None:
    """Parses the line as a JSON object; None if it is not one."""
    try:
        said: dict[str, Any] | None = json.loads(text) if text.startswith("{") else None
    except ValueError:
        return None
    return said


def plain(text: str) -> str:
    """Formats a line as `SOURCE: MESSAGE`; returns it unchanged if it has no message."""
    said = said_in(text) or {}
    return f"{said.get('logger', '-')}: {said['message']}" if "message" in said else text


def readable(log: str) -> str:
    """Formats a container's whole log, line by line."""
    return "\n".join(plain(line) for line in log.splitlines())
