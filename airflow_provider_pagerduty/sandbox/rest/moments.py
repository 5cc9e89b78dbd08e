"""Times, as clients write them and as PagerDuty does."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

from airflow_provider_pagerduty.sandbox.rest.errors import invalid

_MOMENT = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)(?:[T ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,]\d+)?)?)?\s?(Z|[ +-]\d\d(?::?\d\d)?)?",
    re.ASCII | re.IGNORECASE,
)


def moment(value: datetime) -> str:
    """Return a time as PagerDuty writes it."""
    return value.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def parsed_moment(value: Any, name: str) -> datetime:
    """Return the time that an ISO 8601 text tells.

    :raises Problem: 400, if it tells none.
    """
    match = _MOMENT.fullmatch(value.strip()) if isinstance(value, str) else None
    try:
        return _moment_of(match)
    except (ValueError, OverflowError):
        raise invalid(f"{name} {value!r} is not an ISO 8601 time, like 2026-03-01T12:00:00Z") from None


def _moment_of(match: re.Match[str] | None) -> datetime:
    if match is None:
        raise ValueError
    date, time = "-".join(match.group(1, 2, 3)), ":".join(part or "00" for part in match.group(4, 5, 6))
    zone = (match[7] or "Z").upper()
    zone = zone.replace(" ", "+")  # what a query makes of a plus that was not escaped
    zone = "+00:00" if zone == "Z" else f"{zone[:3]}:{zone[-2:] if len(zone) > 3 else '00'}"
    return datetime.fromisoformat(f"{date}T{time}{zone}").astimezone(timezone.utc)
