"""One run of the builder over some or all models: it builds what has changed and removes what is gone."""

from __future__ import annotations

import datetime
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from builder.errors import BuildError, DiskFull, SpecError, Unavailable
from builder.fingerprint import fingerprint
from builder.inputs.files import fetch_inputs
from builder.job import Job
from builder.publish.signing import RecordSigner
from builder.publish.store import ModelStore
from builder.record import Record
from builder.spec import ModelSpec, load_spec, override_weights
from contract.archive import file_sha256
from contract.outcome import BUILT, FAILED, REMOVED, UNAVAILABLE, UNCHANGED, ModelOutcome, Outcome

# If less than this is free, blame the disk for a failed build, whatever the library reported.
FULL_DISK_BYTES = 1 << 20


@dataclass
class Build:
    """One run; the caller holds the store's lock. `weights`: weights that override those of model.yaml, by model name.

    `outcome` records what has been done so far, even after an exception.
    """

    store: ModelStore
    model_src: Path
    cache: Path
    archive_format: str = "zip-store"
    weights: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False
    force: bool = False
    signer: RecordSigner | None = None
    outcome: Outcome = field(default_factory=Outcome)

    def run(self, wanted: list[str]) -> None:
        """Build the models in `wanted` (names or folders; empty: all). Raises SpecError for an unknown one."""
        specs = self._load_specs()
        unknown = set(wanted) - {name for folder, spec in specs.items() for name in (folder.name, spec.name)}
        if unknown:
            known = ", ".join(spec.name for spec in specs.values())
            raise SpecError(f"models of model_src ({known})", ", ".join(sorted(unknown)), "one of those names")
        if not self.outcome.failure and not wanted:
            self._forget_removed({(spec.name, spec.version) for spec in specs.values()})
        for folder, spec in specs.items():
            if not wanted or spec.name in wanted or folder.name in wanted:
                self._build_one(folder, spec)

    def _load_specs(self) -> dict[Path, ModelSpec]:
        """Return the models by folder; a model with an invalid model.yaml is recorded as failed and left out."""
        specs: dict[Path, ModelSpec] = {}
        for path in sorted(self.model_src.glob("*/model.yaml")):
            try:
                spec = load_spec(path)
                if spec.name in self.weights:
                    spec = override_weights(spec, self.weights[spec.name])
                twin = next((folder for folder, known in specs.items() if known.key == spec.key), None)
                if twin:
                    raise SpecError(
                        f"{spec} in one folder only",
                        f"it in {twin.name} and in {path.parent.name}",
                        "a different version in one of them",
                    )
                specs[path.parent] = spec
            except BuildError as error:
                self._fail(path.parent.name, "", error, time.monotonic())
        return specs

    def _forget_removed(self, keys: set[tuple[str, str]]) -> None:
        for record in self.store.retain(keys):
            print(f"{record['name']} {record['version']}: removed, as model_src no longer has it", flush=True)
            self.outcome.models.append(ModelOutcome(record["name"], record["version"], REMOVED))

    def _build_one(self, folder: Path, spec: ModelSpec) -> None:
        began = time.monotonic()
        source = fingerprint(spec, folder, self.archive_format)
        old = self.store.find(spec.name, spec.version)
        if not self.force and self.is_up_to_date(old, source):
            print(f"{spec}: unchanged", flush=True)
            self._note(spec, UNCHANGED, began)
            return
        if old.get("source_sha256") == source and not self._is_ours(old):
            # Never sign an archive that this run did not build: archive and hash may have been changed together.
            print(f"{spec}: not signed with this key; rebuilding it", flush=True)
        with self.store.staging() as staging:
            try:
                fetch_inputs(spec, folder, self.cache, lambda text: print(f"{spec}: {text}", flush=True))
                record = self._make(folder, spec, staging)
                self._publish(spec, {**record, "source_sha256": source}, staging)
            except Unavailable as error:
                self._leave_out(spec, old, error, began)
                return
            except BuildError as error:
                self._fail(spec.name, spec.version, error, began)
                return
        print(f"{spec}: built{'' if record['trained'] else ' UNTRAINED: its answers mean nothing'}", flush=True)
        self._note(spec, BUILT, began)

    def _make(self, folder: Path, spec: ModelSpec, staging: Path) -> Record:
        """Build the archive in a separate process. Raises BuildError."""
        job = Job(
            spec=spec,
            folder=folder,
            cache=self.cache,
            staging=staging,
            archive_format=self.archive_format,
            # With --force or a signing key, never reuse cached weights.
            reuse=not self.force and self.signer is None,
        )
        ended = subprocess.run([sys.executable, "-m", "builder.model", str(job.write())])
        if ended.returncode and shutil.disk_usage(staging).free < FULL_DISK_BYTES:
            raise DiskFull()
        record = None if ended.returncode else job.result()
        if record is None:
            raise BuildError("the build to finish", f"exit code {ended.returncode}", "what the message above says")
        return record

    def _publish(self, spec: ModelSpec, record: Record, staging: Path) -> None:
        """Scan, list, sign and publish, in this process because it runs none of the model's code. Raises BuildError."""
        # Imported here because a run that builds nothing does not need them.
        from builder.publish.sbom import write_sbom
        from builder.publish.scan import scan_files, unpack_archive

        archive = staging / record["archive"]
        files = unpack_archive(archive, staging / "unpacked")
        record["scan"] = scan_files(archive.name, files)
        sbom = write_sbom(spec, record, files, staging)
        record["sbom"] = {"sha256": file_sha256(sbom), "file": self.store.publish_beside(sbom, "sbom")}
        if record["report"]:
            record["report"] = self.store.publish_beside(staging / record["report"], "reports")
        record["built_at"] = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        self.store.publish(self.signer.sign(record) if self.signer else record, staging)

    def _leave_out(self, spec: ModelSpec, old: Record, error: Unavailable, began: float) -> None:
        """Skip a model after a failed download; a trained archive of an earlier build stays in service."""
        print(f"{spec}: UNAVAILABLE: {error}", flush=True)
        if old.get("trained") and self.store.has(old):
            unsigned = "" if self._is_ours(old) else " (not signed with this key)"
            print(f"{spec}: keeping the archive built at {old['built_at']}{unsigned}", flush=True)
        else:
            why = {"reason": error.reason, "expected": error.expected, "found": error.found, "remedy": error.remedy}
            self.store.publish_unavailable({"name": spec.name, "version": spec.version, "status": UNAVAILABLE, **why})
        self._note(spec, UNAVAILABLE, began, error)
        if self.strict:
            self.outcome.failure = error.failure(str(spec))

    def _fail(self, name: str, version: str, error: BuildError, began: float) -> None:
        label = f"{name} {version}".strip()
        print(f"{label}: FAIL: {error}", flush=True)
        failure = self.outcome.failure = error.failure(label)
        self.outcome.models.append(ModelOutcome(name, version, FAILED, _seconds_since(began), failure))

    def _note(self, spec: ModelSpec, status: str, began: float, error: BuildError | None = None) -> None:
        failure = error.failure(str(spec)) if error else None
        self.outcome.models.append(ModelOutcome(spec.name, spec.version, status, _seconds_since(began), failure))

    def is_up_to_date(self, record: Record, source: str) -> bool:
        """Whether the store has an undamaged archive built from `source` and, if there is a key, signed with it."""
        return record.get("source_sha256") == source and self._is_whole(record) and self._is_ours(record)

    def _is_whole(self, record: Record) -> bool:
        return self.store.has(record) and self.store.has_samples(record)

    def _is_ours(self, record: Record) -> bool:
        """Whether a builder with this signing key wrote the record as it is; without a key every record counts."""
        return self.signer is None or self.signer.signed(record)


def _seconds_since(began: float) -> float:
    """began: a time.monotonic() reading."""
    return round(time.monotonic() - began, 1)
