"""Load an archived model into the engine that runs it. One class per engine, all called alike."""

import importlib
import inspect
import warnings
from pathlib import Path

import numpy as np
import torch


class EagerEngine:
    """A PyTorch module: Python code (model.py) and its state_dict."""

    def __init__(self, module: torch.nn.Module, device: torch.device) -> None:
        self.device = device
        self.module = module.to(device).eval()

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """inputs: float32 [N, channels, height, width] → scores: float32 [N, classes]."""
        with torch.inference_mode():
            return self.module(torch.from_numpy(inputs).to(self.device)).cpu().numpy()


class TorchScriptEngine(EagerEngine):
    """A ScriptModule: no Python code of the model needed."""


def load_engine(folder: Path, serialized_file: str, model_file: str, device: torch.device) -> EagerEngine:
    """The engine of an unpacked archive: TorchScript where no model file is named, else eager.

    Raises what torch raises on damaged files.
    """
    path = str(folder / serialized_file)
    if not model_file:
        with warnings.catch_warnings():
            # torch 2.14 deprecates TorchScript; TorchServe's other way to archive a model is still TorchScript.
            warnings.simplefilter("ignore", category=FutureWarning)
            return TorchScriptEngine(torch.jit.load(path, map_location=device), device)
    module = model_class(model_file)()
    module.load_state_dict(torch.load(path, map_location=device, weights_only=True))
    return EagerEngine(module, device)


def model_class(model_file: str) -> type:
    """The one nn.Module class that `model_file` (importable, such as "model.py") defines."""
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
