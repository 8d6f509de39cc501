"""Makes ts.torch_handler.base_handler (TorchServe 0.12.0) import an engine only when a handler uses it.

Every handler on TorchServe's base classes imports that module. It tries `import onnxruntime as ort`, for models in
.onnx files, and `import openvino.torch`, for torch.compile. This image has both, which would take up 141 MiB in each
such worker although few models need them. `install` gives this one module an `__import__` (in its own `__builtins__`,
where Python looks for it) that returns a `DeferredModule` for those two statements. All other imports, in base_handler
and elsewhere, are Python's own: a handler that imports an engine gets the real module. importlib.util.LazyLoader would
put lazy modules into sys.modules, where code that inspects all modules, such as inspect.getmodule, would load them.

- `ort.InferenceSession(...)`, or any other attribute of `ort`, imports onnxruntime and returns its real attribute.
- torch.compile(backend="openvino") needs no import: openvino's package declares its backend as an entry point in
  "torch_dynamo_backends", where torch looks up unregistered backends. Without the import, openvino also no longer
  sets torch._dynamo.config.inline_inbuilt_nn_modules for models that other backends compile.
- ONNX_AVAILABLE is True if onnxruntime is installed, as before. A damaged installation is noticed when the model
  loads, not when base_handler does.
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
    """A placeholder for what `import NAME` binds, which imports NAME when an attribute is accessed."""

    def __getattr__(self, attribute: str) -> Any:
        return getattr(__import__(self.__name__), attribute)


def install() -> None:
    """Makes later imports of base_handler defer the import of engines."""
    sys.meta_path.insert(0, BaseHandlerFinder())


class BaseHandlerFinder:
    """Finds only base_handler, where Python does, but with a loader that defers the import of engines."""

    def find_spec(
        self, name: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None
    ) -> Optional[ModuleSpec]:
        """Returns base_handler's spec, or None for any other module."""
        spec = PathFinder.find_spec(name, path, target) if name == BASE_HANDLER else None
        if spec and isinstance(spec.loader, SourceFileLoader):
            spec.loader = DeferringLoader(spec.loader.name, spec.loader.path)
        return spec


class DeferringLoader(SourceFileLoader):
    """Executes a module so that its import statements call `import_or_defer`."""

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = {**vars(builtins), "__import__": import_or_defer}
        super().exec_module(module)


def import_or_defer(name: str, *arguments: Any) -> ModuleType:
    """Imports as `__import__` does, but defers an engine that is installed and not yet imported."""
    if name in DEFERRED and name not in sys.modules and importlib.util.find_spec(name.partition(".")[0]):
        return DeferredModule(name)
    return __import__(name, *arguments)
