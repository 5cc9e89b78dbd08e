"""Lists in pages, by offset (PagerDuty's "classic pagination", with its bounds) or by cursor.

https://developer.pagerduty.com/docs/pagination
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

from airflow_provider_pagerduty.sandbox.rest.call import Call
from airflow_provider_pagerduty.sandbox.rest.errors import invalid

DEFAULT_LIMIT = 25
MOST = 100
#: Offset plus limit. https://developer.pagerduty.com/docs/pagination
LAST = 10_000

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Selection(Protocol[T_co]):
    """What can be counted, and give a part of itself, without being read through."""

    def slice(self, offset: int, length: int) -> Sequence[T_co]:
        """Return so many from an offset on."""

    def count(self) -> int:
        """Return how many there are."""


class Listed(Generic[T_co]):
    """A selection of what is at hand one by one."""

    def __init__(self, things: Iterable[T_co]) -> None:
        self._things = things if isinstance(things, Sequence) else list(things)

    def slice(self, offset: int, length: int) -> Sequence[T_co]:
        """Return so many from an offset on."""
        return self._things[offset : offset + length]

    def count(self) -> int:
        """Return how many there are."""
        return len(self._things)


class Sifted(Generic[T_co]):
    """A selection that is sifted out of more each time, as far as it is asked for."""

    def __init__(self, sift: Callable[[], Iterator[T_co]]) -> None:
        self._sift = sift

    def slice(self, offset: int, length: int) -> Sequence[T_co]:
        """Return so many from an offset on."""
        return list(islice(self._sift(), offset, offset + length))

    def count(self) -> int:
        """Return how many there are."""
        return sum(1 for _ in self._sift())


class Joined(Generic[T_co]):
    """One selection after another."""

    def __init__(self, *parts: Selection[T_co]) -> None:
        self._parts = parts

    def slice(self, offset: int, length: int) -> Sequence[T_co]:
        """Return so many from an offset on."""
        found: list[T_co] = []
        for part in self._parts:
            taken = part.slice(offset, length - len(found))
            found += taken
            if len(found) >= length:
                break
            offset = 0 if taken else max(offset - part.count(), 0)
        return found

    def count(self) -> int:
        """Return how many there are."""
        return sum(part.count() for part in self._parts)


def page(call: Call, name: str, found: Selection[T], show: Callable[[T], dict[str, Any]]) -> dict[str, Any]:
    """Return a page of what was found, under a name; what comes after it is not read.

    :raises Problem: 400, for a page that PagerDuty does not give.
    """
    limit, offset = bounds(call)
    shown = found.slice(offset, limit + 1)
    return {
        name: [show(each) for each in shown[:limit]],
        "limit": limit,
        "offset": offset,
        "more": len(shown) > limit,
        "total": found.count() if call.flag("total") else None,
    }


def bounds(call: Call) -> tuple[int, int]:
    """Return the limit and the offset of the page that is asked for; a limit over 100 is taken for 100.

    :raises Problem: 400, for a page that PagerDuty does not give.
    """
    limit = _limit(call)
    offset = call.number("offset", 0, 0)
    if offset + limit > LAST:
        raise invalid(f"offset {offset} plus limit {limit} is over {LAST}: ask for smaller windows of time")
    return limit, offset


def _limit(call: Call) -> int:
    return min(call.number("limit", DEFAULT_LIMIT, 1), MOST)


class Recorded(Protocol):
    """What stands in a history, which only grows."""

    id: str


R = TypeVar("R", bound=Recorded)


def page_by_cursor(
    call: Call,
    name: str,
    history: Sequence[R],
    matches: Callable[[R], bool],
    show: Callable[[R], dict[str, Any]],
) -> dict[str, Any]:
    """Return a page of what matches in a history, newest first, under a name.

    A cursor stands for the last record that was shown, so what is recorded meanwhile moves no page. The
    limit is that of pages by offset: PagerDuty's description tells none of its own.

    :raises Problem: 400, for a cursor that this history has not given.
    """
    limit = _limit(call)
    end = _place(call, history)
    found = (place for place in range(end - 1, -1, -1) if matches(history[place]))
    shown = list(islice(found, limit + 1))
    return {
        name: [show(history[place]) for place in shown[:limit]],
        "limit": limit,
        "next_cursor": _cursor(history, shown[limit - 1]) if len(shown) > limit else None,
    }


def _cursor(history: Sequence[Recorded], place: int) -> str:
    return urlsafe_b64encode(f"{place}:{history[place].id}".encode()).decode()


def _place(call: Call, history: Sequence[Recorded]) -> int:
    """Return the place before which a page begins: that of the cursor, else the end."""
    cursor = call.query.get("cursor")
    if not cursor:
        return len(history)
    try:
        place = int(urlsafe_b64decode(cursor).partition(b":")[0])
    except ValueError:
        place = -1
    if not 0 <= place < len(history) or cursor != _cursor(history, place):
        raise invalid(f"cursor {cursor!r} is none that was given here: take the next_cursor of an answer")
    return place
