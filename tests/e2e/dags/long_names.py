"""Ids of 247 characters, and of 250, which is the most that Airflow takes; each on a connection of its own."""

from airflow.providers.common.compat.sdk import dag, task
from staged import both_levels, raise_until_mended


def of_length(length, conn_id):
    dag_id = ("long_dag_" * 40)[:length]

    @dag(dag_id=dag_id, schedule=None, **both_levels(pagerduty_events_conn_id=conn_id))
    def long_names():
        @task(task_id=("long_task_" * 40)[:length])
        def load():
            raise_until_mended(dag_id)

        load()

    long_names()


of_length(247, "pagerduty_long")
of_length(250, "pagerduty_longest")
