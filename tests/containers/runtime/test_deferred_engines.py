"""Handlers on TorchServe's base classes can use every engine, but load only those they use. torch is real."""

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest
from front_end import Worker

from runtime.torchserve import HOME

# Lists the engines whose machine code is loaded in the process.
LOADED = """
import json
from pathlib import Path

def loaded():
    maps = Path("/proc/self/maps").read_text()
    return [engine for engine in ("onnxruntime", "openvino") if f"/{engine}/" in maps]
"""
# Answers `{"x": [[1.0, 2.0]]}` with the model's result and the loaded engines.
HANDLER = """
from loaded import loaded
from ts.torch_handler.base_handler import ONNX_AVAILABLE, BaseHandler

class Toy(BaseHandler):
    def handle(self, data, context):
        return [{"onnx": ONNX_AVAILABLE, "loaded": loaded(), "y": self.outputs([[1.0, 2.0]])}]
"""
MODELLESS = """
    def initialize(self, context):
        pass

    def outputs(self, x):
        return None
"""
ONNX = """
    def outputs(self, x):
        import numpy
        return self.model.run(None, {"x": numpy.array(x, numpy.float32)})[0].tolist()
"""
EAGER = """
    def outputs(self, x):
        import torch
        return self.model(torch.tensor(x)).tolist()
"""
MODEL = """
import torch

class Negative(torch.nn.Module):
    def forward(self, x):
        return -x
"""


def answer_of(folder: Path, handler: str, **described: str) -> Any:
    """Returns the answer of a worker with this handler, loaded from a folder with a manifest. described: its model."""
    (folder / "MAR-INF").mkdir(parents=True)
    (folder / "MAR-INF/MANIFEST.json").write_text(json.dumps({"model": {"handler": "handler.py", **described}}))
    (folder / "loaded.py").write_text(LOADED)
    (folder / "handler.py").write_text(textwrap.dedent(handler))
    worker = Worker(folder, 9000)
    try:
        loaded = worker.load()
        assert loaded.code == 200, loaded.message
        (prediction,) = worker.predict(("a", b"")).predictions
        return json.loads(prediction[3])
    finally:
        worker.kill()


def test_a_handler_on_the_base_classes_loads_no_engine_that_it_does_not_use(tmp_path: Path) -> None:
    answer = answer_of(tmp_path / "toy", HANDLER + MODELLESS)
    assert answer == {"onnx": True, "loaded": [], "y": None}


def test_an_onnx_file_is_run_by_base_handler_and_loads_onnxruntime_alone(tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(negation())
    answer = answer_of(folder, HANDLER + ONNX, serializedFile="model.onnx")
    assert answer == {"onnx": True, "loaded": ["onnxruntime"], "y": [[-1.0, -2.0]]}


@pytest.mark.parametrize("backend", ["openvino", "aot_eager"])
def test_torch_compile_finds_openvinos_backend_and_loads_it_where_it_is_asked_for(tmp_path: Path, backend: str) -> None:
    """What torch itself loads to compile does not count: 2.4 tries onnxruntime for every backend."""
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "model.py").write_text(MODEL)
    (folder / "model-config.yaml").write_text(f"pt2: {{compile: {{enable: true, backend: {backend}}}}}\n")
    answer = answer_of(folder, HANDLER + EAGER, modelFile="model.py", configFile="model-config.yaml")
    assert ("openvino" in answer["loaded"], answer["y"]) == (backend == "openvino", [[-1.0, -2.0]])


@pytest.mark.parametrize("first", ["base_handler", "the engines"])
def test_a_handler_that_imports_the_engines_itself_gets_the_real_ones(tmp_path: Path, first: str) -> None:
    base = "from ts.torch_handler import base_handler\n"
    engines = "import sys, onnxruntime, openvino\nfrom onnxruntime import InferenceSession\nfrom openvino import Core\n"
    handle = """
def handle(requests, context):
    same = [sys.modules[module.__name__] is module for module in (onnxruntime, openvino)]
    same.append(base_handler.ort.InferenceSession is InferenceSession)
    return [{"same": same, "devices": Core().available_devices}]
"""
    answer = answer_of(tmp_path / "toy", (base + engines if first == "base_handler" else engines + base) + handle)
    assert answer == {"same": [True] * 3, "devices": ["CPU"]}


def test_onnx_is_not_available_where_onnxruntime_is_not_installed(tmp_path: Path) -> None:
    hidden = "import sys\nsys.modules['onnxruntime'] = None\n"
    answer = answer_of(tmp_path / "toy", hidden + HANDLER + MODELLESS)
    assert answer == {"onnx": False, "loaded": [], "y": None}


def test_an_engine_that_is_not_installed_is_not_deferred(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HOME / "ts"))
    import deferred_engines

    monkeypatch.setattr(deferred_engines, "DEFERRED", ("absent_engine", "absent_engine.torch"))
    for name in deferred_engines.DEFERRED:
        with pytest.raises(ModuleNotFoundError):
            deferred_engines.import_or_defer(name)


def negation() -> bytes:
    """Returns an ONNX model, y = -x in two dimensions, as a handmade ModelProto, because no package here writes one."""
    float_32 = number(1, 1)
    shape = field(2, field(1, field(2, b"rows")) + field(1, field(2, b"columns")))
    tensor = field(2, field(1, float_32 + shape))
    node = field(1, field(1, b"x") + field(2, b"y") + field(4, b"Neg"))
    graph = node + field(2, b"negation") + field(11, field(1, b"x") + tensor) + field(12, field(1, b"y") + tensor)
    return number(1, 8) + field(7, graph) + field(8, number(2, 13))


def field(tag: int, content: bytes) -> bytes:
    """Returns a protobuf field of less than 128 bytes."""
    return bytes([tag << 3 | 2, len(content)]) + content


def number(tag: int, value: int) -> bytes:
    """Returns a protobuf field with a number below 128."""
    return bytes([tag << 3, value])
