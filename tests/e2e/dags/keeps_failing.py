"""Fails run after run."""

from airflow.providers.common.compat.sdk import dag, task
from staged import both_levels, raise_until_mended


@dag(schedule=None, **both_levels())
def keeps_failing():
    @task
    def load():
        raise_until_mended("keeps_failing")

    load()


keeps_failing()
