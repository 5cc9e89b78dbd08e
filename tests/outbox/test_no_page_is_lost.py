"""No page is lost: what PagerDuty shows in the end, after all that can go wrong between a task and it.

Real processes, real HTTP, real databases; only time is pushed on. The table in docs/outbox-trials.md comes from
here: ``OUTBOX_RESULTS=1`` writes it anew.
"""

import contextlib
import itertools
import json
import random
import signal
import socket
import threading
import time

import pytest
import trial_workers
from trial_events import Said, conversation

trial = pytest.mark.trial
MINUTE = 60.0


@trial("PagerDuty gone for 10 minutes, under 8 processes")
@pytest.mark.parametrize("on_each", ["SQLite", pytest.param("Postgres", marks=pytest.mark.slow)], indirect=True)
def test_an_outage_of_ten_minutes_loses_nothing(on_each):
    said = conversation(200, 10, seed=1)
    begun = on_each.clock.true()
    with on_each.fault(kind="refuse"):
        errors = on_each.say(said, every=10 * MINUTE / (len(said) / 8))
    assert on_each.clock.true() - begun >= 10 * MINUTE
    assert errors == {}
    assert on_each.pagerduty.events == []
    passes = on_each.drain()
    minutes = (on_each.clock.true() - begun) / 60 - 10
    rows = sum(delivered for delivered, *_ in passes)
    on_each.judge(
        said, note=f"{rows:,} rows after folding; all delivered {minutes:.0f} min after PagerDuty was back"
    )


@trial("429 for minutes: 120 a minute are taken, 240 come")
def test_a_rate_limit_loses_nothing(on_each):
    said = conversation(24 if on_each.is_postgres else 60, 10, seed=2)
    on_each.pagerduty.rate_limit = 120
    assert on_each.say(said, every=MINUTE / 30) == {}
    assert on_each.store.counts()["pending"] > 0, "nothing was limited"
    on_each.drain()
    on_each.judge(said)


@trial("5xx half of the time")
def test_errors_half_of_the_time_lose_nothing(on_each):
    said = conversation(16 if on_each.is_postgres else 40, 6, seed=3)
    with _half_of_the_time(on_each):
        assert on_each.say(said, every=1.0) == {}
    assert sum(on_each.store.counts().values()) > 0, "nothing ever failed"
    on_each.drain()
    on_each.judge(said)


@trial("connection cut after the event was stored")
def test_a_lost_answer_opens_no_second_alert(on_each):
    said = conversation(20, 6, seed=4)
    half = len(said) // 2
    with on_each.fault(kind="refuse", when="after", times=40):
        assert on_each.say(said[:half]) == {}
    assert on_each.say(said[half:]) == {}
    on_each.drain()
    verdict = on_each.judge(said)
    assert verdict.repeated > 0, "no answer was lost"


#: Steps, and whether an event is lost with the worker; what goes wrong; how often.
KILLS = {
    "before the first try": (True, {}),
    "during the first try, once it was stored": (False, {}),
    "while the row is written": (True, {"kind": "status", "status": 503}),
    "after the row": (False, {"kind": "status", "status": 503}),
    "after the send, before the mark": (False, {"kind": "status", "status": 503, "times": 1}),
    "after the mark": (False, {"kind": "status", "status": 503, "times": 1}),
    "before the lease is given back": (False, {"kind": "status", "status": 503}),
}


@trial("worker SIGKILLed at each step of a send")
def test_a_killed_worker_loses_nothing_but_in_its_first_try(on_each):
    everything, gone = [], []
    for number, (step, (is_lost, fault)) in enumerate(KILLS.items()):
        for first, action, then in (("trigger", "resolve", "trigger"), ("resolve", "trigger", "resolve")):
            key = f"step-{number}-{action}"
            before, victim, after = (Said(key, *each) for each in enumerate((first, action, then)))
            assert on_each.say([before], at_once=1) == {}
            with on_each.fault(**fault) if fault else contextlib.nullcontext():
                on_each.say_and_die([victim], step)
            assert on_each.say([after], at_once=1) == {}
            everything += [before, victim, after]
            gone += [victim] if is_lost else []
            on_each.drain()
    on_each.judge(everything, gone, note=f"{len(KILLS)} steps; {len(gone)} events gone in the window")


@trial("relay SIGKILLed while it drains, at each step")
def test_a_killed_relay_leaves_nothing_behind(on_each):
    said = conversation(12, 6, seed=6)
    with on_each.fault(kind="refuse"):
        assert on_each.say(said) == {}
    steps = ("after the claim", "during the first try, once it was stored", "after the send, before the mark")
    for step in (*steps, "after the mark") * 2:
        on_each.clock.advance(5 * MINUTE)
        on_each.relay_and_die(step)
    on_each.drain()
    on_each.judge(said, note="8 relays killed")


