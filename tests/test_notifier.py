"""The notifier, called back as each Airflow does it."""

import asyncio
import inspect

import airflow
import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_pagerduty.exceptions import DeliveryFailed
from airflow_provider_pagerduty.notifications.pagerduty import PagerdutyNotifier, send_pagerduty_notification

IS_AIRFLOW_2 = airflow.__version__.startswith("2.")
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
]


def context(**more):
    return {"dag": DAG("a_dag", schedule=None), "run_id": "a_run", "word": "rendered", **more}


def test_the_published_arguments_stand_and_all_but_the_key_are_templates():
    parameters = inspect.signature(PagerdutyNotifier).parameters
    assert [name for name in parameters if name != "kwargs"] == [*FIELDS, "integration_key"]
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
    )(context())
    (event,) = connections.pagerduty.events
    assert event.service.integration_key == KEY
    assert event.body == {
        "event_action": "trigger",
        "dedup_key": "rendered 3",
        "payload": {
            "summary": "rendered 1",
            "severity": "warning",
            "source": "rendered 2",
            "custom_details": {"key": "rendered 4", "list": ["a_run"]},
            "group": "rendered 5",
            "component": "rendered 6",
            "class": "rendered 7",
        },
        "images": [{"src": "https://example.com/rendered.png"}],
        "links": [{"href": "https://example.com/rendered"}],
    }


def test_one_notifier_says_each_time_what_is_true_then(connections):
    """Airflow renders templates in place, so that a second call would repeat the first one's words."""
    notifier = PagerdutyNotifier(
        summary="{{ word }} failed", severity="error", custom_details={"is": "{{ word }}"}
    )
    notifier(context(word="first"))
    notifier(context(word="second"))
    payloads = [event.body["payload"] for event in connections.pagerduty.events]
    assert [payload["summary"] for payload in payloads] == ["first failed", "second failed"]
    assert [payload["custom_details"] for payload in payloads] == [{"is": "first"}, {"is": "second"}]
    assert notifier.summary == "{{ word }} failed"


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
    assert event.body["payload"]["custom_details"] == {"n": 12}


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
