"""`python -m builder [MODEL …] [--strict] [--force]`: bring the model store up to date with model_src."""

from __future__ import annotations

import argparse
import datetime
import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from builder.archive import SUFFIXES
from builder.build import OUTCOME
from builder.errors import BuildError, DiskFull, SpecError, Unavailable
from builder.fetch import fetch_inputs
from builder.fingerprint import fingerprint
from builder.signing import RecordSigner, load_signer
from builder.sources import sha256_of
from builder.spec import ModelSpec, load_spec, override_weights
from builder.store import ModelStore, Record

MODEL_SRC = Path("/model_src")
MODEL_STORE = Path("/model_store")
CACHE = Path("/cache")
# The host's CA bundle; empty where compose was given none.
CA_BUNDLE = Path("/run/secrets/ca_bundle")
# The user's private key; empty where compose was given none.
SIGNING_KEY = Path("/run/secrets/signing_key")
# With less than this, what a build failed of was the disk, however the library that wrote has put it.
FULL_DISK_BYTES = 1 << 20


def main() -> int:
    """Exit code: 0 when every model is built, unchanged or (not strict) unavailable, else 1."""
    parser = argparse.ArgumentParser(prog="builder", description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="name of a model, or its folder; all by default")
    parser.add_argument("--strict", action="store_true", default=os.environ.get("STRICT", "") not in ("", "0"))
    parser.add_argument("--force", action="store_true", help="build even what has not changed")
    options = parser.parse_args()
    if CA_BUNDLE.exists() and CA_BUNDLE.read_bytes():
        os.environ.setdefault("REQUESTS_CA_BUNDLE", str(CA_BUNDLE))
    try:
        signer = load_signer(SIGNING_KEY)
        with ModelStore(MODEL_STORE).locked():
            failures = Build(ModelStore(MODEL_STORE), options.strict, options.force, signer).run(options.models)
    except BuildError as error:
        print(f"FAIL: {error}", flush=True)
        return 1
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(f"FAIL: {DiskFull()}", flush=True)
        return 1
    return 1 if failures else 0


