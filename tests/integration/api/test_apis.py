"""TorchServe's other APIs work on the user's running stack: explanations, gRPC, OpenAPI, Prometheus."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

from integration.support.clients.grpc_inference import InferenceClient, compile_messages
from integration.support.stack import Deployment, session


@pytest.fixture
def grpc_client(running_stack: Deployment, tmp_path: Path) -> Iterator[InferenceClient]:
    address = f"127.0.0.1:{running_stack.ports.grpc_inference}"
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        yield InferenceClient(channel, compile_messages(tmp_path))


def test_an_explanation_attributes_the_digit_to_its_28_by_28_pixels(running_stack: Deployment, seven: Path) -> None:
    url = f"{running_stack.inference}/explanations/mnist"
    answer = session.post(url, data=seven.read_bytes(), timeout=60)
    assert answer.status_code == 200, answer.text[:500]
    attribution = np.squeeze(np.asarray(answer.json(), dtype=float))
    assert attribution.shape == (28, 28)
    assert np.isfinite(attribution).all()
    assert np.abs(attribution).max() > 0


def test_grpc_ping_answers_healthy(grpc_client: InferenceClient) -> None:
    assert json.loads(grpc_client.ping()) == {"status": "Healthy"}


def test_grpc_predictions_answer_as_http_does(
    grpc_client: InferenceClient, running_stack: Deployment, seven: Path
) -> None:
    picture = seven.read_bytes()
    assert grpc_client.predict("mnist", picture) == running_stack.predict("mnist", picture).content == b"7"


def test_a_grpc_prediction_of_an_unknown_model_is_refused(grpc_client: InferenceClient) -> None:
    with pytest.raises(grpc.RpcError, match="nobody"):
        grpc_client.predict("nobody", b"x")


def test_the_inference_address_describes_itself_as_openapi(running_stack: Deployment) -> None:
    answer = session.options(f"{running_stack.inference}/", timeout=10)
    assert answer.status_code == 200, answer.text[:500]
    description = answer.json()
    assert description["openapi"].startswith("3.")
    assert {"/ping", "/predictions/{model_name}", "/predictions/{model_name}/{model_version}"} <= set(
        description["paths"]
    )


def test_prometheus_counts_every_prediction(running_stack: Deployment, seven: Path) -> None:
    before = predictions_counted(running_stack)
    for _ in range(3):
        assert running_stack.predict("mnist", seven.read_bytes()).status_code == 200
    assert predictions_counted(running_stack) == before + 3


def predictions_counted(stack: Deployment) -> float:
    """The sum of ts_inference_requests_total over mnist's versions."""
    answer = session.get(stack.metrics, timeout=10)
    assert answer.status_code == 200, answer.text[:500]
    assert answer.headers["Content-Type"].startswith("text/plain")
    samples = re.findall(r'^ts_inference_requests_total\{[^}]*model_name="mnist"[^}]*\} (\S+)$', answer.text, re.M)
    return sum(float(value) for value in samples)
