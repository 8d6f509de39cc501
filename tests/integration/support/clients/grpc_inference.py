"""A client of TorchServe's gRPC inference port, from inference.proto alone."""

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc
import grpc_tools  # type: ignore[import-untyped]
from grpc_tools import protoc

HERE = Path(__file__).parent
DEADLINE_S = 30


def compile_messages(folder: Path) -> ModuleType:
    """Compiles inference.proto to Python classes; a process may import a protobuf file only once."""
    if "inference_pb2" not in sys.modules:
        well_known = Path(grpc_tools.__file__).parent / "_proto"
        options = [f"-I{HERE}", f"-I{well_known}", f"--python_out={folder}", "inference.proto"]
        assert protoc.main(["protoc", *options]) == 0, f"protoc {options} failed"
        sys.path.insert(0, str(folder))
        importlib.import_module("inference_pb2")
        sys.path.remove(str(folder))
    return sys.modules["inference_pb2"]


class InferenceClient:
    """What a gRPC client of port 7070 does, with the messages of inference.proto; `metadata` goes with every call."""

    def __init__(self, channel: grpc.Channel, messages: ModuleType, metadata: Sequence[tuple[str, str]] = ()) -> None:
        self._metadata = metadata
        service = "/org.pytorch.serve.grpc.inference.InferenceAPIsService"
        self._request_type: Any = messages.PredictionsRequest
        self._ping: Callable[..., Any] = channel.unary_unary(
            f"{service}/Ping",
            request_serializer=lambda _: b"",
            response_deserializer=messages.TorchServeHealthResponse.FromString,
        )
        self._predictions: Callable[..., Any] = channel.unary_unary(
            f"{service}/Predictions",
            request_serializer=messages.PredictionsRequest.SerializeToString,
            response_deserializer=messages.PredictionResponse.FromString,
        )

    def ping(self) -> str:
        health: str = self._ping(None, metadata=self._metadata, timeout=DEADLINE_S).health
        return health

    def predict(self, model: str, body: bytes) -> bytes:
        return self.predict_anything(model, "", {"data": body})

    def predict_anything(self, model: str, version: str, inputs: Mapping[str, bytes]) -> bytes:
        request = self._request_type(model_name=model, model_version=version, input=inputs)
        prediction: bytes = self._predictions(request, metadata=self._metadata, timeout=DEADLINE_S).prediction
        return prediction
