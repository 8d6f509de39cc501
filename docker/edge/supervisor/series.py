"""The edge's own metrics at :8405/metrics: releases, certificate expiry, reloads, and container usage.

HAProxy's metrics of connections and requests are at :8404/metrics.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from supervisor.certificate import expires_at
from supervisor.cgroup import container_series
from supervisor.render import CERTIFICATE_AND_KEY, SERVED
from supervisor.settings import Settings

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Series:
    """A prometheus-client collector: reads what is in force at every scrape, and counts reloads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._reloads = {"ok": 0, "refused": 0}
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def reloaded(self, result: str) -> None:
        """Counts a reload; `result`: ok, or refused if the previous configuration stays in force."""
        self._reloads[result] += 1

    def exposition(self) -> bytes:
        """Returns all metrics in Prometheus' text format."""
        exposition: bytes = generate_latest(self._registry)
        return exposition

    def collect(self) -> Iterator[Metric]:
        """Yields the current metrics."""
        weight = GaugeMetricFamily(
            "edge_release_weight_percent",
            "Percentage of the model's unversioned requests that this version gets.",
            labels=("model", "version", "role"),
        )
        for model, version, role, percent in released(self._settings):
            weight.add_metric((model, version, role), percent)
        yield weight
        reloads = CounterMetricFamily("edge_reloads", "Configuration changes, applied or refused.", labels=("result",))
        for result, count in self._reloads.items():
            reloads.add_metric((result,), count)
        yield reloads
        if self._settings.tls:
            certificate = self._settings.run / CERTIFICATE_AND_KEY
            yield GaugeMetricFamily(
                "edge_certificate_expiry_timestamp_seconds",
                "When the certificate expires, in seconds since 1970.",
                value=expires_at(certificate.read_text(encoding="ascii")),
            )
        yield from container_series()


def released(settings: Settings) -> list[tuple[str, str, str, int]]:
    """Returns what is in force: model, version, role (stable or canary), percent of unversioned requests."""
    found = []
    for model in _served(settings):
        canary = model["canary"]
        found.append((model["name"], model["stable"], "stable", 100 - (canary["weight"] if canary else 0)))
        if canary:
            found.append((model["name"], canary["version"], "canary", canary["weight"]))
    return found


def shares(settings: Settings) -> dict[tuple[str, str], float]:
    """Returns the percent of unversioned requests for every served model and version, 0 for those that get none."""
    none = {(model["name"], one["version"]): 0.0 for model in _served(settings) for one in model["versions"]}
    return {**none, **{(name, version): float(percent) for name, version, _, percent in released(settings)}}


def _served(settings: Settings) -> list[dict[str, Any]]:
    """Returns the models in force; empty until HAProxy has loaded its first configuration."""
    try:
        models: list[dict[str, Any]] = json.loads((settings.run / SERVED).read_text(encoding="utf-8"))["models"]
    except FileNotFoundError:
        return []
    return models
