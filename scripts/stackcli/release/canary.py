"""Compares a canary with the stable version by error rate and 99th percentile, from the edge's access log.

The rule: a request has failed if its status is 400 or more, or if the edge had to retry it. Both versions get requests
of the same clients, so errors that clients cause appear in both rates.

- With fewer than `least` requests to either version, the canary is undecided.
- The error rate may exceed the stable version's by ERROR_POINTS. Beyond that the canary is worse if a one-sided test of
  the two proportions (Z = 1.645: 5 %) finds the difference above the margin; otherwise it is undecided.
- The p99 latency of the requests that did not fail may be at most P99_FACTOR × the stable version's + P99_MS.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rich.table import Table

Decision = Literal["promote", "roll back", "undecided"]
ERROR_POINTS = 0.01
Z = 1.645
P99_FACTOR, P99_MS = 1.2, 5.0
FIRST_ERROR = 400
# The log's `routed` of unversioned requests; a request that names its version has "-".
ROUTED = ("stable", "canary")


@dataclass
class Sample:
    """One version's requests in the log. `latencies`: ms, of those that did not fail."""

    version: str
    failed: int = 0
    latencies: list[float] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return self.failed + len(self.latencies)

    @property
    def error_rate(self) -> float:
        return self.failed / self.requests if self.requests else 0.0

    def percentile(self, share: float) -> float:
        """Returns the latency at `share` (0 to 1) by nearest rank; NaN if there is none."""
        ranked = sorted(self.latencies)
        return ranked[max(0, math.ceil(share * len(ranked)) - 1)] if ranked else math.nan


@dataclass(frozen=True)
class Verdict:
    """A decision and its reason, as a sentence."""

    decision: Decision
    reason: str


def read_samples(lines: Iterable[str], model: str, versions: Sequence[str]) -> list[Sample]:
    """Reads the model's unversioned requests, which the edge split by the canary, from its access log."""
    samples = {version: Sample(version) for version in versions}
    for line in lines:
        request = parsed(line)
        is_meant = request.get("model") == model and request.get("version") in samples
        if not is_meant or request.get("routed") not in ROUTED:
            continue
        sample = samples[request["version"]]
        status = int(request["status"])
        if status >= FIRST_ERROR or str(request.get("retries", "0")).strip("+") != "0":
            sample.failed += 1
        elif status > 0:  # 0: the client disconnected
            sample.latencies.append(float(request["ms"]))
    return list(samples.values())


def parsed(line: str) -> dict[str, Any]:
    """Parses a line of the log; {} if it is not a request."""
    if not line.startswith("{"):
        return {}
    try:
        content = json.loads(line)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def judge(stable: Sample, canary: Sample, least: int) -> Verdict:
    """Applies the rule described at the top of this module."""
    for sample in (stable, canary):
        if sample.requests < least:
            return Verdict("undecided", f"{sample.version} had {sample.requests} requests, of {least} needed")
    excess = canary.error_rate - stable.error_rate
    if excess > ERROR_POINTS:
        reason = f"error rate {canary.error_rate:.2%}, {stable.version}'s is {stable.error_rate:.2%}"
        if is_significant(stable, canary, excess - ERROR_POINTS):
            return Verdict("roll back", f"{reason}: more than {ERROR_POINTS:.0%} above")
        return Verdict("undecided", f"{reason}: too few requests to tell a difference from chance")
    limit = P99_FACTOR * stable.percentile(0.99) + P99_MS if stable.latencies else math.inf
    found = canary.percentile(0.99)
    if not found <= limit:  # NaN if no request succeeded
        return Verdict("roll back", f"p99 {found:.1f} ms, of at most {limit:.1f}")
    return Verdict("promote", f"error rate {canary.error_rate:.2%} and p99 {found:.1f} ms (at most {limit:.1f})")


def is_significant(stable: Sample, canary: Sample, excess: float) -> bool:
    """Tells whether chance alone puts the difference this far above the margin in less than 5 % of cases."""
    variance = sum(one.error_rate * (1 - one.error_rate) / one.requests for one in (stable, canary))
    return variance == 0 or excess / math.sqrt(variance) > Z


def samples_table(samples: Iterable[Sample]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("version", "requests", "failed", "error rate", "p50 ms", "p99 ms"):
        table.add_column(column, justify="left" if column == "version" else "right")
    for one in samples:
        latencies = (f"{one.percentile(share):.1f}" for share in (0.5, 0.99))
        table.add_row(one.version, str(one.requests), str(one.failed), f"{one.error_rate:.2%}", *latencies)
    return table
