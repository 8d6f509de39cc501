"""Bad clients, bad networks and too many requests cost no other client an answer; a refused client is told at once."""

import re
import resource
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from integration.support.load.constant import constant_load, is_json_error
from integration.support.load.predictions import RATE, assert_all_answered, predictions
from integration.support.load.tcp_proxy import Toxic, tcp_proxy
from integration.support.pages.faults import FaultTable, Scenario
from integration.support.stack import Deployment, session

IDLE_CONNECTIONS = 1000
LOAD_S = 5.0
HOLD = b"hold 0.2"  # the hog answers five of these a second
AT_ONCE = 12  # hog works on one and has four in its queue
TOXIC_RATE = 20
# What a toxic does to the connections that go through it: answered, or lost.
TOXICS = {
    Scenario.LATENCY: (Toxic("latency", "downstream", {"latency": 100, "jitter": 50}), "answered"),
    Scenario.BANDWIDTH: (Toxic("bandwidth", "upstream", {"rate": 20}), "answered"),
    Scenario.SLOW_CLOSE: (Toxic("slow_close", "downstream", {"delay": 500}), "answered"),
    Scenario.SLICER: (
        Toxic("slicer", "upstream", {"average_size": 20, "size_variation": 10, "delay": 1000}),
        "answered",
    ),
    Scenario.TIMEOUT: (Toxic("timeout", "downstream", {"timeout": 300}), "lost"),
    Scenario.RESET_PEER: (Toxic("reset_peer", "upstream", {"timeout": 100}), "lost"),
    Scenario.LIMIT_DATA: (Toxic("limit_data", "upstream", {"bytes": 150}), "lost"),
}


@pytest.fixture
def many_files() -> Iterator[None]:
    """One open file per connection; a shell usually allows 1,024."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert before[1] > 2 * IDLE_CONNECTIONS, f"ulimit -Hn is {before[1]}: raise it"
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("many_files")
def test_slow_and_idle_clients_cost_the_others_nothing(
    faults_stack: Deployment, fault_table: FaultTable, seven: Path
) -> None:
    body = seven.read_bytes()
    head = f"POST /predictions/mnist HTTP/1.1\r\nHost: slow\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with ExitStack() as connections:
        for _ in range(IDLE_CONNECTIONS):
            connections.enter_context(socket.create_connection(faults_stack.direct_address, timeout=30))
        slow = connections.enter_context(socket.create_connection(faults_stack.direct_address, timeout=30))
        slow.sendall(head)
        with constant_load(predictions(faults_stack), body, expected="7", rate=RATE) as load:
            load.mark_fault()
            for number in range(int(LOAD_S)):
                slow.sendall(body[number : number + 1])
                load.keep_up(1)
        slow.sendall(body[int(LOAD_S) :])
        answer = slow.recv(1 << 16)
    note = "the slow client sends one byte per second, and is answered when it is done"
    fault_table.add(Scenario.SLOW_CLIENTS, load.outcome, note)
    assert answer.startswith(b"HTTP/1.1 200"), answer
    assert answer.endswith(b"7"), answer
    assert_all_answered(load.outcome)


def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(
    faults_stack: Deployment, fault_table: FaultTable
) -> None:
    url = f"{faults_stack.direct}/predictions/hog"

    def ask(_: int) -> tuple[float, int, str, str]:
        answer = session.post(url, data=HOLD, timeout=30)
        return time.monotonic(), answer.status_code, answer.headers.get("Retry-After", ""), answer.text

    with ThreadPoolExecutor(AT_ONCE) as clients:
        answers = sorted(clients.map(ask, range(AT_ONCE)))
    with constant_load(url, HOLD, expected="held", rate=RATE // 2) as load:
        load.keep_up(LOAD_S)
    note = "503 with Retry-After and a JSON error, before the first of those that were accepted is answered"
    fault_table.add(Scenario.QUEUE_FULL, load.outcome, note)
    statuses = [status for _, status, _, _ in answers]
    accepted = statuses.count(200)
    assert 0 < accepted < AT_ONCE, f"the queue was not full, or nothing was accepted: {answers}"
    assert statuses == [503] * (AT_ONCE - accepted) + [200] * accepted, f"refused late: {answers}"
    assert all(re.fullmatch("[1-9][0-9]*", header) for _, status, header, _ in answers if status == 503), answers
    assert all(is_json_error(text.encode(), 503) for _, status, _, text in answers if status == 503), answers
    assert load.outcome.count("answered") >= LOAD_S / 0.2 / 2, load.outcome.details("refused", "lost", "wrong")
    assert load.outcome.count("refused") > 0
    assert load.outcome.count("lost") + load.outcome.count("wrong") == 0, load.outcome.details("lost", "wrong")


def test_bad_networks_cost_the_good_ones_nothing(
    faults_stack: Deployment, fault_table: FaultTable, seven: Path
) -> None:
    """Every toxic at the same time, each in its own proxy, and one load that goes the straight way."""
    body = seven.read_bytes()
    with ExitStack() as stack:
        loads = {}
        for scenario, (toxic, _) in TOXICS.items():
            proxy = stack.enter_context(tcp_proxy(faults_stack.direct_address))
            proxy.toxics = [toxic]
            url = f"http://127.0.0.1:{proxy.port}/predictions/mnist"
            loads[scenario] = stack.enter_context(constant_load(url, body, expected="7", rate=TOXIC_RATE))
        straight = stack.enter_context(constant_load(predictions(faults_stack), body, expected="7", rate=RATE))
        straight.mark_fault()
        straight.keep_up(LOAD_S)
    fault_table.add(Scenario.TOXIC_NEIGHBOURS, straight.outcome, "the load that goes the straight way")
    for scenario, (toxic, expected) in TOXICS.items():
        attributes = ", ".join(f"{name} {value:g}" for name, value in toxic.attributes.items())
        fault_table.add(scenario, loads[scenario].outcome, f"{toxic.stream}: {attributes}")
        kinds = {request.kind for request in loads[scenario].outcome.requests}
        assert kinds == {expected}, f"{scenario.value}: {loads[scenario].outcome.details('refused', 'lost', 'wrong')}"
    assert_all_answered(straight.outcome)
