"""`python -m runtime.release deploy|undeploy|default NAME VERSION`: changes what TorchServe serves, without a restart.

`scripts/stack` calls it through `docker exec`. A version is deployed as at a start: verified, sized, unpacked and
registered. Then it is tested with its samples. If anything goes wrong, the deployment is rolled back.
"""

import fcntl
import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable

from contract.failure import Failure, failure_line
from contract.manifest import REBUILD, key_of, read_manifest
from contract.served import State
from runtime import health, prepare, sizing, state, torchserve
from runtime.errors import ServingError
from runtime.manifest import Model, judge
from runtime.samples import check_samples
from runtime.signatures import load_verifier

# Java listens on it (java/stack/models/Registrar.java).
SOCKET = ".registrar.sock"
LOCK = ".release.lock"
# The file in an archive from which TorchServe reads its name and version.
DESCRIPTION = "MAR-INF/MANIFEST.json"
# Added to the time that Java allows a worker: the model's startupTimeout plus the time to start a process.
MARGIN_SECONDS = 60.0

Snapshot = dict[str, dict[str, Any]]
# What was done: `done` (deployed, swapped, unchanged, undeployed, default), the number of `answers` checked and, if
# requests may have been lost, a `warning`.
Done = dict[str, Any]


def main(arguments: Sequence[str]) -> int:
    """Prints what was done as JSON and returns 0, or prints a failure as JSON and returns 1."""
    actions = {"deploy": deploy, "undeploy": undeploy, "default": set_default}
    try:
        if len(arguments) != 3 or arguments[0] not in actions:
            raise ServingError(f"`{'|'.join(actions)} NAME VERSION`", " ".join(arguments), "one of these commands")
        with one_at_a_time():
            print(json.dumps(actions[arguments[0]](*arguments[1:])))
    except Failure as failure:
        print(failure_line(failure))
        return 1
    except (OSError, ValueError) as error:
        print(failure_line(Failure("TorchServe to answer", str(error), "`docker compose logs torchserve`")))
        return 1
    return 0


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Holds the lock on releases; a second caller waits."""
    with (state.TEMP / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def deploy(name: str, version: str) -> Done:
    """Serves the manifest's archive of the version alongside the others, without changing the default version.

    If the version is already served from a different archive, its workers are replaced while it answers.
    """
    base = torchserve.read_properties(prepare.CONFIG)
    store = Path(base["model_store"])
    model = verified_model(store, name, version)
    served = served_model(name, version)
    if served and served.sha256 == model.sha256:
        return {"done": "unchanged", "answers": 0}
    folder = unused_folder(model)
    before = find_entry(name, version) if served else None
    try:
        settings = unpacked_settings(store, model, folder)
        entry = {**torchserve.snapshot_entry(model, settings, is_default=False, base=base), "marName": folder.name}
        entry["defaultVersion"] = bool(before and before["defaultVersion"])
        if before:
            answer = replace_workers(name, version, entry)
        else:
            answer = ask_java("register", name, version, entry["startupTimeout"] + MARGIN_SECONDS, settings=entry)
        answers = check_samples(model, store, settings["minWorkers"])
    except BaseException:
        with suppress(ServingError, OSError):
            take_back(name, version, before)
        shutil.rmtree(folder, ignore_errors=True)
        raise
    change_snapshot(lambda models: models.setdefault(name, {}).update({version: entry}))
    if before:
        shutil.rmtree(prepare.UNPACKED / before["marName"], ignore_errors=True)
    state.keep_chosen(
        state.with_chosen(state.read_chosen(), replace(model.sized(settings), is_default=entry["defaultVersion"]))
    )
    return {"done": "swapped" if before else "deployed", "answers": answers, **answer}


def undeploy(name: str, version: str) -> Done:
    """Stops serving the version, and leaves it out of the container's health check."""
    if served_model(name, version) is None:
        raise ServingError(f"{name} {version} to be served", "that it is not", "`scripts/stack status`")
    entry, before = find_entry(name, version), state.read_chosen()
    # Before Java unregisters the version: otherwise a health check in between would miss it.
    state.keep_chosen(one for one in before if (one.name, one.version) != (name, version))
    try:
        ask_java("unregister", name, version)
    except (ServingError, OSError):
        state.keep_chosen(before)
        raise

    def forget(models: Snapshot) -> None:
        del models[name][version]
        if not models[name]:
            del models[name]

    change_snapshot(forget)
    shutil.rmtree(prepare.UNPACKED / entry["marName"], ignore_errors=True)
    return {"done": "undeployed", "answers": 0}


def set_default(name: str, version: str) -> Done:
    """Makes the version the default for unversioned requests at once, and also after TorchServe restarts in place."""
    if served_model(name, version) is None:
        remedy = f"`scripts/stack release deploy {name} {version}`"
        raise ServingError(f"{name} {version} to be served", "that it is not", remedy)
    ask_java("default", name, version)

    def mark(models: Snapshot) -> None:
        for number, entry in models[name].items():
            entry["defaultVersion"] = number == version

    change_snapshot(mark)
    chosen = state.read_chosen()
    state.keep_chosen(replace(one, is_default=one.version == version) if one.name == name else one for one in chosen)
    return {"done": "default", "answers": 0}


