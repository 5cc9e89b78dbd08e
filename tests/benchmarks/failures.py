"""Tasks that fail, as Airflow tells their callbacks: contexts of Airflow's own classes."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
from airflow_contexts import make_dag, task_context


def a_failure(task_id="load", map_index=-1):
    """Return the context of a task's ``on_failure_callback``."""
    return task_context(
        make_dag(tasks=[task_id]), task_id, exception=ValueError("no rows"), map_index=map_index
    )
