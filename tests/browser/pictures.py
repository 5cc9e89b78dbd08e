"""The pictures that docs/connections.md shows, taken while the tests pass by.

``BROWSER_SCREENSHOTS=write`` takes them; without it nothing is written.
"""

import os
from pathlib import Path

from sites import IS_AIRFLOW_2

DOCS = Path(__file__).parents[2] / "docs"
#: Of the browser's window, in pixels: as wide as a page of the docs is read.
WIDTH = 1100


def take(locator, name):
    """Take a picture of something on a page, once it stands still; if the docs show it."""
    shown = f"images/airflow-{2 if IS_AIRFLOW_2 else 3}-{name}.png"
    if os.environ.get("BROWSER_SCREENSHOTS") != "write" or shown not in (DOCS / "connections.md").read_text():
        return
    (DOCS / "images").mkdir(exist_ok=True)
    locator.screenshot(path=DOCS / shown, animations="disabled", caret="hide")


def take_form(connections, name):
    """Take a picture of a form; of Airflow 3's, where one section at a time is open, one of each."""
    for section in connections.SECTIONS:
        connections.show(section)
        take(connections.form, "-".join([name, *section.lower().split()]))
