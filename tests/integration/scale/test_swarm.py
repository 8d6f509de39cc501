"""Under load on three machines, then four: killing, draining, adding, updating or losing one costs no answer.

The tests are one story, in the order of this file: each takes the Swarm over from the previous one, at full strength.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from docker.errors import NotFound

from integration.support.closed import new_certificate_and_key
from integration.support.load.spread import SpreadOutcome, spread_load
from integration.support.pages.swarm import Event, SwarmTable
from integration.support.polling import wait_until
from integration.support.registry import Registry
from integration.support.signatures import make_keys
from integration.support.stack import new_session
from integration.support.swarm.nodes import LATER, MANAGERS, Node, swarm_nodes
from integration.support.swarm.stack import (
    DEADLINE_S,
    REPLICAS,
    STACK,
    SwarmStack,
    answer_of,
    output_of,
    released,
    sign,
    with_a_model_that_does_not_load,
)

pytestmark = pytest.mark.slow

RATE = 20
BEFORE_S, AFTER_S = 2.0, 3.0
LEAVES_S = 60


@pytest.fixture(scope="module")
def table(write_docs: bool) -> Iterator[SwarmTable]:
    table = SwarmTable()
    yield table
    if write_docs:
        table.write()


@pytest.fixture(scope="module")
def deployed(
    registry: Registry, fresh_store: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SwarmStack]:
    """Both versions of mnist in images, signed, on three machines that had nothing but an engine."""
    store = fresh_store("mnist", candidates=True)
    private, public = make_keys(tmp_path_factory.mktemp("swarm") / "keys")
    sign(store, private)
    baked = registry.push(store, "mnist")
    references = [baked["torchserve"], baked["edge"]]
    with swarm_nodes(registry, references, tmp_path_factory.mktemp("nodes")) as nodes:
        stack = SwarmStack(nodes, registry, store, private, {"STACK_VERIFY_KEY": str(public)})
        stack.do("up", "mnist")
        yield stack


@pytest.fixture
def stack(deployed: SwarmStack) -> SwarmStack:
    """It, with every machine on and at full strength."""
    deployed.wait_until_full_strength(deployed.nodes.on)
    assert len(deployed.nodes.on) == len(deployed.nodes.all)
    return deployed


@contextmanager
def under_load(
    stack: SwarmStack,
    table: SwarmTable,
    event: Event,
    seven: Path,
    hurt: Sequence[Node] = (),
    drained: Node | None = None,
) -> Iterator[None]:
    """Around what happens, until all is at full strength, except for a drained machine.

    No request fails, and no machine but those that are hurt has to be asked in vain.
    """
    with spread_load(stack.predictions, seven.read_bytes(), expected="7", rate=RATE) as load:
        load.keep_up(BEFORE_S)
        began = time.monotonic()
        yield
        stack.wait_until_full_strength([node for node in stack.nodes.on if node is not drained])
        full_strength_s = time.monotonic() - began
        load.keep_up(AFTER_S)
    table.add(event, load.outcome, began, full_strength_s)
    assert load.outcome.failed == 0, load.outcome.reasons()
    assert load.outcome.sent > RATE * (BEFORE_S + AFTER_S)
    assert asked_in_vain(load.outcome) <= {node.address for node in hurt}, load.outcome.reasons()


def asked_in_vain(outcome: SpreadOutcome) -> set[str]:
    """The addresses of tries that failed."""
    return {reason.partition(":")[0] for reason in outcome.reasons()}


def test_six_replicas_answer_through_the_edge_of_every_machine(stack: SwarmStack, seven: Path) -> None:
    for node in stack.nodes.on:
        assert len(stack.containers(node, "torchserve")) == REPLICAS // len(MANAGERS)
        assert stack.ready_behind(node) == REPLICAS
        assert answer_of(node, seven) == ("7", "1.0")
    assert stack.status()["healthy"]
    assert "torchserve  6 of 6" in stack.do("status")


def test_no_task_has_a_privilege_that_it_does_not_need(stack: SwarmStack) -> None:
    for service in ("torchserve", "edge"):
        for container in stack.containers(stack.nodes.on[0], service):
            host = container.attrs["HostConfig"]
            assert (host["ReadonlyRootfs"], host["CapDrop"], host["Privileged"]) == (True, ["ALL"], False)
            assert container.exec_run(["id", "-u"]).output == b"1000\n"
            kinds = {mount["Type"] for mount in container.attrs["Mounts"]}
            assert kinds == {"tmpfs"}, "no task needs a disk of its machine"


def test_what_is_served_is_what_was_signed(stack: SwarmStack) -> None:
    for node in stack.nodes.on:
        for container in stack.containers(node, "torchserve"):
            assert b"signatures: verified with " in container.logs()


def test_a_killed_machine_costs_no_answer(stack: SwarmStack, table: SwarmTable, seven: Path) -> None:
    """Only what was under way on it is asked again: every other machine answers the first time."""
    victim = next(node for node in stack.nodes.on if not is_leader(stack, node))
    with under_load(stack, table, Event.NODE_KILLED, seven, hurt=[victim]):
        victim.kill()
        wait_until("the Swarm misses it", lambda: stack.nodes.states()[victim.name][0] == "Down", DEADLINE_S)
    assert not stack.status()["healthy"]


def is_leader(stack: SwarmStack, node: Node) -> bool:
    return stack.nodes.states()[node.name][1] == "Leader"


def test_a_machine_that_comes_back_serves_again(deployed: SwarmStack, table: SwarmTable, seven: Path) -> None:
    (gone,) = (node for node in deployed.nodes.all.values() if not node.is_on)
    with under_load(deployed, table, Event.NODE_BACK, seven):
        gone.start()
        wait_until("its edge answers", lambda: answer_of(gone, seven)[0] == "7", DEADLINE_S)
    wait_until("nothing is wrong", lambda: deployed.status()["healthy"], DEADLINE_S)


def test_an_update_to_another_model_image_costs_no_answer(
    stack: SwarmStack, table: SwarmTable, seven: Path, tmp_path: Path
) -> None:
    stack.store = released(stack.store, tmp_path / "released", "2.0")
    with under_load(stack, table, Event.ROLLED, seven, hurt=stack.nodes.on):
        said = stack.do("roll", "mnist")
    assert said.index("torchserve: 6 of 6") < said.index("edge: 3 of 3"), said
    for node in stack.nodes.on:
        assert answer_of(node, seven) == ("7", "2.0")


def test_an_image_whose_model_does_not_load_is_rolled_back_by_itself(
    stack: SwarmStack, table: SwarmTable, seven: Path, tmp_path: Path
) -> None:
    broken = with_a_model_that_does_not_load(stack.store, tmp_path / "broken", "2.0", stack.key)
    with under_load(stack, table, Event.BROKEN, seven):
        ended = stack.with_store(broken).command("roll", "mnist")
    assert ended.returncode == 1, ended.stdout
    assert "rollback completed" in ended.stdout.splitlines()[-2], ended.stdout
    assert "mnist 2.0" in ended.stdout, "what the task said is shown"
    for node in stack.nodes.on:
        assert answer_of(node, seven) == ("7", "2.0")
    assert "rollback completed" in stack.do("status")


def test_a_drained_machine_costs_no_answer(stack: SwarmStack, table: SwarmTable, seven: Path) -> None:
    node = next(node for node in stack.nodes.on if not is_leader(stack, node))
    with under_load(stack, table, Event.DRAINED, seven, hurt=[node], drained=node):
        stack.nodes.manager.docker("node", "update", "--availability", "drain", node.name)
        wait_until("it is empty", lambda: not node.engine.containers.list(), DEADLINE_S)
    stack.nodes.manager.docker("node", "update", "--availability", "active", node.name)


def test_an_added_machine_serves(stack: SwarmStack, table: SwarmTable, seven: Path) -> None:
    with under_load(stack, table, Event.ADDED, seven):
        node = stack.nodes.add(LATER)
        stack.nodes.join(node, "Worker")
        wait_until("its edge answers", lambda: answer_of(node, seven)[0] == "7", DEADLINE_S)


def test_without_the_leader_of_three_managers_all_goes_on(stack: SwarmStack, table: SwarmTable, seven: Path) -> None:
    leader = next(node for node in stack.nodes.on if is_leader(stack, node))
    with under_load(stack, table, Event.LEADER_KILLED, seven, hurt=[leader]):
        leader.kill()
        wait_until("the Swarm misses it", lambda: stack.nodes.states()[leader.name][0] == "Down", DEADLINE_S)
    assert [state for state in stack.nodes.states().values() if state[1] == "Leader"] == [("Ready", "Leader")]
    assert any("if one more fails" in problem for problem in stack.status()["problems"])
    leader.start()


def test_a_running_stack_is_closed_and_observed(stack: SwarmStack, seven: Path, tmp_path: Path) -> None:
    """TLS and keys, as secrets of the Swarm; Prometheus finds every task; and no TorchServe is replaced for that."""
    secrets = tmp_path / "edge"
    closed = {"COMPOSE_FILE": "compose.yaml:compose.prod.yaml", "EDGE_SECRETS": str(secrets)}
    addresses = [node.address for node in stack.nodes.on]
    key = new_certificate_and_key(closed, addresses)
    stack.variables = {**stack.variables, **closed}
    before = stack.tasks("torchserve")
    stack.do("up", "mnist", "--observability")
    assert stack.tasks("torchserve") == before
    client = new_session()
    client.verify = str(secrets / "ca.pem")
    for address in addresses:
        url = f"https://{address}:8000/predictions/mnist"
        assert client.post(url, data=seven.read_bytes(), timeout=30).status_code == 401
        answer = client.post(url, data=seven.read_bytes(), headers={"Authorization": f"Bearer {key}"}, timeout=30)
        assert (answer.status_code, answer.text) == (200, "7")
    expected = {"torchserve": REPLICAS, "edge": len(addresses), "haproxy": len(addresses), "node": len(addresses)}
    wait_until("Prometheus has asked every task", lambda: expected.items() <= asked_by_prometheus(stack).items(), 60)


def asked_by_prometheus(stack: SwarmStack) -> dict[str, int]:
    """Job → targets that answer."""
    (prometheus,) = (one for node in stack.nodes.on for one in stack.containers(node, "prometheus"))
    query = ["promtool", "query", "instant", "-o", "json", "http://localhost:9090", "sum(up) by (job)"]
    found = json.loads(output_of(prometheus, *query))
    return {one["metric"]["job"]: int(one["value"][1]) for one in found}


def test_down_leaves_nothing(stack: SwarmStack) -> None:
    stack.do("down")
    manager = stack.nodes.manager
    for kind in ("service", "secret", "config", "network"):
        assert not manager.docker(kind, "ls", "--quiet", "--filter", f"label=com.docker.stack.namespace={STACK}")
    for node in stack.nodes.on:
        wait_until(f"{node.name} is empty", partial(is_empty, node), LEAVES_S)


def is_empty(node: Node) -> bool:
    try:
        return not node.engine.containers.list(all=True)
    except NotFound:  # one that went while it was listed
        return False
