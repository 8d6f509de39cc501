"""What Java starts as a worker, in place of the file of this name in TorchServe 0.12.0: ours or upstream's."""

import os
import runpy
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Runs our worker, or upstream's for what only that can do."""
    if "--async" in sys.argv or "LOCAL_RANK" in os.environ:  # asyncCommunication, and torchrun's parallel models
        leave_folder()
        runpy.run_module("ts.model_service_worker", run_name="__main__")
    else:
        import single_worker

        leave_folder()
        single_worker.run()


def leave_folder() -> None:
    """A model's own modules may have the names of this folder's."""
    sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]


if __name__ == "__main__":
    main()
