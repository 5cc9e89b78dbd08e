"""The notifier, called back as each Airflow does it."""

import asyncio
import inspect
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_pagerduty.exceptions import DeliveryFailed
from airflow_provider_pagerduty.masking import mask
from airflow_provider_pagerduty.notifications.event import LEFT_OUT
from airflow_provider_pagerduty.notifications.pagerduty import (
    PagerdutyNotifier,
    pagerduty_callbacks,
    send_pagerduty_notification,
)

sys.path.append(str(Path(__file__).parent))  # not done by pytest in importlib mode
from airflow_contexts import IS_AIRFLOW_2, NOON, deadline_context, make_dag, run_context, task_context

KEY = "0123456789abcdefghijklmnopqrstuv"
OTHER_KEY = "vutsrqponmlkjihgfedcba9876543210"
FIELDS = [
    "summary",
    "severity",
    "source",
    "action",
    "dedup_key",
    "custom_details",
    "group",
    "component",
    "class_type",
    "images",
    "links",
    "pagerduty_events_conn_id",
    "runbook_url",
]
THIS = "scheduled__noon"


def context(**more):
    return {"dag": DAG("a_dag", schedule=None), "run_id": "a_run", "word": "rendered", **more}


def test_the_published_arguments_stand_and_all_but_the_key_are_templates():
    parameters = inspect.signature(PagerdutyNotifier).parameters
    later = ["integration_key", "dedup_scope", "only_on_recovery"]
    assert [name for name in parameters if name != "kwargs"] == [*FIELDS, *later]
    assert list(PagerdutyNotifier.template_fields) == FIELDS
    assert send_pagerduty_notification is PagerdutyNotifier


def test_no_template_is_named_like_something_of_airflows_context():
    """Airflow writes each template's name into the context that all callbacks of a task share."""
    taken = "conn dag dag_run data_interval_end ds exception inlets logical_date macros map_index_template"
    taken += " outlets params prev_ds reason run_id task task_instance task_instance_key_str ti ts var"
    assert not set(FIELDS) & set(taken.split())


def test_every_field_is_rendered_and_sent(connections):
    PagerdutyNotifier(
        summary="{{ word }} 1",
        severity="{{ 'warning' }}",
        source="{{ word }} 2",
        action="{{ 'trigger' }}",
        dedup_key="{{ word }} 3",
        custom_details={"key": "{{ word }} 4", "list": ["{{ run_id }}"]},
        group="{{ word }} 5",
        component="{{ word }} 6",
        class_type="{{ word }} 7",
        images=[{"src": "https://example.com/{{ word }}.png"}],
        links=[{"href": "https://example.com/{{ word }}"}],
        pagerduty_events_conn_id="pagerduty_{{ 'events' }}_default",
        runbook_url="https://example.com/how-to/{{ word }}",
    )(context())
    (event,) = connections.pagerduty.events
    assert event.service.integration_key == KEY
    payload = event.body["payload"]
    assert payload.pop("timestamp")
    assert payload == {
        "summary": "rendered 1",
        "severity": "warning",
        "source": "rendered 2",
        "custom_details": {"dag": "a_dag", "run": "a_run", "key": "rendered 4", "list": ["a_run"]},
        "group": "rendered 5",
        "component": "rendered 6",
        "class": "rendered 7",
    }
    assert (event.body["event_action"], event.body["dedup_key"]) == ("trigger", "rendered 3")
    assert event.body["images"] == [{"src": "https://example.com/rendered.png"}]
    links = ["https://example.com/rendered", "https://example.com/how-to/rendered"]
    assert [link["href"] for link in event.body["links"]][:2] == links


def test_one_notifier_says_each_time_what_is_true_then(connections):
    """Airflow renders templates in place, so that a second call would repeat the first one's words."""
    notifier = PagerdutyNotifier(
        summary="{{ word }} failed", severity="error", custom_details={"is": "{{ word }}"}
    )
    notifier(context(word="first"))
    notifier(context(word="second"))
    payloads = [event.body["payload"] for event in connections.pagerduty.events]
    assert [payload["summary"] for payload in payloads] == ["first failed", "second failed"]
    assert [payload["custom_details"]["is"] for payload in payloads] == ["first", "second"]
    assert notifier.summary == "{{ word }} failed"


