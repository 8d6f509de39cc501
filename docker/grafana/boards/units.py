"""Formats numbers for readers, by Grafana's names of units. Runs on the host and in the builder's image."""

from __future__ import annotations

import math

# Grafana's name → the text after the number.
PER_SECOND = {"reqps": " req/s", "ops": " ops/s", "pps": " p/s"}
BYTES = {"bytes": "", "Bps": "/s"}
SECONDS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs"))


def text(value: float, unit: str) -> str:
    """Returns text such as 1.2 ms, 3.4 GiB or 99.9 %; an em dash for NaN."""
    if math.isnan(value):
        return "—"
    if unit in ("percent", "percentunit"):
        return f"{_short(value * (100 if unit == 'percentunit' else 1))} %"
    if unit in BYTES:
        return _bytes(value) + BYTES[unit]
    if unit == "s":
        return _seconds(value)
    return _short(value) + PER_SECOND.get(unit, "")


def _short(value: float) -> str:
    """Rounds to three significant digits, or to a whole number if it is larger."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _bytes(value: float) -> str:
    for power, name in ((3, "GiB"), (2, "MiB"), (1, "KiB")):
        if abs(value) >= 1024**power:
            return f"{_short(value / 1024**power)} {name}"
    return f"{_short(value)} B"


def _seconds(value: float) -> str:
    if value == 0:
        return "0 s"
    size, name = next((each for each in SECONDS if abs(value) >= each[0]), SECONDS[-1])
    return f"{_short(value / size)} {name}"
