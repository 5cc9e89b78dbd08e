"""Alerts over a connection whose PagerDuty is away at first; and the relay, run when the test says so."""

from airflow.providers.common.compat.sdk import dag, task
from staged import both_levels, raise_until_mended

from airflow_provider_pagerduty.relay_dag import relay_dag


@dag(schedule=None, **both_levels(pagerduty_events_conn_id="pagerduty_away"))
def away():
    @task
    def load():
        raise_until_mended("away")

    load()


away()
relay_dag("away_relay", schedule=None)
