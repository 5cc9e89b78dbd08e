"""What people and relays ask of the store beside delivery: what is in it, who looked in, and what may go."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from airflow_provider_pagerduty.outbox.database import events, facts
from airflow_provider_pagerduty.outbox.rows import (
    KEEP_DELIVERED,
    KEEP_OTHERS,
    Kept,
    Part,
    is_leased,
    kept_of,
    let_next_go,
    of_key,
    turn_of,
)


class Inspection(Part):
    """Looks at what is kept, and mends it by hand."""

    def look_in(self) -> None:
        """Note that a relay has looked in."""
        now = self._clock()

        def work(connection: sa.engine.Connection) -> None:
            mine = facts.c.name == "relay"
            if connection.execute(facts.update().where(mine).values(value=now)).rowcount == 0:
                connection.execute(facts.insert().values(name="relay", value=now))

        self._database.run(work)

    def last_look_in(self) -> float | None:
        """Return when a relay last looked in, in seconds since 1970; None if none ever did."""
        question = sa.select(facts.c.value).where(facts.c.name == "relay")
        found = self._read(lambda connection: connection.execute(question).scalar(), None)
        return None if found is None else float(found)

    def tidy(self) -> int:
        """Take away what has ended long ago; return how many rows that were."""
        now = self._clock()

        def work(connection: sa.engine.Connection) -> int:
            old = sa.or_(
                sa.and_(events.c.state == "delivered", events.c.finished_at < now - KEEP_DELIVERED),
                sa.and_(events.c.state.in_(["rejected", "expired"]), events.c.finished_at < now - KEEP_OTHERS),
            )
            return int(connection.execute(events.delete().where(old)).rowcount)

        return self._change(work, 0)

    def counts(self) -> dict[str, int]:
        """Return how many events there are in each state."""
        question = sa.select(events.c.state, sa.func.count()).group_by(events.c.state)

        def work(connection: sa.engine.Connection) -> dict[str, int]:
            return {state: number for state, number in connection.execute(question)}  # noqa: C416 (rows)

        counts: dict[str, int] = {"pending": 0, "delivered": 0, "rejected": 0, "expired": 0}
        return counts | self._read(work, counts)

    def find(
        self, states: Sequence[str] = (), conn_id: str | None = None, ids: Sequence[int] = (), limit: int = 100
    ) -> list[Kept]:
        """Return events, the latest first."""
        question = sa.select(events).order_by(events.c.id.desc()).limit(limit)
        if states:
            question = question.where(events.c.state.in_(list(states)))
        if conn_id:
            question = question.where(events.c.conn_id == conn_id)
        if ids:
            question = question.where(events.c.id.in_(list(ids)))
        return self._read(lambda connection: [kept_of(row) for row in connection.execute(question)], [])

    def retry(self, number: int) -> bool:
        """Make an event pending and due now, behind all others of its key; False if there is no such event."""
        now = self._clock()

        def work(connection: sa.engine.Connection) -> bool:
            row = connection.execute(sa.select(events).where(events.c.id == number)).one_or_none()
            if row is None or row.state == "delivered":
                return False
            if row.state == "pending":
                connection.execute(events.update().where(events.c.id == number).values(due_at=now))
                return True
            # With a number of its own it would stand before what came since.
            values = {name: getattr(row, name) for name in Kept.__dataclass_fields__ if name != "id"}
            values |= {"state": "pending", "due_at": now, "finished_at": None, "lease": None}
            values["latest_at"] = now  # else one that expired would at once be too old again
            ahead = connection.execute(
                sa.select(events.c.id).where(*of_key(row.conn_id, row.dedup_key)).limit(1).with_for_update()
            ).scalar()
            values |= turn_of(row.conn_id, row.dedup_key, is_next=ahead is None)
            connection.execute(events.insert().values(**values))
            connection.execute(events.delete().where(events.c.id == number))
            return True

        return self._change(work, False)

    def drop(self, number: int) -> bool:
        """Take an event away for good; False if there is no such event, or it is being sent at this moment."""
        now = self._clock()

        def work(connection: sa.engine.Connection) -> bool:
            row = connection.execute(
                sa.select(events).where(events.c.id == number).with_for_update()
            ).one_or_none()
            if row is None or (row.state == "pending" and is_leased(row, now)):
                return False
            connection.execute(events.delete().where(events.c.id == number))
            if row.state == "pending":
                let_next_go(connection, row.conn_id, row.dedup_key)
            return True

        return self._change(work, False)
