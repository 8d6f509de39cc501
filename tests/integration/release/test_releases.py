"""Versions of mnist are deployed, tried, promoted and rolled back in a running stack, under load, without a restart."""

import http.client
import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from integration.support.closed import identity, stack_command
from integration.support.fresh import FreshDeployments
from integration.support.load.constant import Outcome, constant_load
from integration.support.load.edge import edge_address, edge_predictions
from integration.support.models.archives import ANSWERS_WRONGLY, DOES_NOT_LOAD, SLOW, add_version, write_manifest
from integration.support.polling import wait_until
from integration.support.processes import java_pids, kill
from integration.support.signatures import make_keys, signed
from integration.support.stack import SERVING, Deployment, get_json, new_session, session
from integration.support.store import entry_of, read_manifest

pytestmark = pytest.mark.slow

RATE = 100
# Around what is done under load.
BEFORE_S, AFTER_S = 0.5, 1.0
DEADLINE_S = 60
REQUESTS, CLIENTS = 5000, 8
WINDOW_S = 4
CANARY = {"version": "2.0", "weight": 10, "sticky_header": "X-Client-Id"}
REFUSED = {
    "3.0": "FAIL: expected TorchServe to register mnist 3.0\n      found a worker that cannot load it",
    "4.0": "FAIL: expected mnist 4.0 to answer 0 to its sample 0.png\n      found eleven",
    "5.0": "FAIL: expected a valid archive of mnist 5.0\n      found it corrupt",
    "6.0": "FAIL: expected a valid archive of mnist 6.0\n      found it refused",
}


@pytest.fixture(scope="module")
def signing_key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_keys(tmp_path_factory.mktemp("releases") / "keys")


@pytest.fixture(scope="module")
def stack(
    fresh_deployment: FreshDeployments, fresh_store: Callable[..., Path], signing_key: tuple[Path, Path]
) -> Deployment:
    """Mnist 1.0 behind an edge, signatures verified; 2.0 to 7.0 were built while it was running."""
    private, public = signing_key
    stack = fresh_deployment(model_store=fresh_store("mnist"), STACK_VERIFY_KEY=str(public))
    store = stack.model_store
    write_manifest(store, [signed(record, private) for record in read_manifest(store)])
    stack.start(*SERVING)
    stack.wait_until_healthy()
    do(stack, "deploy", "mnist", "1.0")
    add_version(store, "2.0", private)
    add_version(store, "3.0", private, DOES_NOT_LOAD)
    add_version(store, "4.0", private, ANSWERS_WRONGLY)
    altered = store / add_version(store, "5.0", private)["archive"]
    altered.write_bytes(altered.read_bytes() + b"\0")
    add_version(store, "6.0", private)
    add_version(store, "7.0", private, SLOW)
    records = read_manifest(store)
    for record in records:
        if record["version"] == "6.0":
            del record["signature"]
    write_manifest(store, records)
    return stack


@pytest.fixture
def released(stack: Deployment) -> Deployment:
    """1.0 is stable, 2.0 was deployed, and there is no canary."""
    state = state_of(stack)
    if state["canary"]:
        do(stack, "rollback", "mnist")
    if "2.0" not in deployed_in(state):
        do(stack, "deploy", "mnist", "2.0")
    if state["stable"] != "1.0":
        do(stack, "promote", "mnist", "1.0")
    return stack


@pytest.fixture
def canary(stack: Deployment) -> Deployment:
    """2.0 gets 10 % of the unversioned requests for 1.0, which is stable."""
    state = state_of(stack)
    if state["stable"] != "1.0":
        do(stack, "promote", "mnist", "1.0")
        state = state_of(stack)
    if state["canary"] != CANARY:
        do(stack, "canary", "mnist", "2.0", "--weight", "10", "--sticky-header", "X-Client-Id")
    return stack


def do(stack: Deployment, *words: str) -> str:
    ended = stack_command(stack, "release", *words)
    assert ended.returncode == 0, f"release {' '.join(words)}: {ended.stdout}"
    return ended.stdout


def refusal(stack: Deployment, *words: str) -> str:
    ended = stack_command(stack, "release", *words)
    assert ended.returncode == 1, f"release {' '.join(words)}: {ended.stdout}"
    return "\n".join(ended.stdout.splitlines()[-3:])


def state_of(stack: Deployment) -> "dict[str, object]":
    """What releases.json says of mnist."""
    state: dict[str, object] = json.loads((stack.model_store / "releases.json").read_text())["models"]["mnist"]
    return state


