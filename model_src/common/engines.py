"""Run an archived model: one class per engine, all called alike. Nothing is imported that the engine does not need.

An archive always holds the model itself (`weights.pth` and its code, or a ScriptModule), which answers where the faster
engine is not installed, and explains predictions everywhere; `openvino.xml` or `model.onnx` beside it is the fast form.
"""

import importlib
import importlib.util
import inspect
import warnings
from pathlib import Path
from typing import Any, Optional

import numpy as np

MODEL, WEIGHTS, SCRIPT, ONNX = "model.py", "weights.pth", "model.pt", "model.onnx"
OPENVINO = {"f32": "openvino.xml", "bf16": "openvino.xml", "int8": "openvino-int8.xml"}
# What a CPU must have for a precision to be computed as checked; else the next safe one is used.
CPU_FLAGS = {"f32": (), "bf16": ("avx512_bf16", "amx_bf16"), "int8": ("avx512_vnni", "avx_vnni", "amx_int8")}


class OpenVinoEngine:
    """OpenVINO on the CPU: float32, bfloat16 or int8 (quantised by the builder)."""

    name = "openvino"

    def __init__(self, folder: Path, precision: str, threads: int) -> None:
        import openvino

        self.precision = precision
        compiled = openvino.Core().compile_model(
            folder / OPENVINO[precision],
            "CPU",
            {
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": 1,
                "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
                # Pinned, the workers of two models would share one core while the other idles.
                "ENABLE_CPU_PINNING": False,
            },
        )
        self._request = compiled.create_infer_request()

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """inputs: float32 [N, channels, height, width] → scores: float32 [N, classes], valid until the next call."""
        return self._request.infer([inputs], share_inputs=True, share_outputs=True)[0]


class OnnxRuntimeEngine:
    """ONNX Runtime on the CPU, float32."""

    name = "onnxruntime"
    precision = "f32"

    def __init__(self, folder: Path, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Spinning threads take the CPU from the other workers.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(folder / ONNX), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """inputs: float32 [N, channels, height, width] → scores: float32 [N, classes]."""
        return self._session.run(None, {self._input: inputs})[0]


class TorchEngine:
    """The PyTorch module itself (eager) or a ScriptModule (torchscript), on CPU or, also in half precision, GPU."""

    def __init__(self, name: str, module: Any, device: Any, precision: str = "f32") -> None:
        import torch

        self.name = name
        self.precision = precision
        self.device = device
        self._dtype = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}[precision]
        self.module = module.to(device, self._dtype).eval()
        self._format = torch.contiguous_format
        if name == "eager":
            self._format = torch.channels_last
            self.module = self.module.to(memory_format=self._format)

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """inputs: float32 [N, channels, height, width] → scores: float32 [N, classes]."""
        import torch

        with torch.inference_mode():
            images = torch.from_numpy(inputs).to(self.device, self._dtype, memory_format=self._format)
            return self.module(images).float().cpu().numpy()


def open_engine(folder: Path, engine: str, precision: str, threads: int, gpu: Optional[int] = None) -> Any:
    """The engine of an unpacked archive.

    engine: openvino, onnxruntime, torchscript or eager; precision: f32, bf16 or int8 (f16 on a GPU); gpu: its number.
    Raises what the engine raises on damaged files.
    """
    if engine == "openvino":
        return OpenVinoEngine(folder, precision, threads)
    if engine == "onnxruntime":
        return OnnxRuntimeEngine(folder, threads)
    import torch

    torch.set_num_threads(threads)
    device = torch.device("cpu" if gpu is None else f"cuda:{gpu}")
    return TorchEngine(engine, load_module(folder, device), device, precision)


def load_module(folder: Path, device: Any) -> Any:
    """The model itself, as PyTorch knows it: a ScriptModule where the archive has one, else its class and weights."""
    import torch

    if (folder / SCRIPT).is_file():
        with warnings.catch_warnings():
            # torch 2.14 deprecates TorchScript; TorchServe's other way to archive a model is still TorchScript.
            warnings.simplefilter("ignore", category=FutureWarning)
            return torch.jit.load(str(folder / SCRIPT), map_location=device)
    module = model_class(MODEL)()
    module.load_state_dict(torch.load(str(folder / WEIGHTS), map_location=device, weights_only=True))
    return module.to(device)


def usable(folder: Path, engine: str, precision: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[str, str, str]:
    """(engine, precision, ""), or what takes their place on this machine's CPU, and why.

    Without the engine's package: the model itself. Without the CPU's instructions: float32, which every CPU computes.
    """
    if engine in ("openvino", "onnxruntime") and importlib.util.find_spec(engine) is None:
        return ("torchscript" if (folder / SCRIPT).is_file() else "eager"), "f32", f"{engine} is not installed"
    needed = CPU_FLAGS[precision]
    if needed and cpu_flags(cpuinfo).isdisjoint(needed):
        return engine, "f32", f"{precision} needs a CPU with {' or '.join(needed)}"
    return engine, precision, ""


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> set[str]:
    """The instruction sets that Linux names for the first CPU; empty where it names none."""
    text = cpuinfo.read_text() if cpuinfo.is_file() else ""
    line = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return set(line.partition(":")[2].split())


def model_class(model_file: str) -> type:
    """The one nn.Module class that `model_file` (importable, such as "model.py") defines."""
    import torch

    module = importlib.import_module(Path(model_file).stem)
    found = [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, torch.nn.Module) and member.__module__ == module.__name__
    ]
    if len(found) != 1:
        names = ", ".join(member.__name__ for member in found) or "none"
        raise ValueError(f"expected exactly one nn.Module class in {model_file}, found {names}")
    return found[0]
