"""Lists in pages, by offset: PagerDuty's "classic pagination", with its bounds.

https://developer.pagerduty.com/docs/pagination
"""

from __future__ import annotations

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
    limit = min(call.number("limit", DEFAULT_LIMIT, 1), MOST)
    offset = call.number("offset", 0, 0)
    if offset + limit > LAST:
        raise invalid(f"offset {offset} plus limit {limit} is over {LAST}: ask for smaller windows of time")
    return limit, offset
