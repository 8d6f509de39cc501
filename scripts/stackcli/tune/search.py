"""How `scripts/stack tune` searches, and what it makes of its measurements; measures nothing itself.

A full grid would take hours, and this machine is noisy. So the field's usual three steps:

1. Coordinate descent with short trials. From the default, one setting is varied at a time and the best value kept:
   precision first (it moves the engine's cost most and depends on nothing else), then the shape (workers × threads),
   then batching, then the shape again, because a batching worker may need fewer of its kind.
2. A play-off with long trials: the best few and the default take turns, A B C A B C …, so that a machine that grows
   slower does so for all of them.
3. The run with the median rate speaks for its candidate. Of those within 5 % of the best one, the noise of such
   measurements, the one that changes the fewest answers is chosen; the fastest of several of these.
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
    """One start of the server with a candidate: all its runs, and the one that counts, or why there is none."""

    candidate: Candidate
    runs: tuple[Run, ...]
    best: Run | None
    failure: str = ""
    is_long: bool = False

    @property
    def rate(self) -> float:
        """Requests/s; 0 where it failed."""
        return rate_of(self.best) if self.best else 0.0


@dataclass(frozen=True)
class Result:
    """What a candidate's trials come to: `run` has the median rate of the long ones where there are any."""

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
        """Infinite where it failed."""
        return self.run.latency_ms["p99"] if self.run and self.run.latency_ms else float("inf")


Attempt = Callable[[Candidate], Trial]


def rate_of(run: Run) -> float:
    """Of a closed loop what was achieved, of an open one what was asked for."""
    return run.offered_rate or run.achieved_rate


def short_trials(default: Candidate, space: Space) -> int:
    """At most so many."""
    start = space.start(default)
    shapes = len(space.other_shapes(start))
    values = len(space.other_precisions(start)) + shapes + len(space.other_batchings(start)) + shapes
    return min(MAX_TRIALS, 1 + values)


def screen(default: Candidate, space: Space, attempt: Attempt, is_over: Callable[[], bool]) -> list[Trial]:
    """Step 1: at most MAX_TRIALS, the default always and first; at least one other before it `is_over`."""
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
    """The default and the best of the others that did not fail."""
    others = [trial for trial in trials if trial.candidate != default and trial.rate]
    others.sort(key=lambda trial: trial.rate, reverse=True)
    return [default, *(trial.candidate for trial in others[:FINALISTS])]


def play_off(candidates: list[Candidate], attempt: Attempt, is_over: Callable[[], bool]) -> list[Trial]:
    """Step 2: ROUNDS of them, but no further one once it `is_over`."""
    trials: list[Trial] = []
    for _ in range(ROUNDS):
        if trials and is_over():
            break
        trials += [attempt(candidate) for candidate in candidates]
    return trials


def highest_rate(
    offer: Callable[[float], Run], ceiling: float, p99_ms: float, steps: int
) -> tuple[Run | None, list[Run]]:
    """The open loop's highest rate (requests/s) that keeps the limit without an error, and all that was tried.

    Bisection between nothing and `ceiling`, what a closed loop achieved: an open loop above it only grows its queue.
    After n steps the answer is exact to ceiling / 2ⁿ.
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
    """One per candidate, in the order in which they were first tried."""
    return [
        result_of([t for t in trials if t.candidate == known]) for known in dict.fromkeys(t.candidate for t in trials)
    ]


def result_of(trials: list[Trial]) -> Result:
    """Of one candidate's trials, at least one. One failed long trial fails the candidate."""
    counted = [trial for trial in trials if trial.is_long] or trials
    failure = next((trial.failure for trial in counted if trial.failure), "")
    runs = sorted((trial.best for trial in counted if trial.best), key=rate_of)
    run = None if failure or not runs else runs[(len(runs) - 1) // 2]
    return Result(trials[0].candidate, tuple(trials), run, failure)


def choose(results: list[Result], unlike_eager: Callable[[Candidate], float]) -> Result | None:
    """Step 3; None where all finalists failed. `unlike_eager`: share of answers that differ."""
    best = best_of(results)
    close = [result for result in finished(results) if best and result.rate >= (1 - TOLERANCE) * best.rate]
    return min(close, key=lambda result: (unlike_eager(result.candidate), -result.rate), default=None)


def best_of(results: list[Result]) -> Result | None:
    """The fastest finalist; the others' short trials are no match for long ones."""
    return max(finished(results), key=lambda result: result.rate, default=None)


def finished(results: list[Result]) -> list[Result]:
    """The finalists that did not fail."""
    return [result for result in results if result.is_finalist and result.run]


def pareto_front(results: list[Result]) -> list[Result]:
    """Those that none beats: more requests/s at no higher p99, or a lower p99 at no fewer requests/s. By rate."""
    measured = [result for result in results if result.run]
    front = [result for result in measured if not any(beats(other, result) for other in measured)]
    return sorted(front, key=lambda result: result.rate)


def beats(one: Result, other: Result) -> bool:
    at_least = one.rate >= other.rate and one.p99_ms <= other.p99_ms
    return at_least and (one.rate > other.rate or one.p99_ms < other.p99_ms)
