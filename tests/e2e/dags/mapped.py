"""Mapped tasks: ten and a hundred that all fail, and three of which one fails at first."""

from airflow.providers.common.compat.sdk import dag, task
from staged import both_levels, raise_until_mended


def fail_all(count):
    @dag(dag_id=f"mapped_{count}", schedule=None, max_active_tasks=100, **both_levels())
    def mapped():
        @task
        def load(number):
            raise_until_mended(f"mapped_{count}")

        load.expand(number=list(range(count)))

    mapped()


fail_all(10)
fail_all(100)


@dag(schedule=None, **both_levels())
def mapped_recovers():
    @task
    def load(number):
        if number == 1:
            raise_until_mended("mapped_recovers")

    load.expand(number=[0, 1, 2])


mapped_recovers()
