"""A daily DAG: its newest run, which the schedule makes, fails; then an older one is backfilled."""

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import dag, task
from staged import both_levels, raise_until_mended


@dag(
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    is_paused_upon_creation=True,
    **both_levels(),
)
def backfilled():
    @task
    def load():
        raise_until_mended("backfilled")

    load()


backfilled()