def served_model(name: str, version: str) -> "Model | None":
    """Returns the version as it is served, or None if TorchServe does not have it."""
    if not any(described["modelVersion"] == version for described in health.describe(name)):
        return None
    chosen = (one for one in state.read_chosen() if (one.name, one.version) == (name, version))
    return next(chosen, Model(name, version))


def replace_workers(name: str, version: str, entry: "dict[str, Any]") -> Done:
    """Replaces the version's workers with those of another archive; the old ones answer until the new ones are READY.

    entry: the version's new part of the snapshot. If a new worker fails to load, the old workers stay. Returns a
    `warning` if requests may have been lost, else {}. Raises ServingError or OSError.
    """
    # The old workers finish the requests that they are computing before they end.
    longest = max(one["responseTimeout"] for one in (entry, find_entry(name, version)))
    return ask_java("replace", name, version, entry["startupTimeout"] + longest + MARGIN_SECONDS, settings=entry)


def take_back(name: str, version: str, before: "dict[str, Any] | None") -> None:
    """Rolls back a failed deployment: the version is served as before, if it was. Raises ServingError or OSError."""
    if before:
        replace_workers(name, version, before)
    else:
        ask_java("unregister", name, version)


def verified_model(store: Path, name: str, version: str) -> Model:
    """Returns the version, checked by hash and signature as at a start. Raises ServingError."""
    entries = [entry for entry in read_manifest(store) if key_of(entry) == (name, version)]
    if not entries:
        raise ServingError(f"{name} {version} in the manifest", "no such version", f"`scripts/stack build {name}`")
    model = judge(store, entries[0], load_verifier(prepare.VERIFY_KEY))
    if model.state is not State.SERVED:
        assert model.reason
        found = f"it {model.state.value} (expected {model.reason.expected}, found {model.reason.found})"
        raise ServingError(f"a valid archive of {model.label}", found, model.reason.remedy)
    return model


def unused_folder(model: Model) -> Path:
    """Returns the folder to unpack the archive to: one that no served version uses, removed if it was left over."""
    config = json.loads(torchserve.read_config(state.TEMP / state.CONFIG)[torchserve.SNAPSHOT])
    entries = ((key, entry) for key, versions in config["models"].items() for entry in versions.items())
    in_use = {entry["marName"]: (name, version) for name, (version, entry) in entries}
    folder = prepare.UNPACKED / model.archive
    if in_use.get(folder.name, (model.name, model.version)) != (model.name, model.version):
        found = f"{folder.name}, from which another version is served"
        raise ServingError(f"an archive for {model.label} only", found, f"{REBUILD} {model.name}")
    if folder.name in in_use:
        folder = folder.with_name(f"{folder.name}@{model.sha256[:12]}")
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def unpacked_settings(store: Path, model: Model, folder: Path) -> dict[str, Any]:
    """Unpacks the archive and returns the settings that a start with this model among the others would choose."""
    limits = sizing.read_limits(replicas=sizing.read_replicas(os.environ))
    served = [one for one in prepare.choose_models(store).served if one.label != model.label]
    chosen = sizing.choose(limits, [*served, model], os.environ)
    (settings,) = prepare.unpack_models([(model, folder)], store, chosen, limits.cpus)
    description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))["model"]
    if description.get("modelVersion") != model.version:
        found = f"an archive of {description.get('modelName')} {description.get('modelVersion')}"
        raise ServingError(f"an archive of {model.label}", found, f"{REBUILD} {model.name}")
    return settings


def find_entry(name: str, version: str) -> dict[str, Any]:
    """Returns the version's part of the snapshot that Java restores when it is restarted in this container."""
    snapshot = json.loads(torchserve.read_config(state.TEMP / state.CONFIG)[torchserve.SNAPSHOT])
    entry: dict[str, Any] = snapshot["models"][name][version]
    return entry


def change_snapshot(change: Callable[[Snapshot], Any]) -> Any:
    """Changes the snapshot that Java restores when it is restarted in this container; returns `change`'s result."""
    path = state.TEMP / state.CONFIG
    config = torchserve.read_config(path)
    snapshot = json.loads(config[torchserve.SNAPSHOT])
    result = change(snapshot["models"])
    snapshot["modelCount"] = sum(len(versions) for versions in snapshot["models"].values())
    torchserve.write_config({**config, torchserve.SNAPSHOT: json.dumps(snapshot)}, path)
    return result


def ask_java(action: str, name: str, version: str, seconds: float = MARGIN_SECONDS, **more: Any) -> Done:
    """Returns Java's answer. Raises ServingError if Java reports an error, OSError if there is no answer in time."""
    request = {"action": action, "name": name, "version": version, **more}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        connection.connect(str(state.TEMP / SOCKET))
        connection.sendall(f"{json.dumps(request)}\n".encode())
        with connection.makefile(encoding="utf-8") as lines:
            answer: Done = json.loads(lines.readline() or '{"error": "no answer"}')
    if "error" in answer:
        expected = f"TorchServe to {action.replace('default', 'make the default:')} {name} {version}"
        raise ServingError(expected, answer["error"], "`docker compose logs torchserve`")
    return answer


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
