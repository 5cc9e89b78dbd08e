"""The relay as Airflow's own work: a DAG of one task, as a task can read connections in every deployment."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import DAG, task

if TYPE_CHECKING:
    from airflow_provider_pagerduty.outbox.relay import Report

log = logging.getLogger(__name__)

#: Seconds for which one run goes on delivering: it comes again each minute.
PASS = 45.0


def relay_dag(dag_id: str = "pagerduty_outbox_relay", **arguments: Any) -> DAG:
    """Return a DAG that delivers each minute what the outbox holds.

    A DAG file is ``from airflow_provider_pagerduty.relay_dag import relay_dag`` and ``dag = relay_dag()``. It
    is unpaused when Airflow first sees it, runs once at a time, catches nothing up, and ends within minutes.

    :param dag_id: its name.
    :param arguments: other arguments of ``DAG``, which win: a ``schedule``, ``tags``, a ``default_args`` with
        the queue or pool of a worker that reaches the outbox.
    :return: the DAG.
    """
    defaults: dict[str, Any] = {
        "schedule": "* * * * *",
        "start_date": datetime(2026, 1, 1, tzinfo=timezone.utc),
        "catchup": False,
        "max_active_runs": 1,
        "is_paused_upon_creation": False,
        "dagrun_timeout": timedelta(minutes=5),
        "tags": ["pagerduty"],
        "description": "Delivers the PagerDuty alerts that could not be delivered at once.",
    }
    with DAG(dag_id, **defaults | arguments) as dag:  # noqa: AIR002 (it is among the defaults)
        task(task_id="deliver", retries=0, execution_timeout=timedelta(minutes=2))(deliver)()
    return dag


def deliver() -> dict[str, int]:
    """Deliver what is due.

    :return: ``{"delivered": …, "rejected": …, "expired": …, "failed": …}``, how many events each.
    :raises OutboxError: if the outbox cannot be used, so that the task fails visibly.
    """
    from airflow_provider_pagerduty.hooks.once import send_once
    from airflow_provider_pagerduty.outbox.location import open_outbox
    from airflow_provider_pagerduty.outbox.relay import Relay, Report

    store = open_outbox()
    if store is None:
        log.warning("[pagerduty] outbox is none, so this relay has nothing to deliver: take its DAG away.")
        return _counts(Report())
    report = Relay(store, send_once).drain(seconds=PASS)
    for error in dict.fromkeys(report.errors):
        log.warning("PagerDuty did not take an event: %s", error)
    log.info("The outbox %s: %s; %s pending.", store, _counts(report), store.counts()["pending"])
    return _counts(report)


def _counts(report: Report) -> dict[str, int]:
    return {name: getattr(report, name) for name in ("delivered", "rejected", "expired", "failed")}
