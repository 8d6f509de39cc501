"""`plan` finds enough replicas for a rate and a p99, plus one, and refuses what it cannot know or keep."""

import json
from collections.abc import Iterator
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from stackcli.common.errors import ConfigError
from stackcli.machine.registries import Secrets
from stackcli.plan import calibration, forecast
from stackcli.plan.forecast import make_plan, rounded_up, simulate
from stackcli.plan.measured import Results, check_results, read_results
from stackcli.plan.queueing import Replica, Simulated, closed_loop, open_loop
from stackcli.project.compose import Project
from stackcli.project.settings import Settings
from stackcli.store.manifest import Manifest, Model

# The bench of the fixture measured at most 32 of 35 ms.
TRUE = Replica(workers=1, batch_size=32, max_delay=0, fixed=3, each=1, outside=1, spread=0.5)
BEST = 32 / 35 * 1000
EDGE_REPLICAS = 8
MACHINE = {"cpu": "a CPU", "cores": 4, "memory_gib": 16, "system": "Debian"}
SETTINGS = {
    "workers": 1,
    "batchSize": 32,
    "maxBatchDelay": "0 ms",
    "TORCHSERVE_CPUS": "all",
    "TORCHSERVE_MEMORY": "4g",
}
open_once, closed_once = cache(open_loop), cache(closed_loop)
MODEL = Model(name="mnist", version="1.0", status="available", sha256="aa11")


def run(simulated: Simulated, connections: int, rate: float | None = None, **changes: Any) -> dict[str, Any]:
    """Makes a run as bench would have written it."""
    return {
        "mode": "open" if rate else "closed",
        "connections": connections,
        "offered_rate": rate,
        "achieved_rate": simulated.rate,
        "latency_ms": {"mean": simulated.mean, "p50": simulated.percentile(50), "p99": simulated.percentile(99)},
        "errors": {},
        "generator_limited": False,
        "cpu_ms": 1.0,
        "memory_after": {"used": 512 << 20, "pss": 500 << 20},
        **changes,
    }


def measured(true: Replica = TRUE, **settings: Any) -> dict[str, Any]:
    closed = [run(closed_once(true, count, seed=7), count) for count in (1, 8, 64)]
    best = closed[-1]["achieved_rate"]
    rates = [share * best for share in (0.3, 0.5, 0.7, 0.9)]
    opened = [run(open_once(true, rate, arrivals="even", seed=7), 20, rate) for rate in rates]
    return {
        "date": "2026-11-25 10:00 UTC",
        "machine": MACHINE,
        "model": "mnist",
        "version": "1.0",
        "sha256": "aa11",
        "settings": {**SETTINGS, **settings},
        "runs": closed + opened,
    }


