"""A task whose process is killed, as by the kernel when memory is short; and one whose supervisor is, too."""

import os
import signal

from airflow.providers.common.compat.sdk import dag, task
from staged import both_levels


@dag(schedule=None, **both_levels())
def task_killed():
    @task
    def load():
        os.kill(os.getpid(), signal.SIGKILL)

    load()


@dag(schedule=None, **both_levels())
def supervisor_killed():
    @task
    def load():
        # As when a worker is lost: first who would tell of it, then the task.
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    load()


task_killed()
supervisor_killed()
