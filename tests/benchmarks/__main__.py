"""``python tests/benchmarks``: everything side by side, printed as a table. ``make bench`` keeps it too.

--keep      write results.json and docs/benchmarks.md
--smoke     do a little of everything, for a test that all of it works; nothing it says means anything
--only ROW  do the rows whose names begin so
--json FILE write the results there too
"""

import argparse
import compileall
import json
import tempfile
from pathlib import Path

import runner
import table
from rich.console import Console
from rich.table import Table
from rows import ROWS
from trials import SMOKE, Size

import airflow_provider_pagerduty


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    console = Console()
    if not console.is_terminal:
        console.width = 200  # a log scrolls sideways
    # Installers compile what they install, but not what is installed editable.
    compileall.compile_dir(Path(airflow_provider_pagerduty.__file__).parent, quiet=1)
    rows = [row for row in ROWS if row.name.startswith(given.only)]
    with tempfile.TemporaryDirectory(prefix="pagerduty-benchmarks-") as folder:
        found = runner.run(folder, SMOKE if given.smoke else Size(), rows, console.print)
    results = {"on": runner.circumstances(), "rows": found}
    show(console, results)
    if given.json:
        given.json.write_text(json.dumps(results))
    if given.keep:
        table.keep(results)


def show(console, results):
    """Print the tables."""
    for head, rows in table.tables(results):
        shown = Table(*head)
        for row in rows:
            shown.add_row(*row)
        console.print(shown)


if __name__ == "__main__":
    main()
