"""What the DAGs of this folder share: probes behind their callbacks, and a way to be mended."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

FOLDER = Path(os.environ.get("E2E_FOLDER", "/nonexistent"))


class Probe:
    """A callback that stands behind ours and writes down that, and with what, Airflow called."""

    def __init__(self, level, kind):
        self.level = level
        self.kind = kind

    def __call__(self, *args):
        context = args[0]
        ti = context.get("ti")
        dag = context["dag"]
        call = {
            "level": self.level,
            "kind": self.kind,
            "run": context.get("run_id"),
            "reason": context.get("reason"),
            "exception": type(context["exception"]).__name__ if context.get("exception") else None,
            "ended": str(getattr(ti, "end_date", None) or ""),
            "task": getattr(ti, "task_id", None),
            "index": getattr(ti, "map_index", None),
            "try": getattr(ti, "try_number", None),
            "at": time.time(),
        }
        # One write, so that two processes' lines do not mix.
        with path_of(dag.dag_id, "callbacks").open("a") as file:
            file.write(json.dumps(call) + "\n")


def path_of(dag_id, what):
    """Return where the DAGs and the tests tell each other something; the longest ids make no file's name."""
    return FOLDER / f"{hashlib.md5(dag_id.encode()).hexdigest()}.{what}"


def probed(level, callbacks):
    """Put a probe behind each callback."""
    names = {"on_failure_callback": "failure", "on_success_callback": "success"}
    probed = {}
    for name, kind in names.items():
        ours = callbacks.get(name) or []
        ours = ours if isinstance(ours, (list, tuple)) else [ours]
        probed[name] = [*ours, Probe(level, kind)]
    return {**callbacks, **probed}


def raise_until_mended(dag_id):
    """Fail, until the test mends this DAG."""
    if not path_of(dag_id, "mended").exists():
        raise ValueError("orders.csv is not there yet\nsecond line")


def wait_until_mended(dag_id, seconds=120):
    """Take long, until the test mends this DAG."""
    deadline = time.monotonic() + seconds
    while not path_of(dag_id, "mended").exists() and time.monotonic() < deadline:
        time.sleep(0.1)


def both_levels(**overrides):
    """Return the arguments of a DAG that alerts at both levels, probes included."""
    from airflow_provider_pagerduty.notifications.pagerduty import pagerduty_callbacks

    return {
        **probed("run", pagerduty_callbacks(**overrides)),
        "default_args": probed("task", pagerduty_callbacks(level="task", **overrides)),
    }
