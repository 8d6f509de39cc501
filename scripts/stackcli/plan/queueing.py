"""Simulates TorchServe's containers behind the edge as a queueing system: requests, batches and workers as events.

The model of one container (a replica): requests wait in one queue for `workers`. A free worker takes them, up to
`batch_size`; if there are fewer, it waits for more until `max_delay` after the batch's first request (of several free
workers, only one does). A batch of b takes

    t(b) = (fixed + each * b) * g    ms

with g from the gamma distribution of mean 1 and coefficient of variation `spread`: 0 is constant, 1 exponential time,
which with batch_size 1 are M/D/1 and M/M/c, whose waiting times are known (tests/unit/test_queueing.py). Each request
also takes `outside` ms during which it keeps no worker busy.

With a `quota` of CPUs the kernel lets a container run `quota` × 100 ms in each 100 ms and stops it for the rest (CFS
bandwidth control, https://docs.kernel.org/scheduler/sched-bwc.html); a batch in progress then pauses too.

The edge sends each request to the replica with the fewest in flight (`balance leastconn` in docker/edge).
"""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Literal

PERIOD_MS = 100.0
WARM_UP_SHARE = 0.1  # of the requests; these are not measured
REQUESTS = 20_000

Arrivals = Literal["poisson", "even"]


@dataclass(frozen=True)
class Replica:
    """The parameters of one container. Times are in ms, `quota` in CPUs (None: it is never throttled)."""

    workers: int
    batch_size: int
    max_delay: float
    fixed: float
    each: float
    outside: float = 0.0
    spread: float = 0.0
    quota: float | None = None


@dataclass(frozen=True)
class Simulated:
    """The simulation's result. `latencies`: ms, sorted; `rate`: answers/s; `utilisation`: share of busy workers."""

    latencies: list[float]
    rate: float
    utilisation: float

    def percentile(self, percent: float) -> float:
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * percent / 100))]

    @property
    def mean(self) -> float:
        return sum(self.latencies) / len(self.latencies)


@dataclass
class Container:
    """The state of one replica. `used`: ms of CPU time, by the number of the quota's period."""

    phase: float
    free: int
    in_flight: int = 0
    queue: deque[float] = field(default_factory=deque)
    is_collecting: bool = False
    used: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))


class Simulation:
    """One simulation, to be run once. Its future is a heap of (ms, number, event)."""

    def __init__(self, replica: Replica, replicas: int, seed: int) -> None:
        self.replica, self.random = replica, Random(seed)  # noqa: S311 - reproducible on purpose
        self.containers = [Container(self.random.uniform(0, PERIOD_MS), replica.workers) for _ in range(replicas)]
        self.now = 0.0
        self.answered = 0
        self.on_answer: Callable[[], None] = lambda: None
        self._future: list[tuple[float, int, Callable[[], None]]] = []
        self._events = 0
        self._latencies: list[float] = []
        self._busy = 0.0
        self._began = 0.0
        self._turn = 0

    def at(self, moment: float, happens: Callable[[], None]) -> None:
        self._events += 1
        heapq.heappush(self._future, (moment, self._events, happens))

    def run(self, requests: int) -> Simulated:
        """Runs until this many requests are answered; the first ones, WARM_UP_SHARE of them, are not measured."""
        unmeasured = int(requests * WARM_UP_SHARE)
        while self.answered < requests:
            self.now, _, happens = heapq.heappop(self._future)
            happens()
            if self._began == 0.0 and self.answered >= unmeasured:
                self._began, self._busy, self._latencies = self.now, 0.0, []
        span = self.now - self._began
        workers = self.replica.workers * len(self.containers)
        rate = len(self._latencies) / span * 1000
        return Simulated(sorted(self._latencies), rate, min(1.0, self._busy / span / workers))

    def send(self) -> None:
        """Sends one request now, to the container with the fewest in flight; equal ones take turns."""
        containers = self.containers
        self._turn = (self._turn + 1) % len(containers)
        chosen = containers[self._turn]
        if chosen.in_flight:
            for other in containers:
                if other.in_flight < chosen.in_flight:
                    chosen = other
        chosen.in_flight += 1
        chosen.queue.append(self.now)
        self._take(chosen)

    def _take(self, container: Container) -> None:
        """Lets a free worker start a batch, or wait for more requests."""
        is_full = len(container.queue) >= self.replica.batch_size
        if not (container.free and container.queue) or (container.is_collecting and not is_full):
            return
        if is_full or self.replica.max_delay == 0:
            self._start(container)
        else:
            container.is_collecting = True
            self.at(self.now + self.replica.max_delay, lambda: self._end_collecting(container))

    def _end_collecting(self, container: Container) -> None:
        container.is_collecting = False
        if container.free and container.queue:
            self._start(container)

    def _start(self, container: Container) -> None:
        replica, queue = self.replica, container.queue
        batch = [queue.popleft() for _ in range(min(replica.batch_size, len(queue)))]
        container.free -= 1
        work = replica.fixed + replica.each * len(batch)
        if replica.spread:
            shape = replica.spread**-2
            work *= self.random.gammavariate(shape, 1 / shape)
        end = self._end_of(container, work)
        self._busy += end - self.now
        self.at(end, lambda: self._finish(container, batch))

    def _end_of(self, container: Container, work: float) -> float:
        """Returns when `work` ms of work that start now are done, given the quota."""
        quota, moment = self.replica.quota, self.now
        if quota is None:
            return moment + work
        while True:
            period = int((moment + container.phase) // PERIOD_MS)
            ends = (period + 1) * PERIOD_MS - container.phase
            room = max(0.0, min(quota * PERIOD_MS - container.used[period], ends - moment))
            container.used[period] += min(work, room)
            if work <= room:
                return moment + work
            work, moment = work - room, ends

    def _finish(self, container: Container, batch: list[float]) -> None:
        container.free += 1
        container.in_flight -= len(batch)
        self._latencies += [self.now - arrived + self.replica.outside for arrived in batch]
        for _ in batch:
            self.answered += 1
            self.on_answer()
        self._take(container)


def closed_loop(
    replica: Replica, connections: int, replicas: int = 1, requests: int = REQUESTS, seed: int = 1
) -> Simulated:
    """Simulates connections that each send the next request on receiving an answer."""
    simulation = Simulation(replica, replicas, seed)
    simulation.on_answer = lambda: simulation.at(simulation.now + replica.outside, simulation.send)
    for _ in range(connections):
        simulation.at(0.0, simulation.send)
    return simulation.run(requests)


def open_loop(
    replica: Replica,
    rate: float,
    replicas: int = 1,
    arrivals: Arrivals = "poisson",
    requests: int = REQUESTS,
    seed: int = 1,
) -> Simulated:
    """Simulates `rate` requests/s in total; `arrivals` even: equally spaced, as the load generator of `bench` sends."""
    simulation = Simulation(replica, replicas, seed)
    gap = 1000 / rate

    def arrive() -> None:
        simulation.send()
        simulation.at(
            simulation.now + (simulation.random.expovariate(1 / gap) if arrivals == "poisson" else gap), arrive
        )

    simulation.at(0.0, arrive)
    return simulation.run(requests)
