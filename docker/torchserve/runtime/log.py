"""Writes the entrypoint's log, one JSON object per line (contract/log_line.py)."""

from contract.log_line import level_of, log_line


def log(message: str) -> None:
    """Writes a message to stdout, unbuffered; its first word decides the level."""
    print(log_line(level_of(message), "entrypoint", message), end="", flush=True)
