"""`scripts/stack plan`: simulates how many replicas, cores and gigabytes serve a rate within a p99 latency."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from math import ceil, floor, log10
from pathlib import Path

import docker
from rich.table import Table

from stackcli.bench.load import find_server
from stackcli.bench.run import settings_in_force
from stackcli.common import console
from stackcli.common.errors import ConfigError
from stackcli.machine.describe import describe_machine
from stackcli.plan.measured import Results, check_results, read_results
from stackcli.plan.queueing import Replica, Simulated, open_loop
from stackcli.project.compose import Project
from stackcli.store.manifest import pick_model, read_manifest

SCHEMA = 1
GIB = 1 << 30
# Share of the best rate; bench measures no higher one (RATE_SHARES in bench/run.py).
MAX_LOAD = 0.9
# Of more replicas, only this many are simulated, with their share of the requests. That is conservative: the more
# replicas an edge can choose among, the shorter the queues.
MAX_SIMULATED = 16
ALONE = 0.01  # share of the best rate at which no request waits for another


@dataclass(frozen=True)
class Asked:
    """The command's options. `rate`: requests/s; `folder`: with the bench results of all models."""

    model: str
    rate: float
    p99_ms: float
    folder: Path


@dataclass(frozen=True)
class Forecast:
    """A number of replicas at the rate. `load`: share of their best rate; `utilisation`: share of busy workers."""

    replicas: int
    cores: float
    memory_gib: float
    load: float
    utilisation: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Plan:
    """The forecast. `enough`: the fewest replicas that keep the p99; `spared`: one more, so that one may fail.

    `machines`: how many machines like the measured one have the cores. `edge_replicas`: the most that one edge routes
    to.
    """

    model: str
    version: str
    rate: float
    p99_ms: float
    best_rate: float
    cores_each: float
    memory_each_gib: float
    machines: int
    edge_replicas: int
    enough: Forecast
    spared: Forecast
    replica: Replica

    @property
    def edges(self) -> int:
        return ceil(self.spared.replicas / self.edge_replicas)


def run_plan(client: docker.DockerClient, project: Project, asked: Asked, as_json: bool) -> None:
    """Prints the plan. Raises ServeError if the stack is not running, ConfigError if there is nothing to plan from."""
    container = find_server(client, project)
    served = pick_model(read_manifest(project.settings).models, asked.model)
    results = read_results(asked.folder, served.name)
    check_results(results, served, describe_machine(client), settings_in_force(container, project.settings, served))
    most = project.settings.edge_most_replicas
    plan = make_plan(results, results.replica(), asked.rate, asked.p99_ms, most)
    if as_json:
        console.out.print_json(json.dumps({"schema": SCHEMA, "edges": plan.edges, **asdict(plan)}))
    else:
        show_plan(plan, results)


def make_plan(results: Results, replica: Replica, rate: float, p99_ms: float, edge_replicas: int) -> Plan:
    """Makes the plan; `edge_replicas`: EDGE_MOST_REPLICAS. Raises ConfigError if no number keeps the p99."""
    best = results.best.achieved_rate
    lone = open_loop(replica, ALONE * best).percentile(99)
    if lone > p99_ms:
        least = f"{rounded_up(lone):g}"
        expected = f"a p99 of at least {least} ms, the p99 of requests that do not wait"
        tune = f"`scripts/stack tune {results.model} --goal p99={p99_ms:g}`"
        raise ConfigError(expected, f"--p99 {p99_ms:g}", f"--p99 {least}, or a faster setting: {tune}")

    def forecast(replicas: int, simulated: Simulated) -> Forecast:
        cores, memory = replicas * results.cores, replicas * results.memory_bytes / GIB
        return Forecast(
            replicas,
            cores,
            memory,
            rate / replicas / best,
            simulated.utilisation,
            simulated.percentile(50),
            simulated.percentile(99),
        )

    enough = fewest(replica, rate, p99_ms, best)
    return Plan(
        results.model,
        results.version,
        rate,
        p99_ms,
        best,
        results.cores,
        results.memory_bytes / GIB,
        ceil((enough + 1) * results.cores / results.machine["cores"]),
        edge_replicas,
        forecast(enough, simulate(replica, rate, enough)),
        forecast(enough + 1, simulate(replica, rate, enough + 1)),
        replica,
    )


def fewest(replica: Replica, rate: float, p99_ms: float, best: float) -> int:
    """Finds the fewest replicas that keep the p99, by doubling, then bisection: more replicas are never slower."""

    def keeps(replicas: int) -> bool:
        return simulate(replica, rate, replicas).percentile(99) <= p99_ms

    low = high = max(1, ceil(rate / best / MAX_LOAD))
    while not keeps(high):
        low, high = high + 1, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if keeps(middle) else (middle + 1, high)
    return low


def simulate(replica: Replica, rate: float, replicas: int) -> Simulated:
    """Simulates Poisson arrivals at `replicas` replicas behind one edge."""
    simulated = min(replicas, MAX_SIMULATED)
    return open_loop(replica, rate * simulated / replicas, simulated)


def rounded_up(value: float) -> float:
    """Rounds up to two significant digits."""
    unit = 10.0 ** (floor(log10(value)) - 1)
    return round(ceil(value / unit) * unit, 9)


def show_plan(plan: Plan, results: Results) -> None:
    console.phase(f"{plan.model} {plan.version} at {plan.rate:,g} requests/s, p99 at most {plan.p99_ms:g} ms")
    console.say(f"measured {results.date} on {results.machine['cores']} cores of {results.machine['cpu']}")
    console.say(
        f"one replica: {plan.cores_each:g} cores, {plan.memory_each_gib:.2f} GiB used of "
        f"{results.settings['TORCHSERVE_MEMORY']}, at best {plan.best_rate:,.0f} requests/s"
    )
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("", "replicas", "cores", "GiB", "of best rate", "workers busy", "p50 ms", "p99 ms"):
        table.add_column(column, justify="left" if not column else "right")
    for name, one in (("needed", plan.enough), ("with one to lose", plan.spared)):
        cells = [f"{one.replicas:,}", f"{one.cores:,g}", f"{one.memory_gib:,.1f}", f"{one.load:.0%}"]
        table.add_row(name, *cells, f"{one.utilisation:.0%}", f"{one.p50_ms:.1f}", f"{one.p99_ms:.1f}")
    console.out.print(table)
    if any(run.generator_limited for run in results.runs):
        console.warn("the load generator limited some bench runs: part of their latency is its own")
    if plan.edges > 1:
        console.say(f"{plan.edges} edges: each routes to {plan.edge_replicas} replicas at most (EDGE_MOST_REPLICAS)")
    many = f"{plan.spared.replicas:,} replicas on {plan.machines:,} machines like this one (docs/evidence/capacity.md)"
    here = f"TORCHSERVE_REPLICAS={plan.spared.replicas} with compose.scale.yaml"
    console.done(f"{here if plan.machines == 1 else many}: the p99 is kept even if any one of them fails")
