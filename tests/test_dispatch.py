"""A notifier's event gets out or is kept: what it costs, what is said, and what is never lost."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from airflow_provider_pagerduty.exceptions import DeliveryFailed, EventRejected
from airflow_provider_pagerduty.notifications.dispatch import Dispatch
from airflow_provider_pagerduty.notifications.pagerduty import PagerdutyNotifier
from airflow_provider_pagerduty.outbox.database import Database
from airflow_provider_pagerduty.outbox.store import Store
from airflow_provider_pagerduty.sandbox.fault import Fault

sys.path.append(str(Path(__file__).parent))  # not done by pytest in importlib mode
from airflow_contexts import make_dag, task_context

KEY = "0123456789abcdefghijklmnopqrstuv"


@pytest.fixture
def outbox(outbox_file):
    return Store(Database(f"sqlite:///{outbox_file}"))


@pytest.fixture(params=["sync", "async"])
def page(request, past):
    """Return a function that lets a notifier page, as a callback and from an event loop."""

    def page(key="k", action="trigger", **arguments):
        notifier = PagerdutyNotifier(dedup_key=key, action=action, **arguments)
        context = task_context(make_dag())
        if request.param == "sync":
            notifier.notify(context)
        else:
            asyncio.run(notifier.async_notify(context))

    return page


@pytest.fixture
def down(connections, configure):
    """Let PagerDuty be down until the returned function is called."""
    configure(send_timeout=0.3)
    connections.faults.add(Fault(kind="status", status=503))

    def up():
        connections.faults.clear()

    return up


@contextmanager
def interrupted_after(seconds):
    """Raise what a Ctrl-C raises in this thread, as Airflow's timeout does by its alarm."""
    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def actions(sandbox):
    return [event.body["event_action"] for event in sandbox.pagerduty.events]


def test_what_gets_through_leaves_no_trace(page, connections, outbox_file):
    page()
    assert actions(connections) == ["trigger"]
    assert not outbox_file.exists()


