"""One case as it is played: its DAG's runs, the callbacks that Airflow made, and what PagerDuty got of it."""

import hashlib
import json
from collections import Counter
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

from local_airflow import DEPLOYMENT, PATIENCE

FIRST_DATE = datetime(2026, 1, 1, tzinfo=timezone.utc)


class Play:
    """A DAG on stage.

    :param dag_id: each case has its own DAG, and a dedup_key of it below ``e2e/<dag_id>``.
    """

    def __init__(self, airflow, sandbox, dag_id):
        self.airflow = airflow
        self.dag_id = dag_id
        self.notes = []
        self.service_key = None  # where it has an integration of its own
        self._sandbox = sandbox
        self._run_ids = []
        self._first_end = None

    def trigger(self, *, dated=True):
        """Make a run, of the next day, and return its id."""
        number = len(self._run_ids) + 1
        date = FIRST_DATE + timedelta(days=number)
        run_id = f"run-{number}"
        self._run_ids.append(run_id)
        self.airflow.trigger(self.dag_id, run_id, date.isoformat() if dated else None)
        return run_id

    def run(self, state, **kwargs):
        """Make a run, wait for its end, and check how it ended."""
        run_id = self.trigger(**kwargs)
        self.await_end(run_id, state)
        return run_id

    def await_another_run(self, state):
        """Wait for a run that Airflow makes by itself, and for its end."""

        def another():
            made = [run_id for dag_id, run_id in self.airflow.runs() if dag_id == self.dag_id]
            return next((run_id for run_id in made if run_id not in self._run_ids), None)

        run_id = self.airflow.wait(f"another run of {self.dag_id}", another)
        self._run_ids.append(run_id)
        self.await_end(run_id, state)
        return run_id

    def await_end(self, run_id, state):
        run = self.airflow.run_end(self.dag_id, run_id)
        self._first_end = self._first_end or run.end
        assert run.state == state, f"{run_id}: {self.airflow.task_states(self.dag_id, run_id)}"

    def clear(self, run_id, state):
        """Clear a run's failed tasks and wait until it has ended again."""
        before = self.airflow.runs()[self.dag_id, run_id].end

        def has_begun_again():
            run = self.airflow.runs()[self.dag_id, run_id]
            return run.state not in ("success", "failed") or run.end != before

        self.airflow.clear(self.dag_id, run_id)
        self.airflow.wait(f"{self.dag_id} {run_id} to run again", has_begun_again)
        self.await_end(run_id, state)

    def task_states(self, run_id):
        return self.airflow.task_states(self.dag_id, run_id)

    def mend(self):
        """From now on the DAG's tasks succeed."""
        self._path("mended").touch()

    def callbacks(self, level=None, kind=None):
        """Return Airflow's calls, as the DAG's probes (which stand behind our notifiers) wrote them down."""
        path = self._path("callbacks")
        lines = path.read_text().splitlines() if path.exists() else []
        calls = [json.loads(line) for line in lines]
        return [each for each in calls if level in (None, each["level"]) and kind in (None, each["kind"])]

    def _path(self, what):
        return self.airflow.folder / f"{hashlib.md5(self.dag_id.encode()).hexdigest()}.{what}"

    def await_callbacks(self, level, kind, count=1):
        """Wait for so many calls; behind each, our notifier has done what it does."""
        self.airflow.wait(
            f"{count} {kind} callback(s) of {self.dag_id} at {level} level",
            lambda: len(self.callbacks(level, kind)) >= count,
            PATIENCE,
            self._evidence,
        )

    def _evidence(self):
        seen = f"Airflow has called {self.callbacks()}, and PagerDuty got {self.actions()}."
        return f"{seen}\n{self.airflow.logs_about(self.dag_id)}"

    def events(self):
        """Return what came of this DAG, by the dedup_keys that are below its own."""
        events = self._sandbox.events()
        if self.service_key:
            return [event for event in events if event.service.integration_key == self.service_key]
        key = f"{DEPLOYMENT}/{self.dag_id}"
        return [e for e in events if e.dedup_key == key or e.dedup_key.startswith((f"{key}/", f"{key}@"))]

    def key(self, task=""):
        """Return the dedup_key of the run-level alert, or a task's."""
        return f"{DEPLOYMENT}/{self.dag_id}" + (f"/{task}" if task else "")

    def actions(self):
        """Return the events' actions in their order, by dedup_key."""
        found = {}
        for event in self.events():
            found.setdefault(event.dedup_key, []).append(event.action)
        return found

    def incidents(self):
        """Return the incidents of this DAG, the oldest first."""
        mine = {id(event) for event in self.events()}
        return [
            incident
            for incident in self._sandbox.incidents()
            if any(id(event) in mine for alert in incident.alerts for event in alert.events)
        ]

    def statuses(self):
        """Return the incidents' statuses, the oldest first, by dedup_key."""
        found = {}
        for incident in self.incidents():
            found.setdefault(incident.alert.dedup_key, []).append(incident.status)
        return found

    def note(self, words):
        """Keep for the table what the events alone do not say."""
        self.notes.append(words)

    def await_events(self, count, seconds=PATIENCE):
        """Wait for so many events where nothing else tells that they have been sent."""
        return self.airflow.wait(
            f"{count} event(s) of {self.dag_id}",
            lambda: len(self.events()) >= count and self.events(),
            seconds,
            self._evidence,
        )

    @contextmanager
    def fault(self, fault):
        """Let something go wrong at PagerDuty for as long as the block lasts."""
        number = self._sandbox._server.faults.add(fault)
        try:
            yield
        finally:
            self._sandbox._server.faults.remove(number)

    def seen(self):
        """Return what the results file keeps of it."""
        calls = Counter(f"{each['level']} {each['kind']}" for each in self.callbacks())
        return {
            "incidents": [
                {
                    "level": _level(each.alert.events[0]),
                    "dedup_key": each.alert.dedup_key,
                    "status": each.status,
                    "severity": each.alert.severity,
                    "summary": each.alert.events[0].body["payload"]["summary"],
                    "actions": [event.action for event in each.alert.events],
                }
                for each in self.incidents()
            ],
            "callbacks": dict(sorted(calls.items())),
            "seconds": self._seconds(),
            "notes": self.notes,
        }

    def _seconds(self):
        """Return how long after the first run's end it was paged for."""
        pages = [each for each in self.events() if each.action == "trigger" and _level(each) == "run"]
        if not (pages and self._first_end):
            return None
        end = datetime.fromisoformat(self._first_end.replace("Z", "+00:00"))
        seconds = (pages[0].received_at - end).total_seconds()
        return round(seconds, 1) if seconds > 0 else None


def _level(event):
    return "task" if "task" in event.body["payload"]["custom_details"] else "run"
