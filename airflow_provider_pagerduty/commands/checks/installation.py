"""Whether this deployment has a name, and whether it is one machine, as a store in a file demands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from airflow_provider_pagerduty import deployment
from airflow_provider_pagerduty.commands.checks.finding import Finding
from airflow_provider_pagerduty.commands.opened import Opened
from airflow_provider_pagerduty.settings import option

#: Executors whose tasks run beside the scheduler. Any other may run them on another machine.
OF_ONE_MACHINE = {"LocalExecutor", "SequentialExecutor", "InProcessExecutor", "DebugExecutor"}
#: A component of Airflow that has not been heard of for so long is gone.
RECENTLY = timedelta(minutes=5)


def check_name() -> Iterator[Finding]:
    """Look for the deployment's name."""
    name = deployment.name()
    if name is None:
        yield Finding(
            "name",
            "failure",
            "This deployment has no name of its own: two such deployments that page one PagerDuty service "
            "resolve each other's alerts.",
            "Set [pagerduty] deployment (AIRFLOW__PAGERDUTY__DEPLOYMENT) to the same name wherever this "
            "Airflow runs; or Airflow's base URL.",
        )
        return
    said = "[pagerduty] deployment" if option("deployment") else "the host of Airflow's base URL"
    yield Finding("name", "ok", f"This deployment is {name!r} ({said}).")


def check_machines(opened: Opened | None) -> Iterator[Finding]:
    """Look for signs of other machines, where the outbox is a file of this one."""
    executors = executors_of(option("executor", "core") or "")
    away = [each for each in executors if each not in OF_ONE_MACHINE]
    shown = ", ".join(executors) or "unknown"
    if opened is None or not opened.store.is_of_one_machine:
        yield Finding("machines", "ok", f"The executor is {shown}.")
        return
    cure = (
        "Set [pagerduty] outbox (AIRFLOW__PAGERDUTY__OUTBOX) to the URL of a database that all of them reach, "
        "such as postgresql+psycopg2://user:password@host/database."
    )
    hosts = hosts_of_components()
    if away:
        yield Finding(
            "machines",
            "failure",
            f"The outbox is a file of one machine ({opened.store}), and the executor {', '.join(away)} may run "
            "tasks on others: what is kept there is delivered by nobody.",
            cure,
        )
    elif len(hosts) > 1:
        yield Finding(
            "machines",
            "failure",
            f"The outbox is a file of one machine ({opened.store}), and this Airflow's components run on "
            f"{len(hosts)}: {', '.join(hosts)}.",
            cure,
        )
    else:
        yield Finding("machines", "ok", f"The executor is {shown}: one machine, for which a file will do.")


def executors_of(setting: str) -> list[str]:
    """Return the class names in ``[core] executor``, which may be a list, with aliases, for several teams.

    ``LocalExecutor``, ``LocalExecutor,alias:my.module.Executor``, ``LocalExecutor;team=CeleryExecutor``.
    """
    names = [part.rpartition("=")[2].strip() for part in re.split(r"[,;]", setting)]
    # In "alias:path" the one with dots is the path; a name without dots is one of Airflow's own.
    return [max(name.split(":"), key=lambda part: part.count(".")).rpartition(".")[2] for name in names if name]


def hosts_of_components() -> list[str]:
    """Return the hosts of this Airflow's scheduler and its siblings; none where they cannot be told."""
    try:
        from airflow.jobs.job import Job
        from airflow.utils.session import create_session
        from sqlalchemy import select

        recent = Job.latest_heartbeat > datetime.now(timezone.utc) - RECENTLY
        # A task of Airflow 2 is a job too, and on a worker.
        jobs = select(Job.hostname).where(Job.state == "running", recent).distinct()
        with create_session() as session:
            return sorted({str(host) for host in session.scalars(jobs) if host})
    except Exception:  # no database at hand, which the check of the connections says
        return []
