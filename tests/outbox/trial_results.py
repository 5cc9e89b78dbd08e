"""The results file: what each trial showed, and what things cost, on each database and Airflow."""

import json
import os
from datetime import datetime, timezone
from pathlib import Path

FILE = Path(__file__).with_name("results.json")

#: The names of all trials there are, in the order of the table.
trials = []
_seen = {}
_figures = {}


def keep(trial, database, shown):
    """Keep what a trial showed."""
    _seen[trial, database] = shown


def keep_figures(database, figures):
    """Keep what things cost, each a text by what it is of."""
    for name, text in figures.items():
        _figures[name, database] = text


def read():
    """Return the file's content: ``{"trials": [entry, …], "figures": [entry, …]}``."""
    return json.loads(FILE.read_text()) if FILE.exists() else {"trials": [], "figures": []}


def write():
    """Write what was kept, if that was asked for, and say whether; what was not played stays."""
    if not (_seen or _figures) or not os.environ.get("OUTBOX_RESULTS"):
        return False
    before = read()
    found = _merged(before["trials"], _seen, lambda shown: shown)
    # Where only some were collected, the others keep their places.
    names = [each["name"] for each in found]
    order = trials if set(names) <= set(trials) else list(dict.fromkeys(names))
    found.sort(key=lambda each: (order.index(each["name"]), each["database"] != "SQLite", each["airflow"]))
    figures = _merged(before["figures"], _figures, lambda text: {"figure": text})
    order = list(dict.fromkeys((each["name"], each["database"]) for each in figures))
    figures.sort(key=lambda each: (order.index((each["name"], each["database"])), each["airflow"]))
    text = json.dumps({"trials": found, "figures": figures}, indent=1, ensure_ascii=False)
    FILE.write_text(f"{text}\n")
    return True


def _merged(before, new, shape):
    from airflow import __version__

    said = {"airflow": __version__, "date": datetime.now(timezone.utc).date().isoformat()}
    entries = {_place(entry): entry for entry in before}
    for (name, database), shown in new.items():
        entry = {"name": name, "database": database} | said | shape(shown)
        entries[_place(entry)] = entry
    return list(entries.values())


def _place(entry):
    return entry["name"], entry["database"], entry["airflow"].partition(".")[0]
