"""Never fails."""

from airflow.providers.common.compat.sdk import dag, task
from staged import both_levels


@dag(schedule=None, **both_levels())
def healthy():
    @task
    def load():
        """Succeed."""

    load()


healthy()
