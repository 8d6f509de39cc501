"""The failure of one peer, which does not stop the others from being measured."""

from __future__ import annotations

from docker.errors import ContainerError

from stackcli.common.errors import StackError


class PeerFailure(StackError):
    """A server that does not start, answers wrongly or cannot be measured."""


def last_words(error: ContainerError) -> str:
    """Returns the last line that a container wrote before it failed."""
    text = error.stderr.decode(errors="replace") if isinstance(error.stderr, bytes) else error.stderr or ""
    return (text.strip().splitlines() or ["no output"])[-1]
