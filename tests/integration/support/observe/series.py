"""Reads Prometheus' text form: samples by name and labels, and what a histogram says of a percentile."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import requests
from prometheus_client.parser import text_string_to_metric_families

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Series:
    """Samples of one moment: value by name and labels."""

    values: dict[tuple[str, frozenset[tuple[str, str]]], float]

    @classmethod
    def scrape(cls, url: str) -> Series:
        answer = requests.get(url, timeout=10)
        answer.raise_for_status()
        families = text_string_to_metric_families(answer.text)
        return cls({(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples})

    def total(self, name: str, **labels: str) -> float:
        """Returns the sum of all samples with these labels; 0 if there are none."""
        return sum(value for _, value in self.found(name, labels))

    def found(self, name: str, labels: Labels) -> Iterator[tuple[dict[str, str], float]]:
        for (other, pairs), value in self.values.items():
            if other == name and labels.items() <= dict(pairs).items():
                yield dict(pairs), value

    def since(self, before: Series) -> Series:
        return Series({key: value - before.values.get(key, 0) for key, value in self.values.items()})

    def bucket(self, name: str, quantile: float, **labels: str) -> tuple[float, float]:
        """Returns the bounds (from, to] of the bucket that contains the quantile."""
        bounds = sorted((float(pairs["le"]), value) for pairs, value in self.found(f"{name}_bucket", labels))
        wanted = quantile * bounds[-1][1]
        lower = 0.0
        for upper, count in bounds:
            if count >= wanted:
                return lower, upper
            lower = upper
        return lower, math.inf
