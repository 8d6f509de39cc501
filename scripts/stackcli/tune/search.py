"""The search strategy of `scripts/stack tune` and its decision; measures nothing itself.

A full grid would take hours, and measurements are noisy, so the search takes the usual three steps:

1. Coordinate descent with short trials. From the default, one setting is varied at a time and the best value kept:
  precision first (it affects the engine's cost most and depends on nothing else), then the shape (workers × threads),
   then batching, then the shape again, because batching workers may be needed in smaller numbers.
2. A play-off with long trials: the best few and the default take turns, A B C A B C …, so that a machine that slows
   down does so for all of them.
3. The run with the median rate represents its candidate. Of those within 5 % of the best one, the noise of such
   measurements, the one that changes the fewest answers is chosen; among equals, the fastest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stackcli.bench.load import Run
from stackcli.tune.candidates import Candidate, Space

MAX_TRIALS = 20
FINALISTS = 3
ROUNDS = 3
TOLERANCE = 0.05


@dataclass(frozen=True)
class Trial:
    """One start of the server with a candidate: all its runs, and the one that counts, or the failure."""

    candidate: Candidate
    runs: tuple[Run, ...]
    best: Run | None
    failure: str = ""
    is_long: bool = False

    @property
    def rate(self) -> float:
        """Returns requests/s; 0 if it failed."""
        return rate_of(self.best) if self.best else 0.0


@dataclass(frozen=True)
class Result:
    """The result of a candidate's trials. `run`: the one with the median rate, of the long trials if there are any."""

    candidate: Candidate
    trials: tuple[Trial, ...]
    run: Run | None
    failure: str

    @property
    def is_finalist(self) -> bool:
        return self.trials[-1].is_long

    @property
    def rate(self) -> float:
        return rate_of(self.run) if self.run else 0.0

    @property
    def p99_ms(self) -> float:
        """Returns the p99 in ms; infinite if it failed."""
        return self.run.latency_ms["p99"] if self.run and self.run.latency_ms else float("inf")


Attempt = Callable[[Candidate], Trial]


def rate_of(run: Run) -> float:
    """Returns the achieved rate of a closed loop, the offered rate of an open one."""
    return run.offered_rate or run.achieved_rate


def short_trials(default: Candidate, space: Space) -> int:
    """Returns the most short trials that the search can need."""
    start = space.start(default)
    shapes = len(space.other_shapes(start))
    values = len(space.other_precisions(start)) + shapes + len(space.other_batchings(start)) + shapes
    return min(MAX_TRIALS, 1 + values)


def screen(default: Candidate, space: Space, attempt: Attempt, is_over: Callable[[], bool]) -> list[Trial]:
    """Does step 1: at most MAX_TRIALS; always the default, first, and at least one other even if `is_over`."""
    trials = {default: attempt(default)}
    best = space.start(default)
    for others in (space.other_precisions, space.other_shapes, space.other_batchings, space.other_shapes):
        for candidate in others(best):
            if candidate in trials:
                continue
            if len(trials) == MAX_TRIALS or (len(trials) > 1 and is_over()):
                return list(trials.values())
            trials[candidate] = attempt(candidate)
        tried = [trial for trial in trials.values() if trial.rate and space.holds(trial.candidate)]
        best = max(tried, key=lambda trial: trial.rate).candidate if tried else best
    return list(trials.values())


def finalists(trials: list[Trial], default: Candidate) -> list[Candidate]:
    """Returns the default and the best of the others that did not fail."""
    others = [trial for trial in trials if trial.candidate != default and trial.rate]
    others.sort(key=lambda trial: trial.rate, reverse=True)
    return [default, *(trial.candidate for trial in others[:FINALISTS])]


def play_off(candidates: list[Candidate], attempt: Attempt, is_over: Callable[[], bool]) -> list[Trial]:
    """Does step 2: ROUNDS rounds, but no further one once it `is_over`."""
    trials: list[Trial] = []
    for _ in range(ROUNDS):
        if trials and is_over():
            break
        trials += [attempt(candidate) for candidate in candidates]
    return trials


def highest_rate(
    offer: Callable[[float], Run], ceiling: float, p99_ms: float, steps: int
) -> tuple[Run | None, list[Run]]:
    """Finds the highest open-loop rate (requests/s) that keeps the limit without errors; returns it with all runs.

    It bisects between 0 and `ceiling`, a closed loop's rate: an open loop above that only grows its queue.
    After n steps the rate is exact to ceiling / 2ⁿ; None if no rate keeps the limit.
    """
    best: Run | None = None
    runs: list[Run] = []
    low, high = 0.0, ceiling
    for _ in range(steps):
        rate = (low + high) / 2
        run = offer(rate)
        runs.append(run)
        if run.latency_ms and run.latency_ms["p99"] <= p99_ms and not run.errors:
            best, low = run, rate
        else:
            high = rate
    return best, runs


def summarise(trials: list[Trial]) -> list[Result]:
    """Returns one result per candidate, in the order of their first trials."""
    return [
        result_of([t for t in trials if t.candidate == known]) for known in dict.fromkeys(t.candidate for t in trials)
    ]


def result_of(trials: list[Trial]) -> Result:
    """Summarises one candidate's trials, of which there is at least one. One failed long trial fails the candidate."""
    counted = [trial for trial in trials if trial.is_long] or trials
    failure = next((trial.failure for trial in counted if trial.failure), "")
    runs = sorted((trial.best for trial in counted if trial.best), key=rate_of)
    run = None if failure or not runs else runs[(len(runs) - 1) // 2]
    return Result(trials[0].candidate, tuple(trials), run, failure)


def choose(results: list[Result], unlike_eager: Callable[[Candidate], float]) -> Result | None:
    """Does step 3; None if all finalists failed. `unlike_eager`: share of answers that differ."""
    best = best_of(results)
    close = [result for result in finished(results) if best and result.rate >= (1 - TOLERANCE) * best.rate]
    return min(close, key=lambda result: (unlike_eager(result.candidate), -result.rate), default=None)


def best_of(results: list[Result]) -> Result | None:
    """Returns the fastest finalist, because short trials do not compare with long ones; None if all failed."""
    return max(finished(results), key=lambda result: result.rate, default=None)


def finished(results: list[Result]) -> list[Result]:
    """Returns the finalists that did not fail."""
    return [result for result in results if result.is_finalist and result.run]


def pareto_front(results: list[Result]) -> list[Result]:
    """Returns the results that no other beats in rate or p99 without being worse in the other, sorted by rate."""
    measured = [result for result in results if result.run]
    front = [result for result in measured if not any(beats(other, result) for other in measured)]
    return sorted(front, key=lambda result: result.rate)


def beats(one: Result, other: Result) -> bool:
    at_least = one.rate >= other.rate and one.p99_ms <= other.p99_ms
    return at_least and (one.rate > other.rate or one.p99_ms < other.p99_ms)
