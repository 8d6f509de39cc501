"""The container's main process: verify the manifest, size, start TorchServe, watch it, drain and stop it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable

from runtime import health, sizing, state, torchserve
from runtime.errors import ServingError
from runtime.log import log
from runtime.manifest import REBUILD, Model, Verdict, judge_all, read_manifest, unlisted
from runtime.served import Served, choose_served, read_releases
from runtime.signatures import load_verifier
from runtime.tuning import read_tuned
from runtime.unpack import merged, unpack

CONFIG = Path("/home/model-server/config.properties")
# The user's public key; empty where compose was given none.
VERIFY_KEY = Path("/run/secrets/verify_key")
UNPACKED = state.TEMP / "models-unpacked"
DEFAULT_DRAIN_SECONDS = 20.0
# After the drain Java itself needs 2.5 s; the rest is for gRPC calls, which it lets finish. Below stop_grace_period.
JAVA_STOP_SECONDS = 12.0
# A TorchServe that ends is started again in place, which takes seconds; one that ends so often is Docker's to restart.
MOST_ENDS, ENDS_WITHIN_SECONDS = 5, 600.0
# TorchServe gives up a worker that cannot be started for five minutes, say for want of memory, and never tries again.
# Its limit is an int of milliseconds: these are 23 days.
KEEP_TRYING = {"maxRetryTimeoutInSec": 2_000_000}
# As a shell would report it. Not 0: the restart policy counts failures only, and has to see a host's shutdown as one.
STOPPED = 128 + signal.SIGTERM
# Before the models are ready somebody waits for each look; afterwards a look is work that no request asked for.
LOOK_SECONDS, FIRST_LOOKS_SECONDS = 3.0, 0.5
_STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})

Java = subprocess.Popen[bytes]


def main() -> int:
    """Runs until a stop (STOPPED) or until TorchServe cannot be kept running (1); the restart policy does the rest."""
    try:
        return serve()
    except ServingError as failure:
        log(str(failure))
        return 1


def serve() -> int:
    """Prepares everything TorchServe needs, starts it and supervises it; returns the container's exit status."""
    drain_seconds = _drain_seconds(os.environ)
    _check_sampler(os.environ)
    state.forget()
    base = torchserve.read_properties(CONFIG)
    store = Path(base["model_store"])
    served = served_models(store)
    found = served.models
    models = [model for model in found if model.verdict is Verdict.SERVED]
    limits = sizing.read_limits(replicas=sizing.read_replicas(os.environ))
    chosen = sizing.choose(limits, models, os.environ)
    for reason in chosen.reasons:
        log(reason)
    shutil.rmtree(UNPACKED, ignore_errors=True)
    settings = unpack_models(models, store, chosen, limits.cpus)
    snapshot = torchserve.snapshot(list(zip(models, settings)), served.defaults, base)
    config = torchserve.effective_config(base, snapshot, UNPACKED, limits.cpus)
    config_path = state.TEMP / state.CONFIG
    torchserve.write_config(config, config_path)

    def start_java() -> Java:
        return subprocess.Popen(
            torchserve.java_command(config, config_path, state.TEMP, drain_seconds),
            env=torchserve.java_environment(chosen),
            cwd=state.TEMP,  # the root file system is read-only
            start_new_session=True,  # a Ctrl-C in the terminal is for the entrypoint alone; and see `end_workers`
        )

    return supervise(start_java, found, drain_seconds + JAVA_STOP_SECONDS)


def served_models(store: Path) -> Served:
    """The manifest's models in its order, at least one of them to be served; every finding goes to the log."""
    verifier = load_verifier(VERIFY_KEY)
    log(f"signatures: verified with {verifier.keyid}" if verifier else "signatures: not verified (no STACK_VERIFY_KEY)")
    entries = read_manifest(store)
    releases, problems = read_releases(store)
    served = choose_served(judge_all(store, entries, verifier), releases)
    models = served.models
    for problem in problems + served.problems:
        log(f"WARNING: {problem}")
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
        found = ", ".join(f"{model.label} {model.verdict.value}" for model in models) or "an empty manifest"
        raise ServingError(f"a model to serve in {store}", found, REBUILD)
    return served