def test_while_nothing_waits_the_outbox_costs_no_import(outbox, connections):
    """SQLAlchemy alone takes longer to import than a page takes to send."""
    outbox.keep("pagerduty_events_default", {"event_action": "resolve", "dedup_key": "k", "payload": {}})
    outbox.delivered(outbox.claim("pagerduty_events_default"))
    code = (
        "import sys, time; from airflow_provider_pagerduty.notifications.dispatch import Dispatch\n"
        "way = Dispatch({'dedup_key': 'k'}, 'pd', None)\n"
        "assert not way.goes_behind()\n"
        "way.arrived()\n"
        "print('airflow_provider_pagerduty.outbox.database' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip().endswith("False")


def test_what_does_not_is_kept_and_said_once(page, down, outbox, outbox_file, caplog):
    page()
    (kept,) = outbox.find()
    assert (kept.state, kept.conn_id, kept.dedup_key) == ("pending", "pagerduty_events_default", "k")
    assert kept.tries >= 1
    assert "503" in kept.last_error
    assert KEY not in str(kept)
    said = [record.getMessage() for record in caplog.records if "is kept in the outbox" in record.getMessage()]
    assert len(said) == 1
    assert str(outbox_file) in said[0]
    assert "no relay has ever looked in" in said[0]


def test_the_next_ones_are_kept_at_once_at_next_to_no_cost(page, down, outbox, connections):
    page("first")
    outbox.look_in()
    started = time.monotonic()
    for number in range(5):
        page(f"key {number}")
    assert time.monotonic() - started < 0.3  # of which one alone would take that if it was tried
    assert outbox.counts()["pending"] == 6


def test_all_arrive_in_the_end_in_their_order(page, down, outbox, connections):
    page("k", "trigger")
    page("k", "resolve")
    page("k", "trigger")
    page("k", "trigger")
    down()
    outbox.retry(outbox.find()[-1].id)
    from airflow_provider_pagerduty.hooks.once import send_once
    from airflow_provider_pagerduty.outbox.relay import Relay

    clock = [time.time() + 400]
    relay = Relay(Store(Database(f"sqlite:///{outbox}"), lambda: clock[0]), send_once, clock=lambda: clock[0])
    assert relay.drain().delivered == 3
    assert actions(connections) == ["trigger", "resolve", "trigger"]
    assert [incident.status for incident in connections.pagerduty.incidents] == ["resolved", "triggered"]


def test_one_event_that_fails_by_itself_holds_no_other_alert_up(page, down, outbox, connections):
    page("fails")
    down()
    outbox.succeeded("pagerduty_events_default")  # as a relay notes that gets another one through
    page("another")
    assert connections.pagerduty.events[0].dedup_key == "another"


def test_a_success_after_a_failure_takes_others_along(page, connections, configure, outbox):
    configure(send_timeout=5)
    outbox.keep(
        "pagerduty_default",
        {
            "event_action": "trigger",
            "dedup_key": "old",
            "payload": {"summary": "old", "severity": "error", "source": "x"},
        },
    )
    connections.faults.add(Fault(kind="status", status=503, times=1))
    page()
    assert outbox.counts() == {"pending": 0, "delivered": 2, "rejected": 0, "expired": 0}
    assert len(connections.pagerduty.incidents) == 2


def test_what_pagerduty_refuses_is_kept_as_rejected_and_raised(page, connections, outbox):
    connections.faults.add(Fault(kind="status", status=400))
    with pytest.raises(EventRejected):
        page()
    (kept,) = outbox.find(["rejected"])
    assert kept.last_error


def test_a_connection_that_is_not_there_yet_costs_no_page(page, outbox, monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_PAGERDUTY_EVENTS_DEFAULT", raising=False)
    page(pagerduty_events_conn_id="not_there_yet")
    (kept,) = outbox.find()
    assert kept.conn_id == "not_there_yet"


class TestAnInterruptedSend:
    def test_in_its_first_try_keeps_the_event(self, page, connections, configure, outbox):
        configure(send_timeout=20)
        connections.faults.add(Fault(kind="slow", delay=30))
        connections.faults.add(Fault(kind="refuse", when="before"))
        with interrupted_after(0.5), pytest.raises(KeyboardInterrupt):
            page()
        (kept,) = outbox.find(["pending"])
        assert kept.lease is None

    def test_in_a_later_one_gives_its_lease_back(self, page, connections, configure, outbox):
        configure(send_timeout=20)
        connections.faults.add(Fault(kind="status", status=503))
        with interrupted_after(1.0), pytest.raises(KeyboardInterrupt):
            page()
        (kept,) = outbox.find(["pending"])
        assert kept.lease is None
        assert outbox.claim("pagerduty_events_default") is not None


def test_a_sender_that_lost_its_lease_sends_no_more(past, connections, outbox):
    """Another one has sent it meanwhile, and the resolve that came after it."""
    way = Dispatch({"event_action": "trigger", "dedup_key": "k", "payload": {}}, "pd", None)
    assert way.keep("no answer")
    assert way.keep("no answer")
    (kept,) = outbox.find()
    assert outbox.delivered(kept)
    assert not way.keep("no answer")


class TestWhatCannotBeKept:
    def test_with_a_key_of_its_own_is_an_error_that_says_so(self, page, configure, outbox_file):
        configure(base_url="http://127.0.0.1:9", send_timeout=0.3)
        with pytest.raises(DeliveryFailed, match="not kept for later: it has an integration_key of its own"):
            page(integration_key=KEY)
        assert not outbox_file.exists()

    def test_where_there_is_no_outbox_is_an_error_that_says_so(self, page, down, configure):
        configure(outbox="none")
        with pytest.raises(DeliveryFailed, match="not kept for later: .pagerduty. outbox is none"):
            page()

    def test_where_the_outbox_is_not_to_be_had_still_tries_and_says_so(
        self, page, connections, configure, tmp_path
    ):
        (tmp_path / "file").write_text("")
        configure(outbox=f"sqlite:///{tmp_path}/file/outbox.db", send_timeout=0.5)
        page()
        assert actions(connections) == ["trigger"]
        connections.faults.add(Fault(kind="status", status=503))
        with pytest.raises(DeliveryFailed, match="not kept for later: the outbox .* cannot be used"):
            page()

    def test_an_outbox_url_that_is_none_costs_no_page(self, page, connections, configure, caplog):
        configure(outbox="postgres//hunter-two")
        page()
        assert actions(connections) == ["trigger"]
        assert "hunter-two" not in caplog.text


class TestWithoutARelay:
    @pytest.fixture
    def let_time_pass(self, outbox_file):
        """Return a function after which all that waits for a time has waited long enough."""

        def let_time_pass():
            with sqlite3.connect(outbox_file) as rows:
                rows.execute("UPDATE pagerduty_outbox SET due_at = due_at - 400")
                rows.execute("UPDATE pagerduty_outbox_circuit SET try_again_at = try_again_at - 400")
            rows.close()

        return let_time_pass

    def test_a_single_callback_of_a_backoff_step_tries_again(
        self, page, down, outbox, connections, let_time_pass
    ):
        page("first")
        down()
        page("second")
        assert actions(connections) == []  # too early
        let_time_pass()
        page("third")
        assert len(actions(connections)) == 3
        assert outbox.counts()["pending"] == 0

    def test_while_a_relay_looks_in_no_callback_does(self, page, down, outbox, connections, let_time_pass):
        page("first")
        down()
        let_time_pass()
        outbox.look_in()
        page("second")
        assert actions(connections) == []

    def test_it_costs_two_seconds_at_most(self, page, down, connections, let_time_pass):
        page("first")
        down()
        connections.faults.add(Fault(kind="slow", delay=30))
        let_time_pass()
        started = time.monotonic()
        page("second")
        assert time.monotonic() - started < 3
