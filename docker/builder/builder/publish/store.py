"""The model store and its manifest: only one builder at a time, and every change is atomic.

Publishing takes one rename each for the samples, the archive and the manifest. Until the last one, the manifest has
both records of the model (`pending` is the new one), so that it describes whichever archive is on the disk.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from packaging.version import Version

from builder.errors import BuildError
from builder.record import Record
from contract.archive import archive_sha256, file_sha256
from contract.manifest import MANIFEST, SAMPLES, key_of, manifest_text, read_manifest


class ModelStore:
    """The folder that the runtime serves from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the store, waiting for another builder if need be, and clean up after one that was killed."""
        if not os.access(self.folder, os.W_OK):
            status = self.folder.stat()
            raise BuildError(
                f"a model store that user {os.getuid()} can write to",
                f"{self.folder} owned by {status.st_uid}:{status.st_gid}",
                f"`scripts/stack up`, or `chown {os.getuid()}:{os.getgid()} model_store`",
            )
        with (self.folder / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("waiting for another builder to release the model store", flush=True)
                fcntl.flock(lock, fcntl.LOCK_EX)
            shutil.rmtree(self.folder / ".staging", ignore_errors=True)
            for half_written in self.folder.glob(".manifest-*"):
                half_written.unlink()
            self._settle()
            yield

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """An empty folder on the store's file system, from which files can be renamed into the store."""
        folder = self.folder / ".staging"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    def records(self) -> list[Record]:
        """Return the manifest's records; an empty list if there is no manifest yet."""
        return [dict(record) for record in read_manifest(self.folder)]

    def find(self, name: str, version: str) -> Record:
        """Return the record of one model version, an empty one if the manifest has none."""
        return next((record for record in self.records() if key_of(record) == (name, version)), {})

    def has(self, record: Record) -> bool:
        """Whether the record's archive is in the store and undamaged."""
        archive = self.folder / record["archive"] if "archive" in record else None
        return archive is not None and archive.exists() and archive_sha256(archive) == record["sha256"]

    def has_samples(self, record: Record) -> bool:
        """Whether all of the record's samples are in the store and undamaged."""
        files = ((self._samples(record) / sample["file"], sample) for sample in record["samples"])
        return all(file.is_file() and file_sha256(file) == sample["sha256"] for file, sample in files)

    def publish(self, record: Record, staging: Path) -> None:
        """Replace the model's archive, samples and record with those in `staging` and `record`."""
        old = self.find(*key_of(record))
        same_file = old.get("archive") == record["archive"]
        if same_file:
            self._write({**old, "pending": record})
        samples = self._samples(record)
        samples.mkdir(parents=True, exist_ok=True)
        for sample in record["samples"]:
            (staging / SAMPLES / sample["file"]).replace(samples / sample["file"])
        target = self.folder / record["archive"]
        if target.is_dir():
            target.rename(staging / "replaced")
        (staging / record["archive"]).replace(target)
        self._write(record)
        for left_over in {path.name for path in samples.iterdir()} - {sample["file"] for sample in record["samples"]}:
            (samples / left_over).unlink()
        if not same_file:
            self._remove_archive(old)

    def publish_unavailable(self, record: Record) -> None:
        """Record why a model is not served, and remove its archive and samples."""
        old = self.find(*key_of(record))
        if old != record:
            self._write(record)
            self._remove_archive(old)
            self._remove_samples(record)

    def publish_beside(self, file: Path, kind: str) -> str:
        """Move a report or bill of materials to the store's folder `kind`. Return its path inside the store."""
        folder = self.folder / kind
        folder.mkdir(exist_ok=True)
        file.replace(folder / file.name)
        return f"{kind}/{file.name}"

    def retain(self, keys: set[tuple[str, str]]) -> list[Record]:
        """Remove the models whose (name, version) is not in `keys`. Return their records."""
        records = self.records()
        gone = [record for record in records if key_of(record) not in keys]
        if gone:
            self._write_all([record for record in records if key_of(record) in keys])
        for record in gone:
            self._remove_archive(record)
            self._remove_samples(record)
            for beside in (record.get("report"), record.get("sbom", {}).get("file")):
                if beside:
                    (self.folder / beside).unlink(missing_ok=True)
        return gone

    def _settle(self) -> None:
        """Recover from a builder that was killed between the two renames: keep the record that matches the disk."""
        records = self.records()
        settled = []
        for record in records:
            pending = record.pop("pending", None)
            settled.append(pending if pending and not self.has(record) and self.has(pending) else record)
        if any("pending" in record for record in self.records()):
            self._write_all(settled)

    def _write(self, record: Record) -> None:
        others = [known for known in self.records() if key_of(known) != key_of(record)]
        self._write_all([*others, record])

    def _write_all(self, records: list[Record]) -> None:
        """Write the manifest, newest version first, because TorchServe makes the first that it loads the default."""
        records = sorted(records, key=lambda record: Version(record["version"]), reverse=True)
        records.sort(key=lambda record: record["name"])
        with tempfile.NamedTemporaryFile("w", dir=self.folder, prefix=".manifest-", delete=False) as file:
            written = Path(file.name)
            try:
                file.write(manifest_text(records))
                file.flush()
                os.fsync(file.fileno())
            except OSError:  # the disk is full
                written.unlink()
                raise
        written.chmod(0o644)
        written.replace(self.folder / MANIFEST)

    def _remove_archive(self, record: Record) -> None:
        if "archive" not in record:
            return
        path = self.folder / record["archive"]
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def _samples(self, record: Record) -> Path:
        return self.folder / SAMPLES / f"{record['name']}-{record['version']}"

    def _remove_samples(self, record: Record) -> None:
        shutil.rmtree(self._samples(record), ignore_errors=True)
