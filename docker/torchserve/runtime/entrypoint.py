"""The container's main process: verify the manifest, size, start TorchServe, watch it, drain and stop it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from runtime import drain, health, sizing, state, torchserve
from runtime.errors import ServingError
from runtime.manifest import REBUILD, Model, Verdict, judge_all, read_manifest, unlisted
from runtime.tuning import read_tuned
from runtime.unpack import merged, unpack

CONFIG = Path("/home/model-server/config.properties")
UNPACKED = state.TEMP / "models-unpacked"
DEFAULT_DRAIN_SECONDS = 20.0
# After the drain Java itself needs 2.5 s; the rest is for gRPC calls, which it lets finish. Below stop_grace_period.
JAVA_STOP_SECONDS = 12.0
# Before the models are ready somebody waits for each look; afterwards a look is work that no request asked for.
LOOK_SECONDS, FIRST_LOOKS_SECONDS = 3.0, 0.5
_STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})


def log(line: str) -> None:
    """One line to stdout, at once, marked as the entrypoint's."""
    print(f"entrypoint: {line}", flush=True)


def main() -> int:
    """Runs until TorchServe ends or a stop is asked for; 0 only after a stop: the restart policy does the rest."""
    try:
        return serve()
    except ServingError as failure:
        log(str(failure))
        return 1


def serve() -> int:
    """Prepares everything TorchServe needs, starts it and supervises it; returns the container's exit status."""
    drain_seconds = _drain_seconds(os.environ)
    state.forget()
    base = {**torchserve.read_properties(CONFIG), **torchserve.authorization(os.environ)}
    store = Path(base["model_store"])
    found = judged_models(store)
    models = [model for model in found if model.verdict is Verdict.SERVED]
    limits = sizing.read_limits()
    chosen = sizing.choose(limits, models, os.environ)
    for reason in chosen.reasons:
        log(reason)
    settings = unpack_models(models, store, chosen, limits.cpus)
    config = torchserve.effective_config(base, list(zip(models, settings)), UNPACKED, limits.cpus)
    config_path = state.TEMP / "config.properties"
    torchserve.write_config(config, config_path)
    java = subprocess.Popen(
        torchserve.java_command(config, config_path, state.TEMP),
        env=torchserve.java_environment(chosen),
        cwd=state.TEMP,  # where Java writes its keys: the root file system is read-only
        start_new_session=True,  # a Ctrl-C in the terminal is for the entrypoint alone: it has to drain first
    )
    return supervise(java, found, _client_ports(config), drain_seconds)


def judged_models(store: Path) -> list[Model]:
    """The manifest's models in its order, at least one of them to be served; every finding goes to the log."""
    entries = read_manifest(store)
    models = judge_all(store, entries)
    for model in models:
        if model.verdict is Verdict.SERVED:
            log(f"{model.label}: verified, {model.archive}, {model.size / 1e6:.1f} MB")
        else:
            log(f"{model.label}: {model.verdict.value}, not served: {model.detail}")
        if not model.trained:
            log(f"WARNING: {model.label} is UNTRAINED: its answers mean nothing")
    for name in unlisted(store, entries):
        log(f"ignored: {name} is not in the manifest")
    if not any(model.verdict is Verdict.SERVED for model in models):
        raise ServingError(f"a model to serve in {store}", f"{len(models)} in the manifest, none usable", REBUILD)
    return models


