"""Runs `docker compose` for this stack with the variables that compose.yaml reads."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stackcli.common.errors import ConfigError, ServeError
from stackcli.common.paths import ROOT
from stackcli.common.process import stream
from stackcli.common.version import image_revision, version
from stackcli.machine.registries import Secrets, write_secrets
from stackcli.project.settings import Settings


@dataclass(frozen=True)
class Project:
    """One compose project: the settings, the base image in effect and the secrets' files."""

    settings: Settings
    base_image: str
    secrets: Secrets | None = None  # None: written when first needed

    @property
    def environment(self) -> dict[str, str]:
        # Compose reads COMPOSE_FILE itself; passing an empty one would mean no file at all.
        values = {name.upper(): str(value) for name, value in self.settings if name != "compose_file"}
        secrets = self.secrets or write_secrets()
        labels = {"STACK_VERSION": version(), "STACK_REVISION": image_revision()}
        return {**os.environ, **values, **secrets.environment, **labels, "TORCHSERVE_IMAGE": self.base_image}

    def capture(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker", "compose", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def do(self, *arguments: str) -> None:
        """Runs a command without showing its output. Raises ServeError."""
        result = self.capture(*arguments)
        if result.returncode != 0:
            reason = next((line for line in reversed(result.stderr.splitlines()) if line.strip()), "no reason given")
            raise ServeError(
                f"`docker compose {' '.join(arguments)}` to succeed", reason.strip(), "`scripts/stack doctor`"
            )

    def stream(self, show: Callable[[str], None], *arguments: str) -> int:
        return stream(["docker", "compose", *arguments], show, self.environment)

    def config(self) -> dict[str, Any]:
        """Returns compose.yaml with all variables resolved and all profiles enabled. Raises ConfigError."""
        result = self.capture("--profile", "*", "config", "--format", "json")
        if result.returncode != 0:
            raise ConfigError("a valid compose.yaml and .env", result.stderr.strip(), "correcting what is named there")
        config: dict[str, Any] = json.loads(result.stdout)
        return config
