"""docs/evidence/alerts.md: how long each alert took to fire and to resolve, in a run of test_alerts.py."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from integration.support.users import PROJECT_ROOT

DOCUMENT = PROJECT_ROOT / "docs/evidence/alerts.md"
INTRODUCTION = """\
# Alerts, caused and resolved

Written by `scripts/stack test tests/integration/observe/test_alerts.py --write-docs`; change nothing here by hand. Each
alert's condition was really caused in a running stack, and removed again. The seconds are counted until Alertmanager's
API showed the alert, and until it no longer did. The conditions overlapped in time.

So that this takes minutes and not hours, the committed rules ran with every duration (`for:` and range selectors)
divided by {factor}, and every service was scraped once a second. At full length expect {factor} times as long if the
alert is about a rate over time. What each alert means, and what to do: [runbook.md](../guides/runbook.md).

| alert | caused by | removed by | fired after | resolved after |
|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Episode:
    """`fired`, `resolved`: seconds since the condition was caused, and since it was mended."""

    caused_by: str
    mended_by: str
    fired: float
    resolved: float


def write_page(episodes: Mapping[str, Episode], factor: int, document: Path = DOCUMENT) -> None:
    rows = [
        f"| {alert} | {one.caused_by} | {one.mended_by} | {one.fired:.0f} s | {one.resolved:.0f} s |\n"
        for alert, one in episodes.items()
    ]
    document.write_text(INTRODUCTION.format(factor=factor) + "".join(rows))
