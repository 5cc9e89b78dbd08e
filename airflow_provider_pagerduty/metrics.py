"""What is counted, through Airflow's own Stats: ``pagerduty.sent`` and its siblings.

=========================== ======= =====================================================
``pagerduty.sent``          counter alerts that PagerDuty took at once
``pagerduty.queued``        counter alerts that were kept in the outbox
``pagerduty.delivered_late`` counter alerts that went out of the outbox
``pagerduty.rejected``      counter alerts that PagerDuty refused
``pagerduty.expired``       counter alerts that were too old to be sent
``pagerduty.outbox_depth``  gauge   alerts that are pending, as a relay found them
``pagerduty.callback``      timer   what a callback cost
=========================== ======= =====================================================
"""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any, Literal


def count(what: Literal["sent", "queued", "delivered_late", "rejected", "expired"]) -> None:
    """Count an alert."""
    with contextlib.suppress(Exception):  # nobody misses a page for a metric's sake
        _stats().incr(f"pagerduty.{what}")


def depth(pending: int) -> None:
    """Note how many alerts are pending."""
    with contextlib.suppress(Exception):
        _stats().gauge("pagerduty.outbox_depth", pending)


def callback(seconds: float) -> None:
    """Note what a callback cost."""
    with contextlib.suppress(Exception):
        _stats().timing("pagerduty.callback", timedelta(seconds=seconds))


def _stats() -> Any:
    from airflow.providers.common.compat.sdk import Stats

    return Stats
