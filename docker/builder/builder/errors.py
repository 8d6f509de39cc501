"""Everything that stops a model from being built.

BuildError            the model fails the build: expected, found, remedy
├── SpecError         model.yaml is wrong; names the file and the line
├── WeightsRefused    the weights are there but are not the expected ones
├── ConversionFailed  the engine that model.yaml names cannot take the model
├── DiskFull          the model store's disk has no room for the archive
├── CheckFailed       the exported model misses the limits in `accept`, or a sample's expected answer
└── Unavailable       something to be fetched cannot be had; this model alone is left out
"""

from __future__ import annotations


class BuildError(Exception):
    """`FAIL: expected X, found Y; try Z`."""

    def __init__(self, expected: str, found: str, remedy: str) -> None:
        super().__init__(f"expected {expected}, found {found}; try {remedy}")
        self.expected = expected
        self.found = found
        self.remedy = remedy


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
    """Something to be fetched cannot be had."""

    @property
    def reason(self) -> str:
        """What the manifest records, its remedy apart."""
        return f"expected {self.expected}, found {self.found}"