def deployed_in(state: "dict[str, object]") -> list[str]:
    versions = state["deployed"]
    assert isinstance(versions, list)
    return versions


def served(stack: Deployment) -> list[str]:
    return sorted(model["modelVersion"] for model in get_json(f"{stack.management}/models/mnist/all"))


def default_version(stack: Deployment) -> str:
    version: str = get_json(f"{stack.management}/models/mnist")[0]["modelVersion"]
    return version


def answering(stack: Deployment, picture: bytes, path: str = "mnist") -> str:
    """The version that has answered at the edge, rightly. On a connection that knows nothing of an earlier release."""
    with new_session() as client:
        answer = client.post(f"{stack.edge}/predictions/{path}", data=picture, timeout=30)
    assert (answer.status_code, answer.text) == (200, "7"), answer.text
    return answer.headers["X-Model-Version"]


def assert_all_answered(outcome: Outcome) -> None:
    assert outcome.count("answered") == outcome.sent > 0, outcome.details("refused", "lost", "wrong")


def test_a_version_is_deployed_into_the_running_server_under_load(stack: Deployment, seven: Path) -> None:
    before, java = identity(stack), java_pids(stack)
    picture = seven.read_bytes()
    with constant_load(f"{stack.direct}/predictions/mnist", picture, expected="7", rate=RATE) as load:
        load.keep_up(BEFORE_S)
        do(stack, "deploy", "mnist", "2.0")
        load.keep_up(AFTER_S)
    assert_all_answered(load.outcome)
    assert (identity(stack), java_pids(stack)) == (before, java)
    assert served(stack) == ["1.0", "2.0"]
    assert default_version(stack) == "1.0"
    assert (answering(stack, picture), answering(stack, picture, "mnist/2.0")) == ("1.0", "2.0")
    assert state_of(stack)["deployed"] == ["1.0", "2.0"]


def test_broken_versions_are_refused_while_the_old_ones_serve(released: Deployment, seven: Path) -> None:
    before, state = served(released), state_of(released)
    with constant_load(edge_predictions(released), seven.read_bytes(), expected="7", rate=RATE) as load:
        for version, expected in REFUSED.items():
            assert refusal(released, "deploy", "mnist", version).startswith(expected)
    assert_all_answered(load.outcome)
    assert (served(released), state_of(released)) == (before, state)
    unpacked = released.execute("ls", "/home/model-server/tmp/models-unpacked").split()
    assert unpacked == [f"mnist-{version}.mar" for version in before]


def test_a_tenth_of_the_requests_goes_to_the_canary(canary: Deployment, seven: Path) -> None:
    """Within a point, over 5,000 requests."""
    share = REQUESTS // CLIENTS
    with ThreadPoolExecutor(CLIENTS) as clients:
        asked = [clients.submit(versions_asked, canary, seven.read_bytes(), [{}] * share) for _ in range(CLIENTS)]
        found = sum((Counter(client.result()) for client in asked), Counter())
    assert found.total() == REQUESTS
    assert set(found) == {"1.0", "2.0"}
    assert 0.09 <= found["2.0"] / REQUESTS <= 0.11, found


def test_a_client_stays_with_its_version(canary: Deployment, seven: Path) -> None:
    names = [f"client-{number}" for number in range(200)]
    headers = [{"X-Client-Id": name} for name in names * 3]
    asked = versions_asked(canary, seven.read_bytes(), headers)
    by_client = {name: set(asked[i :: len(names)]) for i, name in enumerate(names)}
    assert all(len(versions) == 1 for versions in by_client.values()), by_client
    assert {version for versions in by_client.values() for version in versions} == {"1.0", "2.0"}


def versions_asked(stack: Deployment, picture: bytes, headers: "list[dict[str, str]]") -> list[str]:
    """Which version answered each of these requests, on one connection."""
    client = http.client.HTTPConnection(*edge_address(stack), timeout=30)
    versions = []
    for header in headers:
        client.request("POST", "/predictions/mnist", picture, header)
        answer = client.getresponse()
        assert (answer.status, answer.read()) == (200, b"7")
        versions.append(str(answer.headers["X-Model-Version"]))
    client.close()
    return versions


