"""Build one model into a staging folder: weights → export → check → archive.

Runs in a separate process (`python -m builder.model JOB`), so that one model's code, memory and crashes never affect
another's. The parent process does not import torch.
"""

from __future__ import annotations

import contextlib
import importlib
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from builder.errors import BuildError
from builder.export.archive import archive_bytes, build_archive
from builder.export.check import check_export
from builder.export.folder import export_model
from builder.export.report import write_report
from builder.inputs.files import data_folder, package_wheels
from builder.inputs.weights import load_weights, seed_of
from builder.job import Job
from builder.record import Record
from contract.archive import archive_sha256, file_sha256
from contract.manifest import AVAILABLE, SAMPLES


def build_model(job: Job) -> Record:
    """Put archive, samples and report into staging; return the manifest's record. Raises BuildError."""
    spec, folder, staging = job.spec, job.folder, job.staging

    def log(text: str) -> None:
        print(f"{spec}: {text}", flush=True)

    sys.path[:0] = map(str, [*spec.folders(folder), *package_wheels(spec, job.cache)])
    seconds: dict[str, float] = {}
    with _timed(seconds, "weights"):
        torch.manual_seed(seed_of(spec))
        module = _model_class(spec.model, folder)()
        log("getting the weights")
        weights = load_weights(spec, module, folder, job.cache, log, job.reuse)
        log(f"weights: {weights.origin}")
    with _timed(seconds, "export"):
        export = export_model(spec, module, weights.trained, folder, staging / "export")
    exported_sha256 = file_sha256(export.folder / export.serialized_file)
    with _timed(seconds, "check"):
        checked = check_export(spec, export, module, weights.trained, folder, data_folder(spec, folder, job.cache))
        log(f"engine {checked.engine} {checked.precision}")
        if checked.evaluation:
            log(f"accuracy {checked.evaluation.accuracy:.2%} on {len(checked.evaluation.labels)} images")
    with _timed(seconds, "archive"):
        archive = build_archive(spec, export, job.archive_format, staging)
    evaluation = checked.evaluation
    report = write_report(spec, weights, evaluation, staging) if evaluation else None
    return {
        "name": spec.name,
        "version": spec.version,
        "status": AVAILABLE,
        "archive": archive.name,
        "format": job.archive_format,
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
    """Build the model that JOB, a file from Job.write, describes; the result goes next to that file."""
    job = Job.model_validate_json(Path(sys.argv[1]).read_text())
    try:
        job.answer(build_model(job))
    except BuildError as error:
        job.refuse(error.failure())


def _model_class(file: str, folder: Path) -> Any:
    """Return the class in the model's source folder, found by the same code that finds it in the archive."""
    sys.path.append(str(folder.parent))
    try:
        return importlib.import_module("common.engines").model_class(file)
    except (ImportError, ValueError) as error:
        raise BuildError(f"exactly one nn.Module class in {file}", str(error), "correcting that file") from None


def _copy_samples(samples: list[dict[str, Any]], source: Path, target: Path) -> list[dict[str, Any]]:
    """Copy the samples. Return their rows, each with the sha256 of its copy."""
    target.mkdir()
    copies = [Path(shutil.copyfile(source / sample["file"], target / sample["file"])) for sample in samples]
    return [{**sample, "sha256": file_sha256(copy)} for sample, copy in zip(samples, copies)]


@contextlib.contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    seconds[step] = round(time.monotonic() - start, 1)


if __name__ == "__main__":
    main()