def unpack_models(models: Sequence[Model], store: Path, chosen: sizing.Sizing, cpus: float) -> list[dict[str, Any]]:
    """Every model in UNPACKED; the settings that this start decides, and one line in the log, for each."""
    settings = []
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
        changes = merged(found.changes if found else {}, {**size.changes, **KEEP_TRYING})
        settings.append(unpack(model, store, UNPACKED, changes))
        shape = f"{sizing.counted(size.workers, 'worker')} of {sizing.counted(size.threads, 'thread')}"
        others = f", {found.others}" if found and found.others else ""
        log(f"serving {model.label}: {shape}{others}" + (f" ({size.why})" if size.why else ""))
    return settings


def supervise(start_java: Callable[[], Java], models: Sequence[Model], stop_seconds: float) -> int:
    """Keeps TorchServe running and the health of `models` published, until a stop signal or too many ends."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS | {signal.SIGCHLD})
    ends: list[float] = []
    while True:
        java = start_java()
        was_ready = watch(java, models)
        if java.poll() is None:
            return stop(java, stop_seconds)
        end_workers(java)
        found = f"found it ended with {_status(java.returncode)}"
        if not was_ready:
            log(f"FAIL: expected TorchServe to become ready, {found}; try the last lines above")
            return 1
        now = time.monotonic()
        ends = [end for end in ends if now - end < ENDS_WITHIN_SECONDS] + [now]
        state.publish(False, "unhealthy: TorchServe ended and is started again")
        if len(ends) > MOST_ENDS:
            log(f"FAIL: expected TorchServe to run, {found}, as {MOST_ENDS} times before; try the lines above")
            return 1
        log(f"WARNING: expected TorchServe to run until it is told to stop, {found}; starting it again")


def watch(java: Java, models: Sequence[Model]) -> bool:
    """Publishes the health of `models` until Java's end or a stop signal; whether they were ever healthy."""
    started = time.monotonic()
    ready = False
    while java.poll() is None:
        healthy, line = health.check(models)
        state.publish(healthy, line)
        if healthy and not ready:
            ready = True
            log(f"ready after {time.monotonic() - started:.1f} s, {line}")
        if _wait_for(_STOP_SIGNALS | {signal.SIGCHLD}, LOOK_SECONDS if ready else FIRST_LOOKS_SECONDS) in _STOP_SIGNALS:
            break
    return ready


def stop(java: Java, seconds: float) -> int:
    """Java drains, then ends, within `seconds`; a second stop signal cuts that short."""
    # Red while requests in flight finish, so that whoever routes requests stops sending new ones.
    state.publish(False, "unhealthy: draining, TorchServe is about to stop")
    log("stopping: no new connections, requests in flight are answered")
    java.terminate()
    deadline = time.monotonic() + seconds
    while java.poll() is None and time.monotonic() < deadline:
        if _wait_for(_STOP_SIGNALS | {signal.SIGCHLD}, 0.2) in _STOP_SIGNALS:
            break
    if java.poll() is None:
        log(f"TorchServe did not stop in {seconds:g} s or was told to stop at once: killing it")
        java.kill()
        java.wait()
    log("stopped")
    return STOPPED


def end_workers(java: Java) -> None:
    """Kills what a dead Java has left: a worker still computing would remove the socket of its successor as it ends."""
    with suppress(ProcessLookupError):
        os.killpg(java.pid, signal.SIGKILL)


def _wait_for(signals: "frozenset[signal.Signals]", seconds: float) -> "signal.Signals | None":
    """The first of the (blocked) signals to arrive within `seconds`, or None."""
    received = signal.sigtimedwait(signals, seconds)
    return None if received is None else signal.Signals(received.si_signo)


def _drain_seconds(env: Mapping[str, str]) -> float:
    text = env.get("DRAIN_SECONDS", "").strip()
    try:
        seconds = float(text) if text else DEFAULT_DRAIN_SECONDS
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ServingError("DRAIN_SECONDS to be a number of seconds from 0", repr(text), "DRAIN_SECONDS=20")
    return seconds


def _check_sampler(env: Mapping[str, str]) -> None:
    """Here, because a worker that finds it wrong (worker/batch_spans.py) only dies."""
    name = "OTEL_TRACES_SAMPLER_ARG"
    text = env.get(name, "").strip()
    try:
        is_ratio = 0 <= float(text or "1") <= 1
    except ValueError:
        is_ratio = False
    if not is_ratio:
        raise ServingError(f"{name} to be a number from 0 to 1", repr(text), f"{name}=1")


def _status(returncode: int) -> str:
    return f"signal {signal.Signals(-returncode).name}" if returncode < 0 else f"exit status {returncode}"


if __name__ == "__main__":
    sys.exit(main())
