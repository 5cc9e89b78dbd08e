"""Delivers what is in the outbox: later, in order, patiently. Who sends is handed in.

A relay may be a task of a DAG, a command, or a callback that has just got through and takes some others along;
any number of them at once. Each looks after the pace that PagerDuty allows.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Protocol

from airflow_provider_pagerduty import metrics
from airflow_provider_pagerduty.exceptions import DeliveryFailed, EventRejected
from airflow_provider_pagerduty.outbox.store import Kept, Store
from airflow_provider_pagerduty.settings import outbox_max_age

log = logging.getLogger(__name__)

#: Events a minute of one connection: PagerDuty takes about 120 a minute for one integration key, and some of
#: them are needed for what happens now. https://developer.pagerduty.com/docs/events-api-v2-overview
PER_MINUTE = 100
MINUTE = 60.0
#: Seconds after which a relay leaves word again that it is here.
LOOK_IN_EVERY = 60.0
#: Seconds that one attempt may take.
ATTEMPT = 10.0
#: Failures in a row, after which a connection is left alone until its next turn. One may be the event's own.
FAILURES_IN_A_ROW = 2
#: Connections that are served at the same time.
AT_ONCE = 8
#: The name in the details under which a late event says how late it is.
LATE = "delivered late"


class Send(Protocol):
    """Who sends one event."""

    def __call__(self, conn_id: str, event: Mapping[str, Any], seconds: float) -> object:
        """Make one attempt.

        :raises EventRejected: if PagerDuty will never take it.
        :raises DeliveryFailed: if it did not take it now.
        """


@dataclass(slots=True)
class Report:
    """What a pass came to."""

    delivered: int = 0
    rejected: int = 0
    expired: int = 0
    failed: int = 0
    errors: list[str] = field(default_factory=list)

    def add(self, other: Report) -> None:
        """Add another one's counts."""
        for name in ("delivered", "rejected", "expired", "failed"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.errors += other.errors


class Relay:
    """Delivers what is due.

    :param store: the outbox.
    :param send: sends one event.
    :param clock: returns seconds since 1970, as the store's does.
    :param sleep: waits.
    """

    def __init__(
        self,
        store: Store,
        send: Send,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._send = send
        self._clock = clock
        self._sleep = sleep

    def drain(
        self,
        *,
        seconds: float = 50.0,
        most: int | None = None,
        on_progress: Callable[[Report], None] = lambda _: None,
    ) -> Report:
        """Deliver what is due, all connections at once, until nothing is or the time is up.

        :param seconds: how long to go on; the last attempt may take 10 more.
        :param most: how many events of a connection at most.
        :param on_progress: is told after each event what the pass has come to.
        :raises OutboxError: if the outbox cannot be used.
        """
        self._store.look_in()
        looked_in = started = self._clock()
        until = started + seconds
        total = Report()
        lock = threading.Lock()  # several connections at once

        def tell(report: Report) -> None:
            nonlocal looked_in
            with lock:
                total.add(report)
                on_progress(total)
                if self._clock() - looked_in > LOOK_IN_EVERY:
                    looked_in = self._clock()
                    self._store.look_in()

        connections = self._store.connections()
        if len(connections) == 1:
            self.drain_connection(connections[0], until=until, most=most, tell=tell)
        elif connections:
            with ThreadPoolExecutor(min(AT_ONCE, len(connections)), "pagerduty-relay") as pool:
                passes = [
                    pool.submit(self.drain_connection, conn_id, until=until, most=most, tell=tell)
                    for conn_id in connections
                ]
                for each in passes:
                    each.result()
        self._store.tidy()
        metrics.depth(self._store.counts()["pending"])
        return total

    def drain_connection(
        self,
        conn_id: str,
        *,
        until: float,
        most: int | None = None,
        has_turn: bool = False,
        attempt: float = ATTEMPT,
        tell: Callable[[Report], None] = lambda _: None,
    ) -> Report:
        """Deliver what is due of one connection, at the pace that PagerDuty allows.

        :param until: when to stop, in seconds since 1970.
        :param has_turn: whether the caller was given the turn to try a connection that fails.
        :param attempt: seconds that one attempt may take.
        """
        total = Report()
        in_a_row, after = 0, None
        while (most is None or total.delivered < most) and in_a_row < FAILURES_IN_A_ROW:
            if not (has_turn or self._store.may_try(conn_id)):
                break
            kept = self._store.claim(conn_id)
            if kept is None:
                break
            if not self._is_ready_for(kept, until):
                break
            report, after = self._deliver(kept, attempt)
            total.add(report)
            tell(report)
            in_a_row = in_a_row + 1 if report.failed else 0
            if report.delivered:
                self._store.succeeded(conn_id)
            if after is not None:  # PagerDuty itself says when to come back
                break
        if in_a_row >= FAILURES_IN_A_ROW or after is not None or (in_a_row and not total.delivered):
            self._store.failed(conn_id, after)
        return total

    def _is_ready_for(self, kept: Kept, until: float) -> bool:
        """Wait until a claimed event may go out; if that is not before the time is up, give it back."""
        try:
            is_ready = self._waits_for_the_pace(kept.conn_id, until) and self._store.renew(kept)
        except BaseException:  # told to end while it waits
            self._store.release(kept)
            raise
        if not is_ready:
            self._store.release(kept)
        return is_ready

    def _waits_for_the_pace(self, conn_id: str, until: float) -> bool:
        """Wait until another event may go out; False if that is not before the time is up."""
        while True:
            now = self._clock()
            recent = [then for then in self._store.delivered_since(conn_id, now - MINUTE) if then <= now]
            if len(recent) < PER_MINUTE:
                return now < until
            wait = recent[-PER_MINUTE] + MINUTE - now
            if now + wait >= until:
                return False
            self._sleep(max(wait, 0.01))

    def _deliver(self, kept: Kept, attempt: float) -> tuple[Report, float | None]:
        """Send one event; return what came of it, and for how many seconds PagerDuty asks to be left alone."""
        age = self._clock() - kept.latest_at  # not the first: what still happens is never too old
        if age > outbox_max_age():
            self._store.expired(
                kept, f"not delivered within {age / 3600:.0f} h; {kept.last_error or ''}".strip("; ")
            )
            metrics.count("expired")
            log.error("A PagerDuty event is expired, undelivered: %s", _named(kept))
            return Report(expired=1), None
        try:
            self._send(kept.conn_id, late(kept, self._clock()), attempt)
        except EventRejected as rejected:
            self._store.rejected(kept, "; ".join(rejected.errors))
            metrics.count("rejected")
            log.error("PagerDuty rejected an event out of the outbox, %s: %s", _named(kept), rejected)  # noqa: TRY400
            return Report(rejected=1, errors=[str(rejected)]), None
        except Exception as error:  # also a connection that is not there any more
            after = error.retry_after if isinstance(error, DeliveryFailed) else None
            cause = (
                error.last_cause if isinstance(error, DeliveryFailed) else f"{type(error).__name__}: {error}"
            )
            self._store.put_back(kept, cause, after)
            return Report(failed=1, errors=[cause]), after
        self._store.delivered(kept)
        metrics.count("delivered_late")
        return Report(delivered=1), None


def late(kept: Kept, now: float) -> dict[str, Any]:
    """Return an event as it goes out late: with its original time, and in its details how late it is."""
    event = {**kept.event, "payload": dict(kept.event["payload"])}
    payload = event["payload"]
    payload.setdefault("timestamp", datetime.fromtimestamp(kept.first_at, timezone.utc).isoformat())
    text = f"{max(0, now - kept.first_at) / 60:.0f} min late, as PagerDuty could not be reached"
    if kept.triggers > 1:
        text += f"; it stands for {kept.triggers} events"
    details = payload.get("custom_details")
    if not isinstance(details, dict):
        details = {} if details is None else {"details": details}
    payload["custom_details"] = {LATE: text} | details
    return event


def _named(kept: Kept) -> str:
    return (
        f"number {kept.id} in the outbox, {kept.action} of {kept.dedup_key!r} for connection {kept.conn_id!r}"
    )
