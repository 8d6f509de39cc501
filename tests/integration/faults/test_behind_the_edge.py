"""A failure in the edge or behind it costs no client an answer: every request is counted."""

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from integration.support.fresh import FreshDeployments
from integration.support.load.constant import Outcome, constant_load
from integration.support.load.edge import ASK_SERVERS, count_ready, edge_address, edge_predictions
from integration.support.pages.faults import FaultTable, Scenario
from integration.support.polling import wait_until
from integration.support.processes import java_pids, kill
from integration.support.stack import SERVING, Deployment, docker_engine, session
from integration.support.store import copy_models

RATE = 100
BEFORE_S, AFTER_S = 1.0, 2.0
REPLICAS = 3
DEADLINE_S = 60
SLOW_S = 2


@pytest.fixture(scope="module")
def edge_stack(workspace: Path, running_stack: Deployment) -> Iterator[Deployment]:
    """The user's mnist behind an edge, in three torchserve containers on ports of Docker's choice."""
    deployments = FreshDeployments(workspace)
    names = ("INFERENCE_PORT", "MANAGEMENT_PORT", "METRICS_PORT", "GRPC_INFERENCE_PORT", "GRPC_MANAGEMENT_PORT")
    stack = replace(deployments(), variables={**dict.fromkeys(names, "0"), "EDGE_REQUEST_SECONDS": str(SLOW_S)})
    try:
        copy_models(running_stack.model_store, stack.model_store, ["mnist"])
        scale(stack, 1)
        yield stack
    finally:
        deployments.remove_all()


def scale(stack: Deployment, replicas: int) -> None:
    """This many torchserve containers, all of which the edge has found ready."""
    stack.compose("up", "--detach", "--no-deps", "--no-build", f"--scale=torchserve={replicas}", *SERVING)
    stack.wait_until_healthy()
    wait_until(f"the edge routes to {replicas}", lambda: ready_servers(stack) == replicas, DEADLINE_S)


def ready_servers(stack: Deployment) -> int:
    """By HAProxy's own word."""
    return count_ready(stack.execute(*ASK_SERVERS, service="edge"))


def assert_all_answered(outcome: Outcome) -> None:
    assert outcome.count("answered") == outcome.sent > 0, outcome.details("refused", "lost", "wrong")


def workers_of(stack: Deployment) -> list[int]:
    host, port = edge_address(stack)
    described = session.get(f"http://{host}:{port}/models/mnist", timeout=10).json()
    return [worker["pid"] for worker in described[0]["workers"]]


def test_killed_workers_cost_no_answer(edge_stack: Deployment, fault_table: FaultTable, seven: Path) -> None:
    victims = workers_of(edge_stack)
    assert victims
    with constant_load(edge_predictions(edge_stack), seven.read_bytes(), expected="7", rate=RATE) as load:
        load.keep_up(BEFORE_S)
        load.mark_fault()
        for victim in victims:
            kill(edge_stack, victim)
        edge_stack.wait_until_healthy()
        load.keep_up(AFTER_S)
    fault_table.add(Scenario.EDGE_WORKER_KILLED, load.outcome, "what a worker takes with it is asked again")
    assert_all_answered(load.outcome)
    assert not set(victims) & set(workers_of(edge_stack))


