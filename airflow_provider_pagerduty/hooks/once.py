"""One attempt to send one event that waited: the sender that a relay is handed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_pagerduty.hooks.pagerduty_events import PagerdutyEventsHook


def send_once(conn_id: str, event: Mapping[str, Any], seconds: float) -> None:
    """Send an event with a connection's key, and do not try again.

    :param seconds: what it may cost.
    :raises EventRejected, DeliveryFailed: as ``PagerdutyEventsHook.create_event`` does; and what looking the
        connection up raises.
    """
    hook = PagerdutyEventsHook(pagerduty_events_conn_id=conn_id)
    # Twice the seconds: a first attempt gets half of a budget, so that there is time for a second one.
    hook.deliver(dict(event), seconds=2 * seconds, goes_on=lambda _: False)
