"""The container's main process: prepares the models (prepare.py), then starts and supervises TorchServe."""

import os
import subprocess
from collections.abc import Mapping, Sequence

from contract.failure import Failure
from runtime import sizing, state, torchserve
from runtime.adopted import AdoptedProcess
from runtime.errors import ServingError
from runtime.log import log
from runtime.prepare import prepare
from runtime.supervisor import ADOPT, Java, supervise

DEFAULT_DRAIN_SECONDS = 20.0
# After the drain, Java needs 2.5 s; the rest is for gRPC calls to finish. Drain plus this is below stop_grace_period.
JAVA_STOP_SECONDS = 12.0


def main(arguments: Sequence[str] = ()) -> int:
    """Runs until it is stopped (returns STOPPED) or cannot keep TorchServe running (1; the restart policy takes over).

    arguments: none, or ADOPT and the process ID of the Java that this process started before it replaced itself.
    """
    try:
        return serve(AdoptedProcess(int(arguments[1])) if arguments[:1] == [ADOPT] else None)
    except Failure as failure:
        log(f"FAIL: {failure}")
        return 1


def serve(running: "AdoptedProcess | None" = None) -> int:
    """Prepares everything that TorchServe needs, starts and supervises it. Returns the container's exit status."""
    drain_seconds = _drain_seconds(os.environ)
    _check_sampler(os.environ)
    config_path = state.TEMP / state.CONFIG
    if running is None:
        prepare(config_path, sizing.read_limits(replicas=sizing.read_replicas(os.environ)))
    start = state.read_start()
    assert start, "whatever process started this Java has also written the start file"
    config = torchserve.read_config(config_path)
    environment = torchserve.java_environment(start.threads)

    def start_java() -> Java:
        return subprocess.Popen(
            torchserve.java_command(config, config_path, state.TEMP, drain_seconds),
            env=environment,
            cwd=state.TEMP,  # the root file system is read-only
            start_new_session=True,  # Ctrl-C in a terminal reaches only the entrypoint; see also `end_workers`
        )

    return supervise(start_java, drain_seconds + JAVA_STOP_SECONDS, running)


def _drain_seconds(env: Mapping[str, str]) -> float:
    text = env.get("DRAIN_SECONDS", "").strip()
    try:
        seconds = float(text) if text else DEFAULT_DRAIN_SECONDS
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ServingError("DRAIN_SECONDS to be a number of seconds, 0 or more", repr(text), "DRAIN_SECONDS=20")
    return seconds


def _check_sampler(env: Mapping[str, str]) -> None:
    """Checks the value at start, because a worker that reads an invalid one (worker/batch_spans.py) would just die."""
    name = "OTEL_TRACES_SAMPLER_ARG"
    text = env.get(name, "").strip()
    try:
        is_ratio = 0 <= float(text or "1") <= 1
    except ValueError:
        is_ratio = False
    if not is_ratio:
        raise ServingError(f"{name} to be a number from 0 to 1", repr(text), f"{name}=1")
