"""Counts what the fuzzer's inputs were answered with; a 5xx is a failure, over gRPC unless it is known."""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from integration.support.clients.raw_http import Answer
from integration.support.users import PROJECT_ROOT

DOCUMENT = PROJECT_ROOT / "docs/evidence/fuzz.md"
INTRODUCTION = """\
# What 20,000 bad inputs get

Written by `scripts/stack test tests/integration --write-docs`; change nothing here by hand.
tests/integration/faults/test_fuzz.py sends images mutated in every format, requests of any shape (methods, paths, query
strings, headers, framing, multipart, JSON, base64) over raw sockets, and gRPC calls with odd names, versions and
inputs, the same in every run. It fails on any 5xx (over gRPC: any that is not in the list below), on a restart
of a worker, of Java or of a container, and on a wrong reference answer afterwards.
"""
FOOTNOTES = """\
`closed`: the connection ended without an answer, as it must for what is not HTTP, or not a complete request.
`CANCELLED`: a gRPC message over 16 MiB. A gRPC call with a bad image is `OK` to TorchServe: its `prediction` is the
body of the 400.
"""


@dataclass(frozen=True)
class Known:
    """What TorchServe's Java front end calls an internal error; it never reached a handler of ours."""

    status: str
    type: str
    message: str  # a regular expression
    reason: str
    edge: str  # what a proxy in front of the port does about it


KNOWN = (
    Known(
        "INTERNAL",
        "gRPC",
        r"(Model not found: .*|Model version: .* does not exist for model: .*|Parameter model_name is required\.\n.*)",
        "gRPC calls of what is not there: TorchServe knows it (its text has NotFound) and says INTERNAL all the same",
        "nothing: gRPC is published on the loopback address alone",
    ),
)


@dataclass
class FuzzReport:
    """counts: (kind of input, status) → inputs."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    known: Counter[Known] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def inputs(self) -> int:
        return sum(self.counts.values())

    def count(self, kind: str, answer: Answer) -> bool:
        """Counts an answer; tells whether it is one that the input may get."""
        self.counts[kind, str(answer.status or "closed")] += 1
        return answer.status < 500

    def count_call(self, code: str, details: str | None) -> bool:
        self.counts["gRPC calls", code] += 1
        if code not in ("INTERNAL", "UNKNOWN", "UNAVAILABLE", "DATA_LOSS", "DEADLINE_EXCEEDED"):
            return True
        for known in KNOWN:
            if known.status == code and re.fullmatch(known.message, details or "", re.DOTALL):
                self.known[known] += 1
                return True
        return False

    def write(self, document: Path = DOCUMENT) -> None:
        statuses = sorted({status for _, status in self.counts})
        kinds = sorted({kind for kind, _ in self.counts})
        rows = [[kind, *(f"{self.counts[kind, status]:,}" for status in statuses)] for kind in kinds]
        known = [
            [one.status, one.type, f"`{one.message}`", f"{self.known[one]:,}", one.reason, one.edge] for one in KNOWN
        ]
        front_end = sum(self.known.values())
        document.write_text(
            f"{INTRODUCTION}\n{self.inputs:,} inputs in {self.seconds:.0f} s: 0 5xx over HTTP, {front_end:,} internal "
            "errors over gRPC, 0 restarts.\n\n"
            f"{table(['input', *statuses], rows)}\n"
            f"{FOOTNOTES}\n"
            "## What the Java front end calls an internal error\n\n"
            f"{table(['status', 'type', 'message', 'inputs', 'why', 'what the edge does'], known)}"
        )


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
