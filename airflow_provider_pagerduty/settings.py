"""What the ``[pagerduty]`` section of Airflow's configuration says; provider.yaml describes each option.

Read when it is needed, never at import. A setting that cannot be obeyed must not cost anybody a page, so it is
said in the log and the default is taken; only where PagerDuty is cannot be guessed (``hooks/connection``).
"""

from __future__ import annotations

import logging
from typing import get_args

from airflow_provider_pagerduty.payload import Severity

log = logging.getLogger(__name__)

#: Seconds. `[pagerduty] send_timeout` where it is not set, or not a number.
DEFAULT_SEND_TIMEOUT = 10.0
#: Hours. `[pagerduty] outbox_max_age` likewise.
DEFAULT_OUTBOX_MAX_AGE = 72.0
DEFAULT_SEVERITY = "error"
SEVERITIES: tuple[str, ...] = get_args(Severity)


def option(name: str, section: str = "pagerduty") -> str | None:
    """Return an option without white space around it; None where it is not set, or empty."""
    from airflow.providers.common.compat.sdk import conf

    text = conf.get(section, name, fallback=None)
    return str(text).strip() or None if text is not None else None


def send_timeout() -> float:
    """Return the seconds that one event may cost: ``[pagerduty] send_timeout``."""
    return _positive("send_timeout", "seconds", DEFAULT_SEND_TIMEOUT)


def outbox_max_age() -> float:
    """Return the seconds after which an undelivered event expires: ``[pagerduty] outbox_max_age``, in hours."""
    return 3600 * _positive("outbox_max_age", "hours", DEFAULT_OUTBOX_MAX_AGE)


def _positive(name: str, unit: str, default: float) -> float:
    text = option(name)
    if text is None:
        return default
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if 0 < number < float("inf"):
        return number
    log.warning("[pagerduty] %s must be a number of %s above 0, got %r; taking %g.", name, unit, text, default)
    return default


def severity() -> str:
    """Return the severity of alerts that are given none: ``[pagerduty] severity``."""
    text = (option("severity") or DEFAULT_SEVERITY).lower()
    if text in SEVERITIES:
        return text
    log.warning(
        "[pagerduty] severity must be one of: %s; got %r; taking %s.",
        ", ".join(SEVERITIES),
        text,
        DEFAULT_SEVERITY,
    )
    return DEFAULT_SEVERITY
