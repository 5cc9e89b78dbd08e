"""Which commands there are, with their options and their help; told once for ``airflow-pagerduty`` and Airflow.

Only the standard library is imported here: every ``airflow …`` command of Airflow 3.2 and later reads this.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: In a help text: what the command is called here, ``airflow-pagerduty`` or ``airflow pagerduty``.
PROG = "{prog}"
STATES = ("pending", "delivered", "rejected", "expired")


@dataclass(frozen=True, slots=True)
class Option:
    """An argument: its flags, and what else argparse's ``add_argument`` takes."""

    flags: tuple[str, ...]
    more: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Command:
    """A command.

    :param run: the function that is it, as ``module:name`` in this package; it takes the parsed arguments and
        returns the exit status.
    :param help: a few words, for the list of commands.
    :param description: what there is to know.
    :param examples: lines to copy.
    """

    name: str
    run: str
    help: str
    description: str
    examples: str
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Commands under one name."""

    name: str
    help: str
    description: str
    commands: tuple[Command, ...] = field(default=())


def _option(*flags: str, **more: Any) -> Option:
    return Option(flags, more)


def above_zero(text: str) -> int:
    """Read a whole number above 0."""
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, got {text!r}")
    return number


_FORMAT = _option(
    "--format",
    choices=("table", "json"),
    default="table",
    help="a table for people (default), or JSON for programs",
)
_IDS = {"type": above_zero, "metavar": "ID", "help": "the number of an event, as list shows it"}

LIST = Command(
    "list",
    "outbox:list_events",
    "what is in the outbox",
    "Lists the events in the outbox, the latest first, and counts those in each state.\n\n"
    "  pending    waits for the relay, which tries again with growing pauses\n"
    "  delivered  arrived late; kept for 24 hours\n"
    "  rejected   PagerDuty answered that it will never take it; kept for 30 days\n"
    "  expired    could not be delivered within [pagerduty] outbox_max_age; kept for 30 days",
    "  {prog} outbox list --state rejected --state expired\n"
    "  {prog} outbox list --format json | jq '.events[].last_error'",
    (
        _option("--state", choices=STATES, action="append", help="only events in this state; repeatable"),
        _option("--conn-id", metavar="ID", help="only events of this connection"),
        _option("--limit", type=above_zero, default=50, metavar="N", help="how many at most (default: 50)"),
        _FORMAT,
    ),
)
SHOW = Command(
    "show",
    "outbox:show_event",
    "one event: what it says, and what has happened to it",
    "Shows an event as PagerDuty will get it, when it was kept, how often it was tried and why it did not\n"
    "arrive. An event in the outbox holds no key: that is read from its connection when it is sent.",
    "  {prog} outbox show 7\n  {prog} outbox show 7 --format json | jq .event",
    (_option("id", **_IDS), _FORMAT),
)
RETRY = Command(
    "retry",
    "outbox:retry_events",
    "make events pending again, and due now",
    "Makes events pending and due now. One that was rejected or expired goes behind all others of its\n"
    "dedup_key, under a new number. Nothing is sent here: the relay does that.",
    "  {prog} outbox retry 7 9 && {prog} outbox relay\n  {prog} outbox retry --all-expired",
    (
        _option("ids", nargs="*", **_IDS),
        _option("--all-rejected", action="store_true", help="every event that PagerDuty rejected"),
        _option("--all-expired", action="store_true", help="every event that became too old"),
        _FORMAT,
    ),
)
DROP = Command(
    "drop",
    "outbox:drop_events",
    "take events away for good",
    "Takes events out of the outbox for good: a pending one will never page anybody. Asks first, unless\n"
    "--yes is given, which it has to be where there is no terminal to ask at.",
    "  {prog} outbox drop 7 9\n  {prog} outbox drop 7 --yes",
    (
        _option("ids", nargs="+", **_IDS),
        _option("--yes", "-y", action="store_true", help="do not ask"),
        _FORMAT,
    ),
)
RELAY = Command(
    "relay",
    "relay:relay",
    "deliver what is pending",
    "Delivers what is due, in order, at most 100 events a minute for each connection, until nothing is due.\n"
    "With --follow it goes on, and looks in every few seconds, until Ctrl-C or TERM. Any number of relays may\n"
    "run at once. The exit status is 1 if an event was tried and did not arrive; after a signal 130 or 143.",
    "  {prog} outbox relay\n  {prog} outbox relay --follow --format json",
    (_option("--follow", "-f", action="store_true", help="go on until Ctrl-C or TERM"), _FORMAT),
)
DOCTOR = Command(
    "doctor",
    "doctor:doctor",
    "check whether this deployment can page, and say what to do",
    "Checks the connections (what each says, and whether PagerDuty takes its key or token), where they lead,\n"
    "whether PagerDuty is reached and agrees about the time, the outbox and its relay, and this deployment's\n"
    "name. It opens no alert: an integration key is tried by resolving an alert that never was. Nothing is\n"
    "changed. The exit status is 1 if something fails.\n\n"
    "Run it where callbacks run, with their environment: on each machine if they are several.",
    "  {prog} doctor\n  {prog} doctor --format json | jq '.findings[] | select(.status == \"failure\")'",
    (_FORMAT,),
)
SEND = Command(
    "send",
    "send:send",
    "send a test alert: this pages people",
    "Sends an alert straight to PagerDuty, not by the outbox, and says what came of it. A trigger opens an\n"
    "alert and may wake somebody; what is printed says how to resolve it.",
    '  {prog} send --summary "Only a test" --severity info\n'
    "  {prog} send --action resolve --dedup-key only-a-test",
    (
        _option("--summary", help="what happened (default: that this is a test, and whose)"),
        _option(
            "--severity",
            choices=("critical", "error", "warning", "info"),
            default="info",
            help="how bad it is (default: info)",
        ),
        _option("--conn-id", metavar="ID", help="the connection (default: pagerduty_events_default)"),
        _option(
            "--action",
            choices=("trigger", "acknowledge", "resolve"),
            default="trigger",
            help="what to do with the alert (default: trigger)",
        ),
        _option("--dedup-key", metavar="KEY", help="which alert it is about (default: a new one)"),
        _FORMAT,
    ),
)
OUTBOX = Group(
    "outbox",
    "alerts that could not be delivered: list, show, retry, drop, relay",
    "What a notifier could not deliver waits in the outbox until a relay delivers it: the DAG that\n"
    "relay_dag() makes, or the command relay.",
    (LIST, SHOW, RETRY, DROP, RELAY),
)
COMMANDS: tuple[Command | Group, ...] = (OUTBOX, DOCTOR, SEND)
