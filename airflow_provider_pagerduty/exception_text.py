"""An exception in words: in a line, in full, and the end of its traceback. Pure; exceptions may be anything."""

from __future__ import annotations

import traceback
from typing import Any

#: Lines of a traceback: the last ones, where the fault is.
TRACEBACK_LINES = 25
#: Exceptions of a chain that are looked at.
MAX_CAUSES = 5


def whole(exception: Any) -> str:
    """Return ``ValueError: what it says``; of a text, which Airflow has of a killed task, just that."""
    if exception is None:
        return ""
    message = _printed(exception)
    if not isinstance(exception, BaseException):
        return message
    return f"{type(exception).__name__}: {message}" if message.strip() else type(exception).__name__


def line(exception: Any) -> str:
    """Return the same, up to the end of the message's first line."""
    return whole(exception).strip().partition("\n")[0]


def last_lines(exception: Any) -> str:
    """Return the last lines of the traceback, causes first; nothing where there is none.

    Of each message only its first line, as a message of a thousand lines would leave no room for the code's.
    """
    blocks: list[str] = []
    while isinstance(exception, BaseException) and len(blocks) < MAX_CAUSES:
        blocks.insert(0, "".join(traceback.format_tb(exception.__traceback__)) + line(exception))
        exception = exception.__cause__ or (None if exception.__suppress_context__ else exception.__context__)
    lines = "\n\nwhich led to:\n\n".join(blocks).splitlines()
    return "\n".join((["…"] if len(lines) > TRACEBACK_LINES else []) + lines[-TRACEBACK_LINES:])


def _printed(exception: Any) -> str:
    try:
        return str(exception)
    except Exception:  # the exception is the user's, and so is its __str__
        return "(its message cannot be printed)"
