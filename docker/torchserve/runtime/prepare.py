"""Prepares what TorchServe needs: which versions to serve, with how many workers, and their unpacked archives."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contract.archive import content_sha256
from contract.manifest import REBUILD, read_manifest
from contract.served import Decision, State
from contract.tuned import TUNED
from runtime import sizing, state, torchserve
from runtime.errors import ServingError
from runtime.log import log
from runtime.manifest import Model, find_unlisted, read_served
from runtime.signatures import load_verifier
from runtime.tuning import read_tunings
from runtime.unpack import merged, unpack

CONFIG = Path("/home/model-server/config.properties")
# The user's public key; an empty file if Compose was given none.
VERIFY_KEY = Path("/run/secrets/verify_key")
UNPACKED = state.TEMP / "models-unpacked"
# TorchServe gives up on a worker that has failed to start for five minutes, for example because memory was short, and
# never tries again. The limit is an int of milliseconds at most; this is 23 days.
KEEP_TRYING = {"maxRetryTimeoutInSec": 2_000_000}


def prepare(config_path: Path, limits: sizing.Limits) -> None:
    """Chooses, sizes and unpacks the models, and writes the configuration that Java starts with.

    Raises Failure if nothing can be served.
    """
    state.forget()
    base = torchserve.read_properties(CONFIG)
    store = Path(base["model_store"])
    decision = choose_models(store)
    chosen = sizing.choose(limits, decision.served, os.environ)
    for reason in chosen.reasons:
        log(reason)
    shutil.rmtree(UNPACKED, ignore_errors=True)
    folders = [(model, UNPACKED / model.archive) for model in decision.served]
    settings = unpack_models(folders, store, chosen, limits.cpus)
    snapshot = torchserve.snapshot(list(zip(decision.served, settings)), decision.defaults, base)
    torchserve.write_config(torchserve.effective_config(base, snapshot, UNPACKED, limits.cpus), config_path)
    sized = {model.label: model.sized(own) for model, own in zip(decision.served, settings)}
    state.keep_chosen(sized.get(model.label, model) for model in decision.versions)
    settings_sha256 = content_sha256((CONFIG, store / TUNED, VERIFY_KEY))
    state.keep_start(state.Start(chosen.threads, settings_sha256))


def choose_models(store: Path) -> Decision[Model]:
    """Returns the manifest's models in its order and logs every finding. Raises Failure if none can be served."""
    verifier = load_verifier(VERIFY_KEY)
    log(f"signatures: verified with {verifier.keyid}" if verifier else "signatures: not verified (no STACK_VERIFY_KEY)")
    decision = read_served(store, verifier)
    for problem in decision.problems:
        log(f"WARNING: {problem}")
    for model in decision.versions:
        if model.state is State.SERVED:
            log(f"{model.label}: verified, {model.archive}, {model.size / 1e6:.1f} MB")
        else:
            log(model.said)
        if not model.trained:
            log(f"WARNING: {model.label} is UNTRAINED: its answers mean nothing")
    for name in find_unlisted(store, read_manifest(store)):
        log(f"ignored: {name} is not in the manifest")
    if not decision.served:
        found = ", ".join(f"{model.label} {model.state.value}" for model in decision.versions) or "an empty manifest"
        raise ServingError(f"a model to serve in {store}", found, REBUILD)
    return decision


def unpack_models(
    models: Sequence[tuple[Model, Path]], store: Path, chosen: sizing.Sizing, cpus: float
) -> list[dict[str, Any]]:
    """Unpacks each model into its folder, logs its sizing, and returns the settings in effect, in the same order."""
    settings = []
    tunings, problem = read_tunings(store)
    if problem:
        log(f"WARNING: {problem}")
    for model, folder in models:
        found = tunings.get(model.label)
        misfit = found.misfit(model.precisions, cpus) if found else ""
        if misfit:
            log(f"WARNING: {model.label} is served as untuned: {misfit}; try `scripts/stack tune {model.name}` again")
            found = None
        size = sizing.size_model(model, chosen, found, cpus)
        changes = merged(found.changes if found else {}, {**size.changes, **KEEP_TRYING})
        settings.append(unpack(model, store, folder, changes))
        shape = f"{sizing.counted(size.workers, 'worker')} with {sizing.counted(size.threads, 'thread')}"
        others = f", {found.others}" if found and found.others else ""
        log(f"serving {model.label}: {shape}{others}" + (f" ({size.why})" if size.why else ""))
    return settings
