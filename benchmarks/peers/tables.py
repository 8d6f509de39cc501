"""Turns results.json into the Markdown of docs/evidence/peers.md. Not the plot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from peers.peer import OURS, TABLES, Peer, Table
from peers.results import Results, Run

TITLES: dict[Table, str] = {"out-of-the-box": "Out of the box", "equal-engine": "Equal engine"}
MEANINGS: dict[Table, str] = {
    "out-of-the-box": """\
Each peer as the first example of its own documentation sets it up, with its default number of workers and threads and
the model as the plain PyTorch module; this stack as `scripts/stack up` starts it, with all of its models in memory at
once (a peer has one).
""",
    "equal-engine": """\
Every peer runs the stack's own engine and decoding code, {workers} workers, threads of each: {threads}. Dynamic
batching is on for MNIST where the peer has it, up to 32 (DenseNet gains nothing from it). No log
line per request where a peer can be told so.
""",
}
METHOD = """\
## How it was measured

One server at a time, in a container without limits, on the machine that also runs the client: wrk with one thread,
closed loop (a connection sends its next request when it has its answer), in a container on the same bridge network.
{seconds} s for each number of connections, after {warmup} s of warm-up at the highest.

Every request carries the same image file, raw where the server takes a raw body, in its protocol's frame where not.
Before the load each server's answer is compared with that of the plain PyTorch module. Out of the box the peers decode
with the stack's code as well; TorchServe decodes with torchvision, as its own handlers do.

