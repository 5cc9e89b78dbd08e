"""What is kept: events that could not be delivered, in their order, and who is delivering which of them now.

Of one connection and ``dedup_key`` events go out strictly in the order in which they came, one at a time;
pending triggers fold into one. A claim is a lease, so that whoever dies with it holds nobody up. No credential
is here: an event is kept with the id of the connection that it goes out with.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import sqlalchemy as sa

from airflow_provider_pagerduty.outbox.database import Database, circuits, events, facts

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
    """What is pending, as whoever has a new event must know."""

    here: bool
    elsewhere: bool


class Store:
    """The outbox.

    Every method may raise ``OutboxError``, and has changed nothing then.

    :param database: where it is.
    :param clock: returns seconds since 1970.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def __str__(self) -> str:
        """Where it is, without its password."""
        return str(self._database)

    @property
    def is_of_one_machine(self) -> bool:
        """Whether only processes of this machine can reach it."""
        return self._database.is_sqlite

    def waiting(self, conn_id: str) -> Waiting:
        """Return whether anything is pending for a connection, and for others. One indexed read, or none."""
        pending = sa.select(events.c.id).where(events.c.state == "pending")
        # Not "!=", which would read all that is pending here.
        parts = (events.c.conn_id == conn_id, events.c.conn_id < conn_id, events.c.conn_id > conn_id)
        question = sa.select(*(sa.exists(pending.where(part)) for part in parts))
        here, before, behind = self._read(
            lambda connection: tuple(connection.execute(question).one()), (0, 0, 0)
        )
        return Waiting(here=bool(here), elsewhere=bool(before or behind))

    # Keeping

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
        row = {
            "conn_id": conn_id,
            "dedup_key": event["dedup_key"],
            "action": event["event_action"],
            "event": json.dumps(event, ensure_ascii=False),
            "state": "pending",
            "triggers": 1,
            "tries": 1 if error else 0,
            "last_error": error,
            "first_at": now,
            "latest_at": now,
            "due_at": now,
            "lease": uuid.uuid4().hex if hold else None,
            "leased_until": now + LEASE if hold else None,
        }

        def work(connection: sa.engine.Connection) -> Kept:
            # Locked, so that whoever ends it at this moment and we do not miss each other.
            before = connection.execute(
                sa.select(events)
                .where(*_of_key(conn_id, row["dedup_key"]))
                .order_by(events.c.id.desc())
                .limit(1)
                .with_for_update()
            ).one_or_none()
            if before:
                row.update(lease=None, leased_until=None)  # it waits for what is before it
            if before and _can_take(before, row["action"], now):
                changes = {
                    "event": row["event"],
                    "latest_at": now,
                    "triggers": before.triggers + 1,
                    "lease": None,
                }
                connection.execute(events.update().where(events.c.id == before.id).values(**changes))
                return _kept(before, **changes)
            values = {**row, **_turn(conn_id, row["dedup_key"], is_next=before is None)}
            (number,) = connection.execute(events.insert().values(**values)).inserted_primary_key or (0,)
            return _kept(values, id=number, finished_at=None)

        return self._database.run(work)

    def reject(self, conn_id: str, event: Mapping[str, Any], reasons: str) -> None:
        """Keep an event that PagerDuty refused at the first try, for somebody to look at."""
        now = self._clock()
        row = {
            "conn_id": conn_id,
            "dedup_key": event["dedup_key"],
            "action": event["event_action"],
            "event": json.dumps(event, ensure_ascii=False),
            "state": "rejected",
            "is_next": False,
            "triggers": 1,
            "tries": 1,
            "last_error": reasons,
            "first_at": now,
            "latest_at": now,
            "due_at": now,
            "finished_at": now,
        }
        self._database.run(lambda connection: connection.execute(events.insert().values(**row)))

    # Delivering

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
                    return _kept(row, lease=lease)
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
            self._let_next_go(connection, kept.conn_id, kept.dedup_key)
            return True

        return self._database.run(work)

    @staticmethod
    def _let_next_go(connection: sa.engine.Connection, conn_id: str, dedup_key: str) -> None:
        following = connection.execute(
            sa.select(events.c.id)
            .where(*_of_key(conn_id, dedup_key))
            .order_by(events.c.id)
            .limit(1)
            .with_for_update()
        ).scalar()
        if following is not None:
            turn = _turn(conn_id, dedup_key, is_next=True)
            connection.execute(events.update().where(events.c.id == following).values(**turn))

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

    # The circuit of a connection

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
                .values(try_again_at=now + backoff(row.failures))
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

    # The relay's own

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

    # What people look at

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
        return self._read(lambda connection: [_kept(row) for row in connection.execute(question)], [])

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
                sa.select(events.c.id).where(*_of_key(row.conn_id, row.dedup_key)).limit(1).with_for_update()
            ).scalar()
            values |= _turn(row.conn_id, row.dedup_key, is_next=ahead is None)
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
            if row is None or (row.state == "pending" and _is_leased(row, now)):
                return False
            connection.execute(events.delete().where(events.c.id == number))
            if row.state == "pending":
                self._let_next_go(connection, row.conn_id, row.dedup_key)
            return True

        return self._change(work, False)

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


def _of_key(conn_id: str, dedup_key: str) -> tuple[Any, ...]:
    return events.c.conn_id == conn_id, events.c.dedup_key == dedup_key, events.c.state == "pending"


def _turn(conn_id: str, dedup_key: str, *, is_next: bool) -> dict[str, Any]:
    """Return the columns that say whether it is an event's turn among those of its key."""
    key = hashlib.sha256(json.dumps([conn_id, dedup_key]).encode()).hexdigest()
    return {"is_next": is_next, "next_of": key if is_next else None}


def _can_take(before: Any, action: str, now: float) -> bool:
    """Say whether a pending event can stand for a new one too: both are triggers, and nobody is sending it."""
    return before.action == action == "trigger" and not _is_leased(before, now)


def _is_leased(row: Any, now: float) -> bool:
    return row.lease is not None and now < row.leased_until <= now + FURTHEST


def _kept(row: Any, **changes: Any) -> Kept:
    values = {**(row if isinstance(row, dict) else row._mapping), **changes}  # noqa: SLF001 (SQLAlchemy's own name)
    names = Kept.__dataclass_fields__
    return Kept(**{name: json.loads(values[name]) if name == "event" else values[name] for name in names})
