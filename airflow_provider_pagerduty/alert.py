"""What an alert says: a context of Airflow's in, the arguments of ``create_event`` out.

The only reader of contexts: of a task's callbacks, a run's, a missed deadline's and a missed SLA's, as Airflow
2.11 and 3.x hand them in. Each of them lacks something, so nothing is taken for granted. What is sent goes
through Airflow's own redaction; parameters and rendered fields, which may hold anything, are not looked at.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from airflow_provider_pagerduty import deployment, exception_text
from airflow_provider_pagerduty.history import History, TaskState
from airflow_provider_pagerduty.masking import redact
from airflow_provider_pagerduty.payload import MAX_SUMMARY, shorten_dedup_key

CLIENT = "Apache Airflow"
#: How many failed tasks a summary and the details name before "and 997 more".
NAMED_IN_SUMMARY, NAMED_IN_DETAILS = 3, 20
#: Characters of an exception's message, and of a line of a traceback, which has at most 25 of them: enough to
#: see what happened, and far from what would crowd the rest out of an event.
MAX_EXCEPTION, MAX_LINE = 2_000, 400

Kind = Literal["task", "run", "deadline", "sla"]
Outcome = Literal["failed", "to retry", "succeeded", "skipped", "timed out", "deadlocked", "missed"]
DedupScope = Literal["always", "run"]

_OF_STATE: dict[str, Outcome] = {"up_for_retry": "to retry", "success": "succeeded", "skipped": "skipped"}
_OF_REASON: dict[str, Outcome] = {
    "success": "succeeded",
    "timed_out": "timed out",
    "all_tasks_deadlocked": "deadlocked",
}
_CLASSES: dict[Kind, str] = {"task": "task_failure", "deadline": "deadline_missed", "sla": "sla_missed"}


@dataclass(frozen=True, slots=True)
class Occasion:
    """What Airflow called back about, whatever the context's shape; None where the context does not say.

    :param kind: whether it is about a task, a whole run, a run's deadline or a DAG's SLAs.
    :param reason: Airflow's own word for why a run ended.
    :param context: the context itself.
    """

    kind: Kind
    outcome: Outcome
    dag_id: str | None
    task_id: str | None
    run_id: str | None
    logical_date: datetime | None
    reason: str | None
    context: Mapping[str, Any]

    @property
    def dag(self) -> Any:
        """The DAG."""
        return self.context.get("dag")

    @property
    def ti(self) -> Any:
        """The task instance; for a run, one that Airflow found relevant."""
        return self.context.get("ti")

    @property
    def dag_run(self) -> Any:
        """The run: an object, or of a deadline a dictionary."""
        return self.context.get("dag_run")

    @property
    def exception(self) -> Any:
        """Why a task failed: an exception, of a killed task a text, or nothing."""
        return self.context.get("exception") if self.kind == "task" else None

    @property
    def tries(self) -> int | None:
        """Which try of a task it was; None where that is unknown, and of a run."""
        number = look(self.ti, "try_number") if self.kind == "task" else None
        return number if isinstance(number, int) else None

    @property
    def clearings(self) -> int | None:
        """How often its run was cleared, as far as was known when the task started; None where unknown."""
        number = look(self.dag_run, "clear_number")
        return number if isinstance(number, int) else None

    @property
    def map_index(self) -> int:
        """The task's map index, -1 where it is not mapped."""
        index = look(self.ti, "map_index")
        return index if isinstance(index, int) else -1

    @property
    def history(self) -> History:
        """The DAG's history."""
        return History(str(self.dag_id), frozenset(_each(look(self.dag, "task_ids"))))

    def dedup_key(self, origin: str, scope: DedupScope = "always") -> str | None:
        """Return the alert's name: equal on failure and recovery, and for all indices of a mapped task.

        :param origin: what tells this deployment from others.
        :param scope: with ``run``, each run has an alert of its own.
        :return: at most 255 characters; None where not even the DAG is known.
        """
        if not self.dag_id:
            return None
        # Neither a DAG's nor a task's id can hold a slash or an @, so no two alerts share a name.
        key = "/".join(part for part in (origin, self.dag_id, self.task_id) if part)
        return shorten_dedup_key(f"{key}@{self.run_id}" if scope == "run" and self.run_id else key)


def look(thing: Any, name: str) -> Any:
    """Return an attribute, or a dictionary's item; None where it is not there or cannot be had."""
    if isinstance(thing, Mapping):
        return thing.get(name)
    try:
        # On Airflow 3 some of a task instance's attributes raise where nobody has filled them in.
        return getattr(thing, name, None)
    except Exception:
        return None


def _each(things: Any) -> Iterable[Any]:
    return things if isinstance(things, (list, tuple, set, frozenset)) else ()


def read(context: Mapping[str, Any]) -> Occasion:
    """Return what a context is about."""
    ti, dag_run = context.get("ti"), context.get("dag_run")
    reason = context.get("reason")
    kind: Kind = "task"
    outcome: Outcome
    if "deadline" in context:
        kind, outcome = "deadline", "missed"
    elif "blocking_tis" in context:
        kind, outcome = "sla", "missed"
    elif "reason" in context or ti is None:
        kind, outcome = "run", _OF_REASON.get(str(reason), "failed")
    else:
        outcome = _OF_STATE.get(_state(ti), "failed")
    task_id = look(ti, "task_id") if kind == "task" else None
    # A deadline's run has its id under another name.
    run_id = context.get("run_id") or look(dag_run, "run_id") or look(dag_run, "dag_run_id")
    dag_id = look(context.get("dag"), "dag_id") or look(ti, "dag_id") or look(dag_run, "dag_id")
    return Occasion(
        kind=kind,
        outcome=outcome,
        dag_id=str(dag_id) if dag_id else None,
        task_id=str(task_id) if task_id else None,
        run_id=str(run_id) if run_id else None,
        logical_date=as_datetime(look(dag_run, "logical_date")),
        reason=str(reason) if reason else None,
        context=context,
    )


def _state(ti: Any) -> str:
    state = look(ti, "state")
    return str(getattr(state, "value", state) or "")


def as_datetime(value: Any) -> datetime | None:
    """Return a datetime with its zone, also of the text that a deadline's context has; else None."""
    if isinstance(value, str):
        try:
            # Python 3.10 does not read the Z.
            value = datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=timezone.utc)


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
        names = _listed([str(each) for each in failed], NAMED_IN_SUMMARY)
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
        "failed tasks": _listed([str(each) for each in failed], NAMED_IN_DETAILS),
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
    details["tags"] = ", ".join(sorted(str(tag) for tag in _each(look(dag, "tags"))))
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
    return [each for each in states if each.state == "failed"]


def _late_tasks(occasion: Occasion) -> list[str]:
    slas = _each(occasion.context.get("slas"))
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
        for each in failed[:1]:
            page = deployment.log_page(occasion.dag_id, occasion.run_id, each.task_id, each.map_index)
            links.append({"href": page, "text": f"Log of {each}" if len(failed) > 1 else "Task log"})
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