@pytest.fixture(scope="module", autouse=True)
def remembered() -> Iterator[None]:
    """Caches simulations, because they are deterministic."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (forecast, calibration):
            patch.setattr(module, "open_loop", open_once)
        patch.setattr(calibration, "closed_loop", closed_once)
        yield


@pytest.fixture(scope="module")
def results() -> Results:
    return Results.model_validate(measured())


@pytest.fixture(scope="module")
def replica(results: Results) -> Replica:
    return results.replica()


def test_the_replica_that_was_measured_is_found_again(replica: Replica) -> None:
    for connections in (1, 8, 64):
        rate = closed_loop(TRUE, connections).rate
        assert closed_loop(replica, connections).rate == pytest.approx(rate, rel=0.05)
    for share in (0.3, 0.7):
        p99 = open_loop(TRUE, share * BEST).percentile(99)
        assert open_loop(replica, share * BEST).percentile(99) == pytest.approx(p99, rel=0.25)


def test_a_replica_that_its_quota_stops_is_found_again() -> None:
    """The bench results only show the throttled times, not what the batches would take without the quota."""
    true = Replica(workers=1, batch_size=32, max_delay=0, fixed=1.2, each=0.6, quota=0.4)
    bench = measured(true, TORCHSERVE_CPUS="0.4")
    for one in bench["runs"]:
        one["cpu_ms"] = 400 / one["achieved_rate"]
    found = Results.model_validate(bench).replica()
    assert found.quota == 0.4
    assert found.fixed == pytest.approx(1.2, rel=0.15)
    assert found.each == pytest.approx(0.6, rel=0.05)
    assert closed_loop(found, 1).percentile(99) == pytest.approx(closed_loop(true, 1).percentile(99), rel=0.1)


@pytest.mark.parametrize(("rate", "p99_ms"), [(100, 100), (2000, 100), (2000, 40), (10_000, 150)])
def test_the_fewest_replicas_keep_the_p99_and_one_more_may_be_lost(
    results: Results, replica: Replica, rate: float, p99_ms: float
) -> None:
    made = make_plan(results, replica, rate, p99_ms, EDGE_REPLICAS)
    assert made.enough.p99_ms <= p99_ms
    assert made.enough.load <= 0.9
    assert made.spared.replicas == made.enough.replicas + 1
    fewer = made.enough.replicas - 1
    assert fewer * made.best_rate * 0.9 < rate or simulate(made.replica, rate, fewer).percentile(99) > p99_ms


def test_cores_and_memory_are_those_of_the_replicas_that_were_measured(results: Results, replica: Replica) -> None:
    half = results.model_copy(update={"settings": {**SETTINGS, "TORCHSERVE_CPUS": "0.5"}})
    made = make_plan(half, replica, 2000, 100, EDGE_REPLICAS)
    assert made.spared.cores == pytest.approx(0.5 * made.spared.replicas)
    assert made.spared.memory_gib == pytest.approx(0.5 * made.spared.replicas)


def test_a_container_without_limit_may_use_the_machine(results: Results, replica: Replica) -> None:
    assert make_plan(results, replica, 100, 100, EDGE_REPLICAS).cores_each == MACHINE["cores"]


def test_a_rate_beyond_any_simulation_is_planned_by_its_parts(results: Results, replica: Replica) -> None:
    made = make_plan(results, replica, 1_000_000, 100, EDGE_REPLICAS)
    assert 1_000_000 / BEST < made.enough.replicas < 1.5 * 1_000_000 / BEST
    assert made.edges > 100


def test_a_p99_below_the_service_time_is_refused_with_the_smallest_that_can_be_promised(
    results: Results, replica: Replica
) -> None:
    with pytest.raises(ConfigError, match=r"expected a p99 of at least \S+ ms.*found --p99 2; try --p99 ") as refused:
        make_plan(results, replica, 100, 2, EDGE_REPLICAS)
    least = float(refused.value.remedy.split()[1].rstrip(","))
    assert make_plan(results, replica, 100, least, EDGE_REPLICAS).enough.p99_ms <= least


@pytest.mark.parametrize(("value", "rounded"), [(9.61, 9.7), (123, 130), (0.0431, 0.044), (20, 20)])
def test_what_is_promised_is_rounded_up(value: float, rounded: float) -> None:
    assert rounded_up(value) == rounded


def write_results(folder: Path, content: str) -> Path:
    (folder / "mnist").mkdir()
    (folder / "mnist/results.json").write_text(content)
    return folder


def test_without_a_bench_the_command_that_makes_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"found no such file; try `scripts/stack bench mnist`"):
        read_results(tmp_path, "mnist")


def test_a_bench_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    cut = measured()
    cut["runs"] = cut["runs"][:1]
    with pytest.raises(ConfigError, match=r"found 1 closed and 0 open loops without errors; try `scripts/stack bench"):
        read_results(write_results(tmp_path, json.dumps(cut)), "mnist")


def test_a_file_that_is_no_bench_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="try `scripts/stack bench mnist`"):
        read_results(write_results(tmp_path, "{}"), "mnist")


def test_a_bench_of_what_is_served_here_and_now_is_taken(results: Results) -> None:
    check_results(results, MODEL, MACHINE, SETTINGS)


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"machine": {**MACHINE, "cores": 2}}, "this machine.*found cores 4 then and 2 now"),
        ({"settings": {**SETTINGS, "workers": 2}}, "these settings.*found workers 1 then and 2 now"),
        ({"model": MODEL.model_copy(update={"version": "2.0"})}, "this model.*found version 1.0 then and 2.0 now"),
        ({"model": MODEL.model_copy(update={"sha256": "bb22"})}, "this model.*found archive aa11 then and bb22 now"),
    ],
    ids=["another machine", "other settings", "another version", "another archive"],
)
def test_a_bench_of_something_else_is_refused(results: Results, changed: dict[str, Any], found: str) -> None:
    now: dict[str, Any] = {"model": MODEL, "machine": MACHINE, "settings": SETTINGS, **changed}
    with pytest.raises(ConfigError, match=f"expected bench results of {found}; try `scripts/stack bench mnist`"):
        check_results(results, **now)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack that serves what the bench has measured."""
    monkeypatch.setattr(forecast, "find_server", lambda client, project: None)
    monkeypatch.setattr(forecast, "describe_machine", lambda client: MACHINE)
    monkeypatch.setattr(forecast, "settings_in_force", lambda container, settings, model: SETTINGS)
    monkeypatch.setattr(forecast, "read_manifest", lambda settings: Manifest(models=[MODEL]))


@pytest.mark.usefixtures("served")
def test_the_answer_is_for_machines_too(tmp_path: Path, results: Results, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_results(tmp_path, results.model_dump_json())
    project = Project(Settings(), "", Secrets(*[Path()] * 4))
    forecast.run_plan(None, project, forecast.Asked("mnist", 2000, 100, folder), as_json=True)  # type: ignore[arg-type]
    answer = json.loads(capsys.readouterr().out)
    assert (answer["schema"], answer["model"], answer["edges"]) == (1, "mnist", 1)
    assert answer["spared"]["replicas"] == answer["enough"]["replicas"] + 1
    assert answer["enough"]["p99_ms"] <= 100


@pytest.mark.usefixtures("served")
def test_the_edges_are_as_many_as_their_places_ask_for(
    tmp_path: Path, results: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_results(tmp_path, results.model_dump_json())
    project = Project(Settings(edge_most_replicas=2), "", Secrets(*[Path()] * 4))
    forecast.run_plan(None, project, forecast.Asked("mnist", 2000, 100, folder), as_json=True)  # type: ignore[arg-type]
    answer = json.loads(capsys.readouterr().out)
    assert answer["edges"] == ceil(answer["spared"]["replicas"] / 2) > 1


@pytest.mark.parametrize(
    ("cpus", "answer"),
    [("0.5", "TORCHSERVE_REPLICAS={} with compose.scale.yaml"), ("all", "{0} replicas on {0} machines like this one")],
)
def test_people_get_a_table_and_what_follows(
    results: Results, replica: Replica, capsys: pytest.CaptureFixture[str], cpus: str, answer: str
) -> None:
    results = results.model_copy(update={"settings": {**SETTINGS, "TORCHSERVE_CPUS": cpus}})
    made = make_plan(results, replica, 2000, 100, EDGE_REPLICAS)
    forecast.show_plan(made, results)
    shown = capsys.readouterr().out
    assert answer.format(made.spared.replicas) in shown
    assert "mnist 1.0 at 2,000 requests/s, p99 at most 100 ms" in shown
