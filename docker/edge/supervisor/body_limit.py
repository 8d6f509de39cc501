"""The largest request body allowed: TorchServe's own setting, from the same file that TorchServe reads."""

from __future__ import annotations

from pathlib import Path

from supervisor.errors import EdgeError

KEY = "max_request_size"
DEFAULT_BYTES = 6_553_500  # TorchServe's default, if the file does not set the key
REMEDY = "`git checkout config.properties`"


def read_body_limit(config: Path) -> int:
    """Returns the limit in bytes. Raises EdgeError if the file cannot be read or its value is not a positive number."""
    try:
        lines = config.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise EdgeError(f"TorchServe's settings at {config}", str(error), REMEDY) from None
    pairs = (line.partition("=") for line in lines)
    found = [value.strip() for key, _, value in pairs if key.strip() == KEY]
    text = found[-1] if found else str(DEFAULT_BYTES)
    if not text.isdecimal() or not int(text):
        raise EdgeError(f"{KEY} in {config} to be a positive number of bytes", repr(text), f"{KEY}=16777216")
    return int(text)
