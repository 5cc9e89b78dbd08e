"""What the outbox costs, in bytes and in time; and how long the window is in which a SIGKILL loses an event."""

import json
import logging
import os
import statistics
import time

import pytest
import trial_workers
from trial_events import Said
from trial_world import EVENT, fill, timed

from airflow_provider_pagerduty.hooks.once import send_once
from airflow_provider_pagerduty.notifications import dispatch

#: Seconds. What so many rows may add to a failing task's callback.
MORE = 0.010


def a_way(world, key, conn_id=trial_workers.CONN_ID):
    return dispatch.Dispatch({**EVENT, "dedup_key": key}, conn_id, send_once, world.clock)


@pytest.fixture
def here(monkeypatch, caplog):
    """Return a function that lets this process work in a world."""

    def go(world):
        monkeypatch.setenv("AIRFLOW__PAGERDUTY__OUTBOX", world.place.outbox)
        settings = {
            "conn_type": "pagerduty_events",
            "password": trial_workers.KEY,
            "host": world.place.pagerduty,
        }
        monkeypatch.setenv(f"AIRFLOW_CONN_{trial_workers.CONN_ID.upper()}", json.dumps(settings))
        caplog.set_level(logging.ERROR)

    return go


@pytest.mark.slow  # it goes by the clock, and wants a machine to itself
def test_100_000_pending_rows_do_not_slow_a_callback(on_disk, here, monkeypatch, tmp_path):
    here(on_disk)
    urls = {rows: f"sqlite:///{tmp_path / f'{rows}.db'}" for rows in (100, 100_000)}
    for rows, url in urls.items():
        store = trial_workers.store_at(url, on_disk.clock)
        store.look_in()
        fill(store._database.path, rows, trial_workers.CONN_ID, on_disk.clock())
        store.failed(trial_workers.CONN_ID)
    os.sync()  # what was filled in is not to be written while the clock runs
    taken = {rows: [] for rows in urls}
    # In turns, so that whatever else the machine does slows both.
    for number in range(40):
        for rows, url in urls.items():
            monkeypatch.setenv("AIRFLOW__PAGERDUTY__OUTBOX", url)
            way = a_way(on_disk, f"new-{number}")
            begun = time.perf_counter()
            assert way.goes_behind()
            taken[rows].append(time.perf_counter() - begun)
    cost = {rows: statistics.median(each) for rows, each in taken.items()}
    assert cost[100_000] - cost[100] < MORE
    on_disk.measured(
        **{
            "a callback that keeps its event behind 100 that wait": f"{cost[100] * 1000:.0f} ms",
            "behind 100,000": f"{cost[100_000] * 1000:.0f} ms",
        }
    )


@pytest.mark.slow  # it goes by the clock, and wants a machine to itself
def test_100_000_rows_of_other_connections_do_not_slow_a_first_try(on_disk, here):
    here(on_disk)
    store, cost = on_disk.store, {}
    store.look_in()
    store.keep("other", {**EVENT, "dedup_key": "one"})
    cost[1] = timed(lambda: a_way(on_disk, "key").goes_behind() and pytest.fail("kept"))
    fill(store._database.path, 100_000, "other", on_disk.clock())
    cost[100_000] = timed(lambda: a_way(on_disk, "key").goes_behind() and pytest.fail("kept"))
    assert cost[100_000] - cost[1] < MORE
    on_disk.measured(
        **{"what a first try asks before, with 100,000 of another connection": f"{cost[100_000] * 1000:.1f} ms"}
    )


def test_an_event_takes_about_two_kilobytes(on_disk):
    store = on_disk.store
    store.look_in()
    length = fill(store._database.path, 5_000, trial_workers.CONN_ID, on_disk.clock())
    each = store._database.path.stat().st_size / 5_000
    assert length < each < length + 1_000
    on_disk.measured(
        **{"an event of the notifier's own, in the file": f"{each:,.0f} bytes, {length:,} of them JSON"}
    )


@pytest.mark.parametrize("place", ["on_disk", "on_postgres"])
def test_a_relay_is_faster_than_pagerduty_allows(place, request):
    world = request.getfixturevalue(place)
    request.node.funcargs[place] = world  # so that what is measured is kept
    events = 90
    for number in range(events):
        world.store.keep(trial_workers.CONN_ID, {**EVENT, "dedup_key": f"key-{number}"})
    rate = events / world.start(trial_workers.relay_and_time).result()
    assert len(world.pagerduty.events) == events
    assert rate > 100 / 60
    world.measured(**{"a relay, were PagerDuty's limit not": f"{rate:.0f} events/s"})


#: What PagerDuty does, and the seconds after which the event is safe where `send_timeout` is 10.
SILENCE = {
    "an error": ({"kind": "status", "status": 503, "times": 1}, 0.5, "which answers with an error"),
    "silence": ({"kind": "slow", "delay": 20.0}, 5.5, "which accepts, and says nothing"),
}


@pytest.mark.parametrize("what", ["an error", pytest.param("silence", marks=pytest.mark.slow)])
def test_the_window_is_the_first_attempt(on_disk, what):
    fault, longest, words = SILENCE[what]
    with on_disk.fault(**fault):
        job = on_disk.start(trial_workers.say_and_time_the_row, Said("window", 0, "trigger"), send_timeout=10)
        seconds = job.result()
    assert seconds < longest
    on_disk.measured(**{f"until an event is safe, under a PagerDuty {words}": f"{seconds:.2f} s"})
