"""Before our callbacks stands another one, which raises."""

from airflow.providers.common.compat.sdk import dag, task
from staged import probed, raise_until_mended

from airflow_provider_pagerduty.notifications.pagerduty import PagerdutyNotifier


def somebody_elses(context):
    """Raise."""
    raise RuntimeError("somebody else's callback is broken")


CALLBACKS = {"on_failure_callback": [somebody_elses, PagerdutyNotifier()]}


@dag(schedule=None, default_args=probed("task", CALLBACKS), **probed("run", CALLBACKS))
def raising():
    @task
    def load():
        raise_until_mended("raising")

    load()


raising()
