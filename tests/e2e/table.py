"""Makes the table in docs/alerts.md from the results file; run it to do so."""

from itertools import groupby
from pathlib import Path

import results

PAGE = Path(__file__).parents[2] / "docs" / "alerts.md"
BEGIN, END = "<!-- e2e table begin -->", "<!-- e2e table end -->"
#: Characters of a summary that are shown.
SHOWN = 70


def update():
    """Put the table in its place on the page; the page is made if there is none."""
    text = PAGE.read_text() if PAGE.exists() else f"# Alerts\n\n{BEGIN}\n{END}\n"
    PAGE.write_text(with_table(text, results.read()))


def with_table(text, entries):
    """Return a page's text with the table of these results between its two marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE.name} needs a line {BEGIN} and, after it, one {END}")
    return f"{before}{BEGIN}\n{render(entries)}{END}{after}"


def render(entries):
    """Return the table: a row for each case, a column for each Airflow, and what the alert said."""
    versions = sorted({entry["airflow"] for entry in entries}, key=_number, reverse=True)
    lines = [
        _row("case", "should be seen", *(f"Airflow {version}" for version in versions), "the first page says"),
        _row(*["---"] * (3 + len(versions))),
    ]
    for name, found in groupby(entries, key=lambda entry: entry["case"]):
        by_version = {entry["airflow"]: entry for entry in found}
        any_entry = next(iter(by_version.values()))
        cells = [_cell(by_version.get(version)) for version in versions]
        lines.append(_row(name, any_entry["expected"], *cells, _summary(by_version, versions)))
    runs = sorted(
        {(each["airflow"], each["date"], each["commit"]) for each in entries}, key=lambda run: _number(run[0])
    )
    ran = "; ".join(f"Airflow {version} on {date} at {commit}" for version, date, commit in reversed(runs))
    return "\n".join([*lines, "", f"Seen on: {ran}." if ran else "", ""])


def _number(version):
    return [int(part) for part in version.split(".") if part.isdigit()]


def _row(*cells):
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _cell(entry):
    if entry is None:
        return "not run"
    if "not_there" in entry:
        return f"no such thing ({entry['not_there']})"
    seen = entry["seen"]
    if seen is None:
        return "**not as it should be**"
    incidents = "; ".join(_incident(each) for each in seen["incidents"]) or "nothing"
    late = f" (paged {seen['seconds']} s after the run's end)" if seen["seconds"] is not None else ""
    notes = "".join(f". {note}" for note in seen["notes"])
    return f"{incidents}{late}{notes}"


def _incident(incident):
    actions = [(action, len(list(group))) for action, group in groupby(incident["actions"])]
    sent = ", ".join(action if count == 1 else f"{count} {action}s" for action, count in actions)
    status = {"triggered": "open", "resolved": "**resolved**"}.get(incident["status"], incident["status"])
    return f"{incident['level']}: {sent} → {status}"


def _summary(by_version, versions):
    for version in versions:
        seen = by_version.get(version, {}).get("seen") or {}
        for incident in seen.get("incidents", ()):
            text = incident["summary"].replace("`", "'")
            return f"`{text if len(text) <= SHOWN else text[: SHOWN - 1] + '…'}`"
    return ""


if __name__ == "__main__":
    update()
