"""What the processes of a trial do: Airflow's workers, whose callbacks send, and relays. Some die at a step.

They are real processes, each forked from one that has imported all of this and done nothing yet: eight
interpreters that start anew would take longer than the trial.
"""

import asyncio
import json
import logging
import os
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from trial_clock import Clock

CONN_ID = "pagerduty_events_default"
KEY = "0123456789abcdefghijklmnopqrstuv"
#: Modules that are imported once for all processes.
PRELOADED = (
    "airflow.models.taskinstance",  # which Airflow 2 brings for the first connection that is looked up
    "anyio._backends._asyncio",
    "airflow_provider_pagerduty.hooks.once",
    "airflow_provider_pagerduty.hooks.pagerduty_events_async",
    "airflow_provider_pagerduty.hooks.async_sender",
    "airflow_provider_pagerduty.hooks.sender",
    "airflow_provider_pagerduty.notifications.dispatch",
    "airflow_provider_pagerduty.outbox.relay",
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process works.

    :param clock: the clock's file.
    :param send_timeout: of the hook, in real seconds.
    :param log: the file that it logs to.
    """

    outbox: str
    pagerduty: str
    clock: Path
    send_timeout: float = 0.5
    log: Path | None = None


def work(place, answer, function, arguments):
    """Do something in a process of its own, and say what came of it."""
    signal.alarm(100)  # nobody stays behind, whatever happens to the test
    clock = _settle(place)
    try:
        result = function(clock, *arguments)
    except BaseException as error:
        answer.send((False, f"{type(error).__name__}: {error}"))
        raise
    answer.send((True, result))


def _settle(place):
    os.environ.update(
        {
            "AIRFLOW__PAGERDUTY__OUTBOX": place.outbox,
            "AIRFLOW__PAGERDUTY__SEND_TIMEOUT": str(place.send_timeout),
            f"AIRFLOW_CONN_{CONN_ID.upper()}": json.dumps(
                {"conn_type": "pagerduty_events", "password": KEY, "host": place.pagerduty}
            ),
        }
    )
    clock = Clock(place.clock)
    logging.getLogger().handlers[:] = []
    ours = logging.getLogger("airflow_provider_pagerduty")
    ours.handlers[:] = [logging.FileHandler(place.log) if place.log else logging.NullHandler()]
    ours.propagate, ours.disabled = False, False
    return clock


def store_at(url, clock):
    """Return the outbox of a trial."""
    from airflow_provider_pagerduty.outbox.database import Database
    from airflow_provider_pagerduty.outbox.store import Store

    return Store(Database(url), clock)


def _here(clock):
    return store_at(os.environ["AIRFLOW__PAGERDUTY__OUTBOX"], clock)


# Airflow's workers


def say(clock, said, every=0.0, *, in_a_loop=False, dies=None):
    """Send events as callbacks do, one after the other.

    :param every: seconds from one to the next.
    :param in_a_loop: whether to do it as the triggerer does, in an event loop.
    :param dies: the step of ``STEPS`` at which to be killed.
    :return: what was said to the user of those that could be neither delivered nor kept, by their summary.
    """
    from airflow_provider_pagerduty.exceptions import DeliveryFailed

    if dies is not None:
        STEPS[dies]()
    errors, at = {}, clock.true()
    for each in said:
        try:
            if in_a_loop:
                asyncio.run(_send_async(clock, each))
            else:
                _send(clock, each)
        except DeliveryFailed as error:
            errors[each.summary] = str(error)
        at += every
        if every:
            clock.be_at_least(at)
    return errors


def _send(clock, said):
    from airflow_provider_pagerduty.hooks.once import send_once
    from airflow_provider_pagerduty.hooks.pagerduty_events import PagerdutyEventsHook
    from airflow_provider_pagerduty.notifications.dispatch import Dispatch, dispatch

    way = Dispatch(said.event(), CONN_ID, send_once, clock)
    dispatch(lambda: PagerdutyEventsHook(pagerduty_events_conn_id=CONN_ID), way)


async def _send_async(clock, said):
    from airflow_provider_pagerduty.hooks.once import send_once
    from airflow_provider_pagerduty.hooks.pagerduty_events import PagerdutyEventsAsyncHook
    from airflow_provider_pagerduty.notifications.dispatch import Dispatch, dispatch_async

    way = Dispatch(said.event(), CONN_ID, send_once, clock)
    await dispatch_async(lambda: PagerdutyEventsAsyncHook(pagerduty_events_conn_id=CONN_ID), way)


class Terminated(BaseException):
    """As Airflow raises at a SIGTERM: no Exception."""


def say_until_terminated(clock, said):
    """Send an event, and be stopped as Airflow stops a task."""

    def stop(*_):
        raise Terminated

    signal.signal(signal.SIGTERM, stop)
    try:
        _send(clock, said)
    except Terminated:
        return "Terminated"
    return "done"


def say_and_time_the_row(clock, said):
    """Send an event; return the seconds from the callback's start until it was safe in the outbox."""
    from airflow_provider_pagerduty.outbox.store import Store

    kept_at, keep = [], Store.keep

    def timed(self, *args, **kwargs):
        kept = keep(self, *args, **kwargs)
        kept_at.append(time.monotonic())
        return kept

    Store.keep = timed
    started = time.monotonic()
    _send(clock, said)
    return kept_at[0] - started


# Relays


def relay(clock, *, dies=None, passes=60):
    """Look in each minute until nothing is pending; return what each pass came to.

    :param dies: the step of ``STEPS`` at which to be killed.
    """
    from airflow_provider_pagerduty.hooks.once import send_once
    from airflow_provider_pagerduty.outbox.relay import Relay

    if dies is not None:
        STEPS[dies]()
    store = _here(clock)
    relay, reports = Relay(store, send_once, clock=clock, sleep=clock.advance), []
    for _ in range(passes):
        next_minute = clock.true() + 60
        report = relay.drain()
        reports.append((report.delivered, report.failed, report.expired, report.rejected))
        if store.counts()["pending"] == 0:
            return reports
        clock.be_at_least(next_minute)
    raise AssertionError(
        f"after {passes} passes there are still {store.counts()}: {store.find(['pending'])[:3]}"
    )


def relay_and_time(clock):
    """Look in until nothing is pending; return the seconds that it really took."""
    begun = time.monotonic()
    relay(clock)
    return time.monotonic() - begun


def relay_beside_others(clock, log, seconds, seed, slow):
    """Drain beside other relays, without the limit of pace; note from when to when each event was in hand.

    :param seconds: how long, in real ones.
    :param slow: by how many seconds this machine's clock is behind.
    """
    from airflow_provider_pagerduty.hooks.once import send_once
    from airflow_provider_pagerduty.outbox import relay as module

    module.PER_MINUTE = 10**9
    chance = random.Random(seed)

    def machine():
        return clock() - slow

    store = store_at(os.environ["AIRFLOW__PAGERDUTY__OUTBOX"], machine)
    with Path(log).open("w") as notes:

        def send(conn_id, event, budget):
            begun = time.monotonic_ns()
            try:
                send_once(conn_id, event, budget)
                time.sleep(chance.random() / 500)
            finally:
                number = event["payload"]["custom_details"]["number"]
                notes.write(json.dumps([event["dedup_key"], number, begun, time.monotonic_ns()]) + "\n")

        relay = module.Relay(store, send, clock=machine)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            relay.drain(seconds=20)
            if store.counts()["pending"] == 0:
                return
            time.sleep(0.02)


def keep_at_once(clock, barrier_at, keys, name):
    """Keep an event of each key at the same moments as others do."""
    store = _here(clock)
    for number, key in enumerate(keys):
        moment = barrier_at + number * 0.03
        while time.monotonic() < moment:
            pass
        action = "resolve" if int(name) % 2 else "trigger"
        store.keep(
            CONN_ID,
            {
                "event_action": action,
                "dedup_key": key,
                "payload": {"summary": name, "severity": "error", "source": "trial"},
            },
        )


# Steps at which a process is killed


def _die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def _before(owner, name):
    setattr(owner, name, _die)


def _after(owner, name):
    original = getattr(owner, name)

    def call_and_die(*args, **kwargs):
        original(*args, **kwargs)
        _die()

    setattr(owner, name, call_and_die)


def _sender():
    from airflow_provider_pagerduty.hooks.sender import Sender

    return Sender


def _store():
    from airflow_provider_pagerduty.outbox.store import Store

    return Store


def _while_writing():
    from airflow_provider_pagerduty.outbox.database import Database

    keep, run = _store().keep, Database.run

    def keep_and_die(self, *args, **kwargs):
        Database.run = lambda database, work, **options: run(
            database, lambda connection: (work(connection), _die()), **options
        )
        return keep(self, *args, **kwargs)

    _store().keep = keep_and_die


STEPS = {
    "before the first try": lambda: _before(_sender(), "request"),
    "during the first try, once it was stored": lambda: _after(_sender(), "request"),
    "while the row is written": _while_writing,
    "after the row": lambda: _after(_store(), "keep"),
    "after the send, before the mark": lambda: _before(_store(), "delivered"),
    "after the mark": lambda: _after(_store(), "delivered"),
    "before the lease is given back": lambda: _before(_store(), "put_back"),
    "after the claim": lambda: _after(_store(), "claim"),
}