CPU time and memory are those of all the server's processes, by Docker's Engine API; CPU-ms per request includes what a
server does between requests and for those that a run's end cuts off; before each run its queue is empty again. Errors
are refused or cut connections, answers of 400 and above, and timeouts. wrk corrects its percentiles for stalls, for
every server alike. A peer counts as ahead from {noise:.0%}.
"""
# How far a peer must be ahead before it counts: below that two runs of one server differ as much.
NOISE = 1.03


@dataclass(frozen=True)
class Figure:
    """Something measured, and the sentence for a peer that is better at it. `is_more_better`: rates, unlike times."""

    of: Callable[[Run], float]
    is_more_better: bool
    sentence: str

    def lead(self, peer: Run, ours: Run) -> float:
        """Returns how many times better the peer is: above 1 it is ahead; 0 if a value is missing."""
        theirs, own = self.of(peer), self.of(ours)
        if theirs <= 0 or own <= 0:
            return 0.0
        return theirs / own if self.is_more_better else own / theirs


FIGURES = (
    Figure(lambda run: run.rate, True, "{peer} answers {theirs} requests/s, this stack {own} ({lead:.2f} ×)"),
    Figure(lambda run: run.p50, False, "{peer}'s p50 is {theirs} ms, this stack's {own} ms ({lead:.2f} ×)"),
    Figure(lambda run: run.p99, False, "{peer}'s p99 is {theirs} ms, this stack's {own} ms ({lead:.2f} ×)"),
    Figure(lambda run: run.cpu_ms, False, "{peer} takes {theirs} CPU-ms per request, this stack {own} ({lead:.2f} ×)"),
    Figure(lambda run: run.memory, False, "{peer} takes {theirs} MiB, this stack {own} ({lead:.2f} ×)"),
)


def render(results: Results, peers: Sequence[Peer]) -> str:
    """Renders the page; `peers`: whose set-up is described, in that order."""
    parts = [heading(results), "![requests per second of every server](peers.svg)\n"]
    models = list(dict.fromkeys(run.model for run in results.runs))
    for table in TABLES:
        runs = [run for run in results.runs if run.table == table]
        if runs:
            parts.append(f"## {TITLES[table]}\n\n{MEANINGS[table].format(**results.settings)}")
            parts += [render_model(results, table, model) for model in models]
    parts += [failures(results), set_ups(results, peers), METHOD.format(noise=NOISE - 1, **results.settings)]
    return "\n".join(part for part in parts if part)


def heading(results: Results) -> str:
    machine = results.machine
    dates = sorted({run.date[:10] for run in results.runs})
    days = " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else "never"
    untrained = [name for name in results.untrained if any(run.model == name for run in results.runs)]
    text = (
        "# Other model servers, side by side\n\n"
        "Written by `benchmarks/peers/run`; change nothing here by hand.\n\n"
        f"Measured {days} on {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"{machine['system']} (kernel {machine['kernel']}), Docker {machine['docker']}; "
        f"load average before the first run: {machine['load']}.\n"
    )
    for name in untrained:
        text += (
            f"\n**{name} has random weights** (`random:0`) in these runs: its published ones were out of reach on this "
            "machine. The time a request takes does not depend on them; the answers mean nothing.\n"
        )
    return text


def render_model(results: Results, table: Table, model: str) -> str:
    """Renders one table and the sentences below it."""
    runs = [run for run in results.runs if (run.table, run.model) == (table, model)]
    if not runs:
        return ""
    connections = sorted({run.connections for run in runs})
    counts = " / ".join(map(str, connections))
    engine = f", {runs[0].engine} {runs[0].precision}" if table == "equal-engine" else ""
    lines = [
        f"### {model}, {counts} connections{engine}\n",
        "| server | requests/s | p50 ms | p99 ms | CPU-ms per request | MiB | errors |",
        "|---|---|---|---|---|---|---|",
    ]
    for peer in by_rate(runs):
        own = {run.connections: run for run in runs if run.peer == peer}
        name = results.names[peer]
        columns = [f"**{name}**" if peer == OURS else name]
        for figure in FIGURES[:4]:
            columns.append(" / ".join(number(figure.of(own[count])) if count in own else "–" for count in connections))
        columns.append(number(max(run.memory for run in own.values())))
        columns.append(str(sum(run.errors for run in own.values())))
        lines.append(f"| {' | '.join(columns)} |")
    sentences = beaten(results, runs)
    return "\n".join([*lines, "", *sentences, *([""] if sentences else [])])


def by_rate(runs: Iterable[Run]) -> list[str]:
    """Peers, the one with the highest rate first."""
    best: dict[str, float] = {}
    for run in runs:
        best[run.peer] = max(best.get(run.peer, 0.0), run.rate)
    return sorted(best, key=lambda peer: -best[peer])


def beaten(results: Results, runs: Sequence[Run]) -> list[str]:
    """Writes a sentence for each metric in which peers are ahead of this stack: the best one, then the others."""
    sentences = []
    for ours in sorted((run for run in runs if run.peer == OURS), key=lambda run: run.connections):
        rivals = [run for run in runs if run.connections == ours.connections and run.peer != OURS]
        for figure in FIGURES:
            ahead = sorted(
                (run for run in rivals if figure.lead(run, ours) > NOISE), key=lambda run: -figure.lead(run, ours)
            )
            if ahead:
                sentences.append(sentence(results, figure, ahead, ours))
    if sentences:
        return ["Where a peer is ahead of this stack:\n", *sentences]
    return ["No peer is ahead of this stack in any of these figures."] if any(run.peer == OURS for run in runs) else []


def sentence(results: Results, figure: Figure, ahead: Sequence[Run], ours: Run) -> str:
    best, others = ahead[0], [results.names[run.peer] for run in ahead[1:]]
    text = figure.sentence.format(
        peer=results.names[best.peer],
        theirs=number(figure.of(best)),
        own=number(figure.of(ours)),
        lead=figure.lead(best, ours),
    )
    also = f"; also ahead: {', '.join(others)}" if others else ""
    return f"- {ours.connections} connection{'' if ours.connections == 1 else 's'}: {text}{also}."


def failures(results: Results) -> str:
    if not results.failures:
        return ""
    lines = [
        f"- {results.names.get(one.peer, one.peer)}, {one.table}, {one.model}: {' '.join(one.reason.split())}"
        for one in results.failures
    ]
    return "\n".join(["## Not measured\n", *lines, ""])


def set_ups(results: Results, peers: Sequence[Peer]) -> str:
    lines = ["## How each server is set up\n", "| server | versions | out of the box | equal engine | documentation |"]
    lines.append("|---|---|---|---|---|")
    for peer in (peer for peer in peers if peer.id in results.names):
        versions = ", ".join(f"{name} {version}" for name, version in results.versions.get(peer.id, {}).items())
        notes = [peer.notes.get(table, "–") for table in TABLES]
        pages = " ".join(f"[{index}]({url})" for index, url in enumerate(peer.documentation, 1))
        lines.append(f"| {peer.name} | {versions or '–'} | {notes[0]} | {notes[1]} | {pages or '–'} |")
    return "\n".join([*lines, ""])


def number(value: float) -> str:
    """Formats three digits, or all before the point: 1,234 · 56.7 · 8.90 · 0.123."""
    if value >= 100:
        return f"{value:,.0f}"
    for limit, digits in ((10, 1), (1, 2)):
        if value >= limit:
            return f"{value:.{digits}f}"
    return f"{value:.3f}"
