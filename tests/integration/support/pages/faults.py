"""What became of the requests in each fault test: artifacts/faults.json, and docs/evidence/faults.md from it."""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

from integration.support.load.constant import Outcome
from integration.support.users import ARTIFACTS, PROJECT_ROOT

RESULTS = ARTIFACTS / "faults.json"
DOCUMENT = PROJECT_ROOT / "docs/evidence/faults.md"
INTRODUCTION = """\
# What fails, and what it costs

Written by `scripts/stack test tests/integration --write-docs`; change nothing here by hand. Each row is a test of
tests/integration/faults against the real containers. A load on mnist, at a constant arrival rate, goes on during each
of them.

- **answered**: 200 with the right answer, however late.
- **refused**: the connection was refused, or the answer was a 4xx or 5xx with TorchServe's JSON error.
- **lost**: sent, and no answer came: the connection was reset or closed.
- **wrong**: any other answer.
- **recovered**: seconds from the fault until the last request was due that was not answered within a second.

"""
ELSEWHERE = """
## Faults that involve no requests

| fault | what is asserted | test, in tests/integration or tests/containers |
|---|---|---|
| two builders at once | both succeed, each model is built once, everything is intact | build/test_builds.py |
| the builder's container killed after 4 of its lines | what was served before is intact | build/test_builds.py |
| the builder killed at 100 random moments of publishing | each archive fits its record | builder/test_store_kills.py |
| a corrupt and a half-copied archive, junk | named and not served; the others are served | build/test_store_damage.py |
"""
HEADER = "| scenario | per second | sent | answered | refused | lost | wrong | recovered | what is asserted besides |\n"


class Scenario(Enum):
    """In the order of the table."""

    WORKER_KILLED = "kill -9 of a worker"
    JVM_KILLED = "kill -9 of the JVM"
    CONTAINER_KILLED = "kill -9 of the container's main process"
    PAUSED = "pause and resume"
    MEMORY_LIMIT = "memory limit hit"
    STOPPED = "stop and start"
    RESTARTED = "restart"
    QUEUE_FULL = "queue full"
    SLOW_CLIENTS = "a slow client and 1,000 idle connections"
    TOXIC_NEIGHBOURS = "seven bad networks beside a good one"
    LATENCY = "toxic latency"
    BANDWIDTH = "toxic bandwidth"
    SLOW_CLOSE = "toxic slow_close"
    SLICER = "toxic slicer"
    TIMEOUT = "toxic timeout"
    RESET_PEER = "toxic reset_peer"
    LIMIT_DATA = "toxic limit_data"
    ARCHIVE_CUT = "archive cut off while it is served"
    ARCHIVE_REPLACED = "archive replaced while it is served"
    EDGE_WORKER_KILLED = "through the edge: kill -9 of each worker of mnist"
    EDGE_JVM_KILLED = "through the edge: kill -9 of the only JVM"
    EDGE_REPLICA_KILLED = "through the edge: one of three torchserve containers killed"
    EDGE_REPLICA_CUT_OFF = "through the edge: one of three torchserve containers cut off from the network"
    EDGE_RECONFIGURED = "through the edge: its configuration changed five times"
    EDGE_STOPPED = "the edge stopped and started"
    DISK_FULL = "the store's disk full during publish"
    BROKEN_CONFIG = "a start with a broken config.properties"


@dataclass(frozen=True)
class Row:
    """The counts are None where no load is part of the scenario, seconds_to_recover where it has no one moment."""

    scenario: str
    rate: float | None
    sent: int | None
    answered: int | None
    refused: int | None
    lost: int | None
    wrong: int | None
    seconds_to_recover: float | None
    note: str


class FaultTable:
    """The rows of this run over those of earlier runs."""

    def __init__(self, results: Path = RESULTS) -> None:
        self._results = results
        found = json.loads(results.read_text()) if results.is_file() else []
        self._rows = {row["scenario"]: Row(**row) for row in found}

    def add(self, scenario: Scenario, outcome: Outcome | None, note: str) -> None:
        """Adds a row; note: what the test asserts besides the counts, in words."""
        self._rows[scenario.value] = made_row(scenario, outcome, note)
        self._results.parent.mkdir(exist_ok=True)
        self._results.write_text(json.dumps([asdict(row) for row in self._rows.values()], indent=1) + "\n")

    def write(self, document: Path = DOCUMENT) -> None:
        """Writes the document, unless a scenario has no row."""
        missing = [scenario.value for scenario in Scenario if scenario.value not in self._rows]
        assert not missing, f"no figures of {missing}: run all of tests/integration/faults"
        lines = [line(self._rows[scenario.value]) for scenario in Scenario]
        separator = "|" + "---|" * HEADER.count(" | ") + "---|\n"
        document.write_text(INTRODUCTION + HEADER + separator + "".join(lines) + ELSEWHERE)


def made_row(scenario: Scenario, outcome: Outcome | None, note: str) -> Row:
    if outcome is None:
        return Row(scenario.value, None, None, None, None, None, None, None, note)
    recovery = outcome.seconds_to_recover
    counts = Counter(request.kind for request in outcome.requests)
    return Row(
        scenario=scenario.value,
        rate=outcome.rate,
        sent=outcome.sent,
        answered=counts["answered"],
        refused=counts["refused"],
        lost=counts["lost"],
        wrong=counts["wrong"],
        seconds_to_recover=None if recovery is None else round(recovery, 1),
        note=note,
    )


def line(row: Row) -> str:
    figures = [row.rate, row.sent, row.answered, row.refused, row.lost, row.wrong, row.seconds_to_recover]
    cells = ["-" if figure is None else f"{figure:g}" if figure < 1000 else f"{figure:,.0f}" for figure in figures]
    return f"| {' | '.join([row.scenario, *cells, row.note])} |\n"
