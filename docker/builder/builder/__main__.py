"""`python -m builder [MODEL …] [--strict] [--force]`: bring the model store up to date with model_src."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from pathlib import Path

from builder.build import Build
from builder.errors import DiskFull, SpecError
from builder.job import SUFFIXES
from builder.publish.signing import load_signer
from builder.publish.store import ModelStore
from contract.failure import Failure
from contract.outcome import Outcome

MODEL_SRC = Path("/model_src")
MODEL_STORE = Path("/model_store")
CACHE = Path("/cache")
# The host's CA bundle; an empty file if Compose was given none.
CA_BUNDLE = Path("/run/secrets/ca_bundle")
# The user's private key; an empty file if Compose was given none.
SIGNING_KEY = Path("/run/secrets/signing_key")


def main() -> int:
    """Run the builder. Return its exit status, which the outcome explains."""
    options = parse_options()
    if CA_BUNDLE.exists() and CA_BUNDLE.read_bytes():
        os.environ.setdefault("REQUESTS_CA_BUNDLE", str(CA_BUNDLE))
    outcome = Outcome()
    if options.outcome:
        # Remove an earlier run's outcome, so that it cannot be mistaken for this one's.
        options.outcome.unlink(missing_ok=True)
    try:
        build(options, outcome)
    except Failure as failure:
        refuse(outcome, failure)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        refuse(outcome, DiskFull())
    if options.outcome:
        outcome.write(options.outcome)
    return outcome.exit_status


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="builder", description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="a model's name or folder (default: all models)")
    parser.add_argument("--strict", action="store_true", default=os.environ.get("STRICT", "") not in ("", "0"))
    parser.add_argument("--force", action="store_true", help="rebuild models that have not changed, too")
    parser.add_argument("--outcome", type=Path, metavar="FILE", help="write the outcome as JSON to FILE (outcome.py)")
    return parser.parse_args()


def build(options: argparse.Namespace, outcome: Outcome) -> None:
    """Build the models and fill the outcome. Raises BuildError for a problem that affects more than one model."""
    signer = load_signer(SIGNING_KEY)
    store = ModelStore(MODEL_STORE)
    with store.locked():
        Build(
            store,
            MODEL_SRC,
            CACHE,
            archive_format=archive_format(),
            weights=weights_overrides(),
            strict=options.strict,
            force=options.force,
            signer=signer,
            outcome=outcome,
        ).run(options.models)


def refuse(outcome: Outcome, failure: Failure) -> None:
    print(f"FAIL: {failure}", flush=True)
    outcome.failure = failure


def archive_format() -> str:
    """Return the value of ARCHIVE_FORMAT. Raises SpecError."""
    chosen = os.environ.get("ARCHIVE_FORMAT") or "zip-store"
    if chosen not in SUFFIXES:
        raise SpecError(f"ARCHIVE_FORMAT to be one of {', '.join(SUFFIXES)}", repr(chosen), "ARCHIVE_FORMAT=zip-store")
    return chosen


def weights_overrides() -> dict[str, str]:
    """Parse MODEL_WEIGHTS="NAME=random:SEED NAME=file:FILE" into {name: text}, empty if unset. Raises SpecError."""
    pairs = [item.partition("=") for item in os.environ.get("MODEL_WEIGHTS", "").split()]
    bad = [name for name, _, text in pairs if not text]
    if bad:
        remedy = "MODEL_WEIGHTS=densenet161=random:0"
        raise SpecError("MODEL_WEIGHTS as NAME=random:SEED or NAME=file:FILE", repr(bad[0]), remedy)
    return {name: text for name, _, text in pairs}


if __name__ == "__main__":
    sys.exit(main())
