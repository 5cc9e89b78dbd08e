"""Gets a notifier's event out, or keeps it: nobody else would try again.

The first try goes straight out. If it fails, the event is in the outbox before the first wait, so that a worker
that is killed meanwhile loses nothing. While a connection fails, its new events are kept at once.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_pagerduty import metrics
from airflow_provider_pagerduty.exceptions import DeliveryFailed, EventRejected
from airflow_provider_pagerduty.outbox.location import is_surely_empty, open_outbox, url

if TYPE_CHECKING:
    from airflow_provider_pagerduty.hooks.pagerduty_events import PagerdutyEventsAsyncHook, PagerdutyEventsHook
    from airflow_provider_pagerduty.outbox.relay import Send
    from airflow_provider_pagerduty.outbox.store import Kept, Store, Waiting

T = TypeVar("T")
log = logging.getLogger(__name__)

#: Seconds. A relay that has looked in within these is there: one comes each minute.
RELAY_IS_THERE = 150.0
#: Seconds and events that a callback spends on others' events.
HELP_SECONDS, HELP_EVENTS = 2.0, 5


class Dispatch:
    """One event on its way, and what becomes of it.

    :param event: as ``prepare_event_data`` makes it.
    :param conn_id: the connection whose key it goes out with; None where the key was given, so that the event
        cannot be kept: the outbox holds no keys.
    :param send: how others' events are sent, once there is time for them.
    :param clock: returns seconds since 1970.
    """

    def __init__(
        self,
        event: dict[str, Any],
        conn_id: str | None,
        send: Send,
        clock: Callable[[], float] = time.time,
    ) -> None:
        # A name in any case, as what waits is told apart by it.
        self.event = {"dedup_key": str(uuid.uuid4()), **event}
        self._conn_id = conn_id
        self._send = send
        self._clock = clock
        self._started = clock()
        self._kept: Kept | None = None
        self._waiting: Waiting | None = None
        self._trouble: str | None = None

    @cached_property
    def _store(self) -> Store | None:
        """The outbox, which most events never need, and which brings SQLAlchemy."""
        if self._conn_id is None or url() is None:
            return None
        return self._tried(lambda: open_outbox(self._clock))

    def _tried(self, work: Callable[[], T]) -> T | None:
        """Return what comes of it; None if the outbox cannot be used, which must not stop the page."""
        try:
            return work()
        except Exception as error:
            self._trouble = str(error)
            log.warning("PagerDuty's outbox is not to be had: %s", error)
            return None

    def goes_behind(self) -> bool:
        """Keep the event at once if others have to go out before it; say whether that was done."""
        if self._conn_id is None or self._tried(is_surely_empty) or self._store is None:
            return False
        conn_id, store = self._conn_id, self._store
        self._waiting = self._tried(lambda: store.waiting(conn_id, self.event["dedup_key"]))
        if self._waiting is None or not self._waiting.first:
            return False
        if self._tried(lambda: store.keep(conn_id, self.event)) is None:
            return False
        self._say_kept("others wait before it")
        self._help(only_here=True)
        return True

    def keep(self, cause: str) -> bool:
        """Keep the event before the first wait; say whether it may be tried again."""
        if self._conn_id is None or self._store is None:
            return True
        conn_id, store, kept = self._conn_id, self._store, self._kept
        if kept is not None:
            # This machine may have slept meanwhile, and another one have sent it, and what came after it.
            return self._tried(lambda: store.renew(kept)) is not False
        self._kept = self._tried(lambda: store.keep(conn_id, self.event, error=cause, hold=True))
        # Without a lease, it waits for another one of its key that has come in between.
        return self._kept is None or self._kept.lease is not None

    def arrived(self) -> None:
        """Note that PagerDuty has the event, and take a few others along."""
        metrics.count("sent")
        if self._kept is not None and self._store is not None:
            store, kept = self._store, self._kept
            self._tried(lambda: store.delivered(kept))
            self._tried(lambda: store.succeeded(kept.conn_id))
            self._help()
        elif self._waiting is not None and self._waiting.others:
            self._help()

    def refused(self, error: EventRejected) -> None:
        """Keep an event that PagerDuty will never take, for somebody to look at."""
        metrics.count("rejected")
        reasons = "; ".join(error.errors)
        if self._store is None or self._conn_id is None:
            return
        conn_id, store, kept = self._conn_id, self._store, self._kept
        if kept is None:
            self._tried(lambda: store.reject(conn_id, self.event, reasons))
        else:
            self._tried(lambda: store.rejected(kept, reasons))

    def failed(self, error: Exception) -> None:
        """Leave the event to a relay.

        :param error: why it did not arrive: also that its connection cannot be looked up.
        :raises DeliveryFailed: if it could not be kept; it is lost then, and the error says why.
        """
        if not isinstance(error, DeliveryFailed):
            error = DeliveryFailed(f"{type(error).__name__}: {error}", 0, self._clock() - self._started)
        why = self._why_not_kept()
        if why is None:
            assert self._store is not None
            assert self._conn_id is not None
            conn_id, store, kept = self._conn_id, self._store, self._kept
            if kept is None:
                kept = self._tried(lambda: store.keep(conn_id, self.event, error=error.last_cause))
            elif kept.lease is not None:
                self._tried(lambda: store.put_back(kept, error.last_cause, error.retry_after))
            if kept is not None:
                self._tried(lambda: store.failed(conn_id, error.retry_after))
                self._say_kept(error.last_cause)
                return
            why = self._trouble
        raise DeliveryFailed(
            f"{error.last_cause}. The event is not kept for later: {why}.",
            error.attempts,
            error.seconds,
            error.retry_after,
        ) from error

    def interrupted(self, error: BaseException) -> None:
        """Keep the event of a process that is told to end."""
        if self._store is None or self._conn_id is None:
            return
        conn_id, store, kept = self._conn_id, self._store, self._kept
        why = f"interrupted by {type(error).__name__}"
        if kept is None:
            self._tried(lambda: store.keep(conn_id, self.event, error=why))
        else:
            self._tried(lambda: store.put_back(kept, why, 0.0))

    def _why_not_kept(self) -> str | None:
        if self._conn_id is None:
            return "it has an integration_key of its own, and the outbox keeps no keys; use a connection"
        if self._store is None:
            return self._trouble or "[pagerduty] outbox is none"
        return None

    def done(self) -> None:
        """Note what all of it cost."""
        metrics.callback(self._clock() - self._started)

    def _say_kept(self, why: str) -> None:
        metrics.count("queued")
        seen = self._tried(lambda: self._store.last_look_in() if self._store else None)
        looked_in = (
            f"a relay last looked in at {datetime.fromtimestamp(seen, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
            if seen
            else "no relay has ever looked in: see relay_dag()"
        )
        log.warning(
            "The PagerDuty event %s of %r is kept in the outbox %s (%s); %s.",
            self.event["event_action"],
            self.event["dedup_key"],
            self._store,
            why,
            looked_in,
        )

    def _help(self, *, only_here: bool = False) -> None:
        """Deliver a few of the events that wait.

        :param only_here: the connection fails: try it only if no relay does, and if it is our turn.
        """
        if self._store is None:
            return
        from airflow_provider_pagerduty.outbox.relay import Relay

        store, conn_id = self._store, str(self._conn_id)
        relay = Relay(store, self._send, clock=self._clock)
        until = self._clock() + HELP_SECONDS

        def deliver() -> None:
            if not only_here:
                for each in store.connections():
                    relay.drain_connection(each, until=until, most=HELP_EVENTS, attempt=HELP_SECONDS)
                return
            seen = store.last_look_in()
            is_there = seen is not None and abs(self._clock() - seen) < RELAY_IS_THERE
            if not is_there and store.take_turn(conn_id):
                relay.drain_connection(
                    conn_id, until=until, most=HELP_EVENTS, has_turn=True, attempt=HELP_SECONDS
                )

        self._tried(deliver)


def dispatch(make_hook: Callable[[], PagerdutyEventsHook], way: Dispatch) -> None:
    """Get an event out, or keep it.

    :param make_hook: returns the hook, and may raise: the connection may not be to be had now.
    :raises EventRejected: if PagerDuty refuses it.
    :raises DeliveryFailed: if it did not arrive and could not be kept.
    """
    try:
        if way.goes_behind():
            return
        try:
            make_hook().deliver(way.event, goes_on=way.keep)
        except EventRejected as error:
            way.refused(error)
            raise
        except Exception as error:
            way.failed(error)
        except BaseException as error:  # Airflow's timeout, a TERM, Ctrl-C
            way.interrupted(error)
            raise
        else:
            way.arrived()
    finally:
        way.done()


async def dispatch_async(make_hook: Callable[[], PagerdutyEventsAsyncHook], way: Dispatch) -> None:
    """Do as :func:`dispatch` does, with the outbox in a thread."""
    import asyncio

    try:
        if await asyncio.to_thread(way.goes_behind):
            return
        try:
            await make_hook().deliver(way.event, goes_on=way.keep)
        except EventRejected as error:
            await asyncio.to_thread(way.refused, error)
            raise
        except Exception as error:
            await asyncio.to_thread(way.failed, error)
        except BaseException as error:  # cancelled, and then nothing is to be awaited any more
            way.interrupted(error)
            raise
        else:
            await asyncio.to_thread(way.arrived)
    finally:
        way.done()