@pytest.mark.skipif(IS_AIRFLOW_2, reason="Airflow 2 hands its callbacks the DAG itself")
def test_the_dag_that_dag_test_hands_to_callbacks_holds_no_templates_and_the_page_goes_out(connections):
    from airflow.serialization.serialized_objects import DagSerialization

    serialized = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(DAG("a_dag", schedule=None)))
    PagerdutyNotifier(summary="{{ dag.dag_id }} {{ word }}")(context(dag=serialized))
    (incident,) = connections.pagerduty.incidents
    assert incident.title == "a_dag rendered"


def test_an_explicit_key_needs_no_connection_and_is_no_template(sandbox, configure):
    configure(base_url=sandbox.url)
    PagerdutyNotifier(summary="boom", severity="error", integration_key=OTHER_KEY)(context())
    assert sandbox.pagerduty.events[0].service.integration_key == OTHER_KEY


def test_what_cannot_be_delivered_is_reported_as_this_airflow_reports_it(configure, caplog):
    configure(base_url="http://127.0.0.1:9", send_timeout=0.5)
    notifier = PagerdutyNotifier(summary="boom", severity="error", integration_key=KEY)
    if IS_AIRFLOW_2:
        notifier(context())
        assert "Failed to send notification: PagerDuty did not take the event" in caplog.text
    else:
        with pytest.raises(DeliveryFailed):
            notifier(context())
    assert KEY not in caplog.text


def test_an_event_loop_can_notify_too(connections):
    notifier = PagerdutyNotifier(summary="boom", severity="error", dedup_key="k")
    asyncio.run(notifier.async_notify(context()))
    assert connections.pagerduty.events[0].body["dedup_key"] == "k"


def test_templates_that_are_rendered_to_numbers_are_sent_as_text(connections):
    native = DAG("a_dag", schedule=None, render_template_as_native_obj=True)
    PagerdutyNotifier(
        summary="{{ n }}",
        severity="error",
        dedup_key="{{ n }}",
        group="{{ n }}",
        custom_details={"n": "{{ n }}"},
    )(context(dag=native, n=12))
    (event,) = connections.pagerduty.events
    assert event.body["dedup_key"] == "12"
    assert event.body["payload"]["summary"] == event.body["payload"]["group"] == "12"
    assert event.body["payload"]["custom_details"]["n"] == 12


def test_a_context_may_be_handed_in_on_every_airflow(connections):
    notifier = PagerdutyNotifier(summary="boom", severity="error", context={})
    notifier(context())
    assert len(connections.pagerduty.events) == 1


@pytest.mark.skipif(IS_AIRFLOW_2, reason="Airflow 2 awaits no notifier")
def test_awaiting_a_notifier_renders_and_sends(connections):
    notifier = PagerdutyNotifier(summary="{{ word }}", severity="error", context={"word": "rendered"})

    async def run():
        await notifier

    asyncio.run(run())
    assert connections.pagerduty.events[0].body["payload"]["summary"] == "rendered"
    assert notifier.summary == "{{ word }}"


@pytest.mark.skipif(not IS_AIRFLOW_2, reason="Airflow 3 has no SLAs")
def test_an_sla_miss_notifies(connections):
    PagerdutyNotifier(summary="{{ dag.dag_id }} is late", severity="warning")(
        DAG("a_dag", schedule=None), "tasks", "blocking", [], []
    )
    assert connections.pagerduty.events[0].body["payload"]["summary"] == "a_dag is late"
    PagerdutyNotifier()(DAG("a_dag", schedule=None), "tasks", "blocking", [], [])
    assert connections.pagerduty.events[1].body["payload"]["summary"] == "a_dag missed its SLA: tasks"


def sent(sandbox):
    (event,) = sandbox.pagerduty.events
    return event.body


def left_out(sandbox):
    return sent(sandbox)["payload"]["custom_details"][LEFT_OUT]


