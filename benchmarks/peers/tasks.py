"""A task that one server is started for: a table's set-up, a model and an engine."""

from __future__ import annotations

from dataclasses import dataclass

from peers.peer import Table

# Connections per model: if one request takes long, more connections only queue.
CONNECTIONS = {"mnist": (1, 8, 64), "densenet161": (1, 4)}
# Requests that may run as one batch, in the equal-engine table. DenseNet gains nothing: while one worker computes a
# batch, the other one has nothing to do.
MAX_BATCH = {"mnist": 32, "densenet161": 1}


@dataclass(frozen=True)
class Task:
    """A task. `workers` (processes) and `threads` (of each) apply to the equal-engine table only."""

    table: Table
    model: str
    engine: str
    precision: str
    workers: int
    threads: int

    @property
    def environment(self) -> dict[str, str]:
        """Returns the environment of a peer's container; out of the box it sets neither workers nor threads."""
        told = {"MODEL": self.model, "ENGINE": self.engine, "PRECISION": self.precision}
        if self.table == "equal-engine":
            threads = str(self.threads)
            told |= {"WORKERS": str(self.workers), "THREADS": threads, "OMP_NUM_THREADS": threads}
            told |= {"MAX_BATCH": str(MAX_BATCH[self.model])}
        return told


def make_task(table: Table, model: str, engine: str, precision: str, workers: int, threads: int) -> Task:
    """Makes a task; out of the box every peer runs the plain PyTorch module."""
    if table == "out-of-the-box":
        engine, precision = "eager", "f32"
    return Task(table, model, engine, precision, workers, threads)
