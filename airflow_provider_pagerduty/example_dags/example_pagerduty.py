"""A pipeline that needs a file, and what it tells PagerDuty while the file is missing and once it is there.

Run it with `make demo`. Elsewhere: have a connection ``pagerduty_events_default``, set EXAMPLE_ORDERS_FILE.
"""

from __future__ import annotations

import os
from pathlib import Path

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_pagerduty.hooks.pagerduty_events import PagerdutyEventsHook
from airflow_provider_pagerduty.notifications.pagerduty import pagerduty_callbacks

ORDERS = Path(os.environ.get("EXAMPLE_ORDERS_FILE", "/tmp/orders.csv"))  # noqa: S108 (an example)


@dag(schedule=None, catchup=False, tags=["example", "pagerduty"])
def example_pagerduty() -> None:
    """Load the orders file, and let PagerDuty know how that goes."""

    @task
    def report_orders_file() -> None:
        """Tell PagerDuty from inside a task."""
        is_there = ORDERS.exists()
        PagerdutyEventsHook().create_event(
            summary=f"{ORDERS.name} is {'there' if is_there else 'missing'}",
            severity="warning",
            action="resolve" if is_there else "trigger",
            dedup_key="example_pagerduty/orders-file",
            custom_details={"expected at": ORDERS},
        )

    @task(
        **pagerduty_callbacks(level="task", severity="critical", runbook_url="https://wiki.example.com/orders")
    )
    def load_orders() -> int:
        """Fail while the file is missing, which pages; succeed once it is there, which stands down."""
        if not ORDERS.exists():
            raise FileNotFoundError(f"{ORDERS.name} is not there yet")
        return len(ORDERS.read_text().splitlines())

    report_orders_file()
    load_orders()


example_pagerduty()
