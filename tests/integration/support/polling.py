"""Wait for a state with a deadline instead of sleeping; a probe only looks, it never changes what it looks at."""

import time
from collections.abc import Callable
from typing import TypeVar

State = TypeVar("State")


class DeadlineError(AssertionError):
    """The awaited state did not come; the message holds what was seen last."""


def wait_until(description: str, probe: Callable[[], State], deadline_s: float, pause_s: float = 0.25) -> State:
    """Call `probe` until it returns something true and return that; an exception counts as "not yet".

    deadline_s, pause_s: seconds. `pytest.fail` inside a probe ends the wait at once (it is no Exception).
    """
    started = time.monotonic()
    while True:
        try:
            state = probe()
            if state:
                return state
            last_seen = f"last value {state!r}"
        except Exception as error:
            last_seen = f"last error {type(error).__name__}: {error}"
        waited = time.monotonic() - started
        if waited >= deadline_s:
            raise DeadlineError(f"{description}: not after {waited:.1f} s; {last_seen}")
        time.sleep(pause_s)
