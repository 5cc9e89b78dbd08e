"""Written as users write it, with no probe: fails until it is mended, then recovers."""

from airflow.providers.common.compat.sdk import dag, task
from staged import raise_until_mended

from airflow_provider_pagerduty.notifications.pagerduty import pagerduty_callbacks


@dag(
    schedule=None,
    default_args=pagerduty_callbacks(level="task"),
    **pagerduty_callbacks(severity="critical"),
)
def recovers():
    @task
    def load():
        raise_until_mended("recovers")

    load()


recovers()
