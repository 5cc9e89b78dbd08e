"""An exception in words: in a line, in full, and the end of its traceback. Pure; exceptions may be anything."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

#: Lines of a traceback: the last ones, where the fault is.
TRACEBACK_LINES = 25
#: Exceptions of a chain that are looked at.
MAX_CAUSES = 5
#: Exceptions of a group that are named.
MAX_MEMBERS = 3


def whole(exception: Any, clean: Callable[[str], str] = str) -> str:
    """Return ``ValueError: what it says``; of a text, which Airflow has of a killed task, just that.

    :param clean: takes secrets out of what it says, of all of it at once: they may have several lines.
    """
    if exception is None:
        return ""
    message = clean(_printed(exception)).strip()
    if not isinstance(exception, BaseException):
        return message
    return f"{type(exception).__name__}: {message}" if message else type(exception).__name__


def line(exception: Any, clean: Callable[[str], str] = str) -> str:
    """Return the same, up to the end of the message's first line."""
    return next(iter(whole(exception, clean).splitlines()), "").rstrip()


def last_lines(exception: Any, clean: Callable[[str], str] = str) -> str:
    """Return the last lines of the traceback, causes first; nothing where there is none.

    Of each message only its first line, as a message of a thousand lines would leave no room for the code's.
    """
    blocks: list[str] = []
    while isinstance(exception, BaseException) and len(blocks) < MAX_CAUSES:
        blocks.insert(0, "\n".join([_frames(exception) + line(exception, clean), *_more(exception, clean)]))
        exception = exception.__cause__ or (None if exception.__suppress_context__ else exception.__context__)
    lines = "\n\nwhich led to:\n\n".join(blocks).splitlines()
    return "\n".join((["…"] if len(lines) > TRACEBACK_LINES else []) + lines[-TRACEBACK_LINES:])


def _frames(exception: BaseException) -> str:
    return "".join(traceback.format_tb(exception.__traceback__))


def _more(exception: BaseException, clean: Callable[[str], str]) -> list[str]:
    """Return an exception's notes, and of a group its first members."""
    notes = getattr(exception, "__notes__", ())
    members = getattr(exception, "exceptions", ())
    listed = [clean(str(note)) for note in notes] if isinstance(notes, list) else []
    if isinstance(members, tuple):
        listed += [f"  with {line(member, clean)}" for member in members[:MAX_MEMBERS]]
    return listed


def _printed(exception: Any) -> str:
    try:
        return str(exception)
    except Exception:  # the exception is the user's, and so is its __str__
        return "(its message cannot be printed)"
