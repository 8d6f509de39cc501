"""Computes the scaling limits from the measurements: what breaks at which rate, and what replaces it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from scale_out.results import Measured
from stackcli.plan.forecast import GIB, MAX_LOAD, Plan, make_plan
from stackcli.plan.queueing import Replica
from stackcli.project.settings import Settings

RATES = [10**power for power in range(2, 7)]
P99_MS = 250.0
EDGE_REPLICAS = Settings().edge_most_replicas
SCRAPE_SECONDS = 15  # SCRAPE_INTERVAL
GIGABIT = 1e9 / 8  # bytes/s
EDGE_CONNECTIONS = 2000  # maxconn in docker/edge/templates/global.cfg.j2
# RETENTION_SIZE and RETENTION_TIME of .env.example; a sample takes 1 to 2 bytes (Prometheus' documentation, "Storage").
RETENTION_BYTES, RETENTION_SECONDS, SAMPLE_BYTES = 5e9, 30 * 86400, 2


@dataclass(frozen=True)
class Step:
    """One factor of ten. `traffic`: bytes/s between clients and edges, both ways; `pull`: bytes, of all nodes."""

    plan: Plan
    nodes: int
    edge_cores: float
    traffic: float
    photo_traffic: float
    pull: float
    series: int

    @property
    def samples(self) -> float:
        """Returns samples per second."""
        return self.series / SCRAPE_SECONDS


@dataclass(frozen=True)
class Limit:
    """A limit. `rate`: requests/s at which it is reached; `how`: the arithmetic; `then`: what replaces it."""

    rate: float
    what: str
    how: str
    then: str


class Capacity:
    """Does the arithmetic of the page."""

    def __init__(self, measured: Measured, replica: Replica) -> None:
        self.measured, self.facts, self.bench, self.replica = measured, measured.facts, measured.bench, replica
        self.best = self.bench.best.achieved_rate
        closed = [one.run for one in measured.closed]
        self.edge_ms = median(run.edge.cpu_ms for run in closed)
        self.request_bytes = median(run.replicas.received for run in closed)
        self.answer_bytes = median(run.replicas.sent for run in closed)
        self.photo_bytes = self.facts.photo + self.request_bytes - self.facts.body
        self.node_cores = int(self.bench.machine["cores"])

    def step(self, rate: float) -> Step:
        plan = make_plan(self.bench, self.replica, rate, P99_MS, EDGE_REPLICAS)
        replicas, edge_cores = plan.spared.replicas, rate * self.edge_ms / 1000
        nodes = -(-(plan.spared.cores + edge_cores) // self.node_cores)
        return Step(
            plan,
            int(nodes),
            edge_cores,
            rate * (self.request_bytes + self.answer_bytes),
            rate * (self.photo_bytes + self.answer_bytes),
            nodes * (self.facts.torchserve_image + self.facts.edge_image + self.facts.archives),
            replicas * self.facts.torchserve_series + plan.edges * self.facts.edge_series,
        )

    def limits(self) -> Iterator[Limit]:
        best = MAX_LOAD * self.best
        each_ms = self.bench.cores / self.best * 1000 + self.edge_ms
        yield Limit(
            best,
            "one replica",
            f"{MAX_LOAD:.0%} of {self.best:,.0f} requests/s, the best of one (measured)",
            "several behind the edge: `compose.scale.yaml`, `TORCHSERVE_REPLICAS`",
        )
        yield Limit(
            EDGE_REPLICAS * best,
            "the places of one edge",
            f"{EDGE_REPLICAS} replicas (`EDGE_MOST_REPLICAS`) of {best:,.0f} requests/s",
            "a higher `EDGE_MOST_REPLICAS` (without, a ninth gets no requests); larger replicas (more CPUs each); "
            "several edges, each with its own, behind DNS or a balancer",
        )
        yield Limit(
            self.node_cores / each_ms * 1000,
            "one machine like this one",
            f"{self.node_cores} cores; a request takes {each_ms:.2f} CPU-ms, {self.edge_ms:.3f} of it in the edge",
            "a larger machine, or more of them: baked images, Swarm or Kubernetes",
        )
        yield Limit(
            1000 / self.edge_ms,
            "one thread of the edge",
            f"1,000 ms of CPU / {self.edge_ms:.3f} CPU-ms per request (measured, without TLS)",
            "`EDGE_THREADS`, then one edge per node",
        )
        p50 = self.step(RATES[1]).plan.spared.p50_ms
        yield Limit(
            EDGE_CONNECTIONS / p50 * 1000,
            "the connections of one edge",
            f"Little's law: {EDGE_CONNECTIONS:,} in flight (`maxconn`) / {p50:.1f} ms, plan's p50 for {RATES[1]:,}/s",
            "more edges; for clients that wait longer, a higher `maxconn`",
        )
        for speed in (1, 10):
            for what, size in (("digits", self.request_bytes), ("photos", self.photo_bytes)):
                both = size + self.answer_bytes
                yield Limit(
                    speed * GIGABIT / both,
                    f"{speed} Gbit/s of one edge, for {what}",
                    f"{speed * GIGABIT / 1e6:,.0f} MB/s each way / {both:,.0f} bytes, request and answer, in and out",
                    "edges on several machines, each with its own network; smaller pictures",
                )
        series = self.facts.torchserve_series / best + self.facts.edge_series / best / EDGE_REPLICAS
        kept = RETENTION_BYTES / SAMPLE_BYTES / RETENTION_SECONDS * SCRAPE_SECONDS
        yield Limit(
            kept / series,
            f"{RETENTION_BYTES / 1e9:g} GB for 30 days of metrics",
            f"{kept:,.0f} series fit at {SAMPLE_BYTES} bytes a sample; {self.facts.torchserve_series} per replica and "
            f"{self.facts.edge_series} per edge (measured)",
            "`RETENTION_SIZE`, fewer of TorchServe's own series, then one Prometheus per group of nodes, federated",
        )
        pulled = self.facts.torchserve_image + self.facts.edge_image + self.facts.archives
        yield Limit(
            GIGABIT * 3600 / pulled * self.node_cores / each_ms * 1000,
            "an hour for all nodes to pull",
            f"from one registry at 1 Gbit/s: {GIGABIT * 3600 / pulled:,.0f} nodes of {pulled / GIB:.1f} GiB",
            "a registry mirror per rack; a release is then the model's layer alone",
        )
