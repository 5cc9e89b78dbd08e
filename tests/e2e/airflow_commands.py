"""Run in a process of Airflow's own: one command a line comes in as JSON, and its answer goes out.

Airflow 3's API could do the same; but there, each run that is made writes an audit record in the event loop, so
that on SQLite, which has one writer, the server waits for itself for seconds, and all tasks wait for it.
"""

import json
import os
import sys
from datetime import datetime

# What Airflow prints must not come between the answers.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

from airflow import __version__  # noqa: E402
from airflow.api.common.trigger_dag import trigger_dag  # noqa: E402
from airflow.models import DagModel, DagRun, TaskInstance  # noqa: E402
from airflow.models.serialized_dag import SerializedDagModel  # noqa: E402
from airflow.models.taskinstance import clear_task_instances  # noqa: E402
from airflow.utils.session import create_session  # noqa: E402
from airflow.utils.state import TaskInstanceState  # noqa: E402

FAILED = (TaskInstanceState.FAILED, TaskInstanceState.UPSTREAM_FAILED)


def knows(session, dag_id):
    # Airflow writes down that there is a DAG before it does what the DAG is.
    return bool(DagModel.get_current(dag_id, session=session)) and SerializedDagModel.has_dag(
        dag_id, session=session
    )


def trigger(session, dag_id, run_id, logical_date):
    date = logical_date and datetime.fromisoformat(logical_date)
    if __version__.startswith("2."):
        trigger_dag(dag_id, run_id=run_id, execution_date=date)
    else:
        from airflow.utils.types import DagRunTriggeredByType

        trigger_dag(dag_id, run_id=run_id, logical_date=date, triggered_by=DagRunTriggeredByType.CLI)


def clear(session, dag_id, run_id):
    found = session.query(TaskInstance).filter_by(dag_id=dag_id, run_id=run_id)
    clear_task_instances(found.filter(TaskInstance.state.in_(FAILED)).all(), session)


def pause(session, dag_id, is_paused):
    DagModel.get_current(dag_id, session=session).is_paused = is_paused


def task_states(session, dag_id, run_id):
    found = session.query(TaskInstance).filter_by(dag_id=dag_id, run_id=run_id)
    return {ti.task_id + (f"[{ti.map_index}]" if ti.map_index >= 0 else ""): ti.state for ti in found}


def runs(session):
    found = session.query(DagRun.dag_id, DagRun.run_id, DagRun.state, DagRun.end_date)
    return [(*row[:3], row[3] and row[3].isoformat()) for row in found]


COMMANDS = {each.__name__: each for each in (knows, trigger, clear, pause, task_states, runs)}

for line in sys.stdin:
    name, *arguments = json.loads(line)
    try:
        with create_session() as session:
            answer = {"result": COMMANDS[name](session, *arguments)}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    answers.write(json.dumps(answer) + "\n")
    answers.flush()
