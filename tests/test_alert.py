"""What an alert says of each kind of context, on both Airflows."""

import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from airflow_provider_pagerduty import alert, deployment, exception_text
from airflow_provider_pagerduty.masking import mask
from airflow_provider_pagerduty.occasion import read
from airflow_provider_pagerduty.payload import prepare_event_data

sys.path.append(str(Path(__file__).parent))  # not done by pytest in importlib mode
from airflow_contexts import (
    ENDED,
    IS_AIRFLOW_2,
    NOON,
    deadline_context,
    make_dag,
    run_context,
    task_context,
)

THIS = "scheduled__noon"
LATER = NOON + timedelta(hours=1)
needs_airflow_3 = pytest.mark.skipif(IS_AIRFLOW_2, reason="of Airflow 3 only")


def raised(error):
    """Return an exception as a task raises it, with a traceback."""
    try:
        raise error  # noqa: TRY301
    except BaseException as caught:
        return caught


def said(context):
    return alert.describe(read(context), LATER)


def key(context, scope="always"):
    return read(context).dedup_key("production", scope)


@pytest.fixture(autouse=True)
def base_url(monkeypatch):
    section = "WEBSERVER" if IS_AIRFLOW_2 else "API"
    name = f"AIRFLOW__{section}__BASE_URL"
    monkeypatch.setenv(name, "https://airflow.example.com/")
    return lambda url: monkeypatch.setenv(name, url)


class TestAFailedTask:
    def test_says_all_that_people_on_call_read(self, past):
        dag = make_dag(tags=["finance", "daily"])
        error = raised(FileNotFoundError("orders.csv is not there yet\nask the warehouse"))
        event = said(task_context(dag, exception=error, try_number=3))
        trace = event["custom_details"].pop("traceback")
        assert event["custom_details"] == {
            "dag": "orders",
            "task": "load",
            "run": THIS,
            "logical date": "2026-08-01T12:00:00+00:00",
            "try": "3 of 4",
            "operator": "Load",
            "owner": "data team",
            "host": "worker-1",
            "exception": "FileNotFoundError: orders.csv is not there yet\nask the warehouse",
            "tags": "daily, finance",
        }
        assert "in raised" in trace
        assert trace.endswith("FileNotFoundError: orders.csv is not there yet")
        assert event["summary"] == "orders.load failed: FileNotFoundError: orders.csv is not there yet"
        assert event["class_type"] == "FileNotFoundError"
        assert (event["component"], event["group"], event["timestamp"]) == ("load", "orders", ENDED)
        assert event["client"] == "Apache Airflow"

    def test_leads_to_its_log_its_run_and_its_dag(self, past):
        event = said(task_context(make_dag()))
        home = "https://airflow.example.com/dags/orders"
        log, run = event["links"]
        assert (log["text"], run["text"]) == ("Task log", "DAG run")
        if IS_AIRFLOW_2:
            assert log["href"].startswith(f"{home}/grid?dag_run_id={THIS}&task_id=load&base_date=2026-08-01")
            assert run["href"] == f"{home}/grid?dag_run_id={THIS}"
            assert event["client_url"] == f"{home}/grid"
        else:
            assert log["href"] == f"{home}/runs/{THIS}/tasks/load?try_number=1"
            assert run["href"] == f"{home}/runs/{THIS}"
            assert event["client_url"] == home

    def test_of_a_run_id_with_a_plus_the_links_still_lead_there(self, past):
        run_id = "manual__2026-08-01T12:00:00+00:00"
        event = said(task_context(make_dag(), run_id=run_id))
        escaped = "manual__2026-08-01T12%3A00%3A00%2B00%3A00"
        assert all(escaped in link["href"] for link in event["links"])

    def test_that_is_mapped_names_its_index_and_shares_its_key(self, past):
        contexts = [task_context(make_dag(), map_index=index) for index in (0, 7)]
        assert [said(context)["custom_details"]["map index"] for context in contexts] == [0, 7]
        assert {key(context) for context in contexts} == {"production/orders/load"}

    def test_that_airflow_will_retry_says_so(self, past):
        event = said(task_context(make_dag(), state="up_for_retry", exception=raised(ValueError("no"))))
        assert event["summary"] == "orders.load failed and will be retried: ValueError: no"

    @pytest.mark.parametrize(
        ("exception", "summary"),
        [
            (None, "orders.load failed"),
            ("Killed by the system\nagain", "orders.load failed: Killed by the system"),
            (raised(KeyError("amount")), "orders.load failed: KeyError: 'amount'"),
            (raised(ValueError()), "orders.load failed: ValueError"),
            (raised(ValueError(" \n")), "orders.load failed: ValueError"),
            (raised(ValueError("\nfirst\r\nsecond")), "orders.load failed: ValueError: first"),
            (raised(SystemExit(3)), "orders.load failed: SystemExit: 3"),
        ],
        ids=["none", "text", "key", "no message", "blank", "blank line", "no Exception"],
    )
    def test_whatever_airflow_knows_of_its_exception(self, past, exception, summary):
        assert said(task_context(make_dag(), exception=exception))["summary"] == summary

    @needs_airflow_3
    def test_of_a_run_without_a_logical_date_says_so(self, past):
        event = said(task_context(make_dag(), logical_date=None))
        assert event["custom_details"]["logical date"] == "none: the run was started without one"

    def test_whose_supervisor_was_killed_has_still_a_page(self, past):
        context = task_context(make_dag(), state="running")
        context["ti"].__dict__.pop("end_date")
        event = said(context)
        assert event["summary"] == "orders.load failed"
        assert "host" in event["custom_details"]

    def test_of_an_id_as_long_and_as_foreign_as_they_come_has_links_and_a_short_key(self, past):
        dag_id, task_id = "注文" * 125, "مهمة" * 60
        event = said(task_context(make_dag(dag_id, [task_id]), task_id))
        assert event["summary"].startswith(f"{dag_id}.{task_id} failed")
        assert all(link["href"].isascii() for link in event["links"])
        assert event["client_url"].isascii()
        name = key(task_context(make_dag(dag_id, [task_id]), task_id))
        assert len(name) == 255
        assert name.startswith("production/注文注文")

    def test_shows_no_secret_that_airflow_knows_not_even_half_of_one(self, past):
        secret = "s3cr3t-" + "x" * 400
        mask(secret)
        for padding in (0, 900, 1_900, 100_000):
            error = raised(ValueError("a" * padding + f" cannot log in with {secret}"))
            text = str(said(task_context(make_dag(), exception=error)))
            assert "s3cr3t" not in text

    def test_of_100_kilobytes_is_cut(self, past):
        error = raised(ValueError("x" * 100_000))
        event = said(task_context(make_dag(), exception=error))
        assert len(event["summary"]) == 1024
        assert event["summary"].endswith("…")
        assert len(event["custom_details"]["exception"]) == 2_000
        assert "in raised" in event["custom_details"]["traceback"]
        assert len(str(event)) < 10_000

    def test_names_no_parameter_and_no_rendered_field(self, past):
        dag = make_dag(params={"password": "hunter-two"})
        dag.get_task("load").template_fields = ("bash_command",)
        dag.get_task("load").bash_command = "login hunter-two"
        assert "hunter-two" not in str(said(task_context(dag)))


