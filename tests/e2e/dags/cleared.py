"""Fails, is mended and cleared."""

from airflow.providers.common.compat.sdk import dag, task
from staged import both_levels, raise_until_mended


@dag(schedule=None, **both_levels())
def cleared():
    @task
    def load():
        raise_until_mended("cleared")

    load()


cleared()