def test_where_the_only_torchserve_is_gone_every_client_is_told(
    edge_stack: Deployment, fault_table: FaultTable, seven: Path
) -> None:
    (victim,) = java_pids(edge_stack)
    with constant_load(edge_predictions(edge_stack), seven.read_bytes(), expected="7", rate=RATE) as load:
        load.keep_up(BEFORE_S)
        load.mark_fault()
        kill(edge_stack, victim)
        wait_until("the edge finds it ready again", lambda: is_back(edge_stack, victim), DEADLINE_S)
        load.keep_up(AFTER_S)
    fault_table.add(Scenario.EDGE_JVM_KILLED, load.outcome, "503 with Retry-After, none is cut off")
    assert load.outcome.count("lost") == load.outcome.count("wrong") == 0, load.outcome.details("lost", "wrong")
    assert load.outcome.count("refused") > 0, "the fault was not seen"
    assert {one.kind for one in load.outcome.requests[-RATE // 2 :]} == {"answered"}


def is_back(stack: Deployment, former: str) -> bool:
    return java_pids(stack) not in ([], [former]) and ready_servers(stack) == 1


def test_a_changed_configuration_costs_no_answer(edge_stack: Deployment, fault_table: FaultTable, seven: Path) -> None:
    releases = edge_stack.model_store / "releases.json"
    with constant_load(edge_predictions(edge_stack), seven.read_bytes(), expected="7", rate=RATE) as load:
        load.keep_up(BEFORE_S)
        load.mark_fault()
        for weight in (10, 20, 30, 40, 50):
            write_canary(releases, weight)
            wait_until(f"{weight} % is in force", is_in_force(edge_stack, weight), DEADLINE_S)
        releases.unlink()
        wait_until("no canary is in force", is_in_force(edge_stack, None), DEADLINE_S)
        load.keep_up(AFTER_S)
    fault_table.add(Scenario.EDGE_RECONFIGURED, load.outcome, "each change is in force before the next")
    assert_all_answered(load.outcome)


def write_canary(releases: Path, weight: int) -> None:
    """Of the version that is stable too: where requests go changes, what they are answered does not."""
    canary = {"version": "1.0", "weight": weight, "sticky_header": None}
    release = {"stable": "1.0", "previous": None, "canary": canary, "deployed": ["1.0"]}
    partial = releases.with_suffix(".partial")
    partial.write_text(json.dumps({"schema": 1, "models": {"mnist": release}}))
    partial.replace(releases)


def is_in_force(stack: Deployment, weight: int | None) -> Callable[[], bool]:
    """Whether the edge's canary has that weight; None: whether it has no canary."""

    def look() -> bool:
        (mnist,) = session.get(f"{stack.edge}/playground/models.json", timeout=10).json()["models"]
        return (mnist["canary"] or {}).get("weight") == weight

    return look


def test_a_stopped_edge_answers_all_that_it_accepted(
    edge_stack: Deployment, fault_table: FaultTable, seven: Path
) -> None:
    """At the container's own address, for Docker's proxy accepts on behalf of a container that does not any more."""
    with constant_load(edge_predictions(edge_stack), seven.read_bytes(), expected="7", rate=RATE) as load:
        load.keep_up(BEFORE_S)
        load.mark_fault()
        edge_stack.compose("stop", "edge")
        scale(edge_stack, 1)
        load.keep_up(AFTER_S)
    fault_table.add(Scenario.EDGE_STOPPED, load.outcome, "while it is stopped, connections are refused")
    assert load.outcome.count("lost") == load.outcome.count("wrong") == 0, load.outcome.details("lost", "wrong")
    assert load.outcome.count("refused") > 0, "the stop was not seen"
    assert {one.kind for one in load.outcome.requests[-RATE // 2 :]} == {"answered"}


def test_a_client_that_sends_too_slowly_is_cut_off(edge_stack: Deployment) -> None:
    """And told so, after EDGE_REQUEST_SECONDS, in which TorchServe has seen nothing of it."""
    with socket.create_connection(edge_address(edge_stack), timeout=DEADLINE_S) as client:
        client.sendall(b"POST /predictions/mnist HTTP/1.1\r\nHost: edge\r\nContent-Length: 100\r\n\r\nthe first bytes")
        answer = client.makefile("rb").read()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 "), answer
    assert json.loads(body)["type"] == "RequestTimeoutException"


def test_one_of_three_containers_killed_costs_no_answer(
    edge_stack: Deployment, fault_table: FaultTable, seven: Path
) -> None:
    scale(edge_stack, REPLICAS)
    victim = edge_stack.containers("torchserve")[0]
    with constant_load(edge_predictions(edge_stack), seven.read_bytes(), expected="7", rate=RATE) as load:
        load.keep_up(BEFORE_S)
        load.mark_fault()
        victim.kill()
        wait_until("the edge leaves it out", lambda: ready_servers(edge_stack) == REPLICAS - 1, DEADLINE_S)
        load.keep_up(AFTER_S)
    fault_table.add(Scenario.EDGE_REPLICA_KILLED, load.outcome, "the two others answer")
    victim.reload()
    assert victim.status == "exited"
    assert_all_answered(load.outcome)


def test_one_of_three_containers_cut_off_from_the_network_costs_no_answer(
    edge_stack: Deployment, fault_table: FaultTable, seven: Path
) -> None:
    """As when its machine is gone: no packet says so, and what it was sent is given up after three seconds."""
    scale(edge_stack, REPLICAS)
    victim = edge_stack.containers("torchserve")[-1]
    (network,) = docker_engine.networks.list(names=[f"{edge_stack.project}_serve"])
    with constant_load(edge_predictions(edge_stack), seven.read_bytes(), expected="7", rate=RATE) as load:
        load.keep_up(BEFORE_S)
        load.mark_fault()
        network.disconnect(victim)
        wait_until("the edge leaves it out", lambda: ready_servers(edge_stack) == REPLICAS - 1, DEADLINE_S)
        load.keep_up(AFTER_S)
    fault_table.add(Scenario.EDGE_REPLICA_CUT_OFF, load.outcome, "what it was sent is asked of another one after 3 s")
    victim.remove(force=True)
    assert_all_answered(load.outcome)