class Build:
    """One run of the builder over some or all models; the caller holds the store's lock."""

    def __init__(self, store: ModelStore, strict: bool, force: bool, signer: RecordSigner | None = None) -> None:
        self.store = store
        self.strict = strict
        self.force = force
        self.signer = signer
        self.archive_format = os.environ.get("ARCHIVE_FORMAT") or "zip-store"
        if self.archive_format not in SUFFIXES:
            raise SpecError(
                f"ARCHIVE_FORMAT as one of {', '.join(SUFFIXES)}", repr(self.archive_format), "ARCHIVE_FORMAT=zip-store"
            )

    def run(self, wanted: list[str]) -> int:
        """Build what changed; returns the number of models that failed."""
        specs, failures = self._load_specs()
        unknown = set(wanted) - {name for folder, spec in specs.items() for name in (folder.name, spec.name)}
        if unknown:
            known = ", ".join(spec.name for spec in specs.values())
            raise SpecError(f"models of model_src ({known})", ", ".join(sorted(unknown)), "one of those names")
        if not failures and not wanted:
            self._forget_removed({(spec.name, spec.version) for spec in specs.values()})
        for folder, spec in specs.items():
            if not wanted or spec.name in wanted or folder.name in wanted:
                failures += not self._build_one(folder, spec)
        return failures

    def _load_specs(self) -> tuple[dict[Path, ModelSpec], int]:
        overrides = _weights_overrides()
        specs: dict[Path, ModelSpec] = {}
        failures = 0
        for path in sorted(MODEL_SRC.glob("*/model.yaml")):
            try:
                spec = load_spec(path)
                if spec.name in overrides:
                    spec = override_weights(spec, overrides[spec.name])
                twin = next((folder for folder, known in specs.items() if known.key == spec.key), None)
                if twin:
                    raise SpecError(
                        f"{spec} in one folder", f"it in {twin.name} and {path.parent.name}", "another version in one"
                    )
                specs[path.parent] = spec
            except BuildError as error:
                print(f"{path.parent.name}: FAIL: {error}", flush=True)
                failures += 1
        return specs, failures

    def _forget_removed(self, keys: set[tuple[str, str]]) -> None:
        for record in self.store.retain(keys):
            print(f"{record['name']} {record['version']}: removed, no folder of model_src names it", flush=True)

    def _build_one(self, folder: Path, spec: ModelSpec) -> bool:
        """Whether the model is now as it should be (unavailable counts, unless strict)."""
        source = fingerprint(spec, folder, self.archive_format)
        old = self.store.find(spec.name, spec.version)
        if not self.force and old.get("source_sha256") == source and self._is_whole(old):
            if self._is_ours(old):
                print(f"{spec}: unchanged", flush=True)
                return True
            # Never sign what was not built just now: archive and hash may have been changed together.
            print(f"{spec}: not signed with this key: building it anew", flush=True)
        with self.store.staging() as staging:
            outcome = self._fetch_and_run(folder, spec, staging)
            if "failed" in outcome:
                print(f"{spec}: FAIL: {outcome['failed']}", flush=True)
                return False
            if "unavailable" in outcome:
                return self._report_unavailable(spec, old, outcome["unavailable"])
            try:
                self._publish(spec, {**outcome, "source_sha256": source}, staging)
            except BuildError as error:
                print(f"{spec}: FAIL: {error}", flush=True)
                return False
        print(f"{spec}: built{'' if outcome['trained'] else ' UNTRAINED: its answers mean nothing'}", flush=True)
        return True

    def _fetch_and_run(self, folder: Path, spec: ModelSpec, staging: Path) -> Record:
        """Fetching comes first, in this process: to find that weights cannot be had, nobody need import torch."""
        try:
            fetch_inputs(spec, folder, CACHE, lambda text: print(f"{spec}: {text}", flush=True))
        except Unavailable as error:
            return {"unavailable": {"reason": error.reason, "remedy": error.remedy}}
        except BuildError as error:
            return {"failed": str(error)}
        return self._run(folder, spec, staging)

    def _run(self, folder: Path, spec: ModelSpec, staging: Path) -> Record:
        job = {
            "spec": spec.model_dump(mode="json", exclude_none=True),
            "folder": str(folder),
            "cache": str(CACHE),
            "archive_format": self.archive_format,
            "staging": str(staging),
            # Who signs, or forces, wants what was built just now.
            "reuse": not self.force and self.signer is None,
        }
        (staging / "job.json").write_text(json.dumps(job))
        run = subprocess.run([sys.executable, "-m", "builder.build", str(staging / "job.json")])
        outcome = staging / OUTCOME
        if run.returncode and shutil.disk_usage(staging).free < FULL_DISK_BYTES:
            return {"failed": str(DiskFull())}
        if run.returncode or not outcome.is_file():
            return {"failed": f"expected the build to finish, found exit code {run.returncode}; try the message above"}
        return json.loads(outcome.read_text())

    def _publish(self, spec: ModelSpec, record: Record, staging: Path) -> None:
        """Scan, list, sign, publish; in this process, which runs no model's code. Raises BuildError."""
        # Imported here: where nothing is built, nobody waits for them.
        from builder.sbom import write_sbom
        from builder.scan import scan_files, unpack_archive

        archive = staging / record["archive"]
        files = unpack_archive(archive, staging / "unpacked")
        record["scan"] = scan_files(archive.name, files)
        sbom = write_sbom(spec, record, files, staging)
        record["sbom"] = {"sha256": sha256_of(sbom), "file": self.store.publish_beside(sbom, "sbom")}
        if record["report"]:
            record["report"] = self.store.publish_beside(staging / record["report"], "reports")
        record["built_at"] = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        self.store.publish(self.signer.sign(record) if self.signer else record, staging)

    def _is_whole(self, record: Record) -> bool:
        return self.store.has(record) and self.store.has_samples(record)

    def _is_ours(self, record: Record) -> bool:
        """Whether the record is as a builder with this signing key wrote it; without a key nobody can tell."""
        return self.signer is None or self.signer.signed(record)

    def _report_unavailable(self, spec: ModelSpec, old: Record, why: dict[str, str]) -> bool:
        """A trained archive of an earlier build goes on being served: a failed download takes nothing away."""
        print(f"{spec}: UNAVAILABLE: {why['reason']}; try {why['remedy']}", flush=True)
        if old.get("trained") and self.store.has(old):
            unsigned = "" if self._is_ours(old) else ", which is not signed with this key"
            print(f"{spec}: keeping the archive built at {old['built_at']}{unsigned}", flush=True)
        else:
            self.store.publish_unavailable({"name": spec.name, "version": spec.version, "status": "unavailable", **why})
        return not self.strict


def _weights_overrides() -> dict[str, str]:
    """MODEL_WEIGHTS="NAME=random:SEED NAME=file:FILE" → {name: text}."""
    pairs = [item.partition("=") for item in os.environ.get("MODEL_WEIGHTS", "").split()]
    bad = [name for name, _, text in pairs if not text]
    if bad:
        raise SpecError("MODEL_WEIGHTS as NAME=random:SEED or NAME=file:FILE", repr(bad[0]), "densenet161=random:0")
    return {name: text for name, _, text in pairs}


if __name__ == "__main__":
    sys.exit(main())