class TestWithNothingGiven:
    def test_a_failure_is_a_great_alert(self, connections, configure, past):
        configure(deployment="production")
        PagerdutyNotifier()(task_context(make_dag(), exception=ValueError("no orders")))
        body = sent(connections)
        assert body["dedup_key"] == "production/orders/load"
        assert body["client"] == "Apache Airflow"
        assert [link["text"] for link in body["links"]] == ["Task log", "DAG run"]
        payload = body["payload"]
        assert payload["summary"] == "orders.load failed: ValueError: no orders"
        assert (payload["severity"], payload["source"]) == ("error", "production")
        assert payload["custom_details"]["exception"] == "ValueError: no orders"
        assert LEFT_OUT not in payload["custom_details"]

    def test_the_severity_is_the_configured_one(self, connections, configure, past, caplog):
        configure(severity="Critical")
        PagerdutyNotifier()(task_context(make_dag()))
        configure(severity="sev1")
        PagerdutyNotifier()(task_context(make_dag()))
        severities = [event.body["payload"]["severity"] for event in connections.pagerduty.events]
        assert severities == ["critical", "error"]
        assert "[pagerduty] severity must be one of" in caplog.text

    def test_without_a_name_of_the_deployment_the_key_carries_the_connections(self, connections, connect, past):
        connect("team_a", conn_type="pagerduty_events", password=KEY, host=connections.url)
        PagerdutyNotifier(pagerduty_events_conn_id="{{ 'team_a' }}")(task_context(make_dag()))
        PagerdutyNotifier()(task_context(make_dag()))
        keys = [event.body["dedup_key"] for event in connections.pagerduty.events]
        assert keys == ["team_a/orders/load", "pagerduty_events_default/orders/load"]

    def test_a_resolve_stands_down_what_a_failure_opened(self, connections, past):
        PagerdutyNotifier()(task_context(make_dag()))
        PagerdutyNotifier(action="resolve")(task_context(make_dag(), state="success", try_number=2))
        (incident,) = connections.pagerduty.incidents
        assert incident.status == "resolved"

    def test_a_runbook_comes_first(self, connections, past):
        PagerdutyNotifier(runbook_url="https://wiki/{{ dag.dag_id }}")(task_context(make_dag()))
        assert sent(connections)["links"][0] == {"href": "https://wiki/orders", "text": "Runbook"}

    def test_an_alert_of_its_own_for_each_run(self, connections, past):
        for run_id in ("one", "two"):
            PagerdutyNotifier(dedup_scope="run")(task_context(make_dag(), run_id=run_id))
        assert len(connections.pagerduty.incidents) == 2

    def test_what_is_not_a_callbacks_context_is_still_a_page(self, connections):
        PagerdutyNotifier()({})
        assert sent(connections)["payload"]["summary"] == "A DAG failed"


