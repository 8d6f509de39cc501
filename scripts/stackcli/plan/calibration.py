"""Fits the replica of the queueing simulation (queueing.py) to what `scripts/stack bench` measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log

from stackcli.plan.queueing import Replica, closed_loop, open_loop

TRIAL_REQUESTS, LATENCY_REQUESTS = 1_000, 3_000
SHARES = [number / 20 for number in range(21)]
SPREADS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.4)
FULL = 0.9  # share of its quota above which a container counts as throttled


@dataclass(frozen=True)
class Latency:
    """Measured latencies in ms."""

    mean: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Closed:
    """A measured closed loop. `rate`: requests/s; `cpus`: how many the container kept busy."""

    connections: int
    rate: float
    latency: Latency
    cpus: float


@dataclass(frozen=True)
class Open:
    """A measured open loop. `rate`: offered requests/s."""

    rate: float
    latency: Latency


def calibrate(shape: Replica, closed: list[Closed], opened: list[Open]) -> Replica:
    """Finds the times of a replica with the workers, batching and quota of `shape`.

    1. t(b) = fixed + each * b is scaled so that the simulated best rate equals the measured one; the time by which a
       lone request exceeds t(1) is `outside`. Of the shares fixed / t(1) from 0 to 1, the one is chosen whose simulated
       closed loops come closest to the measured rates (least sum of squared differences of the logarithms).
    2. If the container used up its quota of q CPUs, it was throttled for part of that time: without the quota, each of
       w workers needs q / w of it, and the simulation does the throttling instead.
    3. The spread is chosen with which all simulated loops come closest to the measured p50 and p99, in the same sense.
    """
    unstopped = replace(shape, quota=None)
    best = max(closed, key=lambda run: run.rate)
    lone = min(closed, key=lambda run: run.connections)
    trials = [scaled(unstopped, share, best, lone) for share in SHARES]
    found = min(trials, key=lambda trial: sum(closed_error(trial, run) for run in closed))
    if shape.quota and best.cpus >= FULL * shape.quota and shape.quota < shape.workers:
        part = shape.quota / shape.workers
        found = replace(found, fixed=found.fixed * part, each=found.each * part, quota=shape.quota)
    candidates = [replace(found, spread=spread) for spread in SPREADS]
    return min(candidates, key=lambda trial: latency_error(trial, closed, opened))


def scaled(shape: Replica, share: float, best: Closed, lone: Closed) -> Replica:
    """Returns the replica with this share whose best rate and lone request match the measurements."""
    unit = replace(shape, fixed=share, each=1 - share, max_delay=0)
    took = closed_loop(unit, best.connections, requests=TRIAL_REQUESTS).rate / best.rate
    outside = max(0.0, lone.latency.mean / lone.connections - took - shape.max_delay)
    return replace(shape, fixed=share * took, each=(1 - share) * took, outside=outside)


def closed_error(trial: Replica, run: Closed) -> float:
    return log(closed_loop(trial, run.connections, requests=TRIAL_REQUESTS).rate / run.rate) ** 2


def latency_error(trial: Replica, closed: list[Closed], opened: list[Open]) -> float:
    pairs = [(closed_loop(trial, run.connections, requests=LATENCY_REQUESTS), run.latency) for run in closed]
    for run in opened:
        pairs.append((open_loop(trial, run.rate, arrivals="even", requests=LATENCY_REQUESTS), run.latency))
    return sum(
        log(simulated.percentile(50) / latency.p50) ** 2 + log(simulated.percentile(99) / latency.p99) ** 2
        for simulated, latency in pairs
    )
