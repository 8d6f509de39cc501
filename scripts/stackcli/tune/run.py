"""`scripts/stack tune`: finds a model's best settings on this machine and keeps them for the next `up`."""

from __future__ import annotations

import fcntl
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import docker

from stackcli.bench.load import Run
from stackcli.bench.run import SLOW_MS, describe, pick_file
from stackcli.build.images import with_images
from stackcli.common import console
from stackcli.common.errors import ConfigError, ServeError
from stackcli.common.paths import STATE, shown
from stackcli.project.compose import Project
from stackcli.project.settings import Settings
from stackcli.store.manifest import label_of, named, pick_version, read_manifest
from stackcli.store.tuned import forget_tuned, keep_tuned, read_tuned, tuned_file
from stackcli.tune import report, search
from stackcli.tune.candidates import Candidate, Goal, Space
from stackcli.tune.report import Outcome
from stackcli.tune.search import Trial
from stackcli.tune.testbed import Testbed, interrupt_on_every_signal, open_testbed, paused

TRIAL_SECONDS = 5.0
BUSY_CONNECTIONS = 64
# For the estimate: a server's start until healthy, and the load generator's overhead per run.
START_SECONDS, RUN_SECONDS = 8.0, 1.5
PROBE_WARM_UP_SECONDS = 0.5  # the server is warm by then; the load is new


@dataclass(frozen=True)
class Tune:
    """The command's options. `connections` None: chosen by latency; `budget`: minutes, None: no limit."""

    model: str
    version: str | None
    goal: Goal
    connections: int | None
    seconds: float
    budget: float | None
    file: Path | None
    out: Path


@dataclass(frozen=True)
class Effort:
    """A trial's duration. `warmup`: a new server is slow for seconds; `steps`: rates to try if the goal is a p99."""

    seconds: float
    warmup: float
    steps: int
    is_long: bool = False

    def estimate(self, goal: Goal) -> float:
        """Estimates how many seconds a trial takes."""
        probes = 0 if goal.p99_ms is None else self.steps * (self.seconds + PROBE_WARM_UP_SECONDS + RUN_SECONDS)
        return START_SECONDS + self.warmup + self.seconds + RUN_SECONDS + probes


def run_tune(client: docker.DockerClient, project: Project, tune: Tune) -> None:
    """Tunes in a separate compose project; the stack's torchserve is stopped meanwhile, then restarted."""
    model = pick_version(read_manifest(project.settings).models, tune.model, tune.version)
    body = pick_file(tune.file, model, project.settings)
    read_tuned(project.settings)  # fails now, not after minutes of measuring, if the file cannot be added to
    with alone():
        console.phase("Checking the images…")
        project = with_images(client, project, ("torchserve", "load"))
        console.phase(f"Tuning {label_of(model)} for {tune.goal} with {shown(body)}…")
        interrupt_on_every_signal()
        with paused(client, project) as was_running, open_testbed(client, project, model, body) as testbed:
            outcome = find_setting(testbed, tune, usable_cpus(client, project.settings))
            if outcome.chosen:
                keep_tuned(project.settings, model, report.entry_of(outcome, outcome.chosen))
            report.write_results(testbed, tune.out / model.name, outcome)
    if outcome.chosen is None:
        raise no_choice(outcome)
    report.show_choice(outcome, outcome.chosen)
    used_by = "torchserve now runs with it" if was_running else "the next `scripts/stack up` uses it"
    console.done(f"kept in {shown(tuned_file(project.settings))}: {used_by}; --forget drops it")


def forget(settings: Settings, name: str, version: str | None) -> None:
    """Drops the tuned settings of a model, in one version or in all. Raises ConfigError."""
    gone = forget_tuned(settings, name, version)
    if not gone:
        found = ", ".join(read_tuned(settings)) or "none"
        raise ConfigError(f"{named(name, version)} among the tuned models", found, "`scripts/stack status`")
    console.done(f"{', '.join(gone)}: settings dropped; the next `scripts/stack up` uses the defaults")


def usable_cpus(client: docker.DockerClient, settings: Settings) -> int:
    """Returns the whole CPUs of the torchserve container: TORCHSERVE_CPUS (0: no limit), or the machine's."""
    machine = int(client.info()["NCPU"])
    return max(1, int(min(float(settings.torchserve_cpus) or machine, machine)))


