"""The job of the process that builds one model, and its result: two JSON files in the staging folder."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel

from builder.errors import BuildError
from builder.record import Record
from builder.spec import ModelSpec
from contract.failure import Failure

# The archiver's formats, and the suffixes of their archives.
SUFFIXES = {"default": ".mar", "zip-store": ".mar", "tgz": ".tar.gz", "no-archive": ""}


class Job(BaseModel):
    """One model to build.

    folder: where model.yaml is; staging: where archive, samples and report go; reuse: whether to accept weights that
    an earlier build trained from the same inputs.
    """

    spec: ModelSpec
    folder: Path
    cache: Path
    staging: Path
    archive_format: str = "zip-store"
    reuse: bool = False

    def write(self) -> Path:
        """Write the file for `python -m builder.model` and return its path."""
        file = self.staging / "job.json"
        file.write_text(self.model_dump_json(exclude_none=True))
        return file

    def answer(self, record: Record) -> None:
        """Write the manifest's record for the parent process."""
        self._result.write_text(json.dumps({"record": record}))

    def refuse(self, failure: Failure) -> None:
        """Write the reason why there is no record."""
        self._result.write_text(json.dumps({"failure": failure.as_data()}))

    def result(self) -> Record | None:
        """Return the record, or None if the process wrote none. Raises BuildError for a failure that it wrote."""
        if not self._result.is_file():
            return None
        result = json.loads(self._result.read_text())
        if "failure" in result:
            raise BuildError.of(Failure.from_data(result["failure"]))
        record: Record = result["record"]
        return record

    @property
    def _result(self) -> Path:
        return self.staging / "result.json"
