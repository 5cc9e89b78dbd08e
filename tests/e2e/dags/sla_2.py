"""A scheduled DAG whose task is always later than its SLA; it runs while it is not paused."""

from datetime import datetime, timedelta, timezone

from airflow.decorators import dag, task

from airflow_provider_pagerduty.notifications.pagerduty import PagerdutyNotifier


@dag(
    schedule=timedelta(seconds=5),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=True,
    sla_miss_callback=PagerdutyNotifier(),
)
def sla():
    @task(sla=timedelta(seconds=1))
    def load():
        """Succeed."""

    load()


sla()