def find_setting(testbed: Testbed, tune: Tune, cpus: int) -> Outcome:
    """Runs the steps of search.py and reports each. Raises ServeError."""
    default = testbed.serve_default()
    lone = testbed.measure(connections=1, seconds=1, warmup=1)
    if lone.errors or lone.latency_ms is None:
        raise ServeError(f"an answer of {testbed.model.name}", failure_of(lone), "--file with an image for it")
    lone_ms = lone.latency_ms["p50"]
    connections = tune.connections or (BUSY_CONNECTIONS if lone_ms < SLOW_MS else 2 * cpus)
    space = Space(cpus, connections, tuple(testbed.model.precisions))
    short = Effort(max(1.0, 0.4 * tune.seconds), warmup=3, steps=3)
    long = Effort(tune.seconds, warmup=4, steps=5, is_long=True)
    limit = math.inf if tune.budget is None else 60 * tune.budget
    say_plan(default, lone_ms, space, tune.goal, short, long, limit)
    began = time.monotonic()

    def is_over(share: float) -> Callable[[], bool]:
        return lambda: time.monotonic() - began > share * limit

    attempt = partial(try_candidate, testbed, tune.goal, connections)
    console.phase("Short trials, one setting varied at a time…")
    trials = search.screen(default, space, partial(attempt, short), is_over(0.5))
    console.phase("Long trials of the best candidates, taking turns…")
    trials += search.play_off(search.finalists(trials, default), partial(attempt, long), is_over(1))
    results = search.summarise(trials)
    chosen = search.choose(results, lambda candidate: report.unlike_eager(testbed.model, candidate))
    description = describe(testbed.client, testbed.model, testbed.body)
    return Outcome(description, testbed.model, tune.goal, connections, cpus, default, results, chosen)


def say_plan(
    default: Candidate, lone_ms: float, space: Space, goal: Goal, short: Effort, long: Effort, limit: float
) -> None:
    """Prints the plan and its estimated duration; `limit`: seconds."""
    trials, turns = search.short_trials(default, space), search.FINALISTS + 1
    estimate = trials * short.estimate(goal) + search.ROUNDS * turns * long.estimate(goal)
    minutes = max(1, math.ceil(min(estimate, limit) / 60))
    console.say(f"default: {default}; a lone request takes {lone_ms:.2f} ms")
    console.say(
        f"{space.connections} connections, {space.cpus} CPUs: at most {trials} short trials and {search.ROUNDS} rounds "
        f"of {turns} long ones, about {minutes} minutes"
    )


def try_candidate(testbed: Testbed, goal: Goal, connections: int, effort: Effort, candidate: Candidate) -> Trial:
    """Measures a candidate; a failure to serve is a result too."""
    try:
        trial = measure(testbed, goal, connections, effort, candidate)
    except ServeError as error:
        trial = Trial(candidate, (), None, error.found, effort.is_long)
    report.show_trial(trial)
    return trial


def measure(testbed: Testbed, goal: Goal, connections: int, effort: Effort, candidate: Candidate) -> Trial:
    """Runs a closed loop; if the goal is a p99, then open loops below the rate it reached."""
    testbed.serve(candidate)
    closed = testbed.measure(connections=connections, seconds=effort.seconds, warmup=effort.warmup)
    failure = failure_of(closed)
    if failure or goal.p99_ms is None:
        return Trial(candidate, (closed,), None if failure else closed, failure, effort.is_long)

    def offer(rate: float) -> Run:
        return testbed.measure(rate=rate, seconds=effort.seconds, warmup=PROBE_WARM_UP_SECONDS)

    best, probes = search.highest_rate(offer, closed.achieved_rate, goal.p99_ms, effort.steps)
    lowest = min((run.latency_ms["p99"] for run in probes if run.latency_ms), default=math.inf)
    failure = "" if best else f"p99 of {lowest:.1f} ms at best"
    return Trial(candidate, (closed, *probes), best, failure, effort.is_long)


def failure_of(run: Run) -> str:
    """Describes a run's errors; empty if there are none."""
    if run.errors:
        return ", ".join(f"{count} {kind}" for kind, count in run.errors.items())
    return "" if run.latency_ms else "no answer"


def no_choice(outcome: Outcome) -> ServeError:
    failures = "; ".join(f"{result.candidate}: {result.failure}" for result in outcome.results if result.is_finalist)
    remedy = "a higher --goal p99=MS, or fewer --connections" if outcome.goal.p99_ms else "fewer --connections"
    return ServeError(f"a setting of {outcome.model.name} that serves for {outcome.goal}", failures, remedy)


@contextmanager
def alone() -> Iterator[None]:
    """Keeps a second `tune` out, because two would distort each other's measurements. Raises ConfigError."""
    STATE.mkdir(exist_ok=True)
    with (STATE / "tune.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError("no other running `scripts/stack tune`", "one", "again when it is done") from None
        yield
