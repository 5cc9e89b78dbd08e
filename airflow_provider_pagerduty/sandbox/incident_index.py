"""How an account's incidents are found, without reading through all of them.

Each index is a list of incident numbers in order, so that a page costs the same with 100,000 incidents as
with 1,000. What changes an incident is in ``account``, which tells the index.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections.abc import Callable, Hashable, Iterator, Sequence
from datetime import datetime
from itertools import chain, islice, product

from airflow_provider_pagerduty.sandbox.model import Incident, Status

STATUSES: tuple[Status, ...] = ("triggered", "acknowledged", "resolved")
URGENCIES = ("high", "low")
#: Numbers that are copied at a time while an index is read.
CHUNK = 128

#: By what they have in common: the numbers of incidents, in order.
Numbers = dict[Hashable, list[int]]
Check = Callable[[Incident], bool]


class Found:
    """Incidents that were looked for: to go through, to count, or to take a page of.

    :param runs: numbers in order; all that are looked for are among them.
    :param checks: what else must be true of an incident.
    :param distinct: no number is in two of the runs.
    """

    def __init__(
        self,
        incidents: list[Incident],
        runs: list[Sequence[int]],
        numbers: tuple[int, int],
        checks: Sequence[Check],
        *,
        distinct: bool,
        newest_first: bool,
    ) -> None:
        self._incidents = incidents
        self._first, self._end = numbers
        self._checks = checks
        self._exact = distinct and not checks
        self._newest_first = newest_first
        self._runs = [(run, bisect_left(run, self._first), bisect_left(run, self._end)) for run in runs]

    def __iter__(self) -> Iterator[Incident]:
        return self._checked(self._ordered(0))

    def slice(self, offset: int, length: int) -> list[Incident]:
        """Return so many incidents from an offset on."""
        if self._exact:
            return [self._incidents[number - 1] for number in islice(self._ordered(offset), length)]
        return list(islice(self, offset, offset + length))

    def count(self) -> int:
        """Return how many there are."""
        return sum(end - start for _, start, end in self._runs) if self._exact else sum(1 for _ in self)

    def _checked(self, numbers: Iterator[int]) -> Iterator[Incident]:
        before = None
        for number in numbers:
            incident = self._incidents[number - 1]
            # Who was looked for by two values, and has both, is in two of the runs.
            if number != before and all(check(incident) for check in self._checks):
                yield incident
            before = number

    def _ordered(self, skip: int) -> Iterator[int]:
        runs = self._after(skip) if skip else self._runs
        read = _backward if self._newest_first else _forward
        parts = [read(*run) for run in runs]
        return parts[0] if len(parts) == 1 else heapq.merge(*parts, reverse=self._newest_first)

    def _after(self, skip: int) -> list[tuple[Sequence[int], int, int]]:
        """Return the runs without the numbers that come first, found by bisection and not by counting."""
        wanted = min(skip, self.count())
        if self._newest_first:
            wanted = self.count() - wanted
        low, high = self._first, self._end
        while low < high:
            middle = (low + high) // 2
            below = sum(max(bisect_left(run, middle) - start, 0) for run, start, _ in self._runs)
            low, high = (middle + 1, high) if below < wanted else (low, middle)
        if self._newest_first:
            return [(run, start, min(end, bisect_left(run, low))) for run, start, end in self._runs]
        return [(run, max(start, bisect_left(run, low)), end) for run, start, end in self._runs]


class FoundByResolution(Found):
    """The same incidents in the order of their resolution, the open ones last; or all the other way round."""

    def __init__(self, found: Found, index: IncidentIndex, checks: Sequence[Check]) -> None:
        self.__dict__.update(found.__dict__)
        self._index = index
        self._every_check = checks

    def __iter__(self) -> Iterator[Incident]:
        resolved = self._index.resolved
        unresolved: list[Sequence[int]] = [self._index.by_status[each] for each in STATUSES[:2]]
        if self._newest_first:
            parts = [_backward(each, 0, len(each)) for each in unresolved]
            numbers = chain(heapq.merge(*parts, reverse=True), _backward(resolved, 0, len(resolved)))
        else:
            parts = [_forward(each, 0, len(each)) for each in unresolved]
            numbers = chain(_forward(resolved, 0, len(resolved)), heapq.merge(*parts))
        for number in numbers:
            incident = self._incidents[number - 1]
            if self._first <= number < self._end and all(check(incident) for check in self._every_check):
                yield incident

    def slice(self, offset: int, length: int) -> list[Incident]:
        """Return so many incidents from an offset on."""
        return list(islice(self, offset, offset + length))


class IncidentIndex:
    """All incidents of an account, and the ways to them."""

    def __init__(self) -> None:
        #: By number, from 1 on without a gap.
        self.all: list[Incident] = []
        self.by_id: dict[str, Incident] = {}
        self.by_status: dict[Status, list[int]] = {status: [] for status in STATUSES}
        #: In the order in which they were resolved, which is for good.
        self.resolved: list[int] = []
        self._by_state: Numbers = {}
        self._by_key: Numbers = {}
        self._by_assignee: Numbers = {}

    def add(self, incident: Incident) -> None:
        """Take a new incident, whose number is the next."""
        self.all.append(incident)
        self.by_id[incident.id] = incident
        self._put_state(incident)
        if incident.incident_key is not None:
            _put(self._by_key, incident.incident_key, incident)

    def add_key(self, incident: Incident, key: str) -> None:
        """Find an incident under another key too: that of an alert which was moved into it."""
        _put(self._by_key, key, incident)

    def set_status(self, incident: Incident, status: Status) -> None:
        """Change an incident's status."""
        self._take_state(incident)
        incident.status = status
        self._put_state(incident)
        if status == "resolved":
            self.resolved.append(incident.number)

    def set_urgency(self, incident: Incident, urgency: str) -> None:
        """Change an incident's urgency."""
        self._take_state(incident)
        incident.urgency = "low" if urgency == "low" else "high"
        self._put_state(incident)

    def _put_state(self, incident: Incident) -> None:
        insort(self.by_status[incident.status], incident.number)
        _put(self._by_state, (None, incident.status, incident.urgency), incident)
        _put(self._by_state, (incident.service.id, incident.status, incident.urgency), incident)

    def _take_state(self, incident: Incident) -> None:
        numbers = self.by_status[incident.status]
        del numbers[bisect_left(numbers, incident.number)]
        _take(self._by_state, (None, incident.status, incident.urgency), incident)
        _take(self._by_state, (incident.service.id, incident.status, incident.urgency), incident)

    def assign(self, incident: Incident, user_ids: Sequence[str], at: datetime) -> None:
        """Change whom an incident is assigned to."""
        for user_id, _ in incident.assigned_to:
            _take(self._by_assignee, user_id, incident)
        incident.assigned_to = [(user_id, at) for user_id in dict.fromkeys(user_ids)]
        for user_id, _ in incident.assigned_to:
            _put(self._by_assignee, user_id, incident)

    def find(
        self,
        *,
        statuses: Sequence[str] = (),
        service_ids: Sequence[str] = (),
        urgencies: Sequence[str] = (),
        assignees: Sequence[str] = (),
        incident_key: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        newest_first: bool = False,
        by_resolution: bool = False,
    ) -> Found:
        """Find incidents, in order of their numbers or of their resolution.

        The smallest of the indexes is read, and only as far as the caller goes.
        """
        everything: Sequence[int] = range(1, len(self.all) + 1)
        filters: list[tuple[list[Sequence[int]], Check, bool]] = []
        if statuses or service_ids or urgencies:
            keys = product(
                dict.fromkeys(service_ids) if service_ids else [None],
                dict.fromkeys(statuses or STATUSES),
                dict.fromkeys(urgencies or URGENCIES),
            )
            runs: list[Sequence[int]] = [run for run in (self._by_state.get(key) for key in keys) if run]
            filters.append(
                (
                    runs or [[]],
                    lambda each: (
                        (not statuses or each.status in statuses)
                        and (not service_ids or each.service.id in service_ids)
                        and (not urgencies or each.urgency in urgencies)
                    ),
                    True,
                )
            )
        if assignees:
            wanted = list(dict.fromkeys(assignees))
            of_users: list[Sequence[int]] = [self._by_assignee.get(each, []) for each in wanted]
            check: Check = lambda each: any(user_id in wanted for user_id, _ in each.assigned_to)  # noqa: E731
            filters.append((of_users, check, len(wanted) == 1))
        if incident_key is not None:
            of_key = self._by_key.get(incident_key, [])
            filters.append(([of_key], lambda each: _in(each.number, of_key), True))
        filters.sort(key=lambda each: sum(map(len, each[0])))
        chosen, _, distinct = filters[0] if filters else ([everything], None, True)
        first = bisect_left(self.all, since, key=lambda each: each.created_at) + 1 if since else 1
        end = bisect_left(self.all, until, key=lambda each: each.created_at) if until else len(self.all)
        found = Found(
            self.all,
            chosen,
            (first, max(first, end + 1)),
            [check for _, check, _ in filters[1:]],
            distinct=distinct,
            newest_first=newest_first,
        )
        return FoundByResolution(found, self, [check for _, check, _ in filters]) if by_resolution else found


def _in(number: int, numbers: Sequence[int]) -> bool:
    place = bisect_left(numbers, number)
    return place < len(numbers) and numbers[place] == number


def _put(index: Numbers, key: Hashable, incident: Incident) -> None:
    numbers = index.setdefault(key, [])
    if not _in(incident.number, numbers):
        insort(numbers, incident.number)


def _take(index: Numbers, key: Hashable, incident: Incident) -> None:
    numbers = index.get(key, [])
    if _in(incident.number, numbers):
        del numbers[bisect_left(numbers, incident.number)]


def _forward(run: Sequence[int], start: int, end: int) -> Iterator[int]:
    for place in range(start, end, CHUNK):
        yield from run[place : min(place + CHUNK, end)]


def _backward(run: Sequence[int], start: int, end: int) -> Iterator[int]:
    for place in range(end, start, -CHUNK):
        yield from reversed(run[max(place - CHUNK, start) : place])
