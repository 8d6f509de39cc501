"""What compose.yaml decides for the edge, from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.errors import EdgeError

LOGGED = ("all", "failures")


@dataclass(frozen=True)
class Settings:
    """`rate`: requests per second of one client, 0 for no limit; `secrets`: the folder of keys and certificate.

    `request_seconds`: how long a client may take to send one request.
    """

    tls: bool
    keys: bool
    rate: int
    access_log: str
    threads: int
    request_seconds: int
    drain_seconds: int
    store: Path = Path("/model_store")
    page: Path = Path("/opt/stack/page")
    templates: Path = Path("/opt/stack")
    secrets: Path = Path("/run/edge-secrets")
    run: Path = Path("/run/edge")


def read_settings(env: Mapping[str, str]) -> Settings:
    """Raises EdgeError."""
    access_log = env.get("EDGE_ACCESS_LOG") or "failures"
    if access_log not in LOGGED:
        raise EdgeError(f"EDGE_ACCESS_LOG as one of {', '.join(LOGGED)}", repr(access_log), "EDGE_ACCESS_LOG=all")
    return Settings(
        tls=_flag(env, "EDGE_TLS"),
        keys=_flag(env, "EDGE_KEYS"),
        rate=_number(env, "EDGE_RATE", 0),
        access_log=access_log,
        threads=max(1, _number(env, "EDGE_THREADS", 1)),
        request_seconds=max(1, _number(env, "EDGE_REQUEST_SECONDS", 30)),
        drain_seconds=_number(env, "DRAIN_SECONDS", 20),
    )


def _flag(env: Mapping[str, str], name: str) -> bool:
    text = env.get(name, "")
    if text not in ("", "true"):
        raise EdgeError(f"{name} to be true or empty", repr(text), f"{name}=true")
    return text == "true"


def _number(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name, "").strip()
    if text and not text.isdecimal():
        raise EdgeError(f"{name} to be a whole number from 0", repr(text), f"{name}={default}")
    return int(text) if text else default
