"""TorchServe's process: its effective configuration, the Java command line, and the environment of its workers.

Java is started directly, not through the `torchserve` wrapper, which exits with 0 even if Java failed and leaves Java
running after a SIGTERM. The command line is the same as the wrapper's (ts/model_server.py of 0.12.0).
"""

import importlib.util
import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runtime.errors import ServingError
from runtime.manifest import Model

# Upstream's files, with our worker in place of upstream's (docker/torchserve/worker).
HOME = Path("/opt/stack/home")
# Our classes for TorchServe's Java front end (docker/torchserve/java).
FRONTEND = Path("/opt/stack/stack.jar")
NATIVE = Path("/opt/stack/native")
LOG_CONFIG = Path(__file__).resolve().parent / "log4j2.xml"
MAIN_CLASS = "stack.Server"
# For the libraries that workers compute with, which would otherwise start a thread per CPU of the machine.
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# PYTHONPATH would let a model import this package; TS_CONFIG_FILE would override the effective configuration.
_WITHHELD_VARIABLES = ("PYTHONPATH", "TS_CONFIG_FILE")

SNAPSHOT = "model_snapshot"
_RESTORED_SETTINGS = ("minWorkers", "maxWorkers", "batchSize", "maxBatchDelay", "responseTimeout", "startupTimeout")
# TorchServe's own defaults; the delay in milliseconds, the timeout in seconds.
_DEFAULT_BATCH_SIZE, _DEFAULT_BATCH_DELAY, _DEFAULT_TIMEOUT = 1, 100, 120


def read_properties(path: Path) -> dict[str, str]:
    """Reads a Java properties file as TorchServe's own wrapper does: `key=value` lines and # comments."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ServingError(f"TorchServe's settings at {path}", str(error), "`git checkout config.properties`") from None
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {key.strip(): value.strip() for key, _, value in pairs}


def effective_config(base: Mapping[str, str], models: Mapping[str, Any], store: Path, cpus: float) -> dict[str, str]:
    """Returns Java's configuration: the user's file, with the models (a snapshot) and `store`, their folder.

    Unless the file says otherwise there is one network thread per two CPUs on either side: with Java's own choice, two
    per CPU, small requests cost more CPU time for waking threads.
    """
    network_threads = str(max(1, int(cpus) // 2))
    return {
        "number_of_netty_threads": network_threads,
        "netty_client_threads": network_threads,
        **{key: value for key, value in base.items() if key != "load_models"},
        SNAPSHOT: json.dumps(models),
        "model_store": str(store),
        "workflow_store": str(store),
    }


def snapshot(
    served: Sequence[tuple[Model, Mapping[str, Any]]], defaults: Mapping[str, str], base: Mapping[str, str]
) -> dict[str, Any]:
    """Returns the snapshot that TorchServe would have written of these models at a stop, and restores at its start.

    defaults: the default version of each model; base: the user's configuration.
    """
    models: dict[str, dict[str, Any]] = {}
    for model, settings in served:
        is_default = defaults[model.name] == model.version
        models.setdefault(model.name, {})[model.version] = snapshot_entry(model, settings, is_default, base)
    return {"name": "manifest", "modelCount": len(served), "models": models}


def snapshot_entry(
    model: Model, settings: Mapping[str, Any], is_default: bool, base: Mapping[str, str]
) -> dict[str, Any]:
    """Returns one version's part of the snapshot; `base`, the user's configuration, has the default timeouts.

    `maxBatchDelay: 0` means no delay, which only our queue offers (java/stack/models/ModelQueue.java). `about` is for
    the metrics (java/stack/metrics/ModelCollector.java).
    """
    settings = {
        "batchSize": _DEFAULT_BATCH_SIZE,
        "maxBatchDelay": _DEFAULT_BATCH_DELAY,
        "responseTimeout": _default_seconds(base, "default_response_timeout"),
        "startupTimeout": _default_seconds(base, "default_startup_timeout"),
        **settings,
    }
    return {
        "defaultVersion": is_default,
        "marName": model.archive,
        **{key: settings[key] for key in _RESTORED_SETTINGS},
        **({"maxBatchDelay": 1, "greedy": True} if settings["maxBatchDelay"] == 0 else {}),
        **({"about": dict(model.about)} if model.about else {}),
    }


def _default_seconds(base: Mapping[str, str], key: str) -> int:
    """Returns a timeout from the user's configuration, or TorchServe's default. Raises ServingError."""
    text = base.get(key, str(_DEFAULT_TIMEOUT))
    if not (text.isdecimal() and int(text) >= 1):
        expected = f"{key} in config.properties to be a whole number of seconds, 1 or more"
        raise ServingError(expected, repr(text), f"{key}={_DEFAULT_TIMEOUT}")
    return int(text)


def write_config(config: Mapping[str, str], path: Path) -> None:
    """Writes a properties file atomically; a backslash would be Java's escape character, so it is doubled."""
    lines = (f"{key}={value}\n".replace("\\", "\\\\") for key, value in config.items())
    partial = path.with_suffix(".partial")
    partial.write_text("# Written by the entrypoint from config.properties and the manifest.\n" + "".join(lines))
    partial.replace(path)


def read_config(path: Path) -> dict[str, str]:
    """Returns what `write_config` wrote."""
    return {key: value.replace("\\\\", "\\") for key, value in read_properties(path).items()}


def java_command(config: Mapping[str, str], config_path: Path, temp: Path, drain_seconds: float) -> list[str]:
    """Returns the command line that `torchserve --start --foreground --ncs` would run, with our main class."""
    ts = _ts_package()
    java_home = os.environ.get("JAVA_HOME")
    store = config["model_store"]
    return [
        f"{java_home}/bin/java" if java_home else "java",
        f"-Dmodel_server_home={HOME}",
        f"-Dlog4j.configurationFile=file://{LOG_CONFIG}",
        f"-Djava.io.tmpdir={temp}",
        f"-Djava.library.path={NATIVE}",  # otherwise Java unpacks them to TEMP, where nothing may be executed
        f"-Dstack.drain_ms={drain_seconds * 1000:.0f}",
        *shlex.split(config.get("vmargs", "")),
        *("-cp", f"{FRONTEND}:{ts}/frontend/*", MAIN_CLASS),
        *("--python", sys.executable),
        *("-f", str(config_path)),
        *("-s", store),
        *("-w", config.get("workflow_store", store)),
        "-ncs",  # no snapshots: every start uses the manifest, never what an earlier run left
    ]


def java_environment(threads: int) -> dict[str, str]:
    """Returns the environment of Java and its workers, whose libraries may start `threads` threads."""
    env = {key: value for key, value in os.environ.items() if key not in _WITHHELD_VARIABLES}
    for name in _THREAD_VARIABLES:
        env[name] = str(threads)
    # log4j2.xml expects "all" or an empty value.
    env["ACCESS_LOG"] = "all" if env.get("ACCESS_LOG") == "all" else ""
    return env


def _ts_package() -> Path:
    """Returns the installed `ts` package's folder without importing it, which would import torch."""
    spec = importlib.util.find_spec("ts")
    if spec is None or not spec.submodule_search_locations:
        raise ServingError("the torchserve package", f"none for {sys.executable}", "a different TORCHSERVE_IMAGE")
    return Path(next(iter(spec.submodule_search_locations)))
