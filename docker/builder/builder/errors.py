"""Everything that can stop a model from being built.

BuildError            the model's build failed: expected, found, remedy
├── SpecError         model.yaml is invalid; names the file and the line
├── WeightsRefused    the weights exist but are not the expected ones
├── ConversionFailed  the model cannot be converted to the engine that model.yaml names
├── DiskFull          the model store's disk has no room for the archive
├── CheckFailed       the exported model misses a limit in `accept`, or a sample's expected answer
└── Unavailable       something to be downloaded cannot be reached; only this model is left out
"""

from __future__ import annotations

from contract.failure import Failure


class BuildError(Failure):
    """A failed build, which reads as `expected X, found Y; try Z`."""

    @classmethod
    def of(cls, failure: Failure) -> BuildError:
        """Return the error that another process reported as data."""
        return cls(failure.expected, failure.found, failure.remedy)

    def failure(self, subject: str = "") -> Failure:
        """Return the error as data; subject: the model that failed, empty for the builder itself."""
        return Failure(self.expected, self.found, self.remedy, subject)


class SpecError(BuildError):
    """model.yaml, or a variable that overrides it, is invalid."""


class WeightsRefused(BuildError):
    """The weights exist but are not the expected ones."""


class ConversionFailed(BuildError):
    """The model cannot be converted to the engine."""


class CheckFailed(BuildError):
    """The exported model misses a limit or an expected answer."""


class DiskFull(BuildError):
    """The model store's disk has no room for the archive."""

    def __init__(self) -> None:
        super().__init__(
            "room for the archive in the model store", "No space left on device", "freeing disk space, then again"
        )


class Unavailable(BuildError):
    """Something to be downloaded cannot be reached."""

    @property
    def reason(self) -> str:
        """The text that the manifest records as `reason`, next to `remedy`."""
        return f"expected {self.expected}, found {self.found}"
