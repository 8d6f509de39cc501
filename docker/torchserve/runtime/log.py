"""What the entrypoint says, one JSON object a line (contract/log_line.py)."""

from contract.log_line import level_of, log_line


def log(message: str) -> None:
    """Writes to stdout at once; the message's first word decides the level."""
    print(log_line(level_of(message), "entrypoint", message), end="", flush=True)
