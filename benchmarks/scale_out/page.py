"""docs/evidence/capacity.md."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from statistics import median
from textwrap import fill

from scale_out.limits import P99_MS, RATES, SCRAPE_SECONDS, Capacity, Step
from scale_out.prediction import CONNECTIONS, LOAD, Prediction, predict
from scale_out.replicas import MOST
from scale_out.results import Measured
from stackcli.common.paths import ROOT
from stackcli.plan.forecast import GIB
from stackcli.plan.queueing import PERIOD_MS

DOCUMENT = ROOT / "docs/evidence/capacity.md"
WIDTH = 118
WITHIN = 0.15  # of the measured requests/s

COLUMNS = (
    "requests/s",
    "replicas",
    "their cores",
    "GiB",
    "edges",
    "their cores",
    "nodes",
    "clients' network",
    "with photos",
    "pulled once",
    "series",
    "samples/s",
)

INTRODUCTION = """# Capacity: how many replicas you need

Written by `benchmarks/scale_out/run`; change nothing here by hand. Every figure was measured here, is arithmetic with
measured figures that the page shows, or is a setting of this repository that it names.

## `scripts/stack plan`

```bash not-run: MODEL stands for a model of yours
scripts/stack bench MODEL
scripts/stack plan --model MODEL --rate 1000 --p99 100
```

`plan` takes what `bench` has measured on this machine. It says how many replicas (containers of TorchServe as it is
set up now), cores and gigabytes serve that many requests a second, with 99 of 100 answered in time, and adds one
replica, so that any one may be lost. It refuses figures of another machine, version or setting, and a p99 that no
number of replicas can keep, and then names the smallest that it can promise. `--json` is for machines.

It simulates a queue (`scripts/stackcli/plan/queueing.py`): requests arrive at random (Poisson), the edge gives each to
the replica with the fewest in flight, a free worker takes what is waiting, up to `batchSize`, and a batch of b takes
*fixed + each × b* ms, with a spread. These come from bench's runs (`scripts/stackcli/plan/calibration.py`): closed
loops give the times, open loops the spread. What a CPU quota takes away is simulated as the kernel does it, in periods
of 100 ms. With constant and exponential times the simulation reproduces the waiting times of M/D/1 and M/M/c
(`tests/unit/test_queueing.py`).

What it does not know: bench asks one container directly, so the edge's time is not included (see
[edge-cost.md](edge-cost.md)); bench sends one picture, and yours may be larger; and the load generator used its share
of the same cores.
"""


def render(measured: Measured) -> str:
    capacity = Capacity(measured, measured.bench.replica())
    steps = [capacity.step(rate) for rate in RATES]
    return "\n".join([INTRODUCTION, render_comparison(measured, capacity), render_steps(capacity, steps)])


def render_comparison(measured: Measured, capacity: Capacity) -> str:
    replica, settings = capacity.replica, measured.bench.settings
    predictions = [predict(replica, count) for count in range(1, MOST + 1)]
    worst = max(abs(error_of(one, measured)) for one in predictions)
    stop = PERIOD_MS * (1 - (replica.quota or 1))
    late = max(abs(late_by(one, measured)) for one in predictions)
    setting = f"""{measured.facts.machine}. Each replica has {settings["TORCHSERVE_CPUS"]} CPUs and
        {settings["workers"]} worker of one thread. One is asked directly, as bench does. From that the simulation
        predicts what one, two and three do behind the edge: the rate in a closed loop of {CONNECTIONS} connections for
        each, and the latency at {LOAD:.0%} of the predicted rate, sent evenly, as the load generator does. All take
        turns, {len(measured.straight)} rounds of closed and {len(measured.opened_runs(1))} of open loops, while other
        programs run freely on the same machine. The figures are medians, with the smallest and the largest in
        brackets. The error compares the prediction with the median, and in brackets with each round, using that
        round's own direct rate in place of the median of all."""
    found = f"""Found: a batch of b takes {replica.fixed:.2f} + {replica.each:.2f} × b ms unhindered, spread
        {replica.spread:g}. The largest error of the throughput is {worst:.0%}:
        {"within" if worst <= WITHIN else "NOT within"} {WITHIN:.0%}. Of the p99 it is {late:.0%}: a quota stops a
        replica for up to {stop:.0f} ms at a time, and other load on the machine shows there first (see how far the
        measured ones lie apart). Read the p99 of `plan` as an order of magnitude."""
    text = f"""## The prediction against one, two and three replicas

{wrapped(setting)}

{wrapped(found)}

| replicas | requests/s predicted | measured | error | p99 predicted | measured | error | p50 predicted | measured |
|---|---|---|---|---|---|---|---|---|
"""
    for one in predictions:
        opened = measured.opened_runs(one.replicas)
        cells = [
            f"{one.replicas}",
            f"{one.rate:,.0f}",
            spread_of(measured.rates(one.replicas)),
            f"{error_of(one, measured):+.0%} ({round_errors(one, measured)})",
            f"{one.p99_ms:,.0f} ms",
            spread_of([run.p99_ms for run in opened]) + " ms",
            f"{late_by(one, measured):+.0%}",
            f"{one.p50_ms:,.0f} ms",
            spread_of([run.p50_ms for run in opened]) + " ms",
        ]
        text += f"| {' | '.join(cells)} |\n"
    return text + render_rounds(measured)