def test_promotion_and_rollback_cost_no_answer(canary: Deployment, seven: Path) -> None:
    picture = seven.read_bytes()
    with constant_load(edge_predictions(canary), picture, expected="7", rate=RATE) as load:
        load.keep_up(BEFORE_S)
        do(canary, "promote", "mnist")
        assert (answering(canary, picture), default_version(canary)) == ("2.0", "2.0")
        do(canary, "rollback", "mnist")
        assert (answering(canary, picture), default_version(canary)) == ("1.0", "1.0")
        load.keep_up(AFTER_S)
    assert_all_answered(load.outcome)
    assert served(canary) == ["1.0", "2.0"]
    state = state_of(canary)
    assert (state["stable"], state["previous"], state["canary"]) == ("1.0", None, None)


def decide(stack: Deployment) -> str:
    least = RATE * WINDOW_S // 10
    return do(stack, "promote", "mnist", "--auto", "--window", str(WINDOW_S), "--least", str(least))


def test_a_canary_as_good_as_the_stable_version_is_promoted_by_itself(released: Deployment, seven: Path) -> None:
    do(released, "canary", "mnist", "2.0", "--weight", "50")
    with constant_load(edge_predictions(released), seven.read_bytes(), expected="7", rate=RATE) as load:
        printed = decide(released)
    assert "promote: 2.0: error rate 0.00% and p99 " in printed
    assert_all_answered(load.outcome)
    assert state_of(released)["stable"] == "2.0"


def test_a_slow_canary_is_rolled_back_by_itself(released: Deployment, seven: Path) -> None:
    do(released, "canary", "mnist", "7.0", "--weight", "20")
    with constant_load(edge_predictions(released), seven.read_bytes(), expected="7", rate=RATE) as load:
        printed = decide(released)
    assert "roll back: 7.0: p99 " in printed
    assert_all_answered(load.outcome)
    assert (state_of(released)["stable"], state_of(released)["canary"]) == ("1.0", None)


def test_without_requests_nothing_is_decided(canary: Deployment) -> None:
    before = state_of(canary)
    lines = refusal(canary, "promote", "mnist", "--auto", "--window", "1")
    assert lines.startswith("FAIL: expected enough requests to compare the versions; nothing has changed\n")
    assert "found 1.0 had 0 requests" in lines
    assert state_of(canary) == before


def test_the_list_shows_what_becomes_of_every_version(canary: Deployment) -> None:
    rows = {tuple(line.split()[:2]): " ".join(line.split()[2:]) for line in do(canary, "list").splitlines()}
    assert rows["mnist", "1.0"] == "READY stable"
    assert rows["mnist", "2.0"].startswith("READY canary: 10 %, sticky by X-Client-Id")
    assert rows["mnist", "3.0"] == "BUILT"


def test_only_the_command_line_registers_and_removes_versions(stack: Deployment) -> None:
    before = served(stack)
    assert session.post(f"{stack.management}/models", params={"url": "mnist-3.0.mar"}, timeout=30).status_code == 405
    assert session.delete(f"{stack.management}/models/mnist/1.0", timeout=30).status_code == 405
    service = "/org.pytorch.serve.grpc.management.ManagementAPIsService"
    address = f"127.0.0.1:{stack.ports.grpc_management}"
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        for method in ("RegisterModel", "UnregisterModel"):
            call: Callable[..., bytes] = channel.unary_unary(f"{service}/{method}")
            with pytest.raises(grpc.RpcError) as refused:
                call(b"", timeout=30)
            assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED
    assert served(stack) == before


def test_what_was_deployed_is_served_again_after_the_jvms_death_and_after_a_restart(
    canary: Deployment, seven: Path
) -> None:
    do(canary, "promote", "mnist")
    kill(canary, *java_pids(canary))
    assert_restored(canary, seven)
    canary.compose("restart", "--no-deps", "torchserve")
    assert_restored(canary, seven)
    assert "mnist 3.0: built, not served" in canary.said()
    assert entry_of(canary.model_store, "mnist", "3.0")["status"] == "available"


def assert_restored(stack: Deployment, seven: Path) -> None:
    deployed = sorted(deployed_in(state_of(stack)))
    wait_until("all that was deployed is served again", lambda: served(stack) == deployed, DEADLINE_S)
    stack.wait_until_healthy()
    assert all(f"mnist {version} (" in stack.health_lines() for version in deployed)
    assert default_version(stack) == "2.0"
    wait_until("the edge has found it ready", lambda: answering(stack, seven.read_bytes()) == "2.0", DEADLINE_S)
