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

from airflow_provider_pagerduty.history import EVER
from airflow_provider_pagerduty.occasion import DedupScope, Occasion, as_datetime, look

log = logging.getLogger(__name__)

#: Runs that are looked at for the last one in which a task failed or succeeded; beyond, it is unknown.
FURTHEST = 10
ENDED = {"success", "failed", "skipped", "upstream_failed", "removed"}


def has_recovered(occasion: Occasion, scope: DedupScope = "always") -> bool:
    """Say whether a success has to stand an alert down.

    :param occasion: the success of a task or a run; or the skip of one, which only a mapped task recovers by.
    :param scope: with ``run``, only what this run itself had opened counts.
    """
    is_mapped = occasion.kind == "task" and occasion.map_index >= 0
    if occasion.outcome == "skipped" and not is_mapped:
        return False
    try:
        if is_mapped and not _may_speak_for_all(occasion):
            return False
        date = _logical_date(occasion)
        failed_before, was_late = _failed_before(occasion), _was_late(occasion, date)
        if scope == "run":
            return was_late or failed_before is not False
        if date is None:
            return True
        recovered = failed_before or was_late or _previous_failed(occasion, date)
        return recovered and not _is_overtaken(occasion, date)
    except Exception as error:
        log.warning("Airflow's history does not answer (%s), so a success stands its alert down.", error)
        return True


def _logical_date(occasion: Occasion) -> datetime | None:
    """Return the run's logical date, also where Airflow 3 gives its id alone."""
    if occasion.logical_date or occasion.dag_run is not None or not occasion.dag_id:
        return occasion.logical_date
    runs = islice(occasion.history.runs(EVER), FURTHEST)
    return next((run.logical_date for run in runs if run.run_id == occasion.run_id), None)


def _failed_before(occasion: Occasion) -> bool | None:
    """Say whether an earlier try or clearing of this very task or run may have failed; None if unknown."""
    counts = (occasion.tries, 1) if occasion.kind == "task" else (occasion.clearings, 0)
    return None if counts[0] is None else counts[0] > counts[1]


def _may_speak_for_all(occasion: Occasion) -> bool:
    """Say whether this index of a mapped task may close the alert that all of them share."""
    assert occasion.run_id is not None
    everybody = occasion.history.task_states(occasion.run_id, occasion.task_id)
    others = {each.state for each in everybody if each.map_index != occasion.map_index}
    if others & {"failed", "up_for_retry"}:
        return False
    if occasion.outcome == "skipped" and "success" not in others:
        return False
    if not AIRFLOW_V_3_0_PLUS:
        # Airflow 2 records an end after it has called back, so none knows to be the last: the first one speaks.
        return "success" not in others or bool(_failed_before(occasion))
    # Airflow 3 records a success before it calls back, and a failure after. An index that is under way may be
    # failing this moment, so the last one speaks, and no page is closed behind its back.
    return others <= ENDED or _knows_of_a_page(occasion)


def _knows_of_a_page(occasion: Occasion) -> bool:
    """Say whether this index has been paged for, of which the last one may know nothing."""
    was_told_of_a_retry = bool(look(occasion.context.get("task"), "on_retry_callback"))
    return bool(_failed_before(occasion)) and (bool(occasion.clearings) or was_told_of_a_retry)


def _previous_failed(occasion: Occasion, date: datetime) -> bool:
    """Say whether the latest finished run before this one had failed; without one, all is well."""
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
    seen = 0
    for states in _states_back_from(occasion, EVER, until=date):
        if "failed" in states:
            return True
        if "success" in states and states <= ENDED:
            return False
        seen += 1
    return seen == FURTHEST  # one that lies further ahead may have failed


def _states_back_from(
    occasion: Occasion, before: datetime, until: datetime | None = None
) -> Iterable[set[str | None]]:
    """Yield the states of a task's instances run by run, from the latest run back."""
    for run in islice(occasion.history.runs(before), FURTHEST):
        if until and run.logical_date <= until:
            return
        yield {each.state for each in occasion.history.task_states(run.run_id, occasion.task_id)}


def _was_late(occasion: Occasion, date: datetime | None) -> bool:
    """Say whether this run may have missed a deadline or an SLA, which pages under the DAG's own alert."""
    if occasion.kind != "run":
        return False
    deadlines = look(occasion.dag, "deadline") or ()
    ended = as_datetime(look(occasion.dag_run, "end_date"))
    for deadline in deadlines if isinstance(deadlines, (list, tuple)) else (deadlines,):
        due = _due(deadline, occasion, date)
        if due is None or ended is None or ended > due:
            return True
    has_slas = bool(look(occasion.dag, "sla_miss_callback"))
    return has_slas and date is not None and occasion.history.has_missed_sla(date)


def _due(deadline: Any, occasion: Occasion, date: datetime | None) -> datetime | None:
    """Return the earliest time that a deadline can stand for; None where that takes more than its run."""
    interval, reference = look(deadline, "interval"), look(deadline, "reference")
    start = {
        "DagRunLogicalDateDeadline": date,
        # When it was queued a callback is not told: at this time, or later.
        "DagRunQueuedAtDeadline": as_datetime(look(occasion.dag_run, "run_after")),
        "FixedDatetimeDeadline": as_datetime(look(reference, "_datetime")),
    }.get(type(reference).__name__)
    return start + interval if start and isinstance(interval, timedelta) else None
