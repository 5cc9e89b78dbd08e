"""A task that skips itself: after one that did its work, and all alone."""

from airflow.providers.common.compat.sdk import AirflowSkipException, dag, task
from staged import both_levels


@dag(schedule=None, **both_levels())
def skipped():
    @task
    def check():
        """Succeed."""

    @task
    def load():
        raise AirflowSkipException

    check() >> load()


@dag(schedule=None, **both_levels())
def all_skipped():
    @task
    def load():
        raise AirflowSkipException

    load()


skipped()
all_skipped()