class TestWhatIsGiven:
    def test_text_for_details_takes_their_place(self, connections, past):
        PagerdutyNotifier(custom_details="{{ dag.dag_id }} again")(task_context(make_dag()))
        assert sent(connections)["payload"]["custom_details"] == "orders again"

    def test_details_may_name_parameters_and_win(self, connections, past):
        dag = make_dag(params={"rows": 3})
        PagerdutyNotifier(custom_details={"rows": "{{ params.rows }}", "owner": "me"})(task_context(dag))
        details = sent(connections)["payload"]["custom_details"]
        assert (details["rows"], details["owner"], details["dag"]) == ("3", "me", "orders")

    def test_blank_text_is_not_given(self, connections, past):
        PagerdutyNotifier(summary=" ", severity="{{ nothing }}", dedup_key="")(task_context(make_dag()))
        body = sent(connections)
        assert body["payload"]["summary"] == "orders.load failed"
        assert body["payload"]["severity"] == "error"
        assert body["dedup_key"] == "pagerduty_events_default/orders/load"

    def test_secrets_in_it_are_masked_too(self, connections, past):
        mask("hunter-two")
        PagerdutyNotifier(
            summary="{{ exception }}",
            custom_details={"why": "{{ exception }}", "error": ValueError("hunter-two")},
            group="{{ exception }}",
        )(task_context(make_dag(), exception=ValueError("login hunter-two")))
        body = sent(connections)
        assert "hunter-two" not in str(body)
        assert body["payload"]["summary"] == "login ***"

    def test_secrets_are_masked_wherever_they_were_rendered(self, connections, past, caplog):
        mask("another-secret\nof-two-lines")
        mask("hunter-two")
        exception = ValueError("x" * 80 + "hunter-two another-secret\nof-two-lines")
        said = "{{ exception }}"
        PagerdutyNotifier(
            severity=said,
            action=said,
            links=[{"href": "https://x/" + said, "text": said}],
            images=[{"src": "https://x/" + said, "alt": said}],
            runbook_url="https://x/" + said,
            dedup_key=said,
            custom_details={"a": {"b": {"c": {"d": {"e": {"f": {"g": said}}}}}}, "password": {"x": ["y"]}},
        )(task_context(make_dag(), exception=exception))
        shown = str(sent(connections)) + caplog.text
        assert "hunter" not in shown
        assert "another" not in shown
        assert "of-two-lines" not in shown
        assert sent(connections)["payload"]["custom_details"]["password"] == "***"

    def test_details_that_are_blank_are_not_given_and_others_stand_beside_the_alerts_own(
        self, connections, past
    ):
        PagerdutyNotifier(custom_details="{{ nothing }}")(task_context(make_dag()))
        PagerdutyNotifier(custom_details=[1, 2])(task_context(make_dag()))
        first, second = (event.body["payload"]["custom_details"] for event in connections.pagerduty.events)
        assert first["dag"] == second["dag"] == "orders"
        assert second["details"] == [1, 2]

    def test_a_key_of_its_own_has_the_run_too_where_each_run_has_an_alert(self, connections, past):
        PagerdutyNotifier(dedup_key="ours", dedup_scope="run")(task_context(make_dag()))
        assert sent(connections)["dedup_key"] == f"ours@{THIS}"

    def test_a_dedup_scope_that_is_none_is_refused(self):
        with pytest.raises(ValueError, match="dedup_scope must be one of: always, run; got 'task'"):
            PagerdutyNotifier(dedup_scope="task")


NESTED = []
for _ in range(3_000):
    NESTED = [NESTED]


class Unprintable:
    def __repr__(self):
        raise RuntimeError


