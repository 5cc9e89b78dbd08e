"""Which Airflow this is: the name that tells its alerts from another's, and where its pages are (2.11, 3.x)."""

from __future__ import annotations

import functools
import logging
from urllib.parse import quote, urlsplit

from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from airflow_provider_pagerduty.hooks.endpoint import is_loopback
from airflow_provider_pagerduty.settings import option

log = logging.getLogger(__name__)

#: The address that Airflow itself assumes where none is configured.
DEFAULT_BASE_URL = "http://localhost:8080"


def name() -> str | None:
    """Return this deployment's name: ``[pagerduty] deployment``, or the host of Airflow's pages, if any."""
    return option("deployment") or host()


def origin(conn_id: str) -> str:
    """Return what tells this deployment's alerts from another's: its name, or without one the connection's.

    :param conn_id: the connection that the alert goes out with.
    """
    known = name()
    if known is None:
        _warn_of_no_name(conn_id)
    return known or conn_id


@functools.cache
def _warn_of_no_name(conn_id: str) -> None:
    log.warning(
        "This Airflow deployment has no name: only the connection id %r tells its alerts from another's, and "
        "two deployments with one PagerDuty service resolve each other's. Set [pagerduty] deployment, or "
        "Airflow's base URL.",
        conn_id,
    )


def base_url() -> str:
    """Return the address of Airflow's pages, without a slash at its end."""
    section = "api" if AIRFLOW_V_3_0_PLUS else "webserver"
    return (option("base_url", section) or DEFAULT_BASE_URL).rstrip("/")


def host() -> str | None:
    """Return the host of Airflow's pages; None where that is this machine, which any deployment's may be."""
    try:
        found = urlsplit(base_url()).hostname
    except ValueError:
        return None
    return found if found and found != "0.0.0.0" and not is_loopback(found) else None  # noqa: S104 (no binding)


def dag_page(dag_id: str) -> str:
    """Return the address of a DAG's page."""
    return f"{base_url()}/dags/{quote(dag_id, safe='')}{'' if AIRFLOW_V_3_0_PLUS else '/grid'}"


def run_page(dag_id: str, run_id: str) -> str:
    """Return the address of a run's page."""
    run_id = quote(run_id, safe="")
    return (
        f"{dag_page(dag_id)}/runs/{run_id}" if AIRFLOW_V_3_0_PLUS else f"{dag_page(dag_id)}?dag_run_id={run_id}"
    )


def log_page(dag_id: str, run_id: str, task_id: str, map_index: int) -> str:
    """Return the address of a task's log.

    :param map_index: -1 where the task is not mapped.
    """
    task = quote(task_id, safe="")
    if AIRFLOW_V_3_0_PLUS:
        return f"{run_page(dag_id, run_id)}/tasks/{task}" + (f"/mapped/{map_index}" if map_index >= 0 else "")
    index = f"&map_index={map_index}" if map_index >= 0 else ""
    return f"{run_page(dag_id, run_id)}&task_id={task}{index}&tab=logs"


def as_uri(log_url: str) -> str:
    """Return the address that a task instance has of its log, with its non-ASCII ids escaped."""
    # Airflow 2 doubles the slash at the base URL's end; the escapes that are there stay.
    return quote(log_url.replace(f"{base_url()}//", f"{base_url()}/", 1), safe="%/:?#[]@!$&'()*+,;=")
