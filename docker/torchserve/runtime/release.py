"""`python -m runtime.release deploy|undeploy|default NAME VERSION`: changes what TorchServe serves, without a restart.

`scripts/stack release` calls it through `docker exec`. A version is deployed as a start would have done it: verified,
sized, unpacked and registered; and then it is tried with its samples. Whatever goes wrong leaves all as it was.
"""

import fcntl
import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Callable

from runtime import entrypoint, health, sizing, state, torchserve
from runtime.errors import ServingError
from runtime.manifest import REBUILD, Model, Verdict, judge, read_manifest
from runtime.samples import check_samples
from runtime.signatures import load_verifier

# Java's (java/stack/models/Registrar.java).
SOCKET = ".registrar.sock"
LOCK = ".release.lock"
# In an archive: what TorchServe takes its name and version from.
DESCRIPTION = "MAR-INF/MANIFEST.json"
# Above what Java gives a worker: the model's startupTimeout and the time to start a process.
MARGIN_SECONDS = 60.0

Snapshot = dict[str, dict[str, Any]]


def main(arguments: Sequence[str]) -> int:
    """What was done is the last line on stdout; a failure is one line on stderr, and exit status 1."""
    actions = {"deploy": deploy, "undeploy": undeploy, "default": set_default}
    try:
        if len(arguments) != 3 or arguments[0] not in actions:
            raise ServingError(f"{', '.join(actions)} with a name and a version", " ".join(arguments), "these words")
        with one_at_a_time():
            print(actions[arguments[0]](*arguments[1:]))
    except (ServingError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Who comes second waits."""
    with (state.TEMP / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def deploy(name: str, version: str) -> str:
    """The version is served beside the others; which one is the default does not change."""
    if is_served(name, version):
        return f"{name} {version}: served already"
    base = torchserve.read_properties(entrypoint.CONFIG)
    store = Path(base["model_store"])
    model = verified_model(store, name, version)
    folder = entrypoint.UNPACKED / model.archive
    if folder.name in archives_in_use():
        raise ServingError(f"an archive of {model.label}'s own", f"{folder.name}, which is served", f"{REBUILD} {name}")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        settings = unpacked_settings(store, model)
        entry = torchserve.snapshot_entry(model, settings, is_default=False, base=base)
        ask_java("register", model.name, model.version, entry["startupTimeout"] + MARGIN_SECONDS, settings=entry)
        answers = check_samples(model, store, settings["minWorkers"])
    except BaseException:
        with suppress(ServingError, OSError):
            ask_java("unregister", name, version)
        shutil.rmtree(folder, ignore_errors=True)
        raise
    change_snapshot(lambda models: models.setdefault(name, {}).update({version: entry}))
    state.keep_deployed([*state.deployed(), {"name": name, "version": version, "trained": model.trained}])
    return f"{model.label}: READY, {answers} answers to its samples were right"


def undeploy(name: str, version: str) -> str:
    """Takes back what `deploy` has done."""
    others = [one for one in state.deployed() if (one["name"], one["version"]) != (name, version)]
    if others == state.deployed():
        raise ServingError(f"{name} {version} among what was deployed since the start", "no such version", "a restart")
    state.keep_deployed(others)
    entry = change_snapshot(lambda models: models[name].pop(version))
    ask_java("unregister", name, version)
    shutil.rmtree(entrypoint.UNPACKED / entry["marName"], ignore_errors=True)
    return f"{name} {version}: no longer served"


def set_default(name: str, version: str) -> str:
    """Unversioned requests get that version from the next one on, also after a restart of TorchServe in place."""
    if not is_served(name, version):
        raise ServingError(f"{name} {version} among the served versions", "none", f"release deploy {name} {version}")
    ask_java("default", name, version)

    def mark(models: Snapshot) -> None:
        for number, entry in models[name].items():
            entry["defaultVersion"] = number == version

    change_snapshot(mark)
    return f"{name} {version}: the default version"


def is_served(name: str, version: str) -> bool:
    return any(described["modelVersion"] == version for described in health.describe(name))


def verified_model(store: Path, name: str, version: str) -> Model:
    """By hash and signature, as at a start. Raises ServingError."""
    entries = [entry for entry in read_manifest(store) if (entry["name"], entry["version"]) == (name, version)]
    if not entries:
        raise ServingError(f"{name} {version} in the manifest", "no such version", f"{REBUILD} {name}")
    model = judge(store, entries[0], load_verifier(entrypoint.VERIFY_KEY))
    if model.verdict is not Verdict.SERVED:
        found, _, remedy = model.detail.rpartition("; try ")
        raise ServingError(f"an archive of {model.label} to serve", f"it {model.verdict.value} ({found})", remedy)
    return model


def unpacked_settings(store: Path, model: Model) -> dict[str, Any]:
    """The settings that a start would have decided with this model among the others; its archive is unpacked."""
    limits = sizing.read_limits()
    served = [one for one in entrypoint.served_models(store).models if one.verdict is Verdict.SERVED]
    chosen = sizing.choose(limits, [*(one for one in served if one.label != model.label), model], os.environ)
    (settings,) = entrypoint.unpack_models([model], store, chosen, limits.cpus)
    description = json.loads((entrypoint.UNPACKED / model.archive / DESCRIPTION).read_text(encoding="utf-8"))["model"]
    if description.get("modelVersion") != model.version:
        found = f"one of {description.get('modelName')} {description.get('modelVersion')}"
        raise ServingError(f"an archive of {model.label}", found, f"{REBUILD} {model.name}")
    return settings


def archives_in_use() -> set[str]:
    """The names of their folders in UNPACKED."""
    snapshot = json.loads(torchserve.read_config(state.TEMP / state.CONFIG)[torchserve.SNAPSHOT])
    return {entry["marName"] for versions in snapshot["models"].values() for entry in versions.values()}


def change_snapshot(change: Callable[[Snapshot], Any]) -> Any:
    """What Java restores when it is started again in this container; returns what `change` returns."""
    path = state.TEMP / state.CONFIG
    config = torchserve.read_config(path)
    snapshot = json.loads(config[torchserve.SNAPSHOT])
    result = change(snapshot["models"])
    snapshot["modelCount"] = sum(len(versions) for versions in snapshot["models"].values())
    torchserve.write_config({**config, torchserve.SNAPSHOT: json.dumps(snapshot)}, path)
    return result


def ask_java(action: str, name: str, version: str, seconds: float = MARGIN_SECONDS, **more: Any) -> None:
    """Raises ServingError with Java's reason, OSError where Java does not answer within `seconds`."""
    request = {"action": action, "name": name, "version": version, **more}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        connection.connect(str(state.TEMP / SOCKET))
        connection.sendall(f"{json.dumps(request)}\n".encode())
        with connection.makefile(encoding="utf-8") as lines:
            answer = json.loads(lines.readline() or '{"error": "no answer"}')
    if "error" in answer:
        expected = f"TorchServe to {action.replace('default', 'make the default:')} {name} {version}"
        raise ServingError(expected, answer["error"], "`docker compose logs torchserve`")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
