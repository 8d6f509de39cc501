"""Reads the edge's settings from the environment, where compose.yaml puts them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from supervisor.errors import EdgeError

LOGGED = ("all", "failures")
_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?)*")


@dataclass(frozen=True)
class Settings:
    """The edge's settings. `rate`: maximum requests per second and client, 0 for no limit.

    `request_seconds`: how long a client may take to send one request; `secrets`: the folder of keys and certificate.
    """

    tls: bool
    keys: bool
    rate: int
    access_log: str
    threads: int
    request_seconds: int
    drain_seconds: int
    # DNS name of all TorchServes; in a cluster the full name, because HAProxy does not append search domains.
    torchserve: str = "torchserve"
    # How many TorchServes the edge can route to.
    max_replicas: int = 8
    # How many of a million requests to trace if the client has not decided; None without a collector.
    sampled_ppm: int | None = None
    store: Path = Path("/model_store")
    # TorchServe's own settings, for the maximum size of a request.
    config: Path = Path("/config.properties")
    page: Path = Path("/opt/stack/page")
    templates: Path = Path("/opt/stack/templates")
    secrets: Path = Path("/run/edge-secrets")
    run: Path = Path("/run/edge")

    @property
    def is_traced(self) -> bool:
        """Whether there is a collector to send spans to."""
        return self.sampled_ppm is not None


def read_settings(env: Mapping[str, str]) -> Settings:
    """Reads and checks the settings. Raises EdgeError."""
    access_log = env.get("ACCESS_LOG") or "failures"
    if access_log not in LOGGED:
        raise EdgeError(f"ACCESS_LOG to be one of {', '.join(LOGGED)}", repr(access_log), "ACCESS_LOG=all")
    return Settings(
        tls=_flag(env, "EDGE_TLS"),
        keys=_flag(env, "EDGE_KEYS"),
        rate=_number(env, "EDGE_RATE", 0),
        access_log=access_log,
        threads=max(1, _number(env, "EDGE_THREADS", 1)),
        request_seconds=max(1, _number(env, "EDGE_REQUEST_SECONDS", 30)),
        drain_seconds=_number(env, "DRAIN_SECONDS", 20),
        torchserve=_name(env, "EDGE_TORCHSERVE", "torchserve"),
        max_replicas=max(1, _number(env, "EDGE_MOST_REPLICAS", 8)),
        sampled_ppm=_sampled_ppm(env) if env.get("OTEL_EXPORTER_OTLP_ENDPOINT") else None,
    )


def _sampled_ppm(env: Mapping[str, str]) -> int:
    name = "OTEL_TRACES_SAMPLER_ARG"
    text = env.get(name) or "1"
    try:
        ratio = float(text)
    except ValueError:
        ratio = -1.0
    if not 0 <= ratio <= 1:
        raise EdgeError(f"{name} to be a number from 0 to 1", repr(text), f"{name}=1")
    return round(ratio * 1_000_000)


def _name(env: Mapping[str, str], name: str, default: str) -> str:
    text = env.get(name) or default
    if not _NAME.fullmatch(text):
        raise EdgeError(f"{name} to be a DNS name", repr(text), f"{name}={default}")
    return text


def _flag(env: Mapping[str, str], name: str) -> bool:
    text = env.get(name, "")
    if text not in ("", "true"):
        raise EdgeError(f"{name} to be true or empty", repr(text), f"{name}=true")
    return text == "true"


def _number(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name, "").strip()
    if text and not text.isdecimal():
        raise EdgeError(f"{name} to be a whole number, 0 or more", repr(text), f"{name}={default}")
    return int(text) if text else default