class TestARun:
    def test_that_failed_names_its_failed_tasks(self, past):
        dag = make_dag(tasks=("extract", "load", "check", "report"))
        past.add(
            NOON, "failed", run_id=THIS, extract="success", load="failed", check="failed", report="skipped"
        )
        event = said(run_context(dag))
        assert event["summary"] == "orders failed: check, load"
        assert event["custom_details"]["failed tasks"] == "check, load"
        assert event["custom_details"]["reason"] == "task_failure"
        assert "task" not in event["custom_details"]
        assert (event["component"], event["class_type"]) == ("orders", "task_failure")
        assert event["timestamp"] == ENDED
        log, run = event["links"]
        assert (log["text"], run["text"]) == ("Log of check", "DAG run")
        if IS_AIRFLOW_2:
            assert log["href"].endswith(f"/orders/grid?dag_run_id={THIS}&task_id=check&tab=logs")
        else:
            assert log["href"].endswith(f"/dags/orders/runs/{THIS}/tasks/check")

    def test_that_failed_in_one_mapped_task_leads_to_that_ones_log(self, past):
        past.add(NOON, "failed", run_id=THIS, load=["success", "failed"])
        (log, _) = said(run_context(make_dag()))["links"]
        assert log["text"] == "Task log"
        assert log["href"].endswith("&map_index=1&tab=logs" if IS_AIRFLOW_2 else "/tasks/load/mapped/1")

    def test_names_as_failed_what_failed_and_not_what_was_not_reached(self, past):
        past.add(NOON, "failed", run_id=THIS, load="failed", check="upstream_failed")
        assert said(run_context(make_dag(tasks=("load", "check"))))["summary"] == "orders failed: load"

    def test_that_failed_in_a_thousand_mapped_tasks_names_a_few(self, past):
        past.add(NOON, "failed", run_id=THIS, load=["failed"] * 1000, load_b="failed")
        event = said(run_context(make_dag(tasks=("load", "load_b"))))
        assert event["summary"] == "orders failed: load[0], load[1], load[2] and 998 more"
        assert event["custom_details"]["failed tasks"].endswith("load[19] and 981 more")

    def test_whose_failed_tasks_end_in_numbers_names_them_as_they_are(self, past):
        past.add(NOON, "failed", run_id=THIS, load_2024=["failed"], load_2025="failed")
        event = said(run_context(make_dag(tasks=("load_2024", "load_2025")), task_id="load_2025"))
        assert event["summary"] == "orders failed: load_2024[0], load_2025"

    def test_whose_tasks_airflow_does_not_tell_is_a_page_all_the_same(self, past, monkeypatch):
        monkeypatch.delattr("airflow_provider_pagerduty.history.History.task_states")
        assert said(run_context(make_dag()))["summary"] == "orders failed"

    def test_that_took_too_long_says_so(self, past):
        dag = make_dag(dagrun_timeout=timedelta(hours=1, minutes=30))
        event = said(run_context(dag, "timed_out", state="skipped"))
        assert event["summary"] == "orders timed out after 1 h 30 min"
        assert event["class_type"] == "timed_out"
        assert [link["text"] for link in event["links"]] == ["DAG run"]

    def test_that_is_deadlocked_says_so(self, past):
        event = said(run_context(make_dag(), "all_tasks_deadlocked", state=None))
        assert event["summary"] == "orders failed: all tasks deadlocked"

    def test_of_which_airflow_tells_next_to_nothing_is_a_page(self, past):
        event = said({"dag": make_dag(), "run_id": THIS, "reason": "task_failure"})
        assert event["summary"] == "orders failed"
        assert event["custom_details"] == {"dag": "orders", "run": THIS, "reason": "task_failure"} | {
            name: value for name, value in event["custom_details"].items() if name == "owner"
        }

    def test_that_succeeded_says_so(self, past):
        event = said(run_context(make_dag(), "success", state="success"))
        assert event["summary"] == "orders succeeded"


