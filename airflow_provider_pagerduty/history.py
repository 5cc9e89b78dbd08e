"""What Airflow remembers of a DAG's runs and tasks: the same questions to 2.11's database and to 3.x's API.

Only calls that answer in task processes and in the dag-processor's callbacks alike are used here. On Airflow 3
``get_ti_count`` and ``get_dr_count`` are not among them: in the dag-processor they never come back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NamedTuple, Protocol

from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

#: After every run.
EVER = datetime(9999, 1, 1, tzinfo=timezone.utc)
FINISHED = ("failed", "success")


class Run(NamedTuple):
    """A run of a DAG, one that has a logical date."""

    run_id: str
    logical_date: datetime
    state: str


class TaskState(NamedTuple):
    """One instance of a task; ``map_index`` is -1 where the task is not mapped."""

    task_id: str
    map_index: int
    state: str | None

    def __str__(self) -> str:
        return self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]"


class _Source(Protocol):
    def run_before(self, dag_id: str, before: datetime, state: str | None) -> Run | None: ...

    def task_states(
        self, dag_id: str, run_id: str, task_id: str | None, known: Collection[str]
    ) -> list[TaskState]: ...

    def has_missed_sla(self, dag_id: str, logical_date: datetime) -> bool: ...


@dataclass(frozen=True, slots=True)
class History:
    """The history of one DAG.

    Each question costs Airflow one indexed look-up. What is raised is Airflow's own.

    :param dag_id: the DAG.
    :param task_ids: the ids of its tasks, to tell ``load_3`` from the third ``load``.
    """

    dag_id: str
    task_ids: Collection[str] = ()

    def latest_finished(self, before: datetime) -> Run | None:
        """Return the latest run by logical date that has failed or succeeded, before a date."""
        found = (_source().run_before(self.dag_id, before, state) for state in FINISHED)
        return max((run for run in found if run), key=lambda run: run.logical_date, default=None)

    def runs(self, before: datetime) -> Iterator[Run]:
        """Yield the runs in any state before a date, from the latest on."""
        while run := _source().run_before(self.dag_id, before, None):
            yield run
            before = run.logical_date

    def task_states(self, run_id: str, task_id: str | None = None) -> list[TaskState]:
        """Return the states of a run's task instances: of all, or of one task's."""
        states = _source().task_states(self.dag_id, run_id, task_id, self.task_ids)
        return sorted(states, key=lambda each: each[:2])

    def has_missed_sla(self, logical_date: datetime) -> bool:
        """Say whether a run missed an SLA, which only Airflow 2 has."""
        return _source().has_missed_sla(self.dag_id, logical_date)


class _Airflow3:
    """The supervisor, which asks Airflow's API on behalf of a task or a callback."""

    @staticmethod
    def _ask(message: Any) -> Any:
        from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

        return SUPERVISOR_COMMS.send(message)

    def run_before(self, dag_id: str, before: datetime, state: str | None) -> Run | None:
        from airflow.sdk.execution_time.comms import GetPreviousDagRun

        run = self._ask(GetPreviousDagRun(dag_id=dag_id, logical_date=before, state=state)).dag_run
        return Run(run.run_id, run.logical_date, _text(run.state)) if run else None

    def task_states(
        self, dag_id: str, run_id: str, task_id: str | None, known: Collection[str]
    ) -> list[TaskState]:
        from airflow.sdk.execution_time.comms import GetTaskStates

        message = GetTaskStates(dag_id=dag_id, run_ids=[run_id], task_ids=[task_id] if task_id else None)
        states = self._ask(message).task_states.get(run_id, {})
        return [_named(name, known, state) for name, state in states.items()]

    def has_missed_sla(self, dag_id: str, logical_date: datetime) -> bool:  # noqa: ARG002 (as Airflow 2's)
        return False


def _named(name: str, known: Collection[str], state: Any) -> TaskState:
    """Read the API's name of a task instance: ``load``, or ``load_3`` for the third index of ``load``."""
    task_id, _, index = name.rpartition("_")
    if name not in known and task_id and index.isdecimal():
        return TaskState(task_id, int(index), _text(state))
    return TaskState(name, -1, _text(state))


class _Airflow2:
    """The database, which 2.11 lets callbacks read."""

    @staticmethod
    def _all(statement: Any) -> list[Any]:
        from airflow import settings

        # A connection of our own: Airflow's session belongs to its thread, and ending it here would detach
        # the task instance that is being called back about.
        with settings.engine.connect() as connection:
            return list(connection.execute(statement))

    def run_before(self, dag_id: str, before: datetime, state: str | None) -> Run | None:
        from airflow.models.dagrun import DagRun
        from sqlalchemy import select

        found = select(DagRun.run_id, DagRun.execution_date, DagRun.state)
        found = found.where(DagRun.dag_id == dag_id, DagRun.execution_date < before)
        if state:
            found = found.where(DagRun.state == state)
        rows = self._all(found.order_by(DagRun.execution_date.desc()).limit(1))
        return Run(rows[0][0], rows[0][1], _text(rows[0][2])) if rows else None

    def task_states(
        self,
        dag_id: str,
        run_id: str,
        task_id: str | None,
        known: Collection[str],  # noqa: ARG002 (the other source needs it)
    ) -> list[TaskState]:
        from airflow.models.taskinstance import TaskInstance
        from sqlalchemy import select

        found = select(TaskInstance.task_id, TaskInstance.map_index, TaskInstance.state)
        found = found.where(TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id)
        if task_id:
            found = found.where(TaskInstance.task_id == task_id)
        return [TaskState(name, index, _text(state)) for name, index, state in self._all(found)]

    def has_missed_sla(self, dag_id: str, logical_date: datetime) -> bool:
        from airflow.models.slamiss import SlaMiss  # type: ignore[import-not-found, unused-ignore]
        from sqlalchemy import select

        found = select(SlaMiss.task_id).where(SlaMiss.dag_id == dag_id, SlaMiss.execution_date == logical_date)
        return bool(self._all(found.limit(1)))


def _text(state: Any) -> str:
    """Return a state's plain name; an enum's str() differs among Pythons and Airflows."""
    return str(getattr(state, "value", state) or "")


def _source() -> _Source:
    return _Airflow3() if AIRFLOW_V_3_0_PLUS else _Airflow2()
