"""``outbox list``, ``show``, ``retry`` and ``drop``: what people see of the outbox, and do to it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from airflow_provider_pagerduty.commands.opened import Opened, open_or_say, open_outbox
from airflow_provider_pagerduty.commands.output import console, moment, number, plain, print_json, say, span

if TYPE_CHECKING:
    from airflow_provider_pagerduty.outbox.store import Kept

COLOURS = {"pending": "yellow", "delivered": "green", "rejected": "red", "expired": "red"}


def list_events(arguments: argparse.Namespace) -> int:
    """List events."""
    if arguments.format == "json":
        return _list_json(arguments)
    opened = open_or_say()
    if opened is None:
        return 0
    found = _find(opened, arguments)
    if found:
        _print_table(found)
    counts = opened.store.counts()
    parts = ", ".join(f"{count} {state}" for state, count in counts.items())
    say(f"{opened.store}: {parts}.")
    total = sum(counts[state] for state in arguments.state or counts)
    if len(found) == arguments.limit < total and not arguments.conn_id:
        say(f"These are the latest {len(found)} of {total}: --limit shows more.")
    return 0


def _list_json(arguments: argparse.Namespace) -> int:
    opened = open_outbox()
    print_json(
        {
            "outbox": None if opened is None else str(opened.store),
            "counts": {} if opened is None else opened.store.counts(),
            "events": [] if opened is None else [_row(each) for each in _find(opened, arguments)],
        }
    )
    return 0


def _find(opened: Opened, arguments: argparse.Namespace) -> list[Kept]:
    return opened.store.find(arguments.state or (), arguments.conn_id, limit=arguments.limit)


def _row(kept: Kept) -> dict[str, Any]:
    """Return what there is to know of an event, but for the event itself."""
    return {
        "id": kept.id,
        "state": kept.state,
        "conn_id": kept.conn_id,
        "action": kept.action,
        "dedup_key": kept.dedup_key,
        "summary": _summary(kept),
        "stands_for": kept.triggers,
        "tries": kept.tries,
        "first_at": moment(kept.first_at),
        "latest_at": moment(kept.latest_at),
        "due_at": moment(kept.due_at) if kept.state == "pending" else None,
        "finished_at": moment(kept.finished_at),
        "last_error": kept.last_error,
    }


def _summary(kept: Kept) -> str:
    payload = kept.event.get("payload")
    return str(payload.get("summary", "")) if isinstance(payload, dict) else ""


def _print_table(found: list[Kept]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(header_style="bold")
    for name in (
        "id",
        "state",
        "connection",
        "action",
        "dedup_key",
        "summary",
        "happened",
        "tries",
        "last error",
    ):
        table.add_column(
            name,
            overflow="fold",
            justify="right" if name in ("id", "tries") else "left",
            no_wrap=name in ("id", "state", "tries"),
        )
    now = time.time()
    for each in found:
        times = f" ({each.triggers} times)" if each.triggers > 1 else ""
        table.add_row(
            str(each.id),
            Text(each.state, style=COLOURS[each.state]),
            *(
                Text(plain(text))
                for text in (
                    each.conn_id,
                    each.action,
                    each.dedup_key,
                    f"{_summary(each)}{times}",
                    f"{span(now - each.first_at)} ago",
                    str(each.tries),
                    each.last_error or "",
                )
            ),
        )
    console().print(table)


def show_event(arguments: argparse.Namespace) -> int:
    """Show one event."""
    opened = _opened(arguments, None)
    if opened is None:
        return 0
    found = opened.store.find(ids=[arguments.id], limit=1)
    if not found:
        return _fail(
            arguments, f"there is no event {arguments.id} in {opened.store}: outbox list shows what there is"
        )
    (kept,) = found
    if arguments.format == "json":
        print_json(_row(kept) | {"event": kept.event})
        return 0
    say(
        f"Event {kept.id}, {kept.action} of {kept.dedup_key!r}, for the connection {kept.conn_id!r}: "
        f"{kept.state}"
    )
    for line in _history(kept, time.time()):
        say(f"  {line}")
    say("As PagerDuty gets it, with the connection's key:")
    from rich.json import JSON

    console().print(JSON(json.dumps(kept.event), ensure_ascii=True))
    return 0


def _history(kept: Kept, now: float) -> list[str]:
    happened = f"{moment(kept.first_at)}  happened, {span(now - kept.first_at)} ago"
    lines = [happened]
    if kept.triggers > 1:
        lines.append(f"{moment(kept.latest_at)}  happened again: it stands for {kept.triggers} triggers")
    tries = f"tried {number(kept.tries, 'time')}" if kept.tries else "not tried yet"
    if kept.finished_at is not None:
        lines.append(f"{moment(kept.finished_at)}  {kept.state}, {tries}")
    elif kept.lease is not None:
        lines.append(f"{moment(now)}  {tries}; claimed by a relay or a callback")
    else:
        lines.append(f"{moment(max(kept.due_at, now))}  due; {tries}")
    if kept.last_error:
        lines.append(f"last error: {kept.last_error}")
    return lines


def retry_events(arguments: argparse.Namespace) -> int:
    """Make events pending and due."""
    if not (arguments.ids or arguments.all_rejected or arguments.all_expired):
        return _fail(arguments, "say which: numbers as outbox list shows them, --all-rejected or --all-expired")
    opened = _opened(arguments, {"retried": [], "refused": {}})
    if opened is None:
        return 0
    ids = set(arguments.ids)
    if arguments.all_rejected:
        ids.update(opened.ids("rejected"))
    if arguments.all_expired:
        ids.update(opened.ids("expired"))
    done, refused = [], {}
    for each in sorted(ids):  # in the order in which they came, in which they are to go out
        if opened.store.retry(each):
            done.append(each)
        else:
            refused[each] = _why_not(opened, each)
    if arguments.format == "json":
        print_json({"retried": done, "refused": refused})
    else:
        said = f"{number(len(done), 'event')} pending and due now."
        say(f"{said} Deliver: {arguments.prog} outbox relay" if done else said)
    return _complain(arguments, refused)


def _why_not(opened: Opened, event: int) -> str:
    if opened.store.find(ids=[event], limit=1):
        return f"event {event} is delivered already"
    return f"there is no event {event} in the outbox"


def drop_events(arguments: argparse.Namespace) -> int:
    """Take events away."""
    opened = _opened(arguments, {"dropped": [], "refused": {}})
    if opened is None:
        return 0
    ids = sorted(set(arguments.ids))
    if not arguments.yes:
        if not sys.stdin.isatty():
            return _fail(arguments, "nothing was dropped: give --yes where there is no terminal to ask at")
        for each in opened.store.find(ids=ids, limit=len(ids)):
            sys.stderr.write(
                plain(f"  {each.id}  {each.state}  {each.action} of {each.dedup_key!r}: {_summary(each)}\n")
            )
        sys.stderr.write(f"Drop {number(len(ids), 'event')} for good? [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            return _fail(arguments, "nothing was dropped")
    done = [each for each in ids if opened.store.drop(each)]
    refused = {each: f"there is no event {each} in the outbox" for each in ids if each not in done}
    if arguments.format == "json":
        print_json({"dropped": done, "refused": refused})
    else:
        say(f"{number(len(done), 'event')} dropped.")
    return _complain(arguments, refused)


def _opened(arguments: argparse.Namespace, nothing: Any) -> Opened | None:
    """Return the outbox; where there is none, say so, or in JSON what it comes to."""
    if arguments.format == "table":
        return open_or_say()
    opened = open_outbox()
    if opened is None or not opened.database.exists():
        print_json(nothing)
        return None
    return opened


def _complain(arguments: argparse.Namespace, refused: dict[int, str]) -> int:
    for why in refused.values():
        _fail(arguments, why)
    return 1 if refused else 0


def _fail(arguments: argparse.Namespace, why: str) -> int:
    sys.stderr.write(f"{arguments.prog}: {why}\n")
    return 1
