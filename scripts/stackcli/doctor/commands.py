"""`scripts/stack doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from stackcli.common import console
from stackcli.common.check import show
from stackcli.doctor.checks import all_checks
from stackcli.machine.engine import connect_if_running
from stackcli.project.current import current_project


def doctor(
    report: Annotated[
        bool, typer.Option("--report", help="Print a report for an issue instead, as Markdown without any secret.")
    ] = False,
) -> None:
    """Check everything and explain each failure. The exit status is 1 if any check fails."""
    if report:
        # Imported here, because a check of the stack needs no report of it.
        from stackcli.doctor.report import print_report

        print_report()
        return
    console.phase("Checking (no changes)…")
    checks = all_checks(connect_if_running(), current_project(needs_engine=False))
    for check in checks:
        show(check)
    failed = sum(check.verdict == "failed" for check in checks)
    console.phase("Nothing is wrong." if failed == 0 else f"{failed} checks failed.")
    raise typer.Exit(min(failed, 1))
