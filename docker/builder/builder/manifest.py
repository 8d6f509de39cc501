"""The names of the model store, and what one entry of its manifest is; not for reading or writing them."""

from __future__ import annotations

from typing import Any

MANIFEST = "manifest.json"
SCHEMA = 1
# Of each model, in the store: samples/NAME-VERSION/FILE; while it is built, in its staging folder: samples/FILE.
SAMPLES = "samples"

Record = dict[str, Any]
