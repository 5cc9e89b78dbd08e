"""Whether the outbox can be used, what waits in it, and whether a relay looks after it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from airflow_provider_pagerduty.commands.checks.finding import Finding
from airflow_provider_pagerduty.commands.opened import SWITCHED_OFF, Opened
from airflow_provider_pagerduty.commands.output import number, span
from airflow_provider_pagerduty.outbox.database import OutboxError
from airflow_provider_pagerduty.settings import outbox_max_age

#: Seconds. A relay looks in each minute.
RELAY_IS_GONE = 15 * 60.0
#: Seconds after which a pending event is worth a word: the longest wait between two tries is 5 minutes.
OLD = 30 * 60.0
#: Bytes. An event takes about one kilobyte.
LITTLE_SPACE = 50_000_000


def check_store(opened: Opened | None, prog: str) -> Iterator[Finding]:
    """Look at the outbox.

    :param prog: what the commands are called here.
    """
    if opened is None:
        yield Finding(
            "outbox",
            "warning",
            SWITCHED_OFF,
            "Take that setting away.",
        )
        return
    try:
        yield from _check_use(opened)
        if opened.database.exists():
            yield from _check_content(opened, prog)
    except OutboxError as error:
        yield Finding(
            "outbox",
            "failure",
            f"{str(error)[:1].upper()}{str(error)[1:]}",
            "Until it can be, an alert that PagerDuty cannot take at once is lost. Check [pagerduty] "
            "outbox, and that whoever runs callbacks may write there.",
        )


def _check_use(opened: Opened) -> Iterator[Finding]:
    path = opened.database.path
    if path is not None:
        yield from _check_file(path)
    if not opened.database.exists():
        yield Finding("outbox", "ok", f"Nothing was ever kept: there is no outbox at {opened.store} yet.")
        return
    opened.store.tidy()  # writes: what a relay does each time
    yield Finding("outbox", "ok", f"The outbox is {opened.store}, and can be written to.")


def _check_file(path: Path) -> Iterator[Finding]:
    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Finding(
            "outbox",
            "failure",
            f"The outbox {path} cannot be made or used: {folder} is not writable.",
            f"Let the user that runs Airflow write to {folder}, or set [pagerduty] outbox.",
        )
    free = shutil.disk_usage(folder).free
    if free < LITTLE_SPACE:
        yield Finding(
            "outbox",
            "failure" if free < LITTLE_SPACE / 10 else "warning",
            f"The disk of the outbox {path} has {free / 1e6:.0f} MB left.",
            "Make room there: an event takes about one kilobyte.",
        )
    if path.exists() and path.stat().st_uid != os.geteuid():
        yield Finding(
            "outbox",
            "warning",
            f"The outbox {path} belongs to the user {path.stat().st_uid}, and this is {os.geteuid()}: only its "
            "owner and root can use it.",
            "Run this as the user that runs Airflow; tasks with run_as_user need a "
            "database URL in [pagerduty] outbox.",
        )
    damaged = sorted(
        each.name for each in path.parent.glob(f"{path.name}.damaged-*") if each.suffix[-4:] not in _COMPANIONS
    )
    if damaged:
        yield Finding(
            "outbox",
            "warning",
            f"A damaged outbox was moved aside: {', '.join(damaged)} in {path.parent}. What was "
            "pending in it was not sent.",
            "Look into it with SQLite's .recover, send what is missing, and delete it.",
        )


_COMPANIONS = ("-wal", "-shm")


def _check_content(opened: Opened, prog: str) -> Iterator[Finding]:
    now = time.time()
    counts = opened.store.counts()
    oldest = opened.oldest_pending()
    if oldest is None:
        yield Finding("outbox", "ok", "Nothing is pending.")
    else:
        age = now - oldest
        yield Finding(
            "outbox",
            "warning" if age > OLD else "note",
            f"{number(counts['pending'], 'event')} pending, the oldest for {span(age)}; one expires after "
            f"{span(outbox_max_age())}.",
            f"See why: {prog} outbox list --state pending",
        )
    for state in ("rejected", "expired"):
        if counts[state]:
            yield Finding(
                "outbox",
                "warning",
                f"{number(counts[state], 'event')} {state}: nobody was paged.",
                f"Look: {prog} outbox list --state {state}; then outbox retry or outbox drop.",
            )


def check_relay(opened: Opened | None) -> Iterator[Finding]:
    """Look for a relay."""
    if opened is None:
        return
    try:
        seen = opened.store.last_look_in()
    except OutboxError:
        return  # said above
    cure = (
        "Add the relay's DAG (from airflow_provider_pagerduty.relay_dag import relay_dag; dag = relay_dag()) "
        "and see that it runs each minute, or let `airflow-pagerduty outbox relay --follow` run."
    )
    if seen is None:
        yield Finding("relay", "failure", f"No relay has ever looked into the outbox {opened.store}.", cure)
        return
    ago = time.time() - seen
    if abs(ago) > RELAY_IS_GONE:
        when = f"{span(ago)} ago" if ago > 0 else f"{span(ago)} ahead of this machine's clock"
        yield Finding("relay", "failure", f"A relay last looked into the outbox {when}.", cure)
    else:
        yield Finding("relay", "ok", f"A relay looked into the outbox {span(ago)} ago.")
