"""Makes the tables in docs/outbox-trials.md from the results file; run it to do so."""

from itertools import groupby
from pathlib import Path

import trial_results

PAGE = Path(__file__).parents[2] / "docs" / "outbox-trials.md"
BEGIN, END = "<!-- trials begin -->", "<!-- trials end -->"
COLUMNS = {
    "events": "events in",
    "alerts": "alerts in PagerDuty",
    "wrong": "wrong final states",
    "lost": "lost",
    "doubled": "doubled",
    "disordered": "out of order",
}


def update():
    """Put the tables in their place on the page."""
    PAGE.write_text(with_tables(PAGE.read_text(), trial_results.read()))


def with_tables(text, results):
    """Return a page's text with the tables of these results between its two marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE.name} needs a line {BEGIN} and, after it, one {END}")
    return f"{before}{BEGIN}\n{render(results)}{END}{after}"


def render(results):
    """Return the tables: a row for each trial and database; where two Airflows differ, each one's figure."""
    lines = [_row("trial", "outbox in", *COLUMNS.values(), "note"), _row(*["---"] * (3 + len(COLUMNS)))]
    for (name, database), found in _by_place(results["trials"]):
        cells = [_cell(found, column) for column in COLUMNS]
        lines.append(_row(name, database, *cells, found[-1]["note"]))
    lines += ["", _row("what it costs", "outbox in", "figure"), _row(*["---"] * 3)]
    lines += [
        _row(name, database, _cell(found, "figure"))
        for (name, database), found in _by_place(results["figures"])
    ]
    ran = sorted({(each["airflow"], each["date"]) for part in results.values() for each in part}, reverse=True)
    said = "; ".join(f"Airflow {version} on {date}" for version, date in ran)
    return "\n".join([*lines, "", f"Seen on: {said}." if ran else "", ""])


def _by_place(entries):
    for place, group in groupby(entries, key=lambda each: (each["name"], each["database"])):
        yield place, sorted(group, key=lambda each: [int(part) for part in each["airflow"].split(".")])


def _cell(found, column):
    shown = {entry["airflow"]: _text(entry[column]) for entry in found}
    if len(set(shown.values())) == 1:
        return next(iter(shown.values()))
    return "; ".join(f"{text} ({version})" for version, text in shown.items())


def _text(value):
    return value if isinstance(value, str) else f"{value:,}"


def _row(*cells):
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


if __name__ == "__main__":
    update()
