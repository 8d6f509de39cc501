"""The PromQL expressions in the dashboards; a gap in a line, rather than a zero, means that there were no requests."""

from __future__ import annotations

OBSERVED = "$__rate_interval"


def rate(series: str, where: str = "", by: str = "", over: str = OBSERVED) -> str:
    """Returns the rate per second, summed by the labels `by`."""
    return f"{total(by)}(rate({series}{{{where}}}[{over}]))"


def increase(series: str, where: str = "", by: str = "", over: str = "$__range") -> str:
    return f"{total(by)}(increase({series}{{{where}}}[{over}]))"


def total(by: str) -> str:
    return f"sum by ({by}) " if by else "sum"


def quantile(share: float, histogram: str, where: str = "", by: str = "", over: str = OBSERVED) -> str:
    """Returns a quantile of a histogram's values; share: 0.99 for p99."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share:g}, {rate(f'{histogram}_bucket', where, labels, over)})"


def mean(histogram: str, where: str = "", by: str = "", over: str = OBSERVED) -> str:
    """Returns the mean of a histogram's values."""
    return ratio(rate(f"{histogram}_sum", where, by, over), rate(f"{histogram}_count", where, by, over))


def ratio(part: str, whole: str) -> str:
    """Returns part / whole, with no value where the whole is 0."""
    return f"{part} / ({whole} > 0)"


def failed_share(where: str = "", by: str = "", over: str = OBSERVED) -> str:
    """Returns the share of 5xx in all requests, 0 to 1; 0 if there has never been a 5xx."""
    also = f", {where}" if where else ""
    every = rate("model_requests_total", where, by, over)
    failed = rate("model_requests_total", f'outcome="5xx"{also}', by, over)
    return ratio(f"({failed} or 0 * {every})", every)


def burn(where: str = "", by: str = "model, version", over: str = OBSERVED) -> str:
    """Returns how many times faster errors occur than the availability objective allows; 1 just uses up the budget."""
    allowed = f"(1 - max by ({by}) (model_availability_objective_ratio{{{where}}}))"
    return f"({failed_share(where, by, over)}) / {allowed}"


def of_objective(where: str = "", by: str = "model, version", over: str = OBSERVED) -> str:
    """Returns p99 divided by its objective, which is missed above 1."""
    slow = quantile(0.99, "model_request_duration_seconds", where, by, over)
    return f"{slow} / max by ({by}) (model_latency_objective_seconds{{{where}}})"
