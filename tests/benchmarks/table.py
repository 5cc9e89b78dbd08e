"""The results as a table: on the screen, and in docs/benchmarks.md between two marks."""

import json
from itertools import groupby
from pathlib import Path

FILE = Path(__file__).with_name("results.json")
PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- benchmarks begin -->", "<!-- benchmarks end -->"
TITLES = {"ours": "this package", "apache": "the Apache package", "bare": "the bare client"}
OF = {"apache": "of the Apache package", "bare": "of the bare client"}


def keep(results):
    """Write the results file, and the page's table of it."""
    FILE.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    PAGE.write_text(with_table(PAGE.read_text(), results))


def with_table(text, results):
    """Return a page's text with the results between its two marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE.name} needs a line {BEGIN} and, after it, one {END}")
    return f"{before}{BEGIN}\n{markdown(results)}{END}{after}"


def markdown(results):
    """Return the tables, one for all rows that have the same sides, and where they were measured."""
    parts = []
    for head, rows in tables(results):
        parts.append("\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rows)))
    on = results["on"]
    packages = ", ".join(f"{name} {number}" for name, number in on["packages"].items() if number)
    where = f"on {on['date']} at {on['commit']}, on {on['cores']} cores, with Python {on['python']}"
    parts.append(f"Measured {where}, {packages}.")
    return "\n\n".join(parts) + "\n"


def tables(results):
    """Yield each table's head and its rows."""
    for is_growth, found in groupby(results["rows"], key=lambda row: "ours" not in row["sides"]):
        rows = list(found)
        sides = list(rows[0]["sides"]) if is_growth else list(TITLES)
        titles = [f"{int(side):,} rows" for side in sides] if is_growth else list(TITLES.values())
        yield (
            ["", *titles, "ours is", "goal", ""],
            [[row["row"], *(cell(row, side) for side in sides), *verdict(row)] for row in rows],
        )


def cell(row, side):
    """Return a side's median, with the lowest and the highest of its runs where there were several."""
    found = row["sides"].get(side)
    if found is None:
        return ""
    text = number(found["median"])
    if found["runs"] > 1 and found["low"] != found["high"]:
        text += f" ({number(found['low'])} to {number(found['high'])})"
    note = row["notes"].get(side)
    return f"{text} {row['unit']}".strip() + (f", {note}" if note else "")


def number(value):
    """Return a figure with as many digits as say something."""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def verdict(row):
    """Return what the ratios are, what they were to be, and whether they are."""
    ratios = ratios_of(row)
    asked = [f"at most {number(goal['at_most'])} {OF.get(goal['of'], '')}".strip() for goal in row["goals"]]
    if not asked:
        return "; ".join(ratios), "", ""
    missed = [goal for goal in row["goals"] if not goal["met"]]
    reason = f": {row['because']}" if missed and row["because"] else ""
    return "; ".join(ratios), "; ".join(asked), f"**missed**{reason}" if missed else "met"


def ratios_of(row):
    sides = row["sides"]
    if "ours" not in sides:
        return [number(goal["is"]) for goal in row["goals"]]
    ours = sides["ours"]["median"]
    if not row["unit"]:  # a count stands for itself
        return []
    return [
        f"{number(ours / sides[other]['median'])} {OF[other]}"
        for other in OF
        if other in sides and sides[other]["median"]
    ]
