"""Run an archived model: one class per engine, all called the same way. Imports only what the engine needs.

An archive always contains the model itself (`weights.pth` and its code, or a ScriptModule), which answers if the faster
engine is not installed, and explains predictions. Next to it, `openvino.xml` or `model.onnx` is the fast form.
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
# Flags of which a CPU needs one to compute a precision as it was checked; otherwise float32 is used.
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
                # With pinning, the workers of two models would share one core while the other one idles.
                "ENABLE_CPU_PINNING": False,
            },
        )
        self._request = compiled.create_infer_request()

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """Return scores (float32 [N, classes], valid until the next call) for float32 [N, channels, height, width]."""
        return self._request.infer([inputs], share_inputs=True, share_outputs=True)[0]


class OnnxRuntimeEngine:
    """ONNX Runtime on the CPU, float32."""

    name = "onnxruntime"
    precision = "f32"

    def __init__(self, folder: Path, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Spinning threads would take CPU time from the other workers.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(folder / ONNX), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """Return scores, float32 [N, classes], for inputs: float32 [N, channels, height, width]."""
        return self._session.run(None, {self._input: inputs})[0]


class TorchEngine:
    """The PyTorch module itself (eager) or a ScriptModule (torchscript), on the CPU or (also in float16) on a GPU."""

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
        """Return scores, float32 [N, classes], for inputs: float32 [N, channels, height, width]."""
        import torch

        with torch.inference_mode():
            images = torch.from_numpy(inputs).to(self.device, self._dtype, memory_format=self._format)
            return self.module(images).float().cpu().numpy()


def open_engine(folder: Path, engine: str, precision: str, threads: int, gpu: Optional[int] = None) -> Any:
    """Return the engine of an unpacked archive.

    engine: openvino, onnxruntime, torchscript or eager; precision: f32, bf16 or int8 (f16 on a GPU); gpu: its number.
    Damaged files raise whatever the engine raises.
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
    """Return the PyTorch model: a ScriptModule if the archive has one, otherwise its class with its weights."""
    import torch

    if (folder / SCRIPT).is_file():
        with warnings.catch_warnings():
            # torch 2.14 deprecates TorchScript, but it is still one of TorchServe's two ways to archive a model.
            warnings.simplefilter("ignore", category=FutureWarning)
            return torch.jit.load(str(folder / SCRIPT), map_location=device)
    module = model_class(MODEL)()
    module.load_state_dict(torch.load(str(folder / WEIGHTS), map_location=device, weights_only=True))
    return module.to(device)


def usable(folder: Path, engine: str, precision: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[str, str, str]:
    """Return (engine, precision, ""), or what replaces them on this machine, and why.

    Without the engine's package, that is the model itself; without the CPU's instructions, float32, which any CPU has.
    """
    if engine in ("openvino", "onnxruntime") and importlib.util.find_spec(engine) is None:
        return ("torchscript" if (folder / SCRIPT).is_file() else "eager"), "f32", f"{engine} is not installed"
    needed = CPU_FLAGS[precision]
    if needed and cpu_flags(cpuinfo).isdisjoint(needed):
        return engine, "f32", f"{precision} needs a CPU with {' or '.join(needed)}"
    return engine, precision, ""


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> set[str]:
    """Return the first CPU's flags in /proc/cpuinfo; empty if there are none."""
    text = cpuinfo.read_text() if cpuinfo.is_file() else ""
    line = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return set(line.partition(":")[2].split())


def model_class(model_file: str) -> type:
    """Return the only nn.Module class in `model_file` (importable, such as "model.py"). Raises ValueError."""
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
