"""Shows and writes what `scripts/stack tune` finds: a line per trial, the table, results.json, the page, the choice."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from contract.tuned import Tuned
from stackcli.bench.load import run_generator
from stackcli.common import console
from stackcli.common.paths import shown
from stackcli.store.manifest import Model
from stackcli.tune.candidates import Candidate, Goal
from stackcli.tune.search import Result, Trial, best_of, pareto_front
from stackcli.tune.testbed import Testbed

COLUMNS = ("workers × threads", "batches", "precision", "vs. eager", "requests/s", "p99 ms", "CPU-ms", "MiB", "note")


@dataclass(frozen=True)
class Outcome:
    """What tuning found. `description`: what the results apply to; `chosen` None: no finalist reached the goal."""

    description: dict[str, Any]
    model: Model
    goal: Goal
    connections: int
    cpus: int
    default: Candidate
    results: list[Result]
    chosen: Result | None

    def note_of(self, result: Result) -> str:
        """Returns a result's notes, comma-separated; empty if there is nothing to note."""
        notes = ["chosen"] if result is self.chosen else []
        notes += ["default"] if result.candidate == self.default else []
        notes += ["Pareto front"] if result in pareto_front(self.results) else []
        notes += [f"failed: {result.failure}"] if result.failure else []
        return ", ".join(notes)


def show_trial(trial: Trial) -> None:
    if trial.best is None or trial.best.latency_ms is None:
        console.refuse(f"{trial.candidate}: {trial.failure}")
    else:
        limited = " (limited by the load generator)" if trial.best.generator_limited else ""
        p99 = trial.best.latency_ms["p99"]
        console.say(f"{trial.candidate}: {per_second(trial.rate)}, p99 {p99:.1f} ms{limited}")


def per_second(rate: float) -> str:
    return f"{rate:.0f}/s" if rate >= 100 else f"{rate:.3g}/s"


def unlike_eager(model: Model, candidate: Candidate) -> float:
    """Returns the share of answers that differ from the eager model's, as the builder measured; 0 if it did not."""
    exactness = model.precisions.get(candidate.precision)
    return exactness.top1_disagreement if exactness else 0.0


def exactness_of(model: Model, candidate: Candidate) -> str:
    """Says how the precision changes the answers, as the builder measured it."""
    exactness = model.precisions.get(candidate.precision)
    if exactness is None:
        return "-"
    differ = f"{exactness.top1_disagreement:.2%} of {exactness.images} differ"
    return differ if exactness.accuracy is None else f"{differ}, {exactness.accuracy:.2%} right"


def results_table(outcome: Outcome) -> Table:
    """Makes the table of results, the fastest first, failures last."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in COLUMNS:
        table.add_column(column, justify="right" if column in COLUMNS[4:8] else "left")
    for result in sorted(outcome.results, key=lambda result: result.rate, reverse=True):
        candidate, run = result.candidate, result.run
        metrics = ("-", "-", "-", "-")
        if run:
            cpu = f"{run.cpu_ms:.2f}" if run.cpu_ms is not None else "-"
            rate = per_second(result.rate).removesuffix("/s")
            metrics = (rate, f"{result.p99_ms:.1f}", cpu, f"{run.memory_after.used / 2**20:.0f}")
        name = f"{candidate.shape}{'' if result.is_finalist else ' *'}"
        style = "bold" if result is outcome.chosen else "red" if result.failure else ""
        exactness, note = exactness_of(outcome.model, candidate), escape(outcome.note_of(result))
        table.add_row(name, candidate.batching, candidate.precision or "-", exactness, *metrics, note, style=style)
    return table


def write_results(testbed: Testbed, folder: Path, outcome: Outcome) -> None:
    """Shows the table; writes results.json and report.html to `folder`."""
    console.out.print(results_table(outcome))
    console.say("* measured in one short trial; the others show their run with the median rate")
    limited = sum(bool(result.run and result.run.generator_limited) for result in outcome.results)
    if limited:
        console.warn(f"the load generator limited {limited} of these: this machine is too small or too busy")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results_of(outcome), indent=1) + "\n")
    page = run_generator(testbed.project, ["report", "/results.json", "-"], {"/results.json": folder / "results.json"})
    (folder / "report.html").write_text(page)
    console.done(f"report: {shown(folder / 'report.html')}, results: {shown(folder / 'results.json')}")


def results_of(outcome: Outcome) -> dict[str, Any]:
    """Returns the content of results.json: every candidate with all its runs and its outcome."""
    front, best = pareto_front(outcome.results), best_of(outcome.results)
    return {
        **outcome.description,
        "goal": str(outcome.goal),
        "connections": outcome.connections,
        "cpus": outcome.cpus,
        "best_rate": best.rate if best else None,
        "candidates": [
            {
                "settings": result.candidate.settings,
                "shape": result.candidate.shape,
                "batching": result.candidate.batching,
                "precision": result.candidate.precision,
                "beside_eager": exactness_of(outcome.model, result.candidate),
                "rate": result.rate,
                "latency_ms": result.run.latency_ms if result.run else None,
                "cpu_ms": result.run.cpu_ms if result.run else None,
                "memory": result.run.memory_after.used if result.run else None,
                "is_default": result.candidate == outcome.default,
                "is_chosen": result is outcome.chosen,
                "is_finalist": result.is_finalist,
                "is_on_front": result in front,
                "failure": result.failure,
                "note": outcome.note_of(result),
                "trials": [asdict(trial) for trial in result.trials],
            }
            for result in outcome.results
        ],
    }


def entry_of(outcome: Outcome, chosen: Result) -> Tuned:
    """Returns the entry for tuned.json."""
    default = default_of(outcome)
    figures = {"rate": round(chosen.rate, 2), "p99_ms": round(chosen.p99_ms, 2)}
    if default.run:
        figures |= {"default_rate": round(default.rate, 2), "default_p99_ms": round(default.p99_ms, 2)}
    return Tuned(
        goal=str(outcome.goal),
        settings=chosen.candidate.settings,
        date=outcome.description["date"],
        cpu=outcome.description["machine"]["cpu"],
        cpus=outcome.cpus,
        connections=outcome.connections,
        figures=figures,
    )


def default_of(outcome: Outcome) -> Result:
    return next(result for result in outcome.results if result.candidate == outcome.default)


def show_choice(outcome: Outcome, chosen: Result) -> None:
    """Prints the choice: its rate, its spread, and what it changes."""
    rates = [trial.rate for trial in chosen.trials if trial.is_long]
    best, default = best_of(outcome.results) or chosen, default_of(outcome)
    console.done(f"chosen for {outcome.goal}: {chosen.candidate}")
    console.say(
        f"{per_second(chosen.rate)} (the median of {len(rates)}, {per_second(min(rates))} to {per_second(max(rates))}) "
        f"is {chosen.rate / best.rate:.1%} of the best rate measured ({per_second(best.rate)})"
    )
    if best is not chosen:
        changes_more = f"it changes more answers ({exactness_of(outcome.model, best.candidate)})"
        console.say(f"the fastest: {best.candidate}; the difference is within the noise, and {changes_more}")
    console.say(f"answers compared with the eager model's: {exactness_of(outcome.model, chosen.candidate)}")
    if chosen is default:
        console.say("it is the default")
        return
    if default.rate:
        console.say(f"{chosen.rate / default.rate:.2f} × the default's {per_second(default.rate)} in the same rounds")
    before, after = outcome.default.settings, chosen.candidate.settings
    changes = [f"{key} {before[key]} → {value}" for key, value in after.items() if before[key] != value]
    console.say(f"changed from the default: {', '.join(changes)}")
