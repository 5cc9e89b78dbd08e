"""Runs that miss their deadline; they end when they are mended."""

from datetime import timedelta

from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference, SyncCallback, dag, task
from staged import probed, wait_until_mended

from airflow_provider_pagerduty.notifications.pagerduty import PagerdutyNotifier, pagerduty_callbacks


def late(dag_id, callback):
    deadline = DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT, interval=timedelta(seconds=2), callback=callback
    )

    @dag(dag_id=dag_id, schedule=None, deadline=deadline, **probed("run", pagerduty_callbacks()))
    def late():
        @task
        def load():
            wait_until_mended(dag_id)

        load()

    late()


late("deadline_async", AsyncCallback(PagerdutyNotifier, kwargs={"severity": "warning"}))
late("deadline_sync", SyncCallback(PagerdutyNotifier, kwargs={"severity": "warning"}))
