"""Each failed run is an incident of its own."""

from airflow.providers.common.compat.sdk import dag, task
from staged import both_levels, raise_until_mended


@dag(schedule=None, **both_levels(dedup_scope="run"))
def run_scope():
    @task
    def load():
        raise_until_mended("run_scope")

    load()


run_scope()
