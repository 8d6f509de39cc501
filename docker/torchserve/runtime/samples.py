"""Tests a newly registered version with its samples, and compares its answers with the manifest's."""

import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Optional

from contract.archive import file_sha256
from contract.manifest import REBUILD, SAMPLES, Record
from runtime.errors import ServingError
from runtime.manifest import Model

INFERENCE = "http://127.0.0.1:8080"
# How often each sample is sent, by as many clients as there are workers, to get past a worker's slow first requests.
ROUNDS = 3
TIMEOUT_SECONDS = 150


def check_samples(model: Model, store: Path, workers: int) -> int:
    """Returns the number of requests, all answered correctly. Raises ServingError for the first wrong answer."""
    bodies = [(sample, read_sample(model, store, sample)) for sample in model.samples]
    with ThreadPoolExecutor(workers) as clients:
        problems = list(clients.map(lambda one: problem_of(model, *one), bodies * ROUNDS))
    wrong = next((problem for problem in problems if problem), None)
    if wrong:
        raise wrong
    return len(problems)


def read_sample(model: Model, store: Path, sample: Record) -> bytes:
    """Returns the sample's content. Raises ServingError if it is not the file that the builder checked."""
    path = store / SAMPLES / f"{model.name}-{model.version}" / Path(str(sample["file"])).name
    try:
        found = file_sha256(path)
        if found == sample.get("sha256"):
            return path.read_bytes()
    except OSError as error:
        found = str(error)
    expected = f"the sample {sample['file']} of {model.label} with sha256 {sample.get('sha256')}"
    raise ServingError(expected, found, f"{REBUILD} {model.name}")


def problem_of(model: Model, sample: Record, body: bytes) -> Optional[ServingError]:
    """Returns what is wrong with the answer to a sample, or None; any answer will do if the manifest names none."""
    url = f"{INFERENCE}/predictions/{model.name}/{model.version}"
    try:
        with urllib.request.urlopen(url, body, TIMEOUT_SECONDS) as response:  # noqa: S310
            found = best_of(response.read().decode(errors="replace"))
    except urllib.error.HTTPError as refusal:
        found = f"{refusal.code} {refusal.read().decode(errors='replace')[:300]}"
    except OSError as error:
        found = str(error)
    else:
        if sample.get("expected") in (None, found):
            return None
    expected = f"{model.label} to answer {sample.get('expected') or 200} to its sample {sample['file']}"
    return ServingError(expected, " ".join(found.split()), f"correcting its handler or its samples, and {REBUILD}")


def best_of(answer: str) -> str:
    """Returns the first (best) label if the answer has labels with probabilities, else the answer's text."""
    try:
        content = json.loads(answer)
    except ValueError:
        content = None
    return str(next(iter(content))) if isinstance(content, dict) and content else answer.strip()
