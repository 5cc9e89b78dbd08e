"""A DAG whose task pages with each connection that the forms have stored."""

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_pagerduty.hooks.pagerduty import PagerdutyHook
from airflow_provider_pagerduty.hooks.pagerduty_events import PagerdutyEventsHook


@dag(schedule=None)
def pages():
    @task
    def page():
        for hook, conn_id in (
            (PagerdutyHook(), "pagerduty_default"),
            (PagerdutyEventsHook(), "pagerduty_events_default"),
            (PagerdutyHook(pagerduty_conn_id="from_apache"), "from_apache"),
            (PagerdutyEventsHook(pagerduty_events_conn_id="events_from_apache"), "events_from_apache"),
        ):
            hook.create_event(f"Paged with {conn_id}", "critical", dedup_key=conn_id)

    page()


pages()
