"""Contexts and a past, made of each Airflow's own classes, as its own code makes them for callbacks.

On Airflow 2.11 the past is rows in its database. On 3.x it is asked of a supervisor, for which one stands in
here that answers as Airflow's API does; that it does is what the e2e suite shows.
"""

import uuid
from datetime import datetime, timedelta, timezone

import airflow
from airflow.providers.common.compat.sdk import DAG, BaseOperator

IS_AIRFLOW_2 = airflow.__version__.startswith("2.")
NOON = datetime(2026, 8, 1, 12, tzinfo=timezone.utc)
ENDED = NOON + timedelta(minutes=3)


class Load(BaseOperator):
    def execute(self, context):
        raise NotImplementedError


def make_dag(dag_id="orders", tasks=("load",), **arguments):
    dag = DAG(dag_id, schedule=None, start_date=NOON, **arguments)
    for task_id in tasks:
        Load(task_id=task_id, dag=dag, owner="data team", retries=3)
    return dag


def task_context(
    dag,
    task_id="load",
    *,
    state="failed",
    exception=None,
    try_number=1,
    max_tries=3,
    map_index=-1,
    run_id="scheduled__noon",
    logical_date=NOON,
    **run,
):
    """Return the context of a task's callback."""
    make = _airflow_2_context if IS_AIRFLOW_2 else _airflow_3_context
    context = make(
        dag.get_task(task_id),
        {"state": state, "try_number": try_number, "max_tries": max_tries, "map_index": map_index},
        {"run_id": run_id, "logical_date": logical_date, "clear_number": 0, **run},
    )
    if exception is not None:
        context["exception"] = exception
    return context


def run_context(dag, reason="task_failure", task_id="load", *, state="failed", **more):
    """Return the context of a DAG's callback, with the task instance that Airflow found relevant."""
    context = task_context(dag, task_id, state=state, **more)
    context["reason"] = reason
    if not IS_AIRFLOW_2:
        del context["ti"].__dict__["state"]  # the dag-processor is not told it
    return context


def deadline_context(dag_id="orders", *, deadline_time=NOON, state="running", logical_date=NOON):
    """Return the context of a missed deadline, which is all that Airflow 3 hands in."""
    run = {
        "dag_run_id": "scheduled__noon",
        "dag_id": dag_id,
        "logical_date": logical_date.isoformat().replace("+00:00", "Z") if logical_date else None,
        "state": state,
    }
    return {"dag_run": run, "deadline": {"id": str(uuid.uuid4()), "deadline_time": deadline_time}}


def _airflow_3_context(task, ti, run):
    from airflow.sdk.api.datamodels._generated import DagRun, TIRunContext
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    filled = {"start_date": NOON, "end_date": ENDED, "run_after": NOON, "run_type": "manual", "state": "failed"}
    filled |= {"data_interval_start": None, "data_interval_end": None, "consumed_asset_events": []}
    filled |= {"partition_key": None}
    dag_run = DagRun.model_construct(dag_id=task.dag_id, **(filled | run))
    return RuntimeTaskInstance.model_construct(
        id=uuid.uuid4(),
        dag_id=task.dag_id,
        task_id=task.task_id,
        run_id=run["run_id"],
        hostname="worker-1",
        task=task,
        end_date=ENDED,
        **ti,
        _ti_context_from_server=TIRunContext.model_construct(dag_run=dag_run, max_tries=ti["max_tries"]),
    ).get_template_context()


def _airflow_2_context(task, ti, run):
    from airflow.models import DagRun, TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        # All of it is taken back in the end; what the past says of this run stays.
        for model in (TaskInstance, DagRun):
            session.query(model).filter_by(run_id=run["run_id"]).delete()
        dag_run = DagRun(
            task.dag_id,
            run["run_id"],
            execution_date=run["logical_date"],
            run_type="manual",
            state="failed",
            data_interval=(NOON, NOON),
        )
        dag_run.clear_number, dag_run.end_date = run["clear_number"], run.get("end_date", ENDED)
        session.add(dag_run)
        instance = TaskInstance(task, run_id=run["run_id"], map_index=ti["map_index"], state=ti["state"])
        instance.try_number, instance.max_tries = ti["try_number"], ti["max_tries"]
        instance.hostname, instance.end_date = "worker-1", ENDED
        session.add(instance)
        session.flush()
        context = instance.get_template_context(session=session)
        session.flush()
        session.expunge_all()
        session.rollback()
    return context


class Past:
    """What this Airflow remembers."""

    def __init__(self, dag_id="orders"):
        self.dag_id = dag_id
        self.runs = []
        self.asked = []

    def add(self, logical_date, state, *, run_id=None, **tasks):
        """Remember a run, and its tasks' states: ``load="failed"``, or of a mapped task a list of them."""
        self.runs.append((run_id or f"run-{len(self.runs)}", logical_date, state, tasks))
        if IS_AIRFLOW_2:
            self._store(*self.runs[-1])

    @staticmethod
    def instances(tasks):
        """Yield task id, map index and state."""
        for task_id, states in tasks.items():
            if isinstance(states, list):
                yield from ((task_id, index, state) for index, state in enumerate(states))
            else:
                yield task_id, -1, states

    def send(self, message):
        """Answer a task's or a callback's question as Airflow 3's API does."""
        from airflow.sdk.execution_time.comms import PreviousDagRunResult, TaskStatesResult

        self.asked.append(message)
        if message.type == "GetPreviousDagRun":
            earlier = [
                (logical_date, run_id, state)
                for run_id, logical_date, state, _ in self.runs
                if logical_date < message.logical_date and message.state in (None, state)
            ]
            return PreviousDagRunResult.model_construct(dag_run=self._run(*max(earlier)) if earlier else None)
        assert message.type == "GetTaskStates", f"{message.type} does not answer everywhere"
        states = {
            run_id: {
                task_id if index < 0 else f"{task_id}_{index}": state
                for task_id, index, state in self.instances(tasks)
                if message.task_ids is None or task_id in message.task_ids
            }
            for run_id, _, _, tasks in self.runs
            if run_id in message.run_ids
        }
        return TaskStatesResult(task_states=states)

    def _run(self, logical_date, run_id, state):
        from airflow.sdk.api.datamodels._generated import DagRun, DagRunState

        return DagRun.model_construct(
            dag_id=self.dag_id, run_id=run_id, logical_date=logical_date, state=DagRunState(state)
        )

    def _store(self, run_id, logical_date, state, tasks):
        from airflow.models import DagRun, TaskInstance
        from airflow.utils.session import create_session

        dag = make_dag(self.dag_id, tasks)
        with create_session() as session:
            session.add(
                DagRun(self.dag_id, run_id, execution_date=logical_date, run_type="manual", state=state)
            )
            session.flush()
            for task_id, index, task_state in self.instances(tasks):
                session.add(
                    TaskInstance(dag.get_task(task_id), run_id=run_id, map_index=index, state=task_state)
                )

    def forget(self):
        """Empty the database."""
        from airflow.models import DagRun, TaskInstance
        from airflow.utils.session import create_session

        with create_session() as session:
            for model in (TaskInstance, DagRun):
                session.query(model).delete()
