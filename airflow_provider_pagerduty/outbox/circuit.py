"""When a connection that fails may be tried again, and by whom: the breaker's part of the store."""

from __future__ import annotations

import sqlalchemy as sa

from airflow_provider_pagerduty.outbox.database import circuits
from airflow_provider_pagerduty.outbox.rows import FURTHEST, Part, backoff


class Circuits(Part):
    """The circuits of all connections; one that works has none."""

    def may_try(self, conn_id: str) -> bool:
        """Say whether a connection that failed may be tried again by now."""
        now = self._clock()
        question = sa.select(circuits.c.try_again_at).where(circuits.c.conn_id == conn_id)
        then = self._read(lambda connection: connection.execute(question).scalar(), None)
        return then is None or then <= now or then > now + FURTHEST

    def take_turn(self, conn_id: str) -> bool:
        """Say whether it is the caller, of all who ask, who tries a failing connection in this backoff step."""
        now = self._clock()

        def work(connection: sa.engine.Connection) -> bool:
            row = connection.execute(sa.select(circuits).where(circuits.c.conn_id == conn_id)).one_or_none()
            if row is None:
                return False
            turn = connection.execute(
                circuits.update()
                .where(
                    circuits.c.conn_id == conn_id,
                    sa.or_(circuits.c.try_again_at <= now, circuits.c.try_again_at > now + FURTHEST),
                )
                .values(try_again_at=now + backoff(row.failures), failures=row.failures + 1)
            )
            return bool(turn.rowcount == 1)

        return self._database.run(work)

    def failed(self, conn_id: str, after: float | None = None) -> None:
        """Note that nothing gets through to a connection: the next try is to wait longer.

        :param after: the seconds that PagerDuty asked for, if it did.
        """
        now = self._clock()

        def work(connection: sa.engine.Connection) -> None:
            row = connection.execute(sa.select(circuits).where(circuits.c.conn_id == conn_id)).one_or_none()
            failures = row.failures if row else 0
            wait = backoff(failures) if after is None else min(after, FURTHEST)
            if row is not None and now < row.try_again_at <= now + FURTHEST:
                # Many that fail in one moment are one failure; but what PagerDuty asks for counts.
                if after is None or now + wait <= row.try_again_at:
                    return
                failures -= 1
            values = {"failures": failures + 1, "try_again_at": now + wait}
            if row is None:
                connection.execute(circuits.insert().values(conn_id=conn_id, **values))
            else:
                connection.execute(circuits.update().where(circuits.c.conn_id == conn_id).values(**values))

        self._database.run(work)

    def succeeded(self, conn_id: str) -> None:
        """Note that a connection works."""
        gone = circuits.delete().where(circuits.c.conn_id == conn_id)
        self._database.run(lambda connection: connection.execute(gone))
