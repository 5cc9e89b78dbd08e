"""Who of a schedule is on call when: its layers' rotations, the last layer that has somebody first.

A layer is what REST clients give: users in turns of some seconds. Restrictions to hours of the day, and
overrides, are not here. https://support.pagerduty.com/main/docs/schedule-basics
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

#: Shifts that one answer renders at most, as a turn may last a second and a window years.
MOST_SHIFTS = 1000


class Shift(NamedTuple):
    """A time in which a user is on call; open at an end that is None."""

    user_id: str
    start: datetime | None
    end: datetime | None


def at(layers: Sequence[dict[str, Any]], moment: datetime) -> Shift | None:
    """Return the shift of a moment, as the layer that decides has it."""
    for layer in reversed(layers):
        found = _of_layer(layer, moment)
        if found:
            return found
    return None


def between(layers: Sequence[dict[str, Any]], since: datetime, until: datetime) -> Iterator[Shift]:
    """Yield the shifts of a window, cut to it; nobody's times are left out."""
    moment, count = since, 0
    pending: Shift | None = None
    while moment < until and count < MOST_SHIFTS:
        shift = at(layers, moment)
        # A later layer that begins cuts this shift short.
        changes = [_parsed(each["start"]) for each in layers] + [shift.end if shift else None]
        following = min((each for each in changes if each and each > moment), default=until)
        following = min(following, until)
        if pending and shift and pending.user_id == shift.user_id:
            pending = pending._replace(end=following)
        else:
            if pending:
                yield pending
                count += 1
            pending = Shift(shift.user_id, moment, following) if shift else None
        moment = following
    if pending:
        yield pending


def _of_layer(layer: dict[str, Any], moment: datetime) -> Shift | None:
    start, end = _parsed(layer["start"]), _parsed(layer["end"]) if layer.get("end") else None
    users = layer["user_ids"]
    if moment < start or (end and moment >= end) or not users:
        return None
    if len(users) == 1:
        return Shift(users[0], None, end)
    turn = timedelta(seconds=layer["rotation_turn_length_seconds"])
    origin = _parsed(layer["rotation_virtual_start"])
    number = (moment - origin) // turn
    begin = origin + number * turn
    finish = begin + turn
    return Shift(users[number % len(users)], max(begin, start), min(finish, end) if end else finish)


def _parsed(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
