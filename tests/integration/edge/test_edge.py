"""The edge of the user's stack: which requests it forwards, which it refuses, and what every answer contains."""

import re
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
import requests

from integration.support.clients.grpc_inference import InferenceClient, compile_messages
from integration.support.clients.raw_http import RawConnection
from integration.support.stack import Deployment, session

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# 16 MiB is what TorchServe takes (config.properties), and what the edge lets through to it.
LIMIT_BYTES = 16 << 20
NOWHERE = [
    *("metrics", "token", "workflows", "wfpredict/x", "api-description", "invocations", "ready", "playground/none"),
    *("predictions", "predictions/a/b/c", "predictions//mnist", "Predictions/mnist", "models/mnist/1.0/set-default"),
]


@pytest.fixture
def edge(running_stack: Deployment) -> str:
    assert running_stack.health("edge") == "healthy", running_stack.health_lines("edge")
    return running_stack.edge


def assert_error(answer: requests.Response, status: int, kind: str) -> None:
    assert answer.status_code == status, answer.text
    error = answer.json()
    assert error.keys() == {"code", "type", "message", "request_id"}, error
    assert (error["code"], error["type"]) == (status, kind)
    assert error["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize("path", ["predictions/mnist", "predictions/mnist/1.0"])
def test_a_prediction_says_which_version_answered_and_carries_a_request_id(edge: str, path: str, seven: Path) -> None:
    answer = session.post(f"{edge}/{path}", data=seven.read_bytes(), timeout=30)
    assert (answer.status_code, answer.text) == (200, "7")
    assert answer.headers["X-Model-Version"] == "1.0"
    assert UUID.fullmatch(answer.headers["X-Request-Id"])


def test_a_candidate_answers_whoever_asks_for_it_by_version(edge: str, seven: Path) -> None:
    answer = session.post(f"{edge}/predictions/mnist/2.0", data=seven.read_bytes(), timeout=30)
    assert (answer.status_code, answer.text, answer.headers["X-Model-Version"]) == (200, "7", "2.0")


def test_a_clients_own_request_id_is_kept(edge: str) -> None:
    assert session.get(f"{edge}/ping", headers={"X-Request-Id": "order-4711"}).headers["X-Request-Id"] == "order-4711"


def test_a_request_id_that_is_none_is_replaced(edge: str) -> None:
    answer = session.get(f"{edge}/ping", headers={"X-Request-Id": '"; drop'})
    assert UUID.fullmatch(answer.headers["X-Request-Id"])


def test_a_body_that_curl_calls_a_form_is_answered(edge: str, seven: Path) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = session.post(f"{edge}/predictions/mnist", data=seven.read_bytes(), headers=form, timeout=30)
    assert (answer.status_code, answer.text) == (200, "7")


def test_an_explanation_passes(edge: str, seven: Path) -> None:
    answer = session.post(f"{edge}/explanations/mnist", data=seven.read_bytes(), timeout=60)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()) == 1


def test_models_can_be_read(edge: str) -> None:
    assert {"mnist", "efficientnet_lite0"} <= {m["modelName"] for m in session.get(f"{edge}/models").json()["models"]}
    assert session.get(f"{edge}/models/mnist/1.0").json()[0]["workers"][0]["status"] == "READY"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["models", "models/mnist", "models/mnist/1.0"])
def test_models_cannot_be_changed(edge: str, method: str, path: str) -> None:
    assert_error(session.request(method, f"{edge}/{path}"), 405, "MethodNotAllowedException")


@pytest.mark.parametrize("path", NOWHERE)
def test_nothing_else_passes(edge: str, path: str) -> None:
    for method in ("GET", "PUT"):
        assert_error(session.request(method, f"{edge}/{path}"), 404, "ResourceNotFoundException")


@pytest.mark.parametrize("path", ["/predictions/../models", "/predictions/..%2fmodels", "/models/..;/x", "//models"])
def test_no_path_leads_around_the_routes(running_stack: Deployment, path: str) -> None:
    connection = RawConnection(("127.0.0.1", running_stack.ports.edge))
    answer = connection.ask_anything(f"DELETE {path} HTTP/1.1\r\nHost: edge\r\n\r\n".encode(), is_complete=True)
    assert (answer.status, answer.error.get("type")) == (404, "ResourceNotFoundException"), answer


def test_torchserves_own_errors_carry_the_request_id(edge: str) -> None:
    unknown = session.post(f"{edge}/predictions/none", data=b"x")
    assert_error(unknown, 404, "ModelNotFoundException")
    assert "X-Model-Version" not in unknown.headers
    assert_error(session.post(f"{edge}/predictions/mnist/9.9", data=b"x"), 404, "ModelVersionNotFoundException")
    assert_error(session.post(f"{edge}/predictions/mnist", data=b"no image"), 400, "BadRequestException")


def test_a_body_that_is_too_large_is_refused_before_it_is_sent_on(edge: str) -> None:
    answer = session.post(f"{edge}/predictions/mnist", data=bytes(LIMIT_BYTES + 1), timeout=60)
    assert_error(answer, 413, "PayloadTooLargeException")


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 5\r\nContent-Length: 6",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Content-Length: +5",
        "Content-Length : 5",
    ],
)
def test_a_request_whose_end_is_ambiguous_reaches_no_torchserve(running_stack: Deployment, head: str) -> None:
    """TorchServe's netty would read some of these in its own way, and take what follows for a separate request."""
    connection = RawConnection(("127.0.0.1", running_stack.ports.edge))
    request = f"POST /predictions/mnist HTTP/1.1\r\nHost: edge\r\n{head}\r\n\r\nhello!"
    answer = connection.ask_anything(request.encode(), is_complete=True)
    assert answer.status == 400, answer


def test_grpc_passes_on_the_same_port(running_stack: Deployment, tmp_path: Path, seven: Path) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{running_stack.ports.edge}") as channel:
        client = InferenceClient(channel, compile_messages(tmp_path))
        assert "Healthy" in client.ping()
        assert client.predict("mnist", seven.read_bytes()) == b"7"


def test_grpc_management_does_not_pass(running_stack: Deployment) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{running_stack.ports.edge}") as channel:
        list_models: Callable[..., bytes] = channel.unary_unary(
            "/org.pytorch.serve.grpc.management.ManagementAPIsService/ListModels"
        )
        with pytest.raises(grpc.RpcError) as refused:
            list_models(b"", timeout=10)
    assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_the_page_and_its_data_come_from_here_alone(edge: str) -> None:
    page = session.get(f"{edge}/")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", page.text)
    models = {model["name"]: model for model in session.get(f"{edge}/playground/models.json").json()["models"]}
    assert models["mnist"]["stable"] == "1.0"
    assert [version["version"] for version in models["mnist"]["versions"]] == ["2.0", "1.0"]
    samples = models["mnist"]["versions"][1]["samples"]
    assert [sample["expected"] for sample in samples] == [str(digit) for digit in range(10)]
    sample = session.get(f"{edge}{samples[7]['url']}")
    assert sample.headers["Content-Type"] == "image/png"
    assert session.post(f"{edge}/predictions/mnist", data=sample.content, timeout=30).text == "7"
