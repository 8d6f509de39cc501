"""Lets ts.torch_handler.base_handler (TorchServe 0.12.0) import an engine when it uses it, not because it is installed.

Every handler on TorchServe's base classes imports that module. It tries `import onnxruntime as ort`, for models in
.onnx files, and `import openvino.torch`, for torch.compile. This image has both, and in each such worker they would
hold 141 MiB, which few models need. `install` gives this one module an `__import__` (in its own `__builtins__`, where
Python looks for it) that answers those two statements with a `DeferredModule`. Every other import, in base_handler and
elsewhere, stays Python's own: a handler that imports an engine gets the real module. importlib.util.LazyLoader would
put lazy modules into sys.modules, and whatever looks through all modules, as inspect.getmodule does, loads them.

- `ort.InferenceSession(...)`, and any other attribute of `ort`, imports onnxruntime and then is onnxruntime's own.
- torch.compile(backend="openvino") needs no import: openvino's package names its backend in the entry points
  "torch_dynamo_backends", where torch looks for what is not registered. Without the import, openvino also no longer
  sets torch._dynamo.config.inline_inbuilt_nn_modules for the models that are compiled by other backends.
- ONNX_AVAILABLE is True where onnxruntime is installed, as before. An installation that is damaged is found when the
  model loads, and not when base_handler does.
"""

import builtins
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any, Optional

BASE_HANDLER = "ts.torch_handler.base_handler"
DEFERRED = ("onnxruntime", "openvino.torch")


class DeferredModule(ModuleType):
    """Stands for what `import NAME` binds; it imports NAME for the first attribute that is asked for."""

    def __getattr__(self, attribute: str) -> Any:
        return getattr(__import__(self.__name__), attribute)


def install() -> None:
    """Makes later imports of base_handler defer the engines."""
    sys.meta_path.insert(0, BaseHandlerFinder())


class BaseHandlerFinder:
    """Finds base_handler where Python does, with a loader that defers the engines; it finds nothing else."""

    def find_spec(
        self, name: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None
    ) -> Optional[ModuleSpec]:
        """Returns the module's spec; None for every other module."""
        spec = PathFinder.find_spec(name, path, target) if name == BASE_HANDLER else None
        if spec and isinstance(spec.loader, SourceFileLoader):
            spec.loader = DeferringLoader(spec.loader.name, spec.loader.path)
        return spec


class DeferringLoader(SourceFileLoader):
    """Executes a module whose import statements call `import_or_defer`."""

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = {**vars(builtins), "__import__": import_or_defer}
        super().exec_module(module)


def import_or_defer(name: str, *arguments: Any) -> ModuleType:
    """Imports as `__import__` does, except for an engine that is installed and not imported yet."""
    if name in DEFERRED and name not in sys.modules and importlib.util.find_spec(name.partition(".")[0]):
        return DeferredModule(name)
    return __import__(name, *arguments)