@trial("worker terminated (SIGTERM) during its first try, which nobody answers")
def test_a_terminated_worker_keeps_its_event(on_each):
    trigger, resolve = Said("terminated", 0, "trigger"), Said("terminated", 1, "resolve")
    with socket.create_server(("127.0.0.1", 0)) as silence:
        silence.settimeout(10)
        url = f"http://127.0.0.1:{silence.getsockname()[1]}"
        job = on_each.start(trial_workers.say_until_terminated, trigger, pagerduty=url, send_timeout=10)
        connection, _ = silence.accept()
        with connection:
            job.send_signal(signal.SIGTERM)
            assert job.result() == "Terminated"
    assert on_each.say([resolve], at_once=1) == {}
    on_each.drain()
    on_each.judge([trigger, resolve])


@trial("worker stopped for longer than its lease, then let go on")
def test_a_worker_that_stood_still_opens_no_alert_again(on_each):
    trigger, resolve = Said("stopped", 0, "trigger"), Said("stopped", 1, "resolve")
    with on_each.fault(kind="status", status=503, headers={"Retry-After": "1"}):
        job = on_each.start(trial_workers.say, [trigger], send_timeout=2)
        _until(lambda: on_each.store.counts()["pending"])
    job.send_signal(signal.SIGSTOP)
    try:
        on_each.clock.advance(2 * MINUTE)
        assert on_each.say([resolve], at_once=1) == {}
        on_each.drain()
        time.sleep(2)  # what the worker may take is over, in real seconds
    finally:
        job.send_signal(signal.SIGCONT)
    assert job.result() == {}
    on_each.drain()
    on_each.judge([trigger, resolve])


@trial("8 relays at once, an error now and then, their clocks up to 3.5 s apart")
def test_relays_side_by_side_keep_the_order(on_each):
    said = conversation(30, 8, seed=9)
    with on_each.fault(kind="refuse"):
        assert on_each.say(said) == {}
    on_each.clock.advance(5 * MINUTE)
    on_each.store.succeeded(trial_workers.CONN_ID)  # else the first error has all of them wait for minutes
    logs = [on_each.folder / f"relay-{number}" for number in range(8)]
    with _time_passes(on_each), _now_and_then(on_each):
        jobs = [
            on_each.start(trial_workers.relay_beside_others, str(log), 6.0, number, number / 2)
            for number, log in enumerate(logs)
        ]
        for job in jobs:
            job.result()
    delivered = on_each.store.counts()["delivered"]
    assert delivered > 50, "they hardly met"
    _assert_one_at_a_time(logs)
    on_each.drain()
    on_each.judge(said, note=f"{delivered} rows by the eight at once, none of them by two")


def test_what_eight_keep_at_once_for_one_key_stands_in_one_row(on_each):
    import sqlalchemy as sa

    from airflow_provider_pagerduty.outbox.database import events

    keys = [f"key-{number}" for number in range(25)]
    on_each.store.look_in()
    start = time.monotonic() + 1.5
    jobs = [on_each.start(trial_workers.keep_at_once, start, keys, str(number)) for number in range(8)]
    for job in jobs:
        job.result()
    rows = sa.select(events.c.dedup_key, events.c.is_next, events.c.triggers).order_by(events.c.id)
    found = on_each.store._database.run(lambda connection: connection.execute(rows).all())
    for key in keys:
        of_key = [row for row in found if row.dedup_key == key]
        assert [row.is_next for row in of_key] == [True] + [False] * (len(of_key) - 1)
        assert sum(row.triggers for row in of_key) == 8


def _until(something, seconds=10):
    deadline = time.monotonic() + seconds
    while not something():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


@contextlib.contextmanager
def _half_of_the_time(world):
    """Let PagerDuty answer 5xx now, and take events then."""
    chance = random.Random(5)

    def turn(over):
        with world.fault(kind="status", status=chance.choice([500, 502, 503, 504])):
            over.wait(chance.uniform(0, 0.2))
        over.wait(chance.uniform(0, 0.2))

    with _again_and_again(turn):
        yield


@contextlib.contextmanager
def _now_and_then(world):
    """Let one request in a while end in an error: too few for the connection to be left alone for long."""

    def turn(over):
        with world.fault(kind="status", status=503, times=1):
            over.wait(0.3)

    with _again_and_again(turn):
        yield


@contextlib.contextmanager
def _time_passes(world):
    """Let time pass 20 times as fast: a lease of a minute lasts three seconds."""

    def turn(over):
        over.wait(0.05)
        world.clock.advance(1)

    with _again_and_again(turn):
        yield


@contextlib.contextmanager
def _again_and_again(turn):
    """Do something in turns, beside the block."""
    over = threading.Event()

    def work():
        while not over.is_set():
            turn(over)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _assert_one_at_a_time(logs):
    spans = sorted(
        (key, begun, ended, number)
        for log in logs
        for key, number, begun, ended in map(json.loads, log.read_text().splitlines())
    )
    assert len([log for log in logs if log.read_text()]) > 1, "one relay did it all"
    for (key, _, ended, number), (other, begun, _, later) in itertools.pairwise(spans):
        assert key != other or (begun >= ended and later >= number), (key, number, later)
