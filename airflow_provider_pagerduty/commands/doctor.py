"""``doctor``: whether this deployment can page, and what to do where it cannot."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import asdict

from airflow_provider_pagerduty.commands.checks.finding import Finding
from airflow_provider_pagerduty.commands.checks.found import find_connections
from airflow_provider_pagerduty.commands.checks.installation import check_machines, check_name
from airflow_provider_pagerduty.commands.checks.pagerduty import check_pagerduty
from airflow_provider_pagerduty.commands.checks.store import check_relay, check_store
from airflow_provider_pagerduty.commands.opened import Opened, open_outbox
from airflow_provider_pagerduty.commands.output import console, number, plain, print_json, say
from airflow_provider_pagerduty.commands.run import one_line
from airflow_provider_pagerduty.outbox.database import OutboxError

STYLES = {"ok": "green", "note": "cyan", "warning": "yellow", "failure": "bold red"}


def doctor(arguments: argparse.Namespace) -> int:
    """Check everything, and print what was found; the status is 1 if something fails."""
    findings = list(_examine(arguments.prog))
    failures = sum(each.status == "failure" for each in findings)
    warnings = sum(each.status == "warning" for each in findings)
    if arguments.format == "json":
        print_json({"ok": not failures, "findings": [asdict(each) for each in findings]})
    else:
        _print_table(findings)
        say(
            f"{number(failures, 'failure')}, {number(warnings, 'warning')}."
            if failures or warnings
            else "This deployment can page."
        )
    return 1 if failures else 0


def _examine(prog: str) -> Iterable[Finding]:
    opened: Opened | None = None
    trouble: OutboxError | None = None
    try:
        opened = open_outbox()
    except OutboxError as error:
        trouble = error
    found, findings = find_connections(opened)
    yield from findings
    yield from _fenced("reachability", lambda: check_pagerduty(found))
    yield from _fenced("name", check_name)
    if trouble is not None:
        yield Finding("outbox", "failure", str(trouble), "Correct [pagerduty] outbox.")
        return
    yield from _fenced("outbox", lambda: check_store(opened, prog))
    yield from _fenced("machines", lambda: check_machines(opened))
    yield from _fenced("relay", lambda: check_relay(opened))


def _fenced(check: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Return what a check finds; one that breaks must not hide what the others find."""
    findings: list[Finding] = []
    try:
        findings.extend(look())
    except Exception as error:
        found = f"It could not be checked: {one_line(error)}"
        findings.append(
            Finding(check, "failure", found, "Run this again, and report it if that does not help.")
        )
    return findings


def _print_table(findings: list[Finding]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(header_style="bold", show_lines=True)
    for name in ("", "check"):
        table.add_column(name, no_wrap=True)
    table.add_column("found", overflow="fold", ratio=3)
    table.add_column("what to do", overflow="fold", ratio=2)
    for each in findings:
        table.add_row(
            Text(each.status, style=STYLES[each.status]),
            each.check,
            Text(plain(each.found)),
            Text(plain(each.cure)),
        )
    console().print(table)