def wrapped(text: str) -> str:
    return fill(" ".join(text.split()), WIDTH)


def error_of(prediction: Prediction, measured: Measured) -> float:
    return prediction.rate / median(measured.rates(prediction.replicas)) - 1


def late_by(prediction: Prediction, measured: Measured) -> float:
    """Returns the error of the predicted p99."""
    return prediction.p99_ms / median(run.p99_ms for run in measured.opened_runs(prediction.replicas)) - 1


def round_errors(prediction: Prediction, measured: Measured) -> str:
    """Formats the error by round: a slower machine slowed the directly loaded replica of that round too."""
    usual = median(measured.straight)
    pairs = zip(measured.straight, measured.rates(prediction.replicas), strict=True)
    errors = [prediction.rate * straight / usual / rate - 1 for straight, rate in pairs]
    return f"{min(errors):+.0%} to {max(errors):+.0%}"


def spread_of(figures: Sequence[float]) -> str:
    return f"{median(figures):,.0f} ({min(figures):,.0f} to {max(figures):,.0f})"


def render_rounds(measured: Measured) -> str:
    counts = range(1, MOST + 1)
    text = "\nEvery round, requests/s:\n\n| one, asked directly | one | two | three |\n|---|---|---|---|\n"
    for row in zip(measured.straight, *(measured.rates(count) for count in counts), strict=True):
        text += f"| {' | '.join(f'{rate:,.0f}' for rate in row)} |\n"
    return text


def render_steps(capacity: Capacity, steps: list[Step]) -> str:
    bench = capacity.bench
    setting = f"""The rows with high rates were never run: they are arithmetic with what one machine has shown, for
        {bench.model} in replicas of {bench.cores:g} CPUs, with a p99 of at most {P99_MS:g} ms and one replica to lose.
        For another model, run `plan`."""
    terms = f"""Nodes are machines like this one, {capacity.node_cores} cores; on larger ones divide the cores. Edge
        cores are requests/s × CPU-ms; the clients' network is requests/s × bytes of request and answer; pulls are
        nodes × all images; samples are series / {SCRAPE_SECONDS} s. To be able to lose a whole node, add as
        many replicas as run on one."""
    text = f"""## From 100 to 1,000,000 requests/s

{wrapped(setting)}

{render_inputs(capacity)}
{wrapped(terms)}

| {" | ".join(COLUMNS)} |
{"|---" * len(COLUMNS)}|
"""
    for step in steps:
        spared = step.plan.spared
        cells = [f"{step.plan.rate:,.0f}", f"{spared.replicas:,}", f"{spared.cores:,.1f}", f"{spared.memory_gib:,.1f}"]
        cells += [f"{step.plan.edges:,}", f"{step.edge_cores:,.2f}", f"{step.nodes:,}"]
        cells += [gigabits(step.traffic), gigabits(step.photo_traffic), f"{step.pull / 1e9:,.0f} GB"]
        cells += [f"{step.series:,}", f"{step.samples:,.0f}"]
        text += f"| {' | '.join(cells)} |\n"
    return text + render_limits(capacity)


def render_inputs(capacity: Capacity) -> str:
    facts = capacity.facts
    rows = {
        "best rate of one replica": f"{capacity.best:,.0f} requests/s",
        "memory of one replica": f"{capacity.bench.memory_bytes / GIB:.2f} GiB",
        "the edge, per request": f"{capacity.edge_ms:.3f} CPU-ms, without TLS",
        "bytes to a replica, and back": f"{capacity.request_bytes:,.0f} and {capacity.answer_bytes:,.0f} a request",
        f"with a photo of {facts.photo:,} bytes for {facts.body:,}": f"{capacity.photo_bytes:,.0f} to a replica",
        "images to pull": f"{facts.torchserve_image / 1e9:.2f} GB torchserve, {facts.edge_image / 1e9:.2f} GB edge",
        "archives in them": f"{facts.archives / 1e6:.0f} MB",
        "series of a replica that serves one version": f"{facts.torchserve_series:,}",
        f"series of an edge with {MOST} replicas": f"{facts.edge_series:,}",
    }
    return "| measured here | |\n|---|---|\n" + "".join(f"| {name} | {value} |\n" for name, value in rows.items())


def gigabits(traffic: float) -> str:
    """Formats `traffic`, in bytes/s."""
    return f"{traffic * 8 / 1e9:.3g} Gbit/s"


def render_limits(capacity: Capacity) -> str:
    text = (
        "\n### What breaks first\n\nIn the order in which it is reached; the first of a factor of ten breaks first.\n\n"
    )
    text += "| between | reached at | what breaks | why there | what replaces it |\n|---|---|---|---|---|\n"
    for limit in sorted(capacity.limits(), key=lambda limit: limit.rate):
        below = 10 ** int(log10(limit.rate))
        between = f"{below:,} and {below * 10:,}" if below < RATES[-1] else f"above {RATES[-1]:,}"
        text += f"| {between} | {limit.rate:,.0f}/s | {limit.what} | {limit.how} | {limit.then} |\n"
    return text
