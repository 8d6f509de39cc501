"""No bytes that a client can send bring down a worker, or make our handlers answer 5xx."""

import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration.support.clients.grpc_inference import InferenceClient, compile_messages
from integration.support.clients.raw_http import Answer, RawConnection, post
from integration.support.fresh import FreshDeployments
from integration.support.inputs.mutations import corpus, mutants, smallest
from integration.support.inputs.requests_of_any_shape import MODELS, plain_requests, requests
from integration.support.pages.fuzz import FuzzReport
from integration.support.processes import java_pids
from integration.support.stack import Deployment
from integration.support.store import available_models
from integration.support.users import ARTIFACTS

pytestmark = pytest.mark.slow

CLIENTS, PATIENT_CLIENTS = 12, 16  # those that mostly wait for an answer that does not come
SEED = 0
# An input that efficientnet_lite0 can read costs it 10 ms, and mnist nothing.
MUTANTS = {"mnist": 15_500, "efficientnet_lite0": 1000}
MUTATED_REQUESTS, REQUESTS, CALLS = 2500, 1000, 500
FAILED = ARTIFACTS / "fuzz"
ODD_NAMES = st.text(max_size=12) | st.sampled_from([*MODELS, "a" * 5000])


def mostly(usual: str, other: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Three times in four `usual`: what is odd in every part never gets as far as a handler."""
    return st.integers(0, 3).flatmap(lambda choice: st.just(usual) if choice else other)


@pytest.fixture(scope="module")
def fuzzed_stack(fresh_deployment: FreshDeployments, fresh_store: Callable[..., Path]) -> Deployment:
    stack = fresh_deployment(model_store=fresh_store(*MUTANTS))
    stack.start()
    stack.wait_until_healthy()
    return stack


@pytest.fixture(scope="module")
def images(running_stack: Deployment) -> dict[str, list[bytes]]:
    """Model → its samples in every format."""
    found = {name: sorted((running_stack.model_src / name / "samples").glob("*.[pj][np]g")) for name in MUTANTS}
    assert all(found.values()), f"no samples in {running_stack.model_src}: {found}"
    return {name: corpus(samples) for name, samples in found.items()}


@pytest.fixture(scope="module")
def report(write_docs: bool, fuzzed_stack: Deployment) -> Iterator[FuzzReport]:
    """Counts every answer of this module."""
    report = FuzzReport()
    yield report
    if write_docs:
        report.write()


@pytest.fixture(autouse=True)
def unharmed(fuzzed_stack: Deployment, report: FuzzReport, seven: Path) -> Iterator[None]:
    """After each test: the same processes, no restart, and the reference answer."""
    before = processes(fuzzed_stack)
    began = time.monotonic()
    yield
    report.seconds += time.monotonic() - began
    assert processes(fuzzed_stack) == before, "a worker, Java or the container was started again"
    answer = fuzzed_stack.predict("mnist", seven.read_bytes())
    assert (answer.status_code, answer.text) == (200, "7")
    assert not fuzzed_stack.unready_models()


def processes(stack: Deployment) -> list[str]:
    """Everything that a restart would change."""
    workers = [
        worker["pid"] for entry in available_models(stack.model_store) for worker in stack.workers(entry["name"])
    ]
    return [str(stack.state()["StartedAt"]), *java_pids(stack), *map(str, workers)]


@pytest.mark.parametrize("model", MUTANTS)
def test_mutated_images_are_answered_or_refused(
    fuzzed_stack: Deployment, images: dict[str, list[bytes]], report: FuzzReport, model: str
) -> None:
    def send(bodies: list[bytes]) -> list[tuple[bytes, Answer]]:
        connection = RawConnection(fuzzed_stack.direct_address)
        answers = [(body, connection.ask(post(f"/predictions/{model}", body))) for body in bodies]
        connection.close()
        return answers

    answers = list(in_parallel(CLIENTS, send, list(mutants(images[model], MUTANTS[model], SEED))))
    for body, answer in answers:
        if not report.count("mutated images", answer):
            fail_with_the_smallest(fuzzed_stack, f"/predictions/{model}", body, answer)
    assert {answer.status for _, answer in answers} >= {200, 400}, "neither good nor bad images: what was sent?"


def test_mutated_requests_get_no_5xx_that_is_not_known(
    fuzzed_stack: Deployment, report: FuzzReport, seven: Path
) -> None:
    def send(requests: list[bytes]) -> list[tuple[bytes, Answer]]:
        connection = RawConnection(fuzzed_stack.direct_address)
        return [(request, connection.ask_anything(request, is_complete=False)) for request in requests]

    sent = list(mutants(plain_requests(seven.read_bytes()), MUTATED_REQUESTS, SEED))
    for request, answer in in_parallel(PATIENT_CLIENTS, send, sent):
        assert report.count("mutated requests", answer), f"{answer.status} {answer.body[:300]!r} for {request!r}"


def in_parallel(
    count: int, send: Callable[[list[bytes]], list[tuple[bytes, Answer]]], inputs: list[bytes]
) -> Iterator[tuple[bytes, Answer]]:
    """`count` at once, each with its share of the inputs."""
    with ThreadPoolExecutor(count) as clients:
        yield from itertools.chain(*clients.map(send, [inputs[start::count] for start in range(count)]))


def fail_with_the_smallest(stack: Deployment, path: str, body: bytes, answer: Answer) -> None:
    """The input, cut down as far as it still gets such an answer, in artifacts/fuzz and in the message."""
    connection = RawConnection(stack.direct_address)

    def still_fails(shorter: bytes) -> bool:
        return connection.ask(post(path, shorter)).status == answer.status

    least = smallest(body, still_fails) if still_fails(body) else body
    FAILED.mkdir(parents=True, exist_ok=True)
    file = FAILED / f"{path.rpartition('/')[2]}-{answer.status}.bin"
    file.write_bytes(least)
    pytest.fail(f"{path}: {answer.status} {answer.body[:300]!r} for {least[:200]!r} ({file})")


def test_requests_of_any_shape_get_no_5xx_that_is_not_known(
    fuzzed_stack: Deployment, images: dict[str, list[bytes]], report: FuzzReport
) -> None:
    connection = RawConnection(fuzzed_stack.direct_address)
    small = sorted(itertools.chain(*images.values()), key=len)[:20]

    @settings(
        max_examples=REQUESTS,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow],
    )
    @given(requests(small))
    def ask(shaped: tuple[bytes, bool]) -> None:
        request, is_complete = shaped
        answer = connection.ask_anything(request, is_complete)
        assert report.count("requests of any shape", answer), f"{answer.status} {answer.body[:300]!r} for {request!r}"

    ask()


def test_grpc_predictions_of_any_shape_get_no_internal_error_that_is_not_known(
    fuzzed_stack: Deployment, images: dict[str, list[bytes]], report: FuzzReport, tmp_path: Path
) -> None:
    messages = compile_messages(tmp_path)
    address = f"127.0.0.1:{fuzzed_stack.ports.grpc_inference}"
    data = st.sampled_from(images["mnist"]) | st.binary(max_size=200) | st.integers(0, 17 << 20).map(bytes)
    inputs = st.dictionaries(st.sampled_from(["data", "body", "data"]) | st.text(max_size=6), data, max_size=3)
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        client = InferenceClient(channel, messages)

        @settings(max_examples=CALLS, derandomize=True, database=None, deadline=None)
        @given(mostly("mnist", ODD_NAMES), mostly("", ODD_NAMES), inputs)
        def call(model: str, version: str, inputs: dict[str, bytes]) -> None:
            try:
                client.predict_anything(model, version, inputs)
            except grpc.RpcError as error:
                code, details = error.code().name, error.details()
                assert report.count_call(code, details), f"{code} {details} for {model!r} {version!r} {inputs!r}"
            else:
                report.count_call("OK", "")

        call()


def test_at_least_20_000_inputs_were_sent(report: FuzzReport) -> None:
    """The last test of this module."""
    assert report.inputs >= 20_000, report.counts