def unpack_models(models: Sequence[Model], store: Path, chosen: sizing.Sizing, cpus: float) -> list[dict[str, Any]]:
    """Every model in UNPACKED; the settings that this start decides, and one line in the log, for each."""
    settings = []
    shutil.rmtree(UNPACKED, ignore_errors=True)
    tuned, problem = read_tuned(store)
    if problem:
        log(f"WARNING: {problem}")
    for model in models:
        found = tuned.get(model.label)
        misfit = found.misfit(model.precisions, cpus) if found else ""
        if misfit:
            log(f"WARNING: {model.label} is served as untuned: {misfit}; try `scripts/stack tune {model.name}` again")
            found = None
        size = sizing.size_model(model, chosen, found, cpus)
        changes = merged(found.changes if found else {}, size.changes)
        settings.append(unpack(model, store, UNPACKED, changes))
        shape = f"{sizing.counted(size.workers, 'worker')} of {sizing.counted(size.threads, 'thread')}"
        others = f", {found.others}" if found and found.others else ""
        log(f"serving {model.label}: {shape}{others}" + (f" ({size.why})" if size.why else ""))
    return settings


def supervise(
    java: "subprocess.Popen[bytes]", models: Sequence[Model], ports: Sequence[int], drain_seconds: float
) -> int:
    """Publishes the health of `models`, until Java's end (a failure) or a stop signal (drain, then stop Java)."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS | {signal.SIGCHLD})
    started = time.monotonic()
    ready = False
    while java.poll() is None:
        healthy, line = health.check(models)
        state.publish(healthy, line)
        if healthy and not ready:
            ready = True
            log(f"ready after {time.monotonic() - started:.1f} s, {line}")
        if _wait_for(_STOP_SIGNALS | {signal.SIGCHLD}, LOOK_SECONDS if ready else FIRST_LOOKS_SECONDS) in _STOP_SIGNALS:
            return stop(java, ports, drain_seconds)
    log(
        f"FAIL: expected TorchServe to run until it is told to stop, found it ended with {_status(java.returncode)}; "
        "try the last lines above; exiting, so that the restart policy starts it again"
    )
    return 1


def stop(java: "subprocess.Popen[bytes]", ports: Sequence[int], drain_seconds: float) -> int:
    """Drains, then ends Java; a second stop signal cuts either wait short."""
    # Red while requests in flight finish, so that whoever routes requests stops sending new ones.
    state.publish(False, "unhealthy: draining, TorchServe is about to stop")
    log(f"stopping: waiting up to {drain_seconds:g} s for requests in flight")
    count = partial(drain.requests_in_flight, java.pid, tuple(ports))
    log("drained: " + drain.wait_until_quiet(count, drain_seconds, lambda s: _wait_for(_STOP_SIGNALS, s) is not None))
    java.terminate()
    deadline = time.monotonic() + JAVA_STOP_SECONDS
    while java.poll() is None and time.monotonic() < deadline:
        if _wait_for(_STOP_SIGNALS | {signal.SIGCHLD}, 0.2) in _STOP_SIGNALS:
            break
    if java.poll() is None:
        log(f"TorchServe did not stop in {JAVA_STOP_SECONDS:g} s: killing it")
        java.kill()
        java.wait()
    log("stopped")
    return 0


def _wait_for(signals: "frozenset[signal.Signals]", seconds: float) -> "signal.Signals | None":
    """The first of the (blocked) signals to arrive within `seconds`, or None."""
    received = signal.sigtimedwait(signals, seconds)
    return None if received is None else signal.Signals(received.si_signo)


def _client_ports(config: Mapping[str, str]) -> list[int]:
    """Ports on which clients' requests come in: HTTP inference and gRPC inference. Health asks on another one."""
    http = urlsplit(config.get("inference_address", "http://127.0.0.1:8080")).port or 8080
    return [http, int(config.get("grpc_inference_port", "7070"))]


def _drain_seconds(env: Mapping[str, str]) -> float:
    text = env.get("DRAIN_SECONDS", "").strip()
    try:
        seconds = float(text) if text else DEFAULT_DRAIN_SECONDS
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ServingError("DRAIN_SECONDS to be a number of seconds from 0", repr(text), "DRAIN_SECONDS=20")
    return seconds


def _status(returncode: int) -> str:
    return f"signal {signal.Signals(-returncode).name}" if returncode < 0 else f"exit status {returncode}"


if __name__ == "__main__":
    sys.exit(main())
