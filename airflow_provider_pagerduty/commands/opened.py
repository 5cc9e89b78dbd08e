"""The outbox as people look at it: opened, or said not to be there; and what only they ask of it."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from airflow_provider_pagerduty.commands.output import say
from airflow_provider_pagerduty.outbox.database import Database, circuits, events
from airflow_provider_pagerduty.outbox.location import url
from airflow_provider_pagerduty.outbox.store import FURTHEST, State, Store

SWITCHED_OFF = (
    "The outbox is switched off: [pagerduty] outbox = none. What cannot be delivered at once is lost."
)


@dataclass(frozen=True, slots=True)
class Opened:
    """The outbox, and its database for what the store does not answer."""

    database: Database
    store: Store

    def oldest_pending(self) -> float | None:
        """Return when the oldest pending event happened, in seconds since 1970; None if none is pending."""
        if not self.database.exists():
            return None
        question = sa.select(sa.func.min(events.c.first_at)).where(events.c.state == "pending")
        found = self.database.run(lambda connection: connection.execute(question).scalar(), reads=True)
        return None if found is None else float(found)

    def ids(self, state: State) -> list[int]:
        """Return the numbers of all events in a state, in the order in which they came."""
        if not self.database.exists():
            return []
        question = sa.select(events.c.id).where(events.c.state == state).order_by(events.c.id)
        return self.database.run(lambda connection: list(connection.execute(question).scalars()), reads=True)

    def next_try(self, now: float) -> float | None:
        """Return when a relay would try the next pending event, in seconds since 1970; None if none is pending.

        A moment that is long past means now; one that is far ahead was set before the clock was put back.
        """
        if not self.database.exists():
            return None
        waits = (
            sa.select(sa.func.min(events.c.due_at), sa.func.max(circuits.c.try_again_at))
            .select_from(events.outerjoin(circuits, circuits.c.conn_id == events.c.conn_id))
            .where(events.c.state == "pending", events.c.is_next.is_(sa.true()))
            .group_by(events.c.conn_id)
        )
        rows = self.database.run(lambda connection: connection.execute(waits).all(), reads=True)
        moments = [max(_now_if_absurd(due, now), _now_if_absurd(circuit or 0.0, now)) for due, circuit in rows]
        return min(moments, default=None)


def _now_if_absurd(then: float, now: float) -> float:
    return then if then <= now + FURTHEST else now


def open_outbox() -> Opened | None:
    """Return the outbox, be there anything in it or not; None where it is switched off.

    :raises OutboxError: if ``[pagerduty] outbox`` cannot be one.
    """
    where = url()
    if where is None:
        return None
    database = Database(where)
    return Opened(database, Store(database))


def open_or_say() -> Opened | None:
    """Return the outbox; where there is none, say why and return None.

    :raises OutboxError: if ``[pagerduty] outbox`` cannot be one.
    """
    opened = open_outbox()
    if opened is None:
        say(SWITCHED_OFF)
    elif not opened.database.exists():
        say(nothing_ever(opened))
        return None
    return opened


def nothing_ever(opened: Opened) -> str:
    """Say that there is no file."""
    return f"Nothing was ever kept: there is no outbox at {opened.store} yet."
