"""Airflow 2: a scheduler with its dag-processor; `airflow dags backfill` runs its tasks itself.

LocalExecutor, as Airflow's own tests have it on SQLite: SequentialExecutor starts a whole Airflow for each
task, one at a time.
"""

import subprocess
import sys

from airflow import __version__
from local_airflow import LocalAirflow


class Airflow2(LocalAirflow):
    version = __version__

    def _start(self):
        self.environment |= {
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "_AIRFLOW__SKIP_DATABASE_EXECUTOR_COMPATIBILITY_CHECK": "1",
            "AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL": "10",
            # Whose supervisor is gone is failed after this long.
            "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "25",
            "AIRFLOW__SCHEDULER__ZOMBIE_DETECTION_INTERVAL": "3",
        }
        migrate = [sys.executable, "-m", "airflow", "db", "migrate"]
        subprocess.run(migrate, env=self.environment, check=True, capture_output=True, timeout=120)
        self.launch("scheduler", "-m", "airflow", "scheduler")

    def backfill(self, dag_id, date):
        self.run("dags", "backfill", "-s", date, "-e", date, dag_id)
