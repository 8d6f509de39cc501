"""Any one process can die under load and the service heals: every request is counted, none is answered wrongly."""

import os
from pathlib import Path

import pytest

from integration.support.commands import run_command
from integration.support.load.constant import Outcome, constant_load
from integration.support.load.predictions import RATE, assert_all_answered, predictions
from integration.support.pages.faults import FaultTable, Scenario
from integration.support.polling import wait_until
from integration.support.processes import KILL, java_pids, kill
from integration.support.stack import STOPPED_DEADLINE_S, Deployment
from integration.support.users import image

BEFORE_S, AFTER_S, PAUSED_S = 1.0, 2.0, 2.0
COMES_BACK_DEADLINE_S = 120


def answers_right(stack: Deployment, seven: Path) -> bool:
    answer = stack.predict("mnist", seven.read_bytes(), timeout_s=5)
    return (answer.status_code, answer.text) == (200, "7")


def pids(stack: Deployment, model: str) -> list[int]:
    return sorted(worker["pid"] for worker in stack.workers(model))


def container_starts(stack: Deployment) -> tuple[str, int]:
    """Changes with every start of the container, whoever asked for it."""
    return stack.state()["StartedAt"], stack.container().attrs["RestartCount"]


def kill_on_host(pid: int) -> None:
    """A process of the host, by whoever may use Docker."""
    privileged = ["docker", "run", "--rm", "--pid=host", "--privileged", "--user=0", "--network=none"]
    ended = run_command([*privileged, "--entrypoint=python", image("torchserve"), "-c", KILL, str(pid)], os.environ)
    assert ended.returncode == 0, ended.stdout


