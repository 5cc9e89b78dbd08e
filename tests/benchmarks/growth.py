# ruff: noqa: T201 (it prints what it measured)
"""What an outbox costs that already holds many events, measured in a process of its own.

python growth.py fill FILE ROWS
python growth.py measure FOLDER TIMES
"""

import contextlib
import json
import sqlite3
import statistics
import sys
import time
import uuid
from pathlib import Path

from airflow_provider_pagerduty.outbox.database import Database
from airflow_provider_pagerduty.outbox.relay import Relay
from airflow_provider_pagerduty.outbox.store import Store

CONN_ID = "pagerduty_events_default"
SUMMARY = "orders.load failed: ValueError: no rows"


def store_at(file):
    return Store(Database(f"sqlite:///{file}"))


def event(key):
    payload = {
        "summary": SUMMARY,
        "severity": "error",
        "source": "airflow",
        "custom_details": {"try": "3 of 3"},
    }
    return {"event_action": "trigger", "dedup_key": key, "payload": payload}


def fill(file, rows):
    """Put so many events of different alerts into an outbox: one by itself, and copies of its row."""
    store_at(file).keep(CONN_ID, event("0"))
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        names = [column[1] for column in connection.execute("PRAGMA table_info(pagerduty_outbox)")]
        own = {"id": "number.value + 1", "dedup_key": "CAST(number.value AS TEXT)", "next_of": "number.value"}
        values = ", ".join(own.get(name, f"first.{name}") for name in names)
        connection.execute(
            "WITH RECURSIVE number(value) AS (VALUES(1) UNION ALL SELECT value + 1 FROM number WHERE value < ?)"
            f" INSERT INTO pagerduty_outbox ({', '.join(names)}) SELECT {values}"
            " FROM number, pagerduty_outbox AS first WHERE first.id = 1",
            (int(rows) - 1,),
        )
    return {"rows": store_at(file).counts()["pending"]}


def size(file):
    return int(file.stem)


def measure(folder, times):
    """Return the milliseconds that it takes to add, to claim and to deliver an event, by outbox."""
    stores = {file.stem: store_at(file) for file in sorted(Path(folder).glob("*.db"), key=size)}
    relays = {name: Relay(store, lambda *_: None) for name, store in stores.items()}

    def add(name):
        return stores[name].keep(CONN_ID, event(uuid.uuid4().hex))

    works = {
        "add ms": add,
        "claim ms": lambda name: stores[name].claim(CONN_ID),
        "drain ms": lambda name: (
            relays[name].drain_connection(CONN_ID, until=time.time() + 60, most=1).delivered == 1
        ),
    }
    taken = {name: {figure: [] for figure in works} for name in stores}
    # In turns, so that whatever else the machine does slows all of them; the first turn makes ready.
    for _ in range(int(times) + 1):
        for name in stores:
            add(name)  # a second one, as two go out
        for figure, work in works.items():
            for name in stores:
                began = time.perf_counter()
                assert work(name)
                taken[name][figure].append((time.perf_counter() - began) * 1_000)
    return {
        name: {figure: statistics.median(each[1:]) for figure, each in figures.items()}
        for name, figures in taken.items()
    }


if __name__ == "__main__":
    _, what, *given = sys.argv
    print(json.dumps({"fill": fill, "measure": measure}[what](*given)))
