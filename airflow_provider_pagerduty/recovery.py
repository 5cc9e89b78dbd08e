"""Whether a success is a recovery: only then there is an alert to stand down. Airflow's own history decides.

A healthy DAG that runs each minute must not send an event each minute, and nothing of ours remembers what was
sent. So a success counts as a recovery if the run before had failed, or this one had before; and where Airflow
cannot tell, because a resolve too many is dropped by PagerDuty and one too few leaves people alarmed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from airflow_provider_pagerduty.alert import DedupScope, Occasion, as_datetime, look
from airflow_provider_pagerduty.history import EVER

log = logging.getLogger(__name__)

#: Runs that are looked at for the last one in which a task failed or succeeded; beyond, it is unknown.
FURTHEST = 25
ENDED = {"success", "failed", "skipped", "upstream_failed", "removed"}


def has_recovered(occasion: Occasion, scope: DedupScope = "always") -> bool:
    """Say whether a success has to stand an alert down.

    :param occasion: the success of a task or a run.
    :param scope: with ``run``, only this run's own earlier failure counts.
    """
    if occasion.outcome == "skipped":  # Airflow 2 calls on_success for it too
        return False
    try:
        if _is_mapped(occasion) and _has_unwell_siblings(occasion):
            return False
        if scope == "run":
            return _failed_before(occasion) is not False
        date = _logical_date(occasion)
        if date is None:
            return True
        recovered = _failed_before(occasion) or _was_late(occasion, date) or _previous_failed(occasion, date)
        return recovered and not _is_overtaken(occasion, date)
    except Exception as error:
        log.warning("Airflow's history does not answer (%s), so a success stands its alert down.", error)
        return True


def _logical_date(occasion: Occasion) -> datetime | None:
    """Return the run's logical date, also where Airflow 3 names but the run, as it does if all was skipped."""
    if occasion.logical_date or occasion.dag_run is not None or not occasion.dag_id:
        return occasion.logical_date
    runs = islice(occasion.history.runs(EVER), FURTHEST)
    return next((run.logical_date for run in runs if run.run_id == occasion.run_id), None)


def _failed_before(occasion: Occasion) -> bool | None:
    """Say whether an earlier try or clearing of this very task or run may have failed; None if unknown."""
    if occasion.kind == "task":
        number = look(occasion.ti, "try_number")
        return number > 1 if isinstance(number, int) else None
    cleared = look(occasion.dag_run, "clear_number")
    return cleared > 0 if isinstance(cleared, int) else None


def _is_mapped(occasion: Occasion) -> bool:
    return occasion.kind == "task" and occasion.map_index >= 0


def _has_unwell_siblings(occasion: Occasion) -> bool:
    """Say whether another index of this mapped task keeps their common alert open."""
    assert occasion.run_id is not None
    siblings = occasion.history.task_states(occasion.run_id, occasion.task_id)
    states = {each.state for each in siblings if each.map_index != occasion.map_index}
    if states & {"failed", "up_for_retry"}:
        return True
    # Airflow 3 records a success before it calls back, and a failure after. So an index that is under way may
    # be failing this moment; waiting for the last one makes sure that its page is not closed behind its back.
    # (Airflow 2 records both after, so that there two last ones would wait for each other.) An index that was
    # retried or cleared does not wait: the last one may know of no failure.
    return AIRFLOW_V_3_0_PLUS and not _failed_before(occasion) and not states <= ENDED


def _previous_failed(occasion: Occasion, date: datetime) -> bool:
    """Say whether the latest finished run before this one had failed; no earlier run means that all is well."""
    if occasion.kind == "run":
        previous = occasion.history.latest_finished(date)
        return previous is not None and previous.state == "failed"
    seen = 0
    for states in _states_back_from(occasion, date):
        seen += 1
        # Skipped, or not reached as another task had failed: then the alert is as an earlier run left it.
        if "failed" in states:
            return True
        if "success" in states and states <= ENDED:
            return False
    return seen == FURTHEST


def _is_overtaken(occasion: Occasion, date: datetime) -> bool:
    """Say whether a newer run has failed: then the alert is that run's, and no backfill closes it."""
    if occasion.kind == "run":
        newest = occasion.history.latest_finished(EVER)
        return newest is not None and newest.logical_date > date and newest.state == "failed"
    for states in _states_back_from(occasion, EVER, until=date):
        if "failed" in states:
            return True
        if "success" in states and states <= ENDED:
            return False
    return False


def _states_back_from(
    occasion: Occasion, before: datetime, until: datetime | None = None
) -> Iterable[set[str | None]]:
    """Yield the states of a task's instances run by run, from the latest run back."""
    for run in islice(occasion.history.runs(before), FURTHEST):
        if until and run.logical_date <= until:
            return
        yield {each.state for each in occasion.history.task_states(run.run_id, occasion.task_id)}


def _was_late(occasion: Occasion, date: datetime) -> bool:
    """Say whether this run may have missed a deadline or an SLA, which pages under the DAG's own alert."""
    if occasion.kind != "run":
        return False
    deadlines = look(occasion.dag, "deadline") or ()
    for deadline in deadlines if isinstance(deadlines, (list, tuple)) else (deadlines,):
        path = str(look(look(deadline, "callback"), "path"))
        due = _due(deadline, occasion, date)
        ended = as_datetime(look(occasion.dag_run, "end_date"))
        if path.startswith("airflow_provider_pagerduty.") and (due is None or ended is None or ended > due):
            return True
    return bool(look(occasion.dag, "sla_miss_callback")) and occasion.history.has_missed_sla(date)


def _due(deadline: Any, occasion: Occasion, date: datetime) -> datetime | None:
    """Return the earliest time that a deadline can stand for; None where that takes more than its run."""
    interval, reference = look(deadline, "interval"), look(deadline, "reference")
    start = {
        "DagRunLogicalDateDeadline": date,
        # When it was queued a callback is not told: at this time, or later.
        "DagRunQueuedAtDeadline": as_datetime(look(occasion.dag_run, "run_after")),
        "FixedDatetimeDeadline": as_datetime(look(reference, "_datetime")),
    }.get(type(reference).__name__)
    return start + interval if start and isinstance(interval, timedelta) else None
