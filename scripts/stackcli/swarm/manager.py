"""Talks to a manager of the Swarm through the docker command line, which handles ssh, TLS and contexts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stackcli.common.errors import EngineError, ServeError
from stackcli.common.paths import ROOT
from stackcli.project.settings import Settings

ANSWER_SECONDS = 120  # an engine may be busy, or electing a leader


@dataclass(frozen=True)
class Manager:
    """A manager. `host`: in the form of DOCKER_HOST; empty: this machine's engine."""

    host: str

    @classmethod
    def of(cls, settings: Settings) -> Manager:
        return cls(settings.swarm_manager)

    def capture(
        self, *arguments: str, environment: Mapping[str, str] | None = None, seconds: float = ANSWER_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Runs `docker ARGUMENTS`. Raises EngineError if it does not end in time."""
        host = ["--host", self.host] if self.host else []
        command = ["docker", *host, *arguments]
        try:
            return subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired:
            raise EngineError(
                f"{self} to answer within {seconds:g} s", "no answer", "another manager as SWARM_MANAGER"
            ) from None

    def do(self, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        """Runs a command and returns its output. Raises ServeError with its last error line."""
        ended = self.capture(*arguments, environment=environment)
        if ended.returncode != 0:
            said = [line.strip() for line in ended.stderr.splitlines() if line.strip()]
            remedy = "`docker node ls` there, or `scripts/stack swarm status`"
            raise ServeError(
                f"`docker {' '.join(arguments)}` to succeed on {self}", said[-1] if said else "no reason", remedy
            )
        return ended.stdout

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """Returns the rows of a command that lists; [] if there are none. Raises ServeError."""
        return [json.loads(line) for line in self.do(*arguments, "--format", "{{json .}}").splitlines()]

    def inspected(self, kind: str, *names: str) -> list[dict[str, Any]]:
        """Returns the named objects of a kind, in full; [] without names. Raises ServeError."""
        found: list[dict[str, Any]] = json.loads(self.do(kind, "inspect", *names)) if names else []
        return found

    def check(self) -> None:
        """Raises EngineError if it is not a manager of a Swarm."""
        ended = self.capture("info", "--format", "{{json .Swarm}}")
        swarm = json.loads(ended.stdout or "null") or {} if ended.returncode == 0 else {}
        if swarm.get("ControlAvailable"):
            return
        found = swarm.get("LocalNodeState") or " ".join(ended.stderr.split()) or "no answer"
        remedy = "`docker swarm init` on it, or SWARM_MANAGER=ssh://USER@MANAGER in .env"
        raise EngineError(f"{self} to be a manager of a Swarm", found, remedy)

    def __str__(self) -> str:
        return self.host or "this machine's engine"
