"""A task with two retries that never succeeds."""

from datetime import timedelta

from airflow.providers.common.compat.sdk import dag, task
from staged import both_levels, raise_until_mended


@dag(schedule=None, **both_levels())
def retries():
    @task(retries=2, retry_delay=timedelta(seconds=0.1))
    def load():
        raise_until_mended("retries")

    load()


retries()