class TestAFaultNeverLosesThePage:
    @pytest.mark.parametrize(
        ("given", "fault"),
        [
            ({"summary": "{{ dag.no.such }}"}, "summary: UndefinedError"),
            ({"summary": "{{ 1 / 0 }}"}, "summary: ZeroDivisionError"),
            ({"summary": "{% if %}"}, "summary: TemplateSyntaxError"),
            ({"severity": "sev1"}, "severity: ValueError: Event severity must be one of"),
            ({"action": "page"}, "action: ValueError: must be one of: trigger, ack"),
            ({"runbook_url": "{{ 1 / 0 }}"}, "runbook_url: ZeroDivisionError"),
            ({"custom_details": {"a": "{{ 1 / 0 }}"}}, "custom_details['a']: ZeroDivisionError"),
            ({"links": [{"text": "no address"}]}, "links: ValueError: links[0] must be a dictionary with an"),
            ({"links": "https://example.com"}, "links: ValueError: must be a list, is a str"),
            ({"images": [{"src": "http://plain"}]}, "images: ValueError: images[0] must be"),
            ({"custom_details": {"deep": NESTED}}, "custom_details['deep']"),
            ({"custom_details": {Unprintable(): "x"}}, "custom_details: RuntimeError"),
            (
                {"links": [{"href": "https://x/" + "a" * 100_000}] * 6},
                "all that was given: ValueError: links is",
            ),
            ({"group": "g" * 300_000, "component": "c" * 300_000}, "all that was given: ValueError"),
            ({"dedup_key": "{{ 1 / 0 }}"}, "dedup_key: ZeroDivisionError"),
            ({"pagerduty_events_conn_id": "{{ 1 / 0 }}"}, "pagerduty_events_conn_id: ZeroDivisionError"),
        ],
    )
    def test_the_part_is_left_out_and_the_alert_says_so(self, connections, past, given, fault):
        PagerdutyNotifier(**given)(task_context(make_dag()))
        body = sent(connections)
        (said,) = left_out(connections)
        assert said.startswith(fault)
        assert body["event_action"] == "trigger"
        assert body["dedup_key"] == "pagerduty_events_default/orders/load"
        assert body["payload"]["summary"] == "orders.load failed"
        assert body["payload"]["severity"] == "error"
        assert [link["text"] for link in body["links"]] == ["Task log", "DAG run"]

    @pytest.mark.parametrize("action", ["Resolve", " RESOLVE ", "resolved", "{{ 1 / 0 }}"])
    def test_no_success_opens_an_alert_for_a_fault_in_its_action(self, connections, past, action):
        PagerdutyNotifier(action=action)(task_context(make_dag(), state="success"))
        assert connections.pagerduty.events == []
        PagerdutyNotifier(action=action)(task_context(make_dag(), state="success", try_number=2))
        assert sent(connections)["event_action"] == "resolve"

    def test_a_mapping_of_the_users_own_is_read_as_one(self, connections, past):
        class Own(Mapping):
            def __getitem__(self, key):
                return "value"

            def __iter__(self):
                return iter(["key"])

            def __len__(self):
                return 1

        PagerdutyNotifier(custom_details=Own())(task_context(make_dag()))
        details = sent(connections)["payload"]["custom_details"]
        assert (details["key"], details["dag"]) == ("value", "orders")

    def test_what_is_sound_beside_it_stays(self, connections, past):
        PagerdutyNotifier(
            summary="ours",
            severity="sev1",
            custom_details={"good": "{{ dag.dag_id }}", "bad": "{{ 1 / 0 }}"},
            links=[{"href": "https://good"}, {"href": ""}],
        )(task_context(make_dag()))
        body = sent(connections)
        assert body["payload"]["summary"] == "ours"
        assert body["payload"]["custom_details"]["good"] == "orders"
        assert body["links"][0]["href"] == "https://good"
        assert "bad" not in body["payload"]["custom_details"]
        assert len(left_out(connections)) == 3

    def test_details_that_are_text_say_so_too(self, connections, past):
        PagerdutyNotifier(custom_details="see below", severity="sev1")(task_context(make_dag()))
        assert sent(connections)["payload"]["custom_details"]["details"] == "see below"
        assert len(left_out(connections)) == 1

    def test_a_fault_shows_no_secret(self, connections, past, caplog):
        mask("hunter-two")
        PagerdutyNotifier(severity="{{ exception }}")(
            task_context(make_dag(), exception=ValueError("hunter-two"))
        )
        assert "hunter-two" not in str(sent(connections)) + caplog.text

    def test_not_even_a_fault_in_what_the_alert_says_by_itself(self, connections, past, monkeypatch):
        monkeypatch.delattr("airflow_provider_pagerduty.alert._summary")
        PagerdutyNotifier()(task_context(make_dag()))
        assert sent(connections)["payload"]["summary"] == "orders failed"
        assert left_out(connections)[0].startswith("all that this alert says by itself: NameError")


class TestStandingDown:
    def test_a_healthy_success_sends_nothing(self, connections, past):
        PagerdutyNotifier(action="resolve")(task_context(make_dag(), state="success"))
        asyncio.run(PagerdutyNotifier(action="resolve").async_notify(task_context(make_dag(), state="success")))
        assert connections.pagerduty.events == []

    def test_a_recovery_is_sent(self, connections, past):
        past.add(NOON - timedelta(days=1), "failed", load="failed")
        past.add(NOON, "success", run_id=THIS, load="success")
        PagerdutyNotifier(action="resolve")(task_context(make_dag(), state="success"))
        assert sent(connections)["event_action"] == "resolve"

    def test_an_alert_with_a_key_of_its_own_is_stood_down_whenever_asked(self, connections, past):
        PagerdutyNotifier(action="resolve", dedup_key="shared")(task_context(make_dag(), state="success"))
        assert sent(connections)["dedup_key"] == "shared"

    def test_unless_only_recoveries_are_wanted_or_all(self, connections, past):
        success = task_context(make_dag(), state="success")
        PagerdutyNotifier(action="resolve", dedup_key="shared", only_on_recovery=True)(success)
        assert connections.pagerduty.events == []
        PagerdutyNotifier(action="resolve", only_on_recovery=False)(success)
        assert len(connections.pagerduty.events) == 1

    def test_a_resolve_at_a_failure_is_the_users_own_wish(self, connections, past):
        PagerdutyNotifier(action="resolve")(task_context(make_dag()))
        assert sent(connections)["event_action"] == "resolve"


