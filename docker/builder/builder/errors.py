"""Everything that stops a model from being built.

BuildError            the model fails the build: expected, found, remedy
├── SpecError         model.yaml is wrong; names the file and the line
├── WeightsRefused    the weights are there but are not the expected ones
├── ConversionFailed  the engine that model.yaml names cannot take the model
├── DiskFull          the model store's disk has no room for the archive
├── CheckFailed       the exported model misses the limits in `accept`, or a sample's expected answer
└── Unavailable       something to be fetched is out of reach; this model alone is left out
"""

from __future__ import annotations

from contract.failure import Failure


class BuildError(Failure):
    """Reads as `expected X, found Y; try Z`."""

    @classmethod
    def of(cls, failure: Failure) -> BuildError:
        """The error that another process told as data."""
        return cls(failure.expected, failure.found, failure.remedy)

    def failure(self, subject: str = "") -> Failure:
        """The error as data; subject: the model that fails of it, empty for the builder itself."""
        return Failure(self.expected, self.found, self.remedy, subject)


class SpecError(BuildError):
    """model.yaml, or a variable that overrides it, is wrong."""


class WeightsRefused(BuildError):
    """The weights are there but are not the expected ones."""


class ConversionFailed(BuildError):
    """The engine cannot take the model."""


class CheckFailed(BuildError):
    """The exported model misses a limit or an expected answer."""


class DiskFull(BuildError):
    """The model store's disk has no room for the archive."""

    def __init__(self) -> None:
        super().__init__(
            "room for the archive in the model store", "No space left on device", "freeing some, then again"
        )


class Unavailable(BuildError):
    """Something to be fetched is out of reach."""

    @property
    def reason(self) -> str:
        """The part that the manifest records as `reason`, beside `remedy`."""
        return f"expected {self.expected}, found {self.found}"
