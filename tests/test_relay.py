"""Later delivery: order, patience, pace, and what a late event says."""

import time

import pytest

from airflow_provider_pagerduty.exceptions import DeliveryFailed, EventRejected
from airflow_provider_pagerduty.hooks.once import send_once
from airflow_provider_pagerduty.outbox.database import Database
from airflow_provider_pagerduty.outbox.relay import FAILURES_IN_A_ROW, LATE, PER_MINUTE, Relay
from airflow_provider_pagerduty.outbox.store import Store

CONN = "pagerduty_events_default"


class Clock:
    def __init__(self):
        self.now = time.time()

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def outbox(outbox_file, clock):
    return Store(Database(f"sqlite:///{outbox_file}"), clock)


def event(action="trigger", key="k", summary="boom", **payload):
    body = {"summary": summary, "severity": "error", "source": "airflow", **payload}
    return {"event_action": action, "dedup_key": key, "payload": body}


@pytest.fixture
def drain(outbox, clock):
    def drain(send=send_once, **arguments):
        return Relay(outbox, send, clock=clock, sleep=clock.sleep).drain(**{"seconds": 50} | arguments)

    return drain


class Sends:
    """A PagerDuty that says what it is told to, and notes what it got."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.got = []

    def __call__(self, conn_id, event, seconds):
        self.got.append((conn_id, event["dedup_key"], event["event_action"]))
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer


DOWN = DeliveryFailed("no answer", 1, 0.1)


def test_what_is_kept_arrives_in_order_at_a_real_server(outbox, drain, connections):
    for action in ("trigger", "acknowledge", "resolve"):
        outbox.keep(CONN, event(action))
    report = drain()
    assert (report.delivered, report.failed) == (3, 0)
    actions = [each.body["event_action"] for each in connections.pagerduty.events]
    assert actions == ["trigger", "acknowledge", "resolve"]
    assert connections.pagerduty.incidents[0].status == "resolved"
    assert outbox.counts()["pending"] == 0


class TestALateEvent:
    def test_carries_its_original_time_and_says_how_late_it_is(self, outbox, drain, connections, clock):
        outbox.keep(CONN, event(timestamp="2026-08-01T12:00:00+00:00", custom_details={"dag": "orders"}))
        outbox.keep(CONN, event(timestamp="2026-08-01T12:01:00+00:00", custom_details={"dag": "orders"}))
        clock.now += 12 * 60
        drain()
        payload = connections.pagerduty.events[0].body["payload"]
        assert payload["timestamp"] == "2026-08-01T12:01:00+00:00"
        assert payload["custom_details"] == {
            LATE: "12 min late, as PagerDuty could not be reached; it stands for 2 events",
            "dag": "orders",
        }

    @pytest.mark.parametrize("details", [None, "as text"])
    def test_without_a_time_of_its_own_has_that_of_its_keeping(
        self, outbox, drain, connections, clock, details
    ):
        outbox.keep(CONN, event(**({} if details is None else {"custom_details": details})))
        kept_at = clock.now
        clock.now += 60
        drain()
        payload = connections.pagerduty.events[0].body["payload"]
        assert payload["timestamp"].startswith(time.strftime("%Y-%m-%dT%H:%M", time.gmtime(kept_at)))
        assert payload["custom_details"].get("details") == details

    def test_too_old_to_be_of_use_expires_and_is_not_lost_sight_of(
        self, outbox, drain, clock, configure, caplog
    ):
        configure(outbox_max_age=2)
        outbox.keep(CONN, event())
        clock.now += 2 * 3600 + 1
        sends = Sends()
        assert drain(sends).expired == 1
        assert sends.got == []
        (kept,) = outbox.find(["expired"])
        assert kept.last_error == "not delivered within 2 h"
        assert "is expired, undelivered" in caplog.text

    def test_that_still_happens_is_never_too_old(self, outbox, drain, clock, configure):
        configure(outbox_max_age=2)
        outbox.keep("pd", event())
        clock.now += 3 * 3600
        outbox.keep("pd", event(summary="and again"))
        assert drain(Sends()).delivered == 1


class TestPatience:
    def test_a_connection_that_is_down_is_left_alone_after_two_tries(self, outbox, drain, clock):
        for key in "abcdef":
            outbox.keep("pd", event(key=key))
        sends = Sends(*[DOWN] * 10)
        assert drain(sends).failed == FAILURES_IN_A_ROW == len(sends.got)
        assert drain(sends).failed == 0
        clock.now += 300
        assert drain(sends).failed == FAILURES_IN_A_ROW

    def test_an_event_that_fails_by_itself_holds_no_other_up(self, outbox, drain):
        for key in "abcdef":
            outbox.keep("pd", event(key=key))
        sends = Sends(DOWN)
        report = drain(sends)
        assert (report.delivered, report.failed) == (5, 1)

    def test_when_pagerduty_says_when_to_come_back_nobody_comes_earlier(self, outbox, drain, clock):
        for key in "ab":
            outbox.keep("pd", event(key=key))
        sends = Sends(DeliveryFailed("HTTP 429", 1, 0.1, 120.0))
        assert drain(sends).failed == 1 == len(sends.got)
        clock.now += 119
        assert drain(sends).delivered == 0
        clock.now += 1
        assert drain(sends).delivered == 2

    def test_a_connection_that_is_not_there_now_is_waited_for(self, outbox, drain, clock, connect, sandbox):
        outbox.keep("pd", event())
        report = drain()
        assert report.failed == 1
        assert "isn't defined" in report.errors[0] or "not found" in report.errors[0]
        connect("pd", conn_type="pagerduty_events", password="k" * 32, host=sandbox.url)
        clock.now += 300
        assert drain().delivered == 1

    def test_what_pagerduty_refuses_is_kept_as_rejected_with_its_reasons(self, outbox, drain):
        outbox.keep("pd", event())
        assert drain(Sends(EventRejected(["'summary' is missing"]))).rejected == 1
        (kept,) = outbox.find(["rejected"])
        assert kept.last_error == "'summary' is missing"

    def test_one_connection_that_is_down_does_not_hold_up_another(self, outbox, drain):
        for conn_id in ("down", "up"):
            for key in "abc":
                outbox.keep(conn_id, event(key=key))

        def send(conn_id, event, seconds):
            if conn_id == "down":
                raise DOWN

        report = drain(send)
        assert (report.delivered, report.failed) == (3, FAILURES_IN_A_ROW)


class TestPace:
    def test_no_more_than_a_hundred_a_minute_go_out_of_a_connection(self, outbox, drain, clock):
        for number in range(PER_MINUTE + 50):
            outbox.keep("pd", event(key=str(number)))
        sends, started = Sends(), clock.now
        assert drain(sends, seconds=50).delivered == PER_MINUTE
        assert clock.now < started + 60
        assert drain(sends, seconds=5).delivered == 0
        assert drain(sends, seconds=100).delivered == 50
        assert started + 60 <= clock.now < started + 62

    def test_another_relay_goes_by_what_the_first_has_sent(self, outbox, drain, clock, outbox_file):
        for number in range(PER_MINUTE + 50):
            outbox.keep("pd", event(key=str(number)))
        assert drain(Sends(), seconds=50).delivered == PER_MINUTE
        other = Relay(
            Store(Database(f"sqlite:///{outbox_file}"), clock), Sends(), clock=clock, sleep=clock.sleep
        )
        assert other.drain(seconds=5).delivered == 0

    def test_nobody_waits_for_the_pace_where_nothing_is_due(self, outbox, drain, clock):
        for number in range(PER_MINUTE):
            outbox.keep("pd", event(key=str(number)))
        started = clock.now
        assert drain(Sends(), seconds=500).delivered == PER_MINUTE
        assert clock.now == started

    def test_a_pass_ends_when_its_time_is_up(self, outbox, drain, clock):
        for number in range(20):
            outbox.keep("pd", event(key=str(number)))

        def slow(conn_id, event, seconds):
            clock.now += 9

        assert drain(slow, seconds=50).delivered == 6


def test_each_pass_leaves_word_that_it_was_here(outbox, drain, clock):
    drain()
    assert outbox.last_look_in() == clock.now


def test_progress_is_told_event_by_event(outbox, drain):
    for key in "abc":
        outbox.keep("pd", event(key=key))
    seen = []
    drain(Sends(), on_progress=lambda report: seen.append(report.delivered))
    assert seen == [1, 2, 3]


class TestTheRelaysDag:
    def test_runs_each_minute_once_at_a_time_from_the_start_on(self):
        from airflow_provider_pagerduty.relay_dag import relay_dag

        dag = relay_dag()
        assert dag.dag_id == "pagerduty_outbox_relay"
        assert (dag.max_active_runs, dag.catchup, dag.is_paused_upon_creation) == (1, False, False)
        assert dag.dagrun_timeout.total_seconds() == 300
        assert dag.task_ids == ["deliver"]
        assert relay_dag("mine", max_active_runs=2, tags=["x"]).max_active_runs == 2

    def test_its_task_delivers_what_waits(self, connections, outbox_file):
        from airflow_provider_pagerduty.relay_dag import deliver

        Store(Database(f"sqlite:///{outbox_file}")).keep(CONN, event())
        assert deliver() == {"delivered": 1, "rejected": 0, "expired": 0, "failed": 0}
        assert len(connections.pagerduty.incidents) == 1

    def test_its_task_says_that_there_is_no_outbox(self, configure, caplog):
        from airflow_provider_pagerduty.relay_dag import deliver

        configure(outbox="none")
        assert deliver()["delivered"] == 0
        assert "nothing to deliver" in caplog.text
