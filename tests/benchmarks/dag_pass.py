"""A pass of Airflow's own dag-processor over a folder of DAG files: its seconds, of CPU and by the clock."""

import resource
import time

IMPORTS = {
    "ours": "from airflow_provider_pagerduty.notifications.pagerduty import PagerdutyNotifier\n",
    "apache": "from airflow.providers.pagerduty.notifications.pagerduty import send_pagerduty_notification\n",
    "bare": "",
}
CALLBACKS = {
    "ours": "PagerdutyNotifier()",
    "apache": 'send_pagerduty_notification(summary="{{ ti.task_id }} failed", severity="critical")',
    "bare": "None",
}
FILE = """\
from airflow.sdk import dag, task
{imports}

@dag(dag_id="pipeline_{number}", on_failure_callback={callback})
def pipeline():
    @task
    def extract():
        return 1

    @task
    def load(number):
        return number

    load(extract())


pipeline()
"""


def write(folder, side, count):
    """Write DAG files that use a side's notifier, or none."""
    folder.mkdir()
    for number in range(count):
        text = FILE.format(imports=IMPORTS[side], callback=CALLBACKS[side], number=number)
        (folder / f"pipeline_{number}.py").write_text(text)


def take(stage, folder):
    """Let a dag-processor parse each file of a folder once."""
    before, began = cpu(), time.perf_counter()
    stage.run("-m", "airflow", "dag-processor", "--num-runs", "1", AIRFLOW__CORE__DAGS_FOLDER=str(folder))
    return {"s": time.perf_counter() - began, "cpu": cpu() - before}


def cpu():
    """Return the seconds of CPU of all that this process has waited for, and of what that has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
