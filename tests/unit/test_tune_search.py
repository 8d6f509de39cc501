"""`tune` tries only allowed settings, searches step by step and chooses well: the parts that measure nothing."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from stackcli.bench.load import Run
from stackcli.common.errors import ConfigError
from stackcli.project.settings import Settings
from stackcli.store.manifest import Exactness, Model, pick_version
from stackcli.tune import search
from stackcli.tune.candidates import Candidate, Goal, Space
from stackcli.tune.report import Outcome, entry_of, results_table, unlike_eager
from stackcli.tune.run import failure_of, usable_cpus
from stackcli.tune.search import (
    Result,
    Trial,
    choose,
    finalists,
    highest_rate,
    pareto_front,
    play_off,
    screen,
    summarise,
)
from stackcli.tune.testbed import reason_in
from unit.runs import made_run

DEFAULT = Candidate(2, 1, 8, 1, "bf16")
PRECISIONS = ("bf16", "f32", "int8")
MNIST = Model(
    name="mnist",
    version="1.0",
    status="available",
    precision="bf16",
    precisions={
        "f32": Exactness(top1_disagreement=0, images=100, accuracy=0.99, eager_accuracy=0.99),
        "bf16": Exactness(top1_disagreement=0.001, images=100, accuracy=0.99, eager_accuracy=0.99),
        "int8": Exactness(top1_disagreement=0.02, images=100, accuracy=0.98, eager_accuracy=0.99),
    },
)


def trial(candidate: Candidate, rate: float, p99: float = 5.0, is_long: bool = False, failure: str = "") -> Trial:
    run = made_run(8, achieved_rate=rate, latency_ms={"p50": 1.0, "p99": p99})
    return Trial(candidate, (run,), None if failure else run, failure, is_long)


def candidates(count: int) -> list[Candidate]:
    return [replace(DEFAULT, batch_size=size) for size in range(1, count + 1)]


def never() -> bool:
    return False


@pytest.mark.parametrize(("text", "limit"), [("throughput", None), ("p99=20", 20), ("p99=0.5", 0.5)])
def test_a_goal_is_read_and_written_alike(text: str, limit: float | None) -> None:
    assert Goal.parse(text) == Goal(limit)
    assert str(Goal.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "p99", "p99=", "p99=fast", "p99=0", "p99=-1", "p99=inf", "p99=nan", "p50=3", "rate"]
)
def test_a_goal_that_cannot_be_used_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--goal throughput or --goal p99=MS, found .*; try .*--goal p99=20"):
        Goal.parse(text)


@pytest.mark.parametrize("cpus", [1, 2, 3, 4, 7, 16, 96])
@pytest.mark.parametrize("connections", [1, 4, 64])
def test_no_candidate_has_more_threads_than_cpus_or_batches_that_never_fill(cpus: int, connections: int) -> None:
    space = Space(cpus, connections, PRECISIONS)
    for start in (DEFAULT, Candidate(64, 2, 32, 0, "f32"), Candidate(cpus, 1, 1, 1, "f32")):
        seen = [space.start(start)]
        for axis in (space.other_precisions, space.other_shapes, space.other_batchings):
            seen += [other for known in list(seen) for other in axis(known)]
        for candidate in seen:
            assert candidate.workers * candidate.threads <= cpus
            assert candidate.batch_size <= connections


def test_two_cpus_are_used_by_two_workers_by_two_threads_or_left_to_the_front_end() -> None:
    shapes = [(c.workers, c.threads) for c in Space(2, 64, PRECISIONS).other_shapes(DEFAULT)]
    assert shapes == [(2, 1), (1, 2), (1, 1)]


def test_an_engine_without_a_choice_of_precision_is_not_given_one() -> None:
    assert "precision" not in Candidate(1, 1, 1, 1).settings
    assert Space(2, 64, ()).other_precisions(Candidate(2, 1, 1, 1)) == []


def landscape(candidate: Candidate) -> float:
    """Returns a rate that is best at one worker, batches of 16 and int8; each setting counts separately."""
    precision = {"f32": 1.0, "bf16": 1.5, "int8": 2.0}[candidate.precision]
    shape = 1.2 if (candidate.workers, candidate.threads) == (1, 1) else 1.0
    batching = {(1, 1): 0.5, (16, 0): 2.0}.get((candidate.batch_size, candidate.max_batch_delay), 1.0)
    return 100 * precision * shape * batching


def test_the_descent_finds_the_best_of_settings_that_count_by_themselves() -> None:
    trials = screen(DEFAULT, Space(2, 64, PRECISIONS), lambda c: trial(c, landscape(c)), never)
    assert trials[0].candidate == DEFAULT
    assert max(trials, key=lambda t: t.rate).candidate == Candidate(1, 1, 16, 0, "int8")
    assert len({t.candidate for t in trials}) == len(trials) <= search.short_trials(DEFAULT, Space(2, 64, PRECISIONS))


def test_the_descent_ends_after_twenty_trials_on_any_machine() -> None:
    assert len(screen(DEFAULT, Space(96, 64, PRECISIONS), lambda c: trial(c, landscape(c)), never)) == 20


def test_a_spent_budget_still_compares_the_default_with_another() -> None:
    trials = screen(DEFAULT, Space(2, 64, PRECISIONS), lambda c: trial(c, 1), lambda: True)
    assert len(trials) == 2
    assert len(play_off(candidates(2), lambda c: trial(c, 1, is_long=True), lambda: True)) == 2


def test_failures_are_walked_around_and_kept() -> None:
    def attempt(candidate: Candidate) -> Trial:
        return trial(candidate, landscape(candidate), failure="no such file" if candidate.precision == "int8" else "")

    trials = screen(DEFAULT, Space(2, 64, PRECISIONS), attempt, never)
    assert max(trials, key=lambda t: t.rate).candidate == Candidate(1, 1, 16, 0, "bf16")
    assert [t.failure for t in trials if t.candidate.precision == "int8"] == ["no such file"]
    assert "int8" not in [candidate.precision for candidate in finalists(trials, DEFAULT)]


def test_the_default_is_a_finalist_beside_the_best_three() -> None:
    default, *others = candidates(6)
    trials = [trial(default, 1), *(trial(c, 10 * c.batch_size) for c in others)]
    assert [c.batch_size for c in finalists(trials, default)] == [1, 6, 5, 4]


def test_the_finalists_take_turns() -> None:
    one, other = candidates(2)
    order = [t.candidate for t in play_off([one, other], lambda c: trial(c, 1, is_long=True), never)]
    assert order == [one, other] * 3


def test_the_median_of_the_long_trials_counts() -> None:
    short = trial(DEFAULT, 500)
    (result,) = summarise([short, *(trial(DEFAULT, rate, is_long=True) for rate in (90, 300, 100))])
    assert (result.rate, result.is_finalist, len(result.trials)) == (100, True, 4)


def test_one_failed_long_trial_fails_the_candidate() -> None:
    (result,) = summarise([trial(DEFAULT, 90, is_long=True), trial(DEFAULT, 0, is_long=True, failure="3 timeout")])
    assert (result.run, result.failure) == (None, "3 timeout")


def results(*trials: Trial) -> list[Result]:
    return summarise(list(trials))


def test_the_front_holds_what_none_beats() -> None:
    slow, quick, beaten, middle, failed = candidates(5)
    found = results(
        trial(slow, 300, 90),
        trial(quick, 100, 10),
        trial(beaten, 190, 60),
        trial(middle, 200, 50),
        trial(failed, 0, failure="x"),
    )
    front = pareto_front(found)
    assert [result.candidate for result in front] == [quick, middle, slow]
    for result in found:
        beaten_by = [f for f in front if f.rate >= result.rate and f.p99_ms <= result.p99_ms and f is not result]
        assert bool(beaten_by) == (result not in front)


def final(candidate: Candidate, rate: float) -> Trial:
    return trial(candidate, rate, is_long=True)


def exact(candidate: Candidate) -> float:
    return unlike_eager(MNIST, candidate)


def test_the_choice_is_the_fastest_finalist() -> None:
    one, other, third = candidates(3)
    chosen = choose(results(final(one, 100), final(other, 120), trial(third, 500)), exact)
    assert chosen
    assert chosen.candidate == other


@pytest.mark.parametrize(("bf16_rate", "precision"), [(96, "bf16"), (94, "int8")])
def test_within_five_percent_the_more_exact_one_is_chosen(bf16_rate: float, precision: str) -> None:
    found = results(final(replace(DEFAULT, precision="int8"), 100), final(DEFAULT, bf16_rate))
    chosen = choose(found, exact)
    assert chosen
    assert chosen.candidate.precision == precision
    assert chosen.rate >= 0.95 * max(result.rate for result in found)


def test_nothing_is_chosen_where_every_finalist_failed() -> None:
    assert choose(results(trial(DEFAULT, 0, is_long=True, failure="x"), trial(candidates(1)[0], 9)), exact) is None


def queue(knee: float) -> Callable[[float], Run]:
    """Answers within 5 ms up to `knee` requests/s, above it ever later."""
    return lambda rate: made_run(rate=rate, latency_ms={"p50": 1.0, "p99": 5.0 if rate <= knee else 500.0})


def test_bisection_finds_the_highest_rate_that_keeps_the_limit() -> None:
    best, tried = highest_rate(queue(620), 1000, 10, steps=6)
    assert best
    assert 620 - 1000 / 2**6 <= (best.offered_rate or 0) <= 620
    assert len(tried) == 6


def test_a_limit_that_nothing_keeps_gives_no_rate() -> None:
    assert highest_rate(queue(0), 1000, 10, steps=3)[0] is None


def test_errors_keep_no_limit() -> None:
    best, _ = highest_rate(lambda rate: made_run(rate=rate, errors={"non-2xx": 1}), 1000, 10, steps=3)
    assert best is None


class Engine:
    """An engine on four CPUs."""

    def info(self) -> dict[str, int]:
        return {"NCPU": 4}


@pytest.mark.parametrize(("limit", "cpus"), [("0", 4), ("2", 2), ("1.5", 1), ("0.5", 1), ("16", 4)])
def test_the_containers_limit_counts_before_the_machines(limit: str, cpus: int) -> None:
    assert usable_cpus(Engine(), Settings(torchserve_cpus=limit)) == cpus  # type: ignore[arg-type]


def test_the_newest_version_is_tuned_unless_one_is_named() -> None:
    models = [MNIST.model_copy(update={"version": "2.0"}), MNIST]
    assert pick_version(models, "mnist", None).version == "2.0"
    assert pick_version(models, "mnist", "1.0").version == "1.0"
    candidate = MNIST.model_copy(update={"version": "3.0", "candidate": True})
    assert pick_version([candidate, *models], "mnist", None).version == "2.0"
    assert pick_version([candidate, *models], "mnist", "3.0") is candidate
    with pytest.raises(ConfigError, match=r"expected mnist 3\.0 in the model store, found mnist 2\.0, mnist 1\.0; try"):
        pick_version(models, "mnist", "3.0")


def test_what_went_wrong_is_named() -> None:
    assert failure_of(made_run(8, errors={"timeout": 2, "reset": 1})) == "2 timeout, 1 reset"
    assert failure_of(made_run(8, latency_ms=None)) == "no answer"
    assert failure_of(made_run(8)) == ""
    log = "W-9000-stdout - ValueError: no int8\nW-9000-stdout - RuntimeError: the model did not load\nready"
    assert reason_in(log) == "RuntimeError: the model did not load"


@pytest.fixture
def outcome() -> Outcome:
    int8, broken = replace(DEFAULT, precision="int8", max_batch_delay=0), replace(DEFAULT, workers=1)
    found = results(final(DEFAULT, 100), final(int8, 250), trial(broken, 0, failure="[died]"))
    description = {"date": "2026-11-22 15:00 UTC", "machine": {"cpu": "AMD EPYC"}}
    return Outcome(description, MNIST, Goal(), 64, 2, DEFAULT, found, choose(found, exact))


def test_the_table_shows_accuracy_and_failures_beside_the_figures(outcome: Outcome) -> None:
    columns = [list(column.cells) for column in results_table(outcome).columns]
    assert columns[0] == ["2 × 1", "2 × 1", "1 × 1 *"]
    assert columns[1][0] == "≤ 8 at once"
    assert columns[3][0] == "2.00% of 100 differ, 98.00% right"
    assert columns[4] == ["250", "100", "-"]
    assert [str(note) for note in columns[-1]] == ["chosen, Pareto front", "default", r"failed: \[died]"]


def test_the_entry_says_what_it_holds_for(outcome: Outcome) -> None:
    assert outcome.chosen
    entry = entry_of(outcome, outcome.chosen)
    assert entry.settings == {"workers": 2, "threads": 1, "batchSize": 8, "maxBatchDelay": 0, "precision": "int8"}
    assert (entry.goal, entry.cpu, entry.date) == ("throughput", "AMD EPYC", "2026-11-22 15:00 UTC")
    assert entry.figures
    assert (entry.figures["rate"], entry.figures["default_rate"]) == (250, 100)
