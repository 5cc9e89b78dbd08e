"""What incidents consist of and went through: their alerts and their log entries."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any

from airflow_provider_pagerduty.sandbox.model import LogEntry
from airflow_provider_pagerduty.sandbox.rest import fields
from airflow_provider_pagerduty.sandbox.rest.call import Call, Endpoint
from airflow_provider_pagerduty.sandbox.rest.errors import invalid, not_found
from airflow_provider_pagerduty.sandbox.rest.incidents import incident_of
from airflow_provider_pagerduty.sandbox.rest.paging import Listed, Selection, Sifted, bounds, page

Json = dict[str, Any]

ALERT_STATUSES = ("triggered", "resolved")
ALERT_ORDERS = tuple(
    f"{name}{direction}" for name in ("created_at", "resolved_at") for direction in ("", ":asc", ":desc")
)


def _list_alerts(call: Call) -> Json:
    incident = incident_of(call)
    statuses = call.list("statuses", ALERT_STATUSES)
    key = call.query.get("alert_key")
    found = [
        each
        for each in incident.alerts
        if (not statuses or each.status in statuses) and (not key or each.dedup_key == key)
    ]
    order = call.choice("sort_by", ALERT_ORDERS) or "created_at"
    if order.startswith("resolved_at"):
        found.sort(key=lambda each: (each.resolved_at is None, each.resolved_at or each.created_at))
    else:
        found.sort(key=lambda each: each.created_at)
    if order.endswith(":desc"):
        found.reverse()
    return page(call, "alerts", Listed(found), call.show.alert)


def _get_alert(call: Call) -> Json:
    return {"alert": call.show.alert(call.pagerduty.alert(incident_of(call).id, call.path["alert_id"]))}


def _changes(call: Call, sent: Json) -> Json:
    changes = fields.read(
        call,
        sent,
        fields.Field("status", fields.one_of(*ALERT_STATUSES)),
        fields.Field("incident", fields.exactly(dict)),
    )
    if "incident" in changes:
        incident_id = changes.pop("incident").get("id")
        if not isinstance(incident_id, str):
            raise invalid("incident is no reference to an incident")
        changes["incident_id"] = call.pagerduty.incident(incident_id).id
    return changes


def _update_alert(call: Call) -> Json:
    incident = incident_of(call)
    changes = _changes(call, call.body("alert"))
    alert = call.pagerduty.update_alert(incident.id, call.path["alert_id"], changes, call.actor)
    return {"alert": call.show.alert(alert)}


def _update_alerts(call: Call) -> Json:
    incident = incident_of(call)
    limit, offset = bounds(call)
    todo = []
    for each in call.body("alerts", list):
        if not isinstance(each, dict) or not isinstance(each.get("id"), str):
            raise invalid("Each of alerts must be an object with the id of an alert")
        # All are looked at before any is changed.
        alert = call.pagerduty.alert(incident.id, each["id"])
        todo.append((alert.id, _changes(call, each)))
    shown = [
        call.show.alert(call.pagerduty.update_alert(incident.id, alert_id, changes, call.actor))
        for alert_id, changes in todo
    ]
    return {"alerts": shown, "limit": limit, "offset": offset, "more": False, "total": None}


def _list_entries(call: Call) -> Json:
    return page(call, "log_entries", _found(call, call.pagerduty.log), call.show.log_entry)


def _list_incidents_entries(call: Call) -> Json:
    return page(call, "log_entries", _found(call, incident_of(call).log), call.show.log_entry)


class _Newest:
    """The log entries between two places of a log, newest first."""

    def __init__(self, log: Sequence[LogEntry], first: int, end: int) -> None:
        self._log, self._first, self._end = log, first, end

    def __iter__(self) -> Iterator[LogEntry]:
        return (self._log[place] for place in range(self._end - 1, self._first - 1, -1))

    def slice(self, offset: int, length: int) -> Sequence[LogEntry]:
        end = max(self._end - offset, self._first)
        return self._log[max(end - length, self._first) : end][::-1]

    def count(self) -> int:
        return max(self._end - self._first, 0)


def _found(call: Call, log: Sequence[LogEntry]) -> Selection[LogEntry]:
    since, until = call.moment("since"), call.moment("until")
    team_ids = set(call.list("team_ids"))
    overview = call.flag("is_overview")
    first = bisect_left(log, since, key=lambda each: each.created_at) if since else 0
    end = bisect_left(log, until, key=lambda each: each.created_at) if until else len(log)
    newest = _Newest(log, first, end)
    if not team_ids and not overview:
        return newest
    teams_of = call.pagerduty.directory.teams_of_policy

    def matches(entry: LogEntry) -> bool:
        policy_id = entry.incident.service.escalation_policy_id
        return (not team_ids or bool(team_ids.intersection(teams_of(policy_id)))) and not (
            overview and entry.kind == "assign"
        )

    return Sifted(lambda: filter(matches, newest))


def _get_entry(call: Call) -> Json:
    entry = call.pagerduty.log_by_id.get(call.path["id"])
    if entry is None:
        raise not_found()
    return {"log_entry": call.show.log_entry(entry)}


ENDPOINTS = (
    Endpoint("GET", "/incidents/{id}/alerts", _list_alerts),
    Endpoint("PUT", "/incidents/{id}/alerts", _update_alerts, acts=True),
    Endpoint("GET", "/incidents/{id}/alerts/{alert_id}", _get_alert),
    Endpoint("PUT", "/incidents/{id}/alerts/{alert_id}", _update_alert, acts=True),
    Endpoint("GET", "/incidents/{id}/log_entries", _list_incidents_entries),
    Endpoint("GET", "/log_entries", _list_entries),
    Endpoint("GET", "/log_entries/{id}", _get_entry),
)
