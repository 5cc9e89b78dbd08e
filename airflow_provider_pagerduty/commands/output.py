"""How the commands print: tables by rich on a terminal's width, JSON, moments in UTC; nothing that bites."""

from __future__ import annotations

import contextlib
import json
import sys
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

#: Columns of a table that no terminal shows: wide enough for a line to be found in it.
WIDTH_WITHOUT_TERMINAL = 180


class _Standard:
    """Standard output, while others' prints and logs are kept away from it."""

    output: TextIO | None = None


@contextlib.contextmanager
def keeping_output_to_us() -> Iterator[None]:
    """Have all that is not printed by the functions here, as what Airflow logs, go to standard error."""
    _Standard.output = sys.stdout
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _Standard.output = None


def out() -> TextIO:
    """Return standard output."""
    return _Standard.output or sys.stdout


def console() -> Console:
    """Return where people read."""
    from rich.console import Console

    class Ours(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # for run() to know what to do, where rich would end everything

    width = None if out().isatty() else WIDTH_WITHOUT_TERMINAL
    return Ours(file=out(), width=width, highlight=False)


def print_json(value: Any, *, in_a_line: bool = False) -> None:
    """Print a value for programs: in one line where it is one of many."""
    out().write(json.dumps(value, indent=None if in_a_line else 2) + "\n")


def say(text: str) -> None:
    """Print a sentence for people."""
    out().write(f"{plain(text)}\n")


def plain(text: object) -> str:
    """Return a text without control characters: an event came from anywhere, and this is a terminal."""
    return "".join(each if each.isprintable() or each == "\n" else "\ufffd" for each in str(text))


def moment(seconds: float | None) -> str | None:
    """Return seconds since 1970 as ISO 8601, in UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def span(seconds: float) -> str:
    """Return a length of time as people say it: ``40 s``, ``12 min``, ``5 h``, ``3 days``."""
    seconds = abs(seconds)
    for limit, unit, name in ((120, 1, "s"), (7200, 60, "min"), (48 * 3600, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 86400:.0f} days"


def number(count: int, thing: str) -> str:
    """Return ``1 event``, ``2 events``."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
