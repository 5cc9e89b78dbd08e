"""What Airflow called back about: a context in, an ``Occasion`` out.

The only reader of contexts: of a task's callbacks, a run's, a missed deadline's and a missed SLA's, as Airflow
2.11 and 3.x hand them in. Each of them lacks something, so nothing is taken for granted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_pagerduty.payload import shorten_dedup_key

if TYPE_CHECKING:
    from airflow_provider_pagerduty.history import History

Kind = Literal["task", "run", "deadline", "sla"]
Outcome = Literal["failed", "to retry", "succeeded", "skipped", "timed out", "deadlocked", "missed"]
DedupScope = Literal["always", "run"]

_OF_STATE: dict[str, Outcome] = {"up_for_retry": "to retry", "success": "succeeded", "skipped": "skipped"}
_OF_REASON: dict[str, Outcome] = {
    "success": "succeeded",
    "timed_out": "timed out",
    "all_tasks_deadlocked": "deadlocked",
}


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
        from airflow_provider_pagerduty.history import History

        return History(str(self.dag_id), frozenset(each_of(look(self.dag, "task_ids"))))

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


def each_of(things: Any) -> Iterable[Any]:
    """Return what can be gone through; nothing of what cannot."""
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
