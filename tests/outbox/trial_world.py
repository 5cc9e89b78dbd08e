"""The world of one trial: a PagerDuty, an outbox, a clock and processes; and what the trial showed."""

import contextlib
import json
import multiprocessing
import os
import sqlite3
import statistics
import time
from dataclasses import replace
from functools import partial

import trial_events
import trial_workers
from trial_clock import Clock

from airflow_provider_pagerduty.sandbox.account import PagerDuty
from airflow_provider_pagerduty.sandbox.fault import Fault
from airflow_provider_pagerduty.sandbox.server import running

#: Seconds that a process may take.
PATIENCE = 90

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(list(trial_workers.PRELOADED))


class Job:
    """A process at work."""

    def __init__(self, place, function, arguments):
        self._answer, answer = processes.Pipe(duplex=False)
        self._process = processes.Process(
            target=trial_workers.work, args=(place, answer, function, arguments), daemon=True
        )
        self._process.start()
        answer.close()

    def result(self):
        """Return what it came to; raises if it failed or was killed."""
        if not self._answer.poll(PATIENCE):
            self.kill()
            raise TimeoutError(f"a process was not done within {PATIENCE} s")
        try:
            worked, result = self._answer.recv()
        except EOFError:
            self._process.join(PATIENCE)
            raise RuntimeError(f"a process died with {self._process.exitcode}") from None
        self._process.join(PATIENCE)
        self._answer.close()
        assert worked, result
        return result

    def dies(self):
        """Wait until it has killed itself."""
        self._process.join(PATIENCE)
        self._answer.close()
        assert self._process.exitcode == -9, f"it was to be killed, and ended with {self._process.exitcode}"

    def send_signal(self, number):
        os.kill(self._process.pid, number)

    def kill(self):
        self._process.kill()
        self._process.join(PATIENCE)
        self._answer.close()


class World:
    """What a trial has at hand."""

    def __init__(self, folder, database, server, clock):
        self.folder = folder
        self.clock = clock
        self.pagerduty = server.pagerduty
        self.faults = server.faults
        self.place = trial_workers.Place(database, server.url, clock.path, log=folder / "log")
        self.shown = None
        self.figures = {}

    @property
    def is_postgres(self):
        return self.place.outbox.startswith("postgresql")

    @property
    def store(self):
        return trial_workers.store_at(self.place.outbox, self.clock)

    @property
    def log(self):
        return self.place.log.read_text() if self.place.log.exists() else ""

    def start(self, function, *arguments, **place):
        """Begin something in a process of its own."""
        return Job(replace(self.place, **place), function, arguments)

    def say(self, said, every=0.0, *, at_once=8, **place):
        """Let processes say all of this, half of them in an event loop; return the errors that users saw."""
        parts = [part for part in trial_events.deal(said, at_once) if part]
        jobs = [
            self.start(partial(trial_workers.say, in_a_loop=bool(number % 2)), part, every, **place)
            for number, part in enumerate(parts)
        ]
        return {summary: error for job in jobs for summary, error in job.result().items()}

    def say_and_die(self, said, step, **place):
        """Let a process say something, and be killed at a step."""
        self.start(partial(trial_workers.say, dies=step), said, **place).dies()

    def drain(self, **place):
        """Let a relay look in each minute until nothing is pending."""
        return self.start(trial_workers.relay, **place).result()

    def relay_and_die(self, step):
        self.start(partial(trial_workers.relay, dies=step)).dies()

    @contextlib.contextmanager
    def fault(self, **fault):
        """Let something go wrong for as long as the block lasts."""
        number = self.faults.add(Fault(**fault))
        try:
            yield
        finally:
            self.faults.remove(number)

    def judge(self, said, excused=(), note=""):
        """Judge, and note it for the table; nothing may be wrong.

        :param excused: what is known to be gone.
        """
        verdict = trial_events.judge(said, self.pagerduty, excused)
        counted = ("wrong", "lost", "doubled", "disordered")
        self.shown = {
            "events": verdict.events,
            "alerts": verdict.alerts,
            **{name: len(getattr(verdict, name)) for name in counted},
            "repeated": verdict.repeated,
            "excused": len(excused),
            "note": note,
        }
        for name in counted:
            assert getattr(verdict, name) == [], name
        return verdict

    def measured(self, **figures):
        """Note what something costs, for the table."""
        self.figures |= figures


@contextlib.contextmanager
def world(folder, database):
    """Make a world; its processes are gone when the block ends.

    :param database: the outbox's URL.
    """
    with (
        contextlib.closing(Clock(folder / "clock")) as clock,
        running(PagerDuty(clock=clock.datetime)) as server,
    ):
        server.pagerduty.declare_key(trial_workers.KEY)
        try:
            yield World(folder, database, server, clock)
        finally:
            for process in multiprocessing.active_children():
                if process.name.startswith("ForkServerProcess"):
                    process.kill()
                    process.join(PATIENCE)


def fill(path, rows, conn_id, moment):
    """Put many pending events of different keys into SQLite's file, at once; return the bytes of one."""
    event = json.dumps(EVENT | {"dedup_key": "row-00000"})
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(
            "INSERT INTO pagerduty_outbox (conn_id, dedup_key, action, event, state, is_next, next_of,"
            " triggers, tries, first_at, latest_at, due_at) "
            "VALUES (?, ?, 'trigger', ?, 'pending', 1, ?, 1, 1, ?, ?, ?)",
            (
                (conn_id, f"row-{row:05}", event, f"{conn_id[:20]} {row:041}", moment, moment, moment)
                for row in range(rows)
            ),
        )
    return len(event)


def timed(work, times=40):
    """Return the median of the seconds that something takes."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


#: As the notifier makes one by itself, about.
EVENT = {
    "event_action": "trigger",
    "client": "Airflow",
    "client_url": "https://airflow.example.com/dags/orders/runs/scheduled__2026-01-01T00:00:00+00:00/tasks/load",
    "links": [{"href": "https://airflow.example.com/dags/orders/runs/1/tasks/load?try=2", "text": "log"}],
    "payload": {
        "summary": "orders.load failed: OperationalError: server closed the connection unexpectedly",
        "severity": "error",
        "source": "airflow-production",
        "component": "load",
        "group": "orders",
        "class": "OperationalError",
        "timestamp": "2026-01-01T00:00:00+00:00",
        "custom_details": {
            "dag": "orders",
            "task": "load",
            "run": "scheduled__2026-01-01T00:00:00+00:00",
            "try": "2 of 2",
            "owner": "data-platform",
            "exception": "OperationalError: server closed the connection unexpectedly" * 3,
        },
    },
}
