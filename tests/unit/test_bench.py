"""What `bench` runs by default, and on which model and image."""

import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from contract.failure import Failure, failure_line
from contract.tuned import Tuned
from stackcli.bench.load import Run, failure_of, run_generator
from stackcli.bench.run import Bench, asked_runs, default_runs, is_greedy, pick_file, runs_table
from stackcli.common.errors import ConfigError, ServeError
from stackcli.machine.registries import Secrets
from stackcli.project.compose import Project
from stackcli.project.settings import Settings
from stackcli.store.manifest import Accuracy, Model, Sample, pick_model
from stackcli.store.tuned import keep_tuned
from unit.runs import made_run


def server(p50_ms: float, best: float) -> Callable[..., Run]:
    """Answers a lone request after `p50_ms`, and `best` requests/s from two connections on."""

    def run(connections: int | None = None, rate: float | None = None) -> Run:
        achieved = rate or (best if (connections or 0) > 1 else 1000 / p50_ms)
        return made_run(connections, rate, latency_ms={"p50": p50_ms}, achieved_rate=achieved)

    return run


def loads(runs: list[Run]) -> list[float]:
    return [run.offered_rate or run.connections for run in runs]


def test_a_quick_model_is_measured_up_to_64_connections_then_at_shares_of_its_best_rate() -> None:
    runs = list(default_runs(server(p50_ms=1.4, best=3456)))
    assert [run.mode for run in runs] == ["closed"] * 3 + ["open"] * 4
    assert loads(runs) == [1, 8, 64, 1040, 1730, 2420, 3110]


def test_a_slow_model_gets_few_connections() -> None:
    assert loads(list(default_runs(server(p50_ms=95, best=21.1)))) == [1, 4, 6.33, 10.6, 14.8, 19]


def test_the_best_rate_may_be_the_lone_requests() -> None:
    assert loads(list(default_runs(server(p50_ms=60, best=10))))[2:] == [5, 8.33, 11.7, 15]


def test_asked_for_runs_are_the_only_ones() -> None:
    bench = Bench(None, rates=(100.0, 20.0), connections=(2,), seconds=1, file=None, out=Path())
    assert loads(list(asked_runs(made_run, bench))) == [2, 100, 20]


MODELS = [
    Model(name="densenet161", version="1.0", status="unavailable"),
    Model(name="efficientnet_lite0", version="1.0", status="available", accuracy=Accuracy(top1=0.9, images=20)),
    Model(name="mnist", version="1.0", status="available", accuracy=Accuracy(top1=0.991, images=10000)),
    Model(name="mnist", version="2.0", status="available", accuracy=Accuracy(top1=0.995, images=10000), candidate=True),
    Model(name="toy", version="1.0", status="available"),
    Model(name="toy2", version="1.0", status="available", candidate=True),
]


def test_the_model_most_often_right_is_measured_by_default() -> None:
    assert pick_model(MODELS, None).name == "mnist"


def test_a_candidate_is_measured_only_for_want_of_another_version() -> None:
    assert pick_model(MODELS, "mnist").version == "1.0"
    assert pick_model(MODELS, "toy2").candidate


def test_the_model_that_is_named_is_measured() -> None:
    assert pick_model(MODELS, "toy").name == "toy"


@pytest.mark.parametrize("name", ["densenet161", "nist"])
def test_a_model_that_is_not_served_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(ConfigError, match=f"expected {name} .*found efficientnet_lite0, mnist, toy, toy2; try"):
        pick_model(MODELS, name)


@pytest.fixture
def model_store(tmp_path: Path) -> Path:
    """Samples of mnist; the first that the manifest names is not there."""
    (tmp_path / "samples" / "mnist-1.0").mkdir(parents=True)
    for name in ("0.png", "7.png"):
        (tmp_path / "samples" / "mnist-1.0" / name).write_bytes(b"png")
    return tmp_path


def test_the_first_sample_is_sent_by_default(model_store: Path) -> None:
    samples = [Sample(file="lost.png"), Sample(file="7.png"), Sample(file="0.png")]
    mnist = Model(name="mnist", version="1.0", status="available", samples=samples)
    assert pick_file(None, mnist, Settings(model_store=str(model_store))) == model_store / "samples/mnist-1.0/7.png"
    given = model_store / "samples/mnist-1.0/0.png"
    assert pick_file(given, mnist, Settings(model_store=str(model_store))) == given


@pytest.mark.parametrize("file", [None, Path("/nowhere.png")])
def test_without_an_image_there_is_a_remedy(model_store: Path, file: Path | None) -> None:
    with pytest.raises(ConfigError, match=r"expected an image for toy, .*try --file"):
        pick_file(file, MODELS[4], Settings(model_store=str(model_store)))


def test_the_table_shows_errors_and_marks_what_the_generator_limited() -> None:
    runs = [made_run(8), made_run(rate=50, errors={"timeout": 2, "unsent": 7}, generator_limited=True)]
    columns = [list(column.cells) for column in runs_table(runs).columns]
    assert columns[0] == ["8 connections", "50 requests/s *"]
    assert columns[-1] == ["0", "[red]2 timeout, 7 unsent[/red]"]


def test_a_run_without_answers_is_shown_as_one() -> None:
    failed = made_run(1, latency_ms=None, cpu_ms=None, achieved_rate=0.0, errors={"non-2xx": 9})
    cells = [next(iter(column.cells)) for column in runs_table([failed]).columns]
    assert cells == ["1 connection", "0.0", "-", "-", "-", "-", "-", "-", "810", "[red]9 non-2xx[/red]"]


def test_the_generators_failure_is_the_persons() -> None:
    said = failure_line(Failure("a server at a:1", "no answer", "again"))
    error = failure_of(["Container x  Created", said], 1)
    assert str(error) == "expected a server at a:1, found no answer; try again"
    assert "exit status 137: Killed" in str(failure_of(["Killed", ""], 137))


FAKE_DOCKER = """#!/bin/sh
echo measuring >&2
head -c 300000 /dev/zero | tr '\\0' x
echo measured >&2
exit "${FAKE_STATUS:-0}"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose docker prints a page larger than a pipe's buffer."""
    docker = tmp_path / "docker"
    docker.write_text(FAKE_DOCKER)
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    nothing = tmp_path / "empty"
    nothing.touch()
    return Project(Settings(), "base", Secrets(*[nothing] * len(fields(Secrets))))


def test_a_long_report_is_read_whole_beside_what_is_said_meanwhile(project: Project) -> None:
    marks: list[str] = []
    assert run_generator(project, ["report"], {}, marks.append) == "x" * 300_000
    assert marks == ["measuring", "measured"]


def test_a_generator_that_fails_is_reported(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_STATUS", "3")
    with pytest.raises(ServeError, match="exit status 3: measured"):
        run_generator(project, ["report"], {})


@pytest.mark.parametrize(
    ("serving", "tuned", "is_said"),
    [({"maxBatchDelay": 0}, {}, True), ({}, {}, False), ({"maxBatchDelay": 0}, {"maxBatchDelay": 5}, False)],
)
def test_a_model_that_waits_for_nothing_is_told_from_one_that_waits_a_millisecond(
    tmp_path: Path, serving: dict[str, int], tuned: dict[str, int | str], is_said: bool
) -> None:
    settings, model = Settings(model_store=str(tmp_path)), Model(name="m", version="1", status="x", serving=serving)
    if tuned:
        keep_tuned(settings, model, Tuned(goal="throughput", settings=tuned))
    assert is_greedy(settings, model) == is_said
