"""Runs the trials and makes the rows' results of what they measured."""

import importlib.metadata
import os
import platform
import statistics
import subprocess
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

from rows import ROWS, WAITING
from stage import Stage

PACKAGES = (
    "apache-airflow",
    "apache-airflow-providers-pagerduty",
    "pagerduty",
    "pdpyras",
    "requests",
    "urllib3",
    "httpx",
)


def sides():
    """Return the sides that are installed here."""
    return ["ours", "apache", "bare"] if version("apache-airflow-providers-pagerduty") else ["ours", "bare"]


def run(folder, size, rows=ROWS, say=print):
    """Return each row's result."""
    more = {"AIRFLOW__PAGERDUTY__SEND_TIMEOUT": str(size.send_timeout)} if size.send_timeout else {}
    outbox = Stage(Path(folder, "outbox")).outbox

    def play(trial):
        say(f"{trial.__name__}: {trial.__doc__.splitlines()[0]}")
        stage = Stage(Path(folder, trial.__name__), outbox, **more)
        return trial, by_figure(trial(stage, size, sides()))

    chosen = list(dict.fromkeys(row.trial for row in rows))
    waiting = [trial for trial in WAITING if trial in chosen]
    others = [trial for trial in chosen if trial not in WAITING]
    with ThreadPoolExecutor(size.trials_at_once) as pool:
        measured = dict(pool.map(play, others))
    with ThreadPoolExecutor(len(WAITING)) as pool:
        measured |= pool.map(play, waiting)
    return [result(row, measured[row.trial][row.figure]) for row in rows]


def by_figure(rounds):
    """Return figure → side → what the rounds gave."""
    found = defaultdict(lambda: defaultdict(list))
    for figures in rounds:
        for side, each in figures.items():
            for figure, value in each.items():
                found[figure][side].append(value)
    return dict(found)


def result(row, values):
    """Return a row's result: each side's median and spread, and which goals are met."""
    medians = {side: statistics.median(each) for side, each in values.items()}
    goals = []
    for goal in row.goals:
        if goal.side not in medians or (goal.of and goal.of not in medians):
            continue
        figure = medians[goal.side] / medians[goal.of] if goal.of else medians[goal.side]
        goals.append({"of": goal.of, "at_most": goal.at_most, "is": figure, "met": figure <= goal.at_most})
    return {
        "row": row.name,
        "unit": row.unit,
        "notes": {side: note for side, note in (("bare", row.bare), ("apache", row.apache)) if note},
        "sides": {
            side: {"median": medians[side], "low": min(each), "high": max(each), "runs": len(each)}
            for side, each in values.items()
        },
        "goals": goals,
        "because": row.because if not all(goal["met"] for goal in goals) else "",
    }


def circumstances():
    """Return where, when and with what all of it was measured."""
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "commit": commit(),
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
        "packages": {name: version(name) for name in PACKAGES},
    }


def version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def commit():
    """Return the commit that was measured, with a plus where the package has more than is in it."""
    try:
        head = git("rev-parse", "--short", "HEAD")
        return head + ("+" if git("status", "--porcelain", "--", ":/airflow_provider_pagerduty") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def git(*arguments):
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout.strip()