def assert_nothing_wrong(outcome: Outcome) -> None:
    """Precondition: the load was answered before the fault. Then: no wrong answer, and the last requests are right."""
    assert outcome.fault is not None
    before = [one.kind for one in outcome.requests if one.due < outcome.fault - 0.5]
    assert before, "the load began too late"
    assert set(before) == {"answered"}, f"not answered before the fault: {outcome.details('refused', 'lost', 'wrong')}"
    assert outcome.count("wrong") == 0, outcome.details("wrong")
    assert {one.kind for one in outcome.requests[-RATE // 2 :]} == {"answered"}, outcome.details("refused", "lost")


def test_a_killed_worker_costs_only_what_it_was_working_on(
    faults_stack: Deployment, fault_table: FaultTable, seven: Path
) -> None:
    (victim,), starts = pids(faults_stack, "mnist"), container_starts(faults_stack)
    with constant_load(predictions(faults_stack), seven.read_bytes(), expected="7", rate=RATE) as load:
        load.keep_up(BEFORE_S)
        load.mark_fault()
        kill(faults_stack, victim)
        wait_until(
            "another process is mnist's READY worker",
            lambda: victim not in pids(faults_stack, "mnist") and not faults_stack.unready_models(),
            COMES_BACK_DEADLINE_S,
        )
        load.keep_up(AFTER_S)
    fault_table.add(Scenario.WORKER_KILLED, load.outcome, "the container is not restarted")
    assert_nothing_wrong(load.outcome)
    assert load.outcome.count("lost") == 0, load.outcome.details("lost")
    # At most a batch was in the worker; what waited is answered by the next one.
    assert load.outcome.count("refused") <= 32, load.outcome.details("refused")
    assert container_starts(faults_stack) == starts


def test_a_killed_jvm_is_started_again_in_place(faults_stack: Deployment, fault_table: FaultTable, seven: Path) -> None:
    (victim,), starts = java_pids(faults_stack), container_starts(faults_stack)
    with constant_load(predictions(faults_stack), seven.read_bytes(), expected="7", rate=RATE) as load:
        load.keep_up(BEFORE_S)
        load.mark_fault()
        kill(faults_stack, victim)
        wait_until("mnist answers again", lambda: answers_right(faults_stack, seven), COMES_BACK_DEADLINE_S)
        load.keep_up(AFTER_S)
    fault_table.add(Scenario.JVM_KILLED, load.outcome, "started again in place, the container is not restarted")
    assert_nothing_wrong(load.outcome)
    faults_stack.wait_until_healthy()
    assert container_starts(faults_stack) == starts
    assert java_pids(faults_stack) != [victim]


def test_docker_brings_back_a_container_whose_main_process_was_killed(
    faults_stack: Deployment, fault_table: FaultTable, seven: Path
) -> None:
    """From the host: `docker kill` would count as a stop that was asked for."""
    before = faults_stack.container().attrs["RestartCount"]
    with constant_load(predictions(faults_stack), seven.read_bytes(), expected="7", rate=RATE) as load:
        load.keep_up(BEFORE_S)
        load.mark_fault()
        kill_on_host(faults_stack.state()["Pid"])
        wait_until(
            "Docker has started the container again, and mnist answers",
            lambda: faults_stack.container().attrs["RestartCount"] > before and answers_right(faults_stack, seven),
            COMES_BACK_DEADLINE_S,
        )
        load.keep_up(AFTER_S)
    fault_table.add(Scenario.CONTAINER_KILLED, load.outcome, "Docker starts it again by itself")
    assert_nothing_wrong(load.outcome)


def test_a_pause_delays_and_loses_nothing(faults_stack: Deployment, fault_table: FaultTable, seven: Path) -> None:
    with constant_load(predictions(faults_stack), seven.read_bytes(), expected="7", rate=RATE) as load:
        load.keep_up(BEFORE_S)
        load.mark_fault()
        faults_stack.container().pause()
        load.keep_up(PAUSED_S)
        faults_stack.container().unpause()
        load.keep_up(AFTER_S)
    fault_table.add(Scenario.PAUSED, load.outcome, f"paused for {PAUSED_S:g} s")
    assert load.outcome.slowest_s >= PAUSED_S / 2, "nothing was held up: the pause was not seen"
    assert_all_answered(load.outcome)


def test_the_memory_limit_takes_the_worker_that_hit_it_and_nobody_else(
    faults_stack: Deployment, fault_table: FaultTable, seven: Path
) -> None:
    starts = container_starts(faults_stack)
    java, neighbour, (hog,) = java_pids(faults_stack), pids(faults_stack, "mnist"), pids(faults_stack, "hog")
    with constant_load(predictions(faults_stack), seven.read_bytes(), expected="7", rate=RATE) as load:
        load.keep_up(BEFORE_S)
        load.mark_fault()
        answer = faults_stack.predict("hog", b"allocate")
        wait_until(
            "another process is hog's READY worker",
            lambda: hog not in pids(faults_stack, "hog") and not faults_stack.unready_models(),
            COMES_BACK_DEADLINE_S,
        )
        load.keep_up(AFTER_S)
    note = "only the greedy model's worker is killed, and replaced; its client is told with a JSON 5xx"
    fault_table.add(Scenario.MEMORY_LIMIT, load.outcome, note)
    assert answer.status_code >= 500, answer.text
    assert answer.json()["code"] == answer.status_code
    assert (java_pids(faults_stack), pids(faults_stack, "mnist")) == (java, neighbour)
    assert container_starts(faults_stack) == starts
    assert_all_answered(load.outcome)


@pytest.mark.parametrize("scenario", [Scenario.STOPPED, Scenario.RESTARTED], ids=lambda scenario: scenario.value)
def test_no_accepted_request_is_lost_in(
    faults_stack: Deployment, fault_table: FaultTable, seven: Path, scenario: Scenario
) -> None:
    with constant_load(predictions(faults_stack), seven.read_bytes(), expected="7", rate=RATE) as load:
        load.keep_up(BEFORE_S)
        load.mark_fault()
        if scenario is Scenario.RESTARTED:
            faults_stack.compose("restart", "--no-deps", "torchserve", limit_s=STOPPED_DEADLINE_S)
        else:
            faults_stack.compose("stop", "torchserve", limit_s=STOPPED_DEADLINE_S)
            faults_stack.start()
        wait_until("mnist answers again", lambda: answers_right(faults_stack, seven), COMES_BACK_DEADLINE_S)
        load.keep_up(AFTER_S)
    fault_table.add(scenario, load.outcome, "no accepted request is lost; an idle connection is closed at the end")
    assert_nothing_wrong(load.outcome)
    assert load.outcome.count("lost") == 0, load.outcome.details("lost")
