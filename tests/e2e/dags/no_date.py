"""Runs without a logical date; fails until it is mended."""

from airflow.providers.common.compat.sdk import dag, task
from staged import both_levels, raise_until_mended


@dag(schedule=None, **both_levels())
def no_date():
    @task
    def load():
        raise_until_mended("no_date")

    load()


no_date()