class TestADeadline:
    def test_that_was_missed_says_by_how_much(self, past):
        event = said(deadline_context(deadline_time=LATER - timedelta(minutes=5, seconds=10)))
        assert event["summary"] == "orders missed its deadline by 5 min 10 s"
        assert event["class_type"] == "deadline_missed"
        assert event["timestamp"] == LATER - timedelta(minutes=5, seconds=10)
        assert event["custom_details"] == {
            "dag": "orders",
            "run": THIS,
            "logical date": "2026-08-01T12:00:00+00:00",
            "deadline": "2026-08-01T12:54:50+00:00",
            "late by": "5 min 10 s",
            "state of the run": "running",
        }
        assert [link["text"] for link in event["links"]] == ["DAG run"]

    def test_has_the_dags_own_alert(self, past):
        assert key(deadline_context()) == key(run_context(make_dag())) == "production/orders"

    def test_may_come_as_text(self, past):
        text = deadline_context(deadline_time="2026-08-01T12:59:00Z")
        assert said(text)["summary"] == "orders missed its deadline by 1 min"

    @pytest.mark.parametrize("odd", [None, "soon", 12])
    def test_of_a_time_that_is_none_is_a_page(self, past, odd):
        assert said(deadline_context(deadline_time=odd, logical_date=None))["timestamp"] == LATER


def test_an_sla_miss_names_the_late_tasks(past):
    class Sla:
        def __init__(self, task_id):
            self.task_id = task_id

    late = [Sla(name) for name in ("load", "check", "report", "archive")]
    context = {"dag": make_dag(), "task_list": "load on …", "blocking_task_list": "extract", "blocking_tis": []}
    event = said(context | {"slas": late})
    assert event["summary"] == "orders missed its SLA: archive, check, load and 1 more"
    assert event["custom_details"]["waiting for"] == "extract"
    assert key(context) == "production/orders"
    assert said(context)["summary"] == "orders missed its SLA: load on …"


class TestItsName:
    def test_is_equal_on_failure_and_on_recovery(self, past):
        dag = make_dag()
        assert key(task_context(dag)) == key(task_context(dag, state="success", try_number=2))
        assert key(run_context(dag)) == key(run_context(dag, "success", state="success"))
        bare = {"dag": dag, "run_id": THIS, "reason": "success"}
        assert key(run_context(dag)) == key(bare)
        assert key(run_context(dag), "run") == key(bare, "run")

    def test_differs_between_a_task_its_dag_and_each_run(self, past):
        dag = make_dag()
        names = {
            key(task_context(dag)),
            key(run_context(dag)),
            key(task_context(dag), "run"),
            key(run_context(dag), "run"),
            key(run_context(dag, run_id="load"), "run"),
            key(task_context(dag, run_id="load"), "run"),
        }
        assert len(names) == 6

    def test_without_a_dag_there_is_none(self):
        assert key({}) is None


