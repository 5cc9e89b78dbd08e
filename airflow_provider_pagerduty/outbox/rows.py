"""One event of the outbox, as a row and as what is read of it; and what every part of the store needs."""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import sqlalchemy as sa

from airflow_provider_pagerduty.outbox.database import Database, events

T = TypeVar("T")
State = Literal["pending", "delivered", "rejected", "expired"]

#: Seconds. What a claimed event may take before others take it over: far longer than an attempt.
LEASE = 60.0
#: Seconds. The waits before the next try of an event, and of a connection, are random up to 10, 20, … 300, but
#: at least half of that.
FIRST_WAIT, LONGEST_WAIT = 10.0, 300.0
#: Seconds. No time that is set lies further ahead, also where PagerDuty asks for more; so one that does was set
#: before the clock was put back, and counts for nothing.
FURTHEST = 900.0
#: Seconds for which delivered events are kept, and those that never will be.
KEEP_DELIVERED, KEEP_OTHERS = 24 * 3600.0, 30 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Kept:
    """One event in the outbox.

    :param event: as PagerDuty wants it, but without its key.
    :param triggers: how many of them it stands for.
    :param first_at: seconds since 1970, as all the times: when the first of them happened.
    :param lease: who is delivering it, if somebody is.
    """

    id: int
    conn_id: str
    dedup_key: str
    action: str
    event: dict[str, Any]
    state: State
    triggers: int
    tries: int
    last_error: str | None
    first_at: float
    latest_at: float
    due_at: float
    finished_at: float | None
    lease: str | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is pending, as whoever has a new event must know.

    :param first: whether something has to go out before it.
    :param others: whether anything else is pending.
    """

    first: bool
    others: bool


class Part:
    """A part of the store.

    :param database: where it is.
    :param clock: returns seconds since 1970.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def __str__(self) -> str:
        """Where it is, without its password."""
        return str(self._database)

    def _read(self, work: Callable[[sa.engine.Connection], T], otherwise: T) -> T:
        """Ask something; where there is no store, none is made for it."""
        return self._database.run(work, reads=True) if self._database.exists() else otherwise

    def _change(self, work: Callable[[sa.engine.Connection], T], otherwise: T) -> T:
        """Change something that is there; where there is no store, none is made for it."""
        return self._database.run(work) if self._database.exists() else otherwise


def backoff(failures: int) -> float:
    """Return the seconds to wait after so many failures: random, so that many do not come back at once."""
    longest = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(failures, 10))
    return random.uniform(longest / 2, longest)  # noqa: S311 (no secret)


def new_row(conn_id: str, event: Mapping[str, Any], now: float, **more: Any) -> dict[str, Any]:
    """Return the row of an event that has just come, as nobody's turn and nobody's lease."""
    row = {
        "conn_id": conn_id,
        "dedup_key": event["dedup_key"],
        "action": event["event_action"],
        "event": json.dumps(event, ensure_ascii=False),
        "state": "pending",
        "is_next": False,
        "next_of": None,
        "triggers": 1,
        "first_at": now,
        "latest_at": now,
        "due_at": now,
        "finished_at": None,
        "lease": None,
        "leased_until": None,
    }
    return row | more


def of_key(conn_id: str, dedup_key: str) -> tuple[Any, ...]:
    """Return the conditions for what is pending of a key."""
    return events.c.conn_id == conn_id, events.c.dedup_key == dedup_key, events.c.state == "pending"


def turn_of(conn_id: str, dedup_key: str, *, is_next: bool) -> dict[str, Any]:
    """Return the columns that say whether it is an event's turn among those of its key."""
    key = hashlib.sha256(json.dumps([conn_id, dedup_key]).encode()).hexdigest()
    return {"is_next": is_next, "next_of": key if is_next else None}


def can_take(before: Any, action: str, now: float) -> bool:
    """Say whether a pending event can stand for a new one too: both are triggers, and nobody is sending it."""
    return before.action == action == "trigger" and not is_leased(before, now)


def is_leased(row: Any, now: float) -> bool:
    """Say whether somebody is sending it."""
    return row.lease is not None and now < row.leased_until <= now + FURTHEST


def kept_of(row: Any, **changes: Any) -> Kept:
    """Return what a row says, with changes that were made since it was read."""
    values = {**(row if isinstance(row, dict) else row._mapping), **changes}  # noqa: SLF001 (SQLAlchemy's own name)
    names = Kept.__dataclass_fields__
    return Kept(**{name: json.loads(values[name]) if name == "event" else values[name] for name in names})


def let_next_go(connection: sa.engine.Connection, conn_id: str, dedup_key: str) -> None:
    """Give the turn to the first pending event of a key, if there is one."""
    following = connection.execute(
        sa.select(events.c.id)
        .where(*of_key(conn_id, dedup_key))
        .order_by(events.c.id)
        .limit(1)
        .with_for_update()
    ).scalar()
    if following is not None:
        turn = turn_of(conn_id, dedup_key, is_next=True)
        connection.execute(events.update().where(events.c.id == following).values(**turn))
