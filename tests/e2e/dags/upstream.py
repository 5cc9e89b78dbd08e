"""A task that is not reached, as the one before it fails."""

from airflow.providers.common.compat.sdk import dag, task
from staged import both_levels, raise_until_mended


@dag(schedule=None, **both_levels())
def upstream():
    @task
    def extract():
        raise_until_mended("upstream")

    @task
    def load():
        """Be never reached."""

    extract() >> load()


upstream()
