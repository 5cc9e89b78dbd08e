"""The results file: what each case showed on each Airflow, one entry for each of the two."""

import json
import os
import subprocess
from datetime import datetime, timezone
from pathlib import Path

FILE = Path(__file__).with_name("results.json")
#: The file and the page that a run of the suite changes by itself.
WRITTEN = ("tests/e2e/results.json", "docs/alerts.md")

#: All cases there are, as their marks have them, in the order of the table.
rows = []
_seen = {}


def keep(case, seen):
    """Keep what a case showed; None if it did not show what it should."""
    _seen[case["name"]] = seen


def read():
    """Return the file's entries."""
    return json.loads(FILE.read_text()) if FILE.exists() else []


def write(version):
    """Write what was kept, if that was asked for, and say whether; the other Airflow's entries stay."""
    if not _seen or not os.environ.get("E2E_RESULTS"):
        return False
    this = {"airflow": version, "commit": commit(), "date": datetime.now(timezone.utc).date().isoformat()}
    entries = {(entry["case"], entry["airflow"].partition(".")[0]): entry for entry in read()}
    major = version.partition(".")[0]
    for row in rows:
        says = {"case": row["name"], "expected": row["expected"]}
        if row["only"] not in (None, int(major)):
            entries[row["name"], major] = says | this | {"not_there": row["because"]}
        elif row["name"] in _seen:
            entries[row["name"], major] = says | this | {"seen": _seen[row["name"]]}
    order = [row["name"] for row in rows]
    found = [entry for entry in entries.values() if entry["case"] in order]
    found.sort(key=lambda entry: (order.index(entry["case"]), entry["airflow"]))
    FILE.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    return True


def commit():
    """Return the commit that was tried, with a plus if there was more than is in it."""
    try:
        head = _git("rev-parse", "--short", "HEAD")
        changed = _git("status", "--porcelain", "--", ":/", *(f":(top,exclude){path}" for path in WRITTEN))
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+" if changed else "")


def _git(*arguments):
    command = ["git", "-C", str(FILE.parent), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout.strip()
