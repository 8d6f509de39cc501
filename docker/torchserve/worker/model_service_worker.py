"""Starts a worker, ours or upstream's. Java runs this file in place of TorchServe 0.12.0's file of the same name."""

import os
import runpy
import sys
from pathlib import Path

import deferred_engines

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Runs our worker, or upstream's for asyncCommunication and torchrun's parallel models, which only it supports."""
    # The image sets this too, but TorchServe's blacklist_env_vars can remove it from a worker's environment.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    deferred_engines.install()
    if "--async" in sys.argv or "LOCAL_RANK" in os.environ:
        leave_folder()
        runpy.run_module("ts.model_service_worker", run_name="__main__")
    else:
        import single_worker

        leave_folder()
        single_worker.run()


def leave_folder() -> None:
    """Frees the names of this folder's modules, so that `import batch` in a handler finds the model's own module."""
    sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]
    for module in HERE.glob("*.py"):
        sys.modules.pop(module.stem, None)


if __name__ == "__main__":
    main()
