"""An alert or change event as it leaves, the key it leaves with, and what its delivery came to.

What the synchronous and the asynchronous hook share; only the sending differs.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from airflow_provider_pagerduty.hooks import connection
from airflow_provider_pagerduty.jsonable import encode

if TYPE_CHECKING:
    from airflow_provider_pagerduty.delivery import Verdict

ALERT_PATH = "/v2/enqueue"
CHANGE_PATH = "/v2/change/enqueue"
#: Characters of an answer that an error shows.
MAX_SHOWN = 600


def always(_: str) -> bool:
    """Go on after every failure, until the budget is spent."""
    return True


class Event:
    """An event as it leaves, with its key; and what its delivery came to."""

    def __init__(self, key: str, data: dict[str, Any], answer: dict[str, Any]) -> None:
        self.body = encode({"routing_key": key, **data})
        self._key = key
        self._answer = answer

    @classmethod
    def alert(cls, key: str, data: dict[str, Any]) -> Event:
        """Return an alert event, with a dedup_key in any case; ``data`` gets it too."""
        # A trigger gets its key before it leaves: without one, each blind retry would be an alert of its own.
        data.setdefault("dedup_key", str(uuid.uuid4()))
        return cls(key, data, {"dedup_key": data["dedup_key"]})

    @classmethod
    def change(cls, key: str, data: dict[str, Any]) -> Event:
        """Return a change event."""
        return cls(key, data, {})

    def conclude(self, verdict: Verdict, attempts: int, seconds: float) -> dict[str, Any]:
        """Return PagerDuty's answer, or raise what the verdict means."""
        from airflow_provider_pagerduty import delivery
        from airflow_provider_pagerduty.exceptions import DeliveryFailed, EventRejected

        if isinstance(verdict, delivery.Delivered):
            given = {name: value for name, value in verdict.response.items() if value is not None}
            return {"status": "success", **self._answer, **given}
        if isinstance(verdict, delivery.Rejected):
            raise EventRejected([self.without_key(error) for error in verdict.errors])
        after = verdict.after if isinstance(verdict, delivery.Retry) else None
        raise DeliveryFailed(self.without_key(verdict.cause), attempts, seconds, after)

    def without_key(self, text: str) -> str:
        """Return a text with the key taken out of it, short enough to be read."""
        # In this order: half a key would not be found.
        whole = text.replace(self._key, "***")
        return whole if len(whole) <= MAX_SHOWN else f"{whole[: MAX_SHOWN - 1]}…"


def one_connection(pagerduty_events_conn_id: str | None, pagerduty_conn_id: str | None) -> str | None:
    """Return the connection id that was given under one of its two names.

    :raises ValueError: if the two say different things.
    """
    first, second = connection.given(pagerduty_events_conn_id), connection.given(pagerduty_conn_id)
    if first and second and first != second:
        raise ValueError(
            f"pagerduty_events_conn_id={first!r} and pagerduty_conn_id={second!r} are two names for one "
            "argument: give one of them."
        )
    return first or second


def require_key(key: str | None, conn_id: str) -> str:
    """Return the key, or say where one may stand.

    :param conn_id: the connection that was looked for.
    :raises MissingCredentials: if there is no key.
    """
    if key:
        return key
    from airflow_provider_pagerduty.exceptions import MissingCredentials

    raise MissingCredentials(
        "Cannot get token: No valid integration key nor pagerduty_events_conn_id supplied. Pass "
        f"integration_key, or put the integration key into the password of the connection {conn_id!r}."
    )
