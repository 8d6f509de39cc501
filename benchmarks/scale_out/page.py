"""docs/CAPACITY.md."""

from __future__ import annotations

from scale_out.results import FILE, Measured
from stackcli.paths import ROOT

DOCUMENT = ROOT / "docs" / "CAPACITY.md"
__all__ = ["DOCUMENT", "FILE", "render"]


def render(measured: Measured) -> str:
    return str(measured.facts)