class TestBothCallbacks:
    def test_a_dag_takes_them_and_is_serialized_as_it_is_each_time(self):
        forms = {str(self.serialized(**pagerduty_callbacks(severity="critical"))) for _ in range(2)}
        assert len(forms) == 1
        assert "has_on_failure_callback" in forms.pop()

    def test_tasks_take_them_by_default_arguments(self):
        forms = {str(self.serialized(default_args=pagerduty_callbacks(level="task"))) for _ in range(2)}
        assert len(forms) == 1
        task = make_dag(default_args=pagerduty_callbacks(level="task")).get_task("load")
        for callback in (task.on_failure_callback, task.on_success_callback):
            (notifier,) = callback if isinstance(callback, (list, tuple)) else (callback,)
            assert isinstance(notifier, PagerdutyNotifier)

    @staticmethod
    def serialized(**arguments):
        if IS_AIRFLOW_2:
            from airflow.serialization.serialized_objects import SerializedDAG as Serialization
        else:
            from airflow.serialization.serialized_objects import DagSerialization as Serialization
        return Serialization.to_dict(make_dag(**arguments))

    def test_one_opens_and_the_other_closes_it(self, connections, past):
        callbacks = pagerduty_callbacks(severity="critical")
        dag = make_dag()
        callbacks["on_failure_callback"](run_context(dag))
        (incident,) = connections.pagerduty.incidents
        assert (incident.alert.dedup_key, incident.alert.severity) == (
            "pagerduty_events_default/orders",
            "critical",
        )
        callbacks["on_success_callback"](run_context(dag, "success", state="success", clear_number=1))
        assert incident.status == "resolved"

    def test_for_tasks_a_skip_calls_back_too(self):
        assert set(pagerduty_callbacks()) == {"on_failure_callback", "on_success_callback"}
        callbacks = pagerduty_callbacks(level="task")
        assert callbacks["on_skipped_callback"].action == "resolve"

    def test_the_second_sends_nothing_for_a_healthy_dag_also_with_a_key_of_its_own(self, connections, past):
        for overrides in ({}, {"dedup_key": "ours"}):
            callback = pagerduty_callbacks(**overrides)["on_success_callback"]
            callback(run_context(make_dag(), "success", state="success"))
        assert connections.pagerduty.events == []

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            ({"level": "run"}, "level must be 'dag' or 'task', got 'run'"),
            ({"action": "resolve"}, "action='resolve' cannot be given to both callbacks"),
            ({"dedup_scope": "x"}, "dedup_scope must be one of"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, arguments, error):
        with pytest.raises(ValueError, match=error):
            pagerduty_callbacks(**arguments)


@pytest.mark.skipif(IS_AIRFLOW_2, reason="Airflow 2 has no deadlines")
def test_a_missed_deadline_pages_from_an_event_loop(connections):
    async def run():
        await PagerdutyNotifier(severity="warning", context=deadline_context())

    asyncio.run(run())
    body = sent(connections)
    assert body["payload"]["summary"].startswith("orders missed its deadline by ")
    assert body["dedup_key"] == "pagerduty_events_default/orders"


@pytest.mark.skipif(IS_AIRFLOW_2, reason="Airflow 2 has no deadlines")
def test_a_key_in_a_deadlines_kwargs_is_warned_of(sandbox, configure, caplog):
    configure(base_url=sandbox.url)

    async def run():
        await PagerdutyNotifier(integration_key=KEY, context=deadline_context())

    asyncio.run(run())
    assert len(sandbox.pagerduty.events) == 1
    assert "lies in Airflow's database in clear" in caplog.text
    assert KEY not in caplog.text
