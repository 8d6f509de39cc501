"""`python3 -m supervisor.ask` prints the live metrics as JSON; scripts/stack runs it inside the edge, without a key."""

from __future__ import annotations

import http.client
import sys

from contract.failure import Failure, failure_line

# Where the server (server.py) answers. They stand here so that asking imports nothing of what it serves with.
PORT, NUMBERS_PATH = 8405, "/playground/metrics.json"
# Longer than two scrapes during which no TorchServe answers in time.
SECONDS = 15


def main() -> int:
    """Prints the metrics and returns 0, or prints a failure and returns 1."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=SECONDS)
        connection.request("GET", NUMBERS_PATH)
        print(connection.getresponse().read().decode())
    except (OSError, http.client.HTTPException) as error:
        print(failure_line(Failure("the edge to report metrics", str(error), "`docker compose logs edge`")))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
