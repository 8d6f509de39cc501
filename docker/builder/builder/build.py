"""Build one model into a staging folder: weights → export → check → archive. Runs in a process of its own,
so that one model's code, memory and crashes never touch another's.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from builder.archive import archive_bytes, archive_sha256, build_archive
from builder.errors import BuildError
from builder.fetch import data_folder, package_wheels
from builder.sources import sha256_of
from builder.spec import ModelSpec
from builder.store import SAMPLES

OUTCOME = "outcome.json"


def build_model(
    spec: ModelSpec, folder: Path, cache: Path, archive_format: str, staging: Path, reuse: bool = False
) -> dict[str, Any]:
    """The manifest's record of the model, whose archive, samples and report now lie in `staging`. Raises BuildError.

    reuse: whether weights that an earlier build has trained from the same will do.
    """
    # Imported here, in the model's own process: these import torch, which costs seconds.
    import torch

    from builder.check import check_export
    from builder.export import export_model
    from builder.report import write_report
    from builder.weights import load_weights, seed_of

    def log(text: str) -> None:
        print(f"{spec}: {text}", flush=True)

    sys.path[:0] = map(str, [*spec.folders(folder), *package_wheels(spec, cache)])
    seconds: dict[str, float] = {}
    with _timed(seconds, "weights"):
        torch.manual_seed(seed_of(spec))
        module = _model_class(spec, folder)()
        log("getting its weights")
        weights = load_weights(spec, module, folder, cache, log, reuse)
        log(f"weights: {weights.origin}")
    with _timed(seconds, "export"):
        export = export_model(spec, module, weights.trained, folder, staging / "export")
    exported_sha256 = sha256_of(export.folder / export.serialized_file)
    with _timed(seconds, "check"):
        checked = check_export(spec, export, module, weights.trained, folder, data_folder(spec, folder, cache))
        log(f"engine {checked.engine} {checked.precision}")
        if checked.evaluation:
            log(f"accuracy {checked.evaluation.accuracy:.2%} on {len(checked.evaluation.labels)} images")
    with _timed(seconds, "archive"):
        archive = build_archive(spec, export, archive_format, staging)
    evaluation = checked.evaluation
    report = write_report(spec, weights, evaluation, staging) if evaluation else None
    return {
        "name": spec.name,
        "version": spec.version,
        "status": "available",
        "archive": archive.name,
        "format": archive_format,
        "sha256": archive_sha256(archive),
        "bytes": archive_bytes(archive),
        "engine": checked.engine,
        "precision": checked.precision,
        "precisions": {precision: asdict(figures) for precision, figures in checked.figures.items()},
        "trained": weights.trained,
        "weights": {"origin": weights.origin, "sha256": weights.sha256 or exported_sha256},
        "accuracy": {"top1": evaluation.accuracy, "images": len(evaluation.labels)} if evaluation else None,
        "seconds": seconds,
        "serving": spec.serving.model_dump(exclude_none=True),
        "input": spec.input.model_dump(mode="json", exclude_none=True),
        "candidate": spec.candidate,
        "objective": spec.objective.model_dump(),
        "samples": _copy_samples(checked.samples, folder / spec.samples, staging / SAMPLES),
        "report": report.name if report else None,
    }


def main() -> None:
    """`python -m builder.build JOB`: JOB is a JSON file that names what to build; the outcome goes beside it."""
    job = json.loads(Path(sys.argv[1]).read_text())
    spec = ModelSpec.model_validate(job["spec"])
    staging = Path(job["staging"])
    try:
        folder, cache = Path(job["folder"]), Path(job["cache"])
        outcome = build_model(spec, folder, cache, job["archive_format"], staging, job["reuse"])
    except BuildError as error:
        outcome = {"failed": str(error)}
    (staging / OUTCOME).write_text(json.dumps(outcome))


def _model_class(spec: ModelSpec, folder: Path) -> Any:
    """The class in the model's source folder; found by the code that will find it in the archive."""
    sys.path.append(str(folder.parent))
    try:
        return importlib.import_module("common.engines").model_class(spec.model)
    except (ImportError, ValueError) as error:
        raise BuildError(f"one nn.Module class in {spec.model}", str(error), "correcting that file") from None


def _copy_samples(samples: list[dict[str, Any]], source: Path, target: Path) -> list[dict[str, Any]]:
    """The samples' rows, each with the sha256 of its copy."""
    target.mkdir()
    copies = [Path(shutil.copyfile(source / sample["file"], target / sample["file"])) for sample in samples]
    return [{**sample, "sha256": sha256_of(copy)} for sample, copy in zip(samples, copies)]


@contextlib.contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    seconds[step] = round(time.monotonic() - start, 1)


if __name__ == "__main__":
    main()
