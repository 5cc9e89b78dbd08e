"""What an alert says: an occasion in, the arguments of ``create_event`` out.

What is sent goes through Airflow's own redaction; parameters and rendered fields, which may hold anything, are
not looked at.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_pagerduty import deployment, exception_text
from airflow_provider_pagerduty.masking import redact
from airflow_provider_pagerduty.occasion import Kind, Occasion, as_datetime, each_of, look
from airflow_provider_pagerduty.payload import MAX_SUMMARY

if TYPE_CHECKING:
    from airflow_provider_pagerduty.history import TaskState

CLIENT = "Apache Airflow"
#: How many failed tasks a summary and the details name before "and 997 more".
NAMED_IN_SUMMARY, NAMED_IN_DETAILS = 3, 20
#: Characters of an exception's message, and of a line of a traceback, which has at most 25 of them: enough to
#: see what happened, and far from what would crowd the rest out of an event.
MAX_EXCEPTION, MAX_LINE = 2_000, 400

_CLASSES: dict[Kind, str] = {"task": "task_failure", "deadline": "deadline_missed", "sla": "sla_missed"}


def describe(occasion: Occasion, now: datetime) -> dict[str, Any]:
    """Return what there is to say, as arguments of ``create_event`` (but for key, severity, source and action).

    :param now: the time, for a failure of which Airflow does not tell it.
    :return: ``{"summary", "custom_details", "component", "group", "class_type", "timestamp", "links", "client",
        "client_url"}``, all redacted.
    """
    failed = _failed_tasks(occasion)
    said = {
        "summary": _summary(occasion, failed, now),
        "custom_details": _details(occasion, failed, now),
        "component": occasion.task_id or occasion.dag_id,
        "group": occasion.dag_id,
        "class_type": _class(occasion),
    }
    redacted: dict[str, Any] = redact(said)
    # Only now, as half a secret would not be found.
    redacted["summary"] = _cut(redacted["summary"], MAX_SUMMARY)
    details = redacted["custom_details"]
    if "exception" in details:
        details["exception"] = _cut(details["exception"], MAX_EXCEPTION)
    if "traceback" in details:
        lines = [_cut(line, MAX_LINE) for line in details["traceback"].split("\n")]
        details["traceback"] = "\n".join(lines)
    # No secret is in these, and a word that happens to be one would break an address.
    return redacted | {
        "links": _links(occasion, failed),
        "client": CLIENT,
        "client_url": deployment.dag_page(occasion.dag_id) if occasion.dag_id else None,
        "timestamp": _happened(occasion, now),
    }


def _happened(occasion: Occasion, now: datetime) -> datetime:
    if occasion.kind == "deadline":
        found = look(occasion.context.get("deadline"), "deadline_time")
    else:
        found = look(occasion.ti if occasion.kind == "task" else occasion.dag_run, "end_date")
    return as_datetime(found) or now


def _summary(occasion: Occasion, failed: Sequence[TaskState], now: datetime) -> str:
    who = ".".join(part for part in (occasion.dag_id, occasion.task_id) if part) or "A DAG"
    if occasion.kind == "deadline":
        return f"{who} missed its deadline by {duration(now - _happened(occasion, now))}"
    if occasion.kind == "sla":
        return f"{who} missed its SLA: {_listed(_late_tasks(occasion), NAMED_IN_SUMMARY)}"
    if occasion.kind == "run":
        names = _listed([str(task) for task in failed], NAMED_IN_SUMMARY)
        if occasion.outcome == "timed out":
            limit = look(occasion.dag, "dagrun_timeout")
            return f"{who} timed out" + (f" after {duration(limit)}" if isinstance(limit, timedelta) else "")
        if occasion.outcome == "deadlocked":
            return f"{who} failed: all tasks deadlocked" + (f", after {names} failed" if names else "")
        return f"{who} {occasion.outcome}" + (f": {names}" if names else "")
    what = {"to retry": "failed and will be retried"}.get(occasion.outcome, occasion.outcome)
    exception = exception_text.line(occasion.exception, redact)
    return f"{who} {what}" + (f": {exception}" if exception else "")


def _details(occasion: Occasion, failed: Sequence[TaskState], now: datetime) -> dict[str, Any]:
    """Return what people on call read at a glance, the most telling first, and nothing that is not known."""
    kind, dag, ti = occasion.kind, occasion.dag, occasion.ti
    task = occasion.context.get("task") or look(ti, "task")
    details: dict[str, Any] = {
        "dag": occasion.dag_id,
        "task": occasion.task_id,
        "map index": occasion.map_index if kind == "task" and occasion.map_index >= 0 else None,
        "failed tasks": _listed([str(task) for task in failed], NAMED_IN_DETAILS),
        "reason": occasion.reason,
        "run": occasion.run_id,
        "logical date": _logical_date(occasion),
    }
    if kind == "task":
        details |= {
            "try": _try(ti),
            "operator": look(task, "task_type") or look(ti, "operator"),
            "owner": look(task, "owner"),
            "host": _host(occasion),
            "exception": exception_text.whole(occasion.exception, redact),
            "traceback": exception_text.last_lines(occasion.exception, redact),
        }
    elif kind == "deadline":
        details |= {
            "deadline": _happened(occasion, now).isoformat(),
            "late by": duration(now - _happened(occasion, now)),
            "state of the run": look(occasion.dag_run, "state"),
        }
    elif kind == "sla":
        details |= {
            "late tasks": _listed(_late_tasks(occasion), NAMED_IN_DETAILS),
            "waiting for": occasion.context.get("blocking_task_list"),
        }
    if "owner" not in details:
        details["owner"] = look(dag, "owner")
    details["tags"] = ", ".join(sorted(str(tag) for tag in each_of(look(dag, "tags"))))
    return {name: value for name, value in details.items() if value not in (None, "")}


def _logical_date(occasion: Occasion) -> str | None:
    if occasion.logical_date:
        return occasion.logical_date.isoformat()
    return "none: the run was started without one" if occasion.dag_run is not None else None


def _try(ti: Any) -> str | None:
    number, most = look(ti, "try_number"), look(ti, "max_tries")
    if not isinstance(number, int):
        return None
    # Clearing a task raises max_tries, so the two always belong together.
    return f"{number} of {max(most + 1, number)}" if isinstance(most, int) else str(number)


def _host(occasion: Occasion) -> str | None:
    host = look(occasion.ti, "hostname")
    if not host and isinstance(occasion.exception, BaseException):
        host = platform.node()  # the exception itself is at hand, so this is the task's own process
    return host or None


def _class(occasion: Occasion) -> str:
    if isinstance(occasion.exception, BaseException):
        return type(occasion.exception).__name__
    return _CLASSES.get(occasion.kind) or occasion.reason or "run_failure"


def _failed_tasks(occasion: Occasion) -> list[TaskState]:
    """Return a failed run's failed tasks, as far as Airflow says."""
    if occasion.kind != "run" or occasion.outcome == "succeeded" or not (occasion.dag_id and occasion.run_id):
        return []
    try:
        states = occasion.history.task_states(occasion.run_id)
    except Exception:  # the page goes out without them
        return []
    return [task for task in states if task.state == "failed"]


def _late_tasks(occasion: Occasion) -> list[str]:
    slas = each_of(occasion.context.get("slas"))
    return sorted({str(look(sla, "task_id")) for sla in slas}) or [
        str(occasion.context.get("task_list") or "?")
    ]


def _listed(names: Sequence[str], most: int) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown


def _links(occasion: Occasion, failed: Sequence[TaskState]) -> list[dict[str, str]]:
    """Return the addresses of the log (of a run, its first failed task's) and of the run."""
    links = []
    log = look(occasion.ti, "log_url") if occasion.kind == "task" else None
    if isinstance(log, str) and log:
        links.append({"href": deployment.as_uri(log), "text": "Task log"})
    if occasion.dag_id and occasion.run_id:
        for task in failed[:1]:
            page = deployment.log_page(occasion.dag_id, occasion.run_id, task.task_id, task.map_index)
            links.append({"href": page, "text": f"Log of {task}" if len(failed) > 1 else "Task log"})
        links.append({"href": deployment.run_page(occasion.dag_id, occasion.run_id), "text": "DAG run"})
    return links


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def duration(length: timedelta) -> str:
    """Return a duration as people say it: the two largest units of it."""
    seconds = max(0, round(length.total_seconds()))
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
