# ruff: noqa: T201 (it prints what it measured)
"""How fast the sandbox is, and how large: run it, read it. No test, as it says nothing on a busy machine.

python tests/benchmarks/sandbox_speed.py
"""

import http.client
import importlib.util
import itertools
import json
import os
import platform
import resource
import select
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import urlsplit

from airflow_provider_pagerduty.sandbox.account import PagerDuty

KEY = "0123456789abcdefghijklmnopqrstuv"
EVENTS = 5_000
SIZES = (1_000, 100_000)
COMMAND = [sys.executable, "-m", "airflow_provider_pagerduty.cli", "sandbox", "--port", "0"]


def body(number):
    details = {"dag_id": "load_orders", "task_id": "load", "try": number}
    payload = {"summary": "Task failed", "source": "airflow", "severity": "error", "custom_details": details}
    return {"event_action": "trigger", "dedup_key": f"k{number}", "payload": payload}


def events_a_second(*options):
    """Return how many events one client gets accepted over one kept connection, by a server of its own."""
    with subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert select.select([server.stdout], [], [], 60)[0]
            address = urlsplit(server.stdout.readline().split(" at ")[1].split()[0])
            client = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
            bodies = [json.dumps({"routing_key": KEY} | body(number)) for number in range(EVENTS + 200)]
            for each in bodies[:200]:
                post(client, each)
            started = time.perf_counter()
            for each in bodies[200:]:
                post(client, each)
            return EVENTS / (time.perf_counter() - started)
        finally:
            server.terminate()


def post(client, event):
    client.request("POST", "/v2/enqueue", event, {"Content-Type": "application/json"})
    answer = client.getresponse()
    answer.read()
    assert answer.status == 202, answer.status


class Clock:
    """Goes on by a second each time it is asked, as incidents spread over days do."""

    def __init__(self):
        self.now = datetime(2026, 3, 1, tzinfo=timezone.utc)

    def __call__(self):
        self.now += timedelta(seconds=1)
        return self.now


def filled(size):
    account = PagerDuty(clock=Clock())
    for number in range(size):
        account.take_event(KEY, body(number))
        if number % 3:
            account.take_event(KEY, {"event_action": "resolve", "dedup_key": f"k{number}"})
    return account


def pages(account):
    """Yield the name and the milliseconds of some pages of incidents."""
    middle = account.incidents[len(account.incidents) // 2].created_at
    window = {"since": middle, "until": middle + timedelta(hours=1)}
    questions = {
        "first 100 of all": {},
        "newest 100 of all": {"newest_first": True},
        "first 100 that are open": {"statuses": ["triggered", "acknowledged"]},
        "newest 100 that are resolved": {"statuses": ["resolved"], "newest_first": True},
        "an hour of all": window,
        "an hour of the resolved": window | {"statuses": ["resolved"]},
        "one incident_key": {"incident_key": "k77"},
    }
    for name, question in questions.items():
        took = []
        for _ in range(50):
            started = time.perf_counter()
            list(itertools.islice(account.find_incidents(**question), 100))
            took.append(time.perf_counter() - started)
        yield name, sorted(took)[len(took) // 2] * 1000


def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    parser = "httptools" if importlib.util.find_spec("httptools") else "h11"
    print(f"Python {platform.python_version()}, {parser}, {os.cpu_count()} cores")
    print(f"{events_a_second():8,.0f} events/s, in memory")
    with tempfile.TemporaryDirectory() as folder:
        print(f"{events_a_second('--db', str(Path(folder, 'account.db'))):8,.0f} events/s, kept in a file")
    took = []
    for size in SIZES:
        before = megabytes()
        account = filled(size)
        print(f"{megabytes() - before:8,.0f} MB for {size:,} incidents of 1.7 events each")
        took.append(dict(pages(account)))
    print(f"milliseconds a page, of {' and of '.join(f'{size:,}' for size in SIZES)} incidents:")
    for name, small in took[0].items():
        print(f"{small:8.3f} {took[1][name]:8.3f}  {name}")


if __name__ == "__main__":
    main()
