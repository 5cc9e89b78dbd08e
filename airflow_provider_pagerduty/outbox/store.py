"""What is kept: events that could not be delivered, in their order, and who is delivering which of them now.

Of one connection and ``dedup_key`` events go out strictly in the order in which they came, one at a time;
pending triggers fold into one. A claim is a lease, so that whoever dies with it holds nobody up. No credential
is here: an event is kept with the id of the connection that it goes out with.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from airflow_provider_pagerduty.outbox.circuit import Circuits
from airflow_provider_pagerduty.outbox.database import circuits, events
from airflow_provider_pagerduty.outbox.inspection import Inspection
from airflow_provider_pagerduty.outbox.rows import (
    FIRST_WAIT,
    FURTHEST,
    LEASE,
    LONGEST_WAIT,
    Kept,
    State,
    Waiting,
    backoff,
    can_take,
    kept_of,
    let_next_go,
    new_row,
    of_key,
    turn_of,
)

__all__ = ["FIRST_WAIT", "FURTHEST", "LEASE", "LONGEST_WAIT", "Kept", "State", "Store", "Waiting", "backoff"]


class Store(Circuits, Inspection):
    """The outbox.

    Every method may raise ``OutboxError``, and has changed nothing then.

    :param database: where it is.
    :param clock: returns seconds since 1970.
    """

    @property
    def is_of_one_machine(self) -> bool:
        """Whether only processes of this machine can reach it."""
        return self._database.is_sqlite

    def waiting(self, conn_id: str, dedup_key: str) -> Waiting:
        """Return whether a new event has to wait behind others, and whether anything else is pending.

        Behind one of its own key always; behind others of its connection while nothing gets through to that.
        One event that fails by itself, such as one that a proxy finds too large, holds no other alert up.
        """
        pending = sa.select(events.c.id).where(events.c.state == "pending")
        parts = (
            pending.where(events.c.conn_id == conn_id, events.c.dedup_key == dedup_key),
            pending.where(events.c.conn_id == conn_id),
            sa.select(circuits.c.conn_id).where(circuits.c.conn_id == conn_id),
            # Not "!=", which would read all that is pending here.
            pending.where(events.c.conn_id < conn_id),
            pending.where(events.c.conn_id > conn_id),
        )
        question = sa.select(*(sa.exists(part) for part in parts))
        nothing = (False,) * len(parts)
        same, here, fails, *elsewhere = self._read(
            lambda connection: tuple(connection.execute(question).one()), nothing
        )
        return Waiting(first=bool(same or (here and fails)), others=bool(here or any(elsewhere)))

    def keep(
        self, conn_id: str, event: Mapping[str, Any], *, error: str | None = None, hold: bool = False
    ) -> Kept:
        """Keep an event behind all others of its key, or fold a trigger into the one before it.

        :param event: as PagerDuty wants it, without its key.
        :param error: why it could not be delivered, if that was tried.
        :param hold: whether the caller would go on trying to deliver it. What is returned is leased to it
            then, unless something is before it.
        """
        now = self._clock()
        row = new_row(conn_id, event, now, tries=1 if error else 0, last_error=error)
        lease = {"lease": uuid.uuid4().hex, "leased_until": now + LEASE} if hold else {}

        def work(connection: sa.engine.Connection) -> Kept:
            # Locked, so that whoever ends it at this moment and we do not miss each other.
            before = connection.execute(
                sa.select(events)
                .where(*of_key(conn_id, row["dedup_key"]))
                .order_by(events.c.id.desc())
                .limit(1)
                .with_for_update()
            ).one_or_none()
            if before and can_take(before, row["action"], now):
                changes = {
                    "event": row["event"],
                    "latest_at": now,
                    "triggers": before.triggers + 1,
                    "lease": None,
                }
                connection.execute(events.update().where(events.c.id == before.id).values(**changes))
                return kept_of(before, **changes)
            turn = turn_of(conn_id, row["dedup_key"], is_next=before is None)
            values = row | turn | ({} if before else lease)  # behind another one, it waits
            (number,) = connection.execute(events.insert().values(**values)).inserted_primary_key or (0,)
            return kept_of(values, id=number)

        return self._database.run(work)

    def reject(self, conn_id: str, event: Mapping[str, Any], reasons: str) -> None:
        """Keep an event that PagerDuty refused at the first try, for somebody to look at."""
        now = self._clock()
        row = new_row(conn_id, event, now, tries=1, last_error=reasons, state="rejected", finished_at=now)
        self._database.run(lambda connection: connection.execute(events.insert().values(**row)))

    def connections(self) -> list[str]:
        """Return the ids of the connections for which something is pending."""
        question = sa.select(events.c.conn_id).where(events.c.state == "pending").distinct()
        return self._read(lambda connection: sorted(connection.execute(question).scalars()), [])

    def claim(self, conn_id: str) -> Kept | None:
        """Lease the event of a connection that is due the longest; None if none is."""
        now = self._clock()
        lease = uuid.uuid4().hex

        free = sa.or_(
            events.c.lease.is_(None), events.c.leased_until <= now, events.c.leased_until > now + FURTHEST
        )
        ready = (
            events.c.state == "pending",
            events.c.conn_id == conn_id,
            events.c.is_next.is_(sa.true()),
            free,
        )

        def work(connection: sa.engine.Connection) -> Kept | None:
            # One after the other, as each is a stretch of the index and both together are not.
            for due in (events.c.due_at <= now, events.c.due_at > now + FURTHEST):
                row = connection.execute(
                    sa.select(events)
                    .where(*ready, due)
                    .order_by(events.c.due_at)
                    .limit(1)
                    .with_for_update(skip_locked=True)
                ).one_or_none()
                if row is not None:
                    changes = {"lease": lease, "leased_until": now + LEASE}
                    connection.execute(events.update().where(events.c.id == row.id).values(**changes))
                    return kept_of(row, lease=lease)
            return None

        return self._change(work, None)

    def renew(self, kept: Kept) -> bool:
        """Hold a lease for as long again; False if it was lost, and with it the right to send."""
        statement = (
            events.update()
            .where(events.c.id == kept.id, events.c.state == "pending", events.c.lease == kept.lease)
            .values(leased_until=self._clock() + LEASE)
        )
        return self._database.run(lambda connection: bool(connection.execute(statement).rowcount == 1))

    def delivered(self, kept: Kept) -> bool:
        """Note that a leased event has arrived, and let the next of its key go; False if the lease was lost."""
        return self._finish(kept, "delivered", None)

    def rejected(self, kept: Kept, reasons: str) -> bool:
        """Note that PagerDuty will never take a leased event; False if the lease was lost."""
        return self._finish(kept, "rejected", reasons)

    def expired(self, kept: Kept, reason: str) -> bool:
        """Note that a leased event is too old to be sent; False if the lease was lost."""
        return self._finish(kept, "expired", reason)

    def _finish(self, kept: Kept, state: State, error: str | None) -> bool:
        now = self._clock()

        def work(connection: sa.engine.Connection) -> bool:
            ended = connection.execute(
                events.update()
                .where(events.c.id == kept.id, events.c.state == "pending", events.c.lease == kept.lease)
                .values(
                    state=state,
                    finished_at=now,
                    is_next=sa.false(),
                    next_of=None,
                    lease=None,
                    last_error=error or events.c.last_error,
                    tries=events.c.tries + 1,
                )
            )
            if ended.rowcount != 1:
                return False
            let_next_go(connection, kept.conn_id, kept.dedup_key)
            return True

        return self._database.run(work)

    def release(self, kept: Kept) -> None:
        """Give a lease back: nothing was tried."""
        mine = (events.c.id == kept.id, events.c.state == "pending", events.c.lease == kept.lease)
        self._database.run(
            lambda connection: connection.execute(events.update().where(*mine).values(lease=None))
        )

    def put_back(self, kept: Kept, error: str, after: float | None = None) -> bool:
        """Give a lease back: the event could not be delivered. False if the lease was lost.

        :param after: seconds to wait before the next try, as PagerDuty asked; a growing wait without.
        """
        now = self._clock()
        wait = backoff(kept.tries) if after is None else min(after, FURTHEST)
        changes = {"lease": None, "due_at": now + wait, "last_error": error, "tries": events.c.tries + 1}
        statement = (
            events.update()
            .where(events.c.id == kept.id, events.c.state == "pending", events.c.lease == kept.lease)
            .values(**changes)
        )
        return self._database.run(lambda connection: bool(connection.execute(statement).rowcount == 1))

    def delivered_since(self, conn_id: str, then: float) -> list[float]:
        """Return when events of a connection were delivered out of the outbox after a time, in order."""
        question = (
            sa.select(events.c.finished_at)
            .where(events.c.state == "delivered", events.c.conn_id == conn_id, events.c.finished_at > then)
            .order_by(events.c.finished_at)
        )
        return self._read(lambda connection: list(connection.execute(question).scalars()), [])
