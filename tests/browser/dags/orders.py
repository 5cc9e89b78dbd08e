"""A DAG that fails, as the README has it, and whose tasks say so for themselves too."""

from datetime import timedelta

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_pagerduty.notifications.pagerduty import PagerdutyNotifier, pagerduty_callbacks


def alone(summary):
    return PagerdutyNotifier(summary=summary, dedup_key=summary)


@dag(schedule=None, **pagerduty_callbacks())
def orders():
    @task(retries=1, retry_delay=timedelta(0), on_failure_callback=alone("The load failed"))
    def load(ti):
        raise ValueError(f"The warehouse is full, says try {ti.try_number}")

    @task(on_failure_callback=alone("A shelf is empty"))
    def count(shelf):
        if shelf == "B":
            raise ValueError("Nothing on shelf B")

    load()
    count.expand(shelf=["A", "B"])


orders()
