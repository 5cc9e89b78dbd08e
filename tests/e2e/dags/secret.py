"""A task says a connection's password 4,900 times, so that wherever its message is cut, a secret is."""

from airflow.providers.common.compat.sdk import BaseHook, dag, task
from staged import both_levels


@dag(schedule=None, **both_levels())
def secret():
    @task
    def load():
        password = BaseHook.get_connection("warehouse").password
        raise ConnectionError(f"cannot log in with {password}" + f" {password}" * 4_900 + f"\nand {password}")

    load()


secret()
