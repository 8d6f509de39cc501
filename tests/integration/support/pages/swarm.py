"""What became of the requests in each event on the Swarm: artifacts/swarm.json, and docs/guides/swarm.md's table."""

import json
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

from integration.support.load.spread import SpreadOutcome
from integration.support.users import ARTIFACTS, PROJECT_ROOT

RESULTS = ARTIFACTS / "swarm.json"
DOCUMENT = PROJECT_ROOT / "docs/guides/swarm.md"
BEGIN, END = "<!-- measured: -->\n", "<!-- :measured -->\n"
HEADER = "| event | sent | failed | asked again | last of them after | slowest | full strength after |\n"


class Event(Enum):
    """In the order of the table."""

    NODE_KILLED = "a machine is killed"
    NODE_BACK = "it comes back"
    ROLLED = "an update to another model image"
    BROKEN = "an update to an image whose model does not load: rolled back"
    DRAINED = "a machine is drained"
    ADDED = "a machine is added"
    LEADER_KILLED = "the leader of the three managers is killed"


@dataclass(frozen=True)
class Row:
    """Seconds from the event; `full_strength_s`: until all replicas are ready and every machine has an edge."""

    event: str
    sent: int
    failed: int
    asked_again: int
    last_trouble_s: float
    slowest_s: float
    full_strength_s: float


class SwarmTable:
    """The rows of this run over those of earlier runs."""

    def __init__(self, results: Path = RESULTS) -> None:
        self._results = results
        found = json.loads(results.read_text()) if results.is_file() else []
        self._rows = {row["event"]: Row(**row) for row in found}

    def add(self, event: Event, outcome: SpreadOutcome, began: float, full_strength_s: float) -> None:
        """Adds a row; began: a value of time.monotonic()."""
        self._rows[event.value] = Row(
            event.value,
            outcome.sent,
            outcome.failed,
            outcome.asked_again,
            round(outcome.last_trouble(began), 1),
            round(outcome.slowest_s, 1),
            round(full_strength_s, 1),
        )
        self._results.parent.mkdir(exist_ok=True)
        self._results.write_text(json.dumps([asdict(row) for row in self._rows.values()], indent=1) + "\n")

    def write(self, document: Path = DOCUMENT) -> None:
        """Writes the table, unless an event has no row."""
        missing = [event.value for event in Event if event.value not in self._rows]
        assert not missing, f"no figures of {missing}: run all of tests/integration/scale/test_swarm.py"
        before, _, rest = document.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        table = HEADER + "|---" + "|---:" * 6 + "|\n" + "".join(line(self._rows[event.value]) for event in Event)
        document.write_text(before + BEGIN + table + END + after)


def line(row: Row) -> str:
    seconds = (row.last_trouble_s if row.asked_again else None, row.slowest_s, row.full_strength_s)
    cells = ["-" if one is None else f"{one:.1f} s" for one in seconds]
    return f"| {' | '.join([row.event, f'{row.sent:,}', str(row.failed), str(row.asked_again), *cells])} |\n"