class TestTheDeployment:
    @pytest.mark.parametrize(
        "url", ["", "http://localhost:8080", "http://127.0.0.1:1", "http://[::1]/", "http://0.0.0.0"]
    )
    def test_has_no_name_where_its_address_is_anybodys(self, base_url, url, caplog):
        deployment._warn_of_no_name.cache_clear()
        base_url(url)
        assert deployment.name() is None
        assert {deployment.origin("pagerduty_events_default") for _ in range(3)} == {"pagerduty_events_default"}
        assert caplog.text.count("This Airflow deployment has no name") == 1

    def test_is_called_after_its_host_or_as_it_is_configured(self, base_url, configure, caplog):
        assert deployment.origin("any") == "airflow.example.com"
        configure(deployment=" production ")
        assert deployment.origin("any") == "production"
        assert caplog.text == ""

    def test_of_an_address_that_is_none_has_no_name(self, base_url):
        base_url("http://[airflow")
        assert deployment.name() is None


class TestExceptionsInWords:
    def test_causes_come_first(self):
        def fail():
            try:
                {}["amount"]
            except KeyError as error:
                raise ValueError("no amount\nin row 7") from error

        try:
            fail()
        except ValueError as error:
            lines = exception_text.last_lines(error).splitlines()
        assert [line for line in lines if not line.startswith(" ")] == [
            *("KeyError: 'amount'", "", "which led to:", "", "ValueError: no amount"),
        ]

    def test_notes_and_the_members_of_a_group_are_named(self):
        class Several(Exception):  # as an ExceptionGroup is, which Python 3.10 has not
            exceptions = (ValueError("one"), KeyError("other"))
            __notes__ = ["look into row 7"]  # noqa: RUF012

        end = exception_text.last_lines(raised(Several("two of them"))).splitlines()[-4:]
        assert end == [
            "Several: two of them",
            *("look into row 7", "  with ValueError: one", "  with KeyError: 'other'"),
        ]

    def test_a_cause_that_was_hidden_stays_hidden(self):
        error = ValueError("no amount")
        error.__context__, error.__suppress_context__ = KeyError("amount"), True
        assert "KeyError" not in exception_text.last_lines(raised(error))
        error.__suppress_context__ = False
        assert "KeyError" in exception_text.last_lines(raised(error))

    def test_a_deep_traceback_keeps_its_end(self):
        def there(depth):
            return back(depth - 1) if depth else 1 / 0

        def back(depth):  # else Python says of equal lines only how many there are
            return there(depth - 1)

        try:
            there(100)
        except ZeroDivisionError as error:
            lines = exception_text.last_lines(error).splitlines()
        assert len(lines) == exception_text.TRACEBACK_LINES + 1
        assert (lines[0], lines[-1]) == ("…", "ZeroDivisionError: division by zero")

    def test_one_that_cannot_be_printed_is_still_named(self):
        class Mute(Exception):
            def __str__(self):
                raise RuntimeError

        assert exception_text.line(raised(Mute())) == "Mute: (its message cannot be printed)"
        assert exception_text.last_lines(raised(Mute())).endswith("Mute: (its message cannot be printed)")

    @pytest.mark.parametrize("no_exception", [None, "text", 12])
    def test_what_is_no_exception_has_no_traceback(self, no_exception):
        assert exception_text.last_lines(no_exception) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (-5, "0 s"),
        (59.6, "1 min"),
        (3_661, "1 h 1 min"),
        (90_061, "1 d 1 h"),
        (86_460, "1 d 1 min"),
    ],
)
def test_a_duration_is_said_as_people_say_it(seconds, text):
    assert alert.duration(timedelta(seconds=seconds)) == text


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.datetimes() | st.just(object()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(
    [
        "ti",
        "dag",
        "dag_run",
        "run_id",
        "task",
        "exception",
        "reason",
        "deadline",
        "slas",
        "blocking_tis",
        "task_list",
    ]
)


@hypothesis_settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(context=st.dictionaries(KEYS, ANYTHING))
def test_of_whatever_context_something_is_said_that_pagerduty_takes(context):
    event = said(context)
    event.pop("links")
    data = prepare_event_data(severity="error", dedup_key=key(context), **event)
    assert 0 < len(data["payload"]["summary"]) <= 1024
    assert datetime.fromisoformat(data["payload"]["timestamp"]).astimezone(timezone.utc)
