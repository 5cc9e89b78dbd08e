"""A run that takes longer than it may, until it is mended."""

from datetime import timedelta

from airflow.providers.common.compat.sdk import dag, task
from staged import both_levels, wait_until_mended


@dag(schedule=None, dagrun_timeout=timedelta(seconds=4), **both_levels())
def times_out():
    @task
    def load():
        wait_until_mended("times_out")

    load()


times_out()
