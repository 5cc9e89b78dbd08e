"""Incidents: list, get, create, change one or many, snooze, merge, and their notes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from starlette.responses import Response

from airflow_provider_pagerduty.sandbox.account import PagerDuty
from airflow_provider_pagerduty.sandbox.model import Incident
from airflow_provider_pagerduty.sandbox.rest import fields
from airflow_provider_pagerduty.sandbox.rest.call import Call, Endpoint
from airflow_provider_pagerduty.sandbox.rest.errors import invalid
from airflow_provider_pagerduty.sandbox.rest.fields import Field
from airflow_provider_pagerduty.sandbox.rest.paging import Joined, Listed, Selection, bounds, page

Json = dict[str, Any]

STATUSES = ("triggered", "acknowledged", "resolved")
URGENCIES = ("high", "low")
#: "Maximum range is 6 months and default is 1 month."
#: https://developer.pagerduty.com/api-reference/ (List incidents)
DEFAULT_RANGE = timedelta(days=30)
LONGEST_RANGE = timedelta(days=184)
#: Incidents in one PUT. https://developer.pagerduty.com/api-reference/ (Manage incidents)
MOST_AT_ONCE = 250


def _list(call: Call) -> Json:
    return page(call, "incidents", _found(call), call.show.incident)


def _found(call: Call) -> Selection[Incident]:
    since, until = _window(call)
    statuses = call.list("statuses", STATUSES)
    service_ids = call.list("service_ids")
    key = call.query.get("incident_key")
    if key == "":
        # Seen: an empty key is no filter, and asks for whatever is open.
        key, since, until = None, None, None
        statuses = [each for each in statuses or STATUSES if each != "resolved"]
    wanted: Json = {
        "statuses": statuses,
        "urgencies": call.list("urgencies", URGENCIES),
        "assignees": call.list("user_ids"),
        "incident_key": key,
        "since": since,
        "until": until,
    }
    team_ids = set(call.list("team_ids"))
    if team_ids:
        directory = call.pagerduty.directory
        of_teams = [
            each.id
            for each in call.pagerduty.services.values()
            if team_ids.intersection(directory.teams_of_policy(each.escalation_policy_id))
        ]
        service_ids = [each for each in of_teams if each in service_ids or not service_ids]
        if not service_ids:
            return Listed(())
    return _sorted(call, wanted | {"service_ids": service_ids})


def _window(call: Call) -> tuple[datetime | None, datetime | None]:
    if call.choice("date_range", ("all",)):
        return None, None
    since, until = call.moment("since"), call.moment("until")
    end = until or call.pagerduty.clock()
    start = since or end - DEFAULT_RANGE
    if end - start > LONGEST_RANGE:
        raise invalid(
            f"since and until are {(end - start).days} days apart: at most 6 months, or date_range=all"
        )
    return start, until


def _sorted(call: Call, wanted: Json) -> Selection[Incident]:
    orders = [part for value in call.list("sort_by") for part in value.split(",") if part]
    if len(orders) > 2:
        raise invalid("sort_by has more than two fields")
    parsed = []
    for order in orders or ["incident_number:asc"]:
        name, _, direction = order.partition(":")
        if name not in ("incident_number", "created_at", "resolved_at", "urgency") or direction not in (
            "",
            "asc",
            "desc",
        ):
            raise invalid(
                f"sort_by {order!r} is none of incident_number, created_at, resolved_at, urgency, :asc, :desc"
            )
        parsed.append((name, direction == "desc"))
    find = call.pagerduty.select_incidents
    (name, down), (second, second_down) = parsed[0], (parsed[1:] or [("incident_number", False)])[0]
    if name == "urgency":
        order_of_urgencies = [each for each in URGENCIES if each in (wanted["urgencies"] or URGENCIES)]
        if not down:
            order_of_urgencies.reverse()
        parts = [
            find(
                **wanted | {"urgencies": [each]},
                newest_first=second_down,
                by_resolution=second == "resolved_at",
            )
            for each in order_of_urgencies
        ]
        return Joined(*parts)
    # No two incidents share a number, and hardly two a moment: what a second field says changes nothing.
    return find(**wanted, newest_first=down, by_resolution=name == "resolved_at")


def incident_of(call: Call) -> Incident:
    """Return the incident that the path names, by its id or its number."""
    return call.pagerduty.incident(call.path["id"])


def _get(call: Call) -> Json:
    return {"incident": call.show.incident(incident_of(call))}


def _assignments(pagerduty: PagerDuty, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise ValueError("must be an array of {assignee}")
    one = fields.reference("user")
    return [one(pagerduty, each.get("assignee")) for each in value]


def _bridge(pagerduty: PagerDuty, value: Any) -> Json:
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    names = ("conference_number", "conference_url")
    return {name: value[name] for name in names if isinstance(value.get(name), str)}


def _details(pagerduty: PagerDuty, value: Any) -> str:
    details = value.get("details") if isinstance(value, dict) else value
    if not isinstance(details, str | None) or not isinstance(value, dict):
        raise ValueError("must be an object with a text as details")
    return details or ""


_COMMON = (
    Field("urgency", fields.one_of(*URGENCIES)),
    Field("priority", fields.reference("priority"), "priority_id", nullable=True),
    Field("escalation_policy", fields.reference("escalation_policy"), "escalation_policy_id"),
    Field("assignments", _assignments, "assigned_to"),
    Field("conference_bridge", _bridge, nullable=True),
)
_NEW = (
    Field("title", fields.text(), required=True),
    Field("service", fields.reference("service"), "service_id", required=True),
    Field("incident_key", fields.text(0, 255)),
    Field("body", _details, "details"),
    *_COMMON,
)
_CHANGES = (
    Field("status", fields.one_of(*STATUSES)),
    Field("title", fields.text()),
    Field("resolution", fields.text(0)),
    Field("escalation_level", fields.number(1)),
    *_COMMON,
)


def _create(call: Call) -> Json:
    attributes = fields.read(call, call.body("incident"), *_NEW, creating=True)
    if attributes.get("assigned_to") and attributes.get("escalation_policy_id"):
        raise invalid("assignments cannot be given together with escalation_policy")
    incident = call.pagerduty.create_incident(attributes, call.actor)
    return {"incident": call.show.incident(incident)}


def _update(call: Call) -> Json:
    incident = incident_of(call)
    changes = fields.read(call, call.body("incident"), *_CHANGES)
    return {"incident": call.show.incident(call.pagerduty.update_incident(incident.id, changes, call.actor))}


def _update_many(call: Call) -> Json:
    sent = call.body("incidents", list)
    if not sent or len(sent) > MOST_AT_ONCE:
        raise invalid(f"incidents must be from 1 to {MOST_AT_ONCE}")
    limit, offset = bounds(call)
    todo = []
    for each in sent:
        if not isinstance(each, dict) or not isinstance(each.get("id"), str):
            raise invalid("Each of incidents must be an object with the id of an incident")
        # All are looked at before any is changed.
        todo.append((call.pagerduty.incident(each["id"]).id, fields.read(call, each, *_CHANGES)))
    for incident_id, changes in todo:
        call.pagerduty.check_update(incident_id, changes)
    shown = [
        call.show.incident(call.pagerduty.update_incident(incident_id, changes, call.actor))
        for incident_id, changes in todo
    ]
    return {"incidents": shown, "limit": limit, "offset": offset, "more": False, "total": None}


def _snooze(call: Call) -> Json:
    incident = incident_of(call)
    # At most a week. https://developer.pagerduty.com/api-reference/ (Snooze an incident)
    sent = {"duration": call.body("duration", int)}
    kept = fields.read(call, sent, Field("duration", fields.number(1, 604800)))
    return {"incident": call.show.incident(call.pagerduty.snooze(incident.id, kept["duration"], call.actor))}


def _merge(call: Call) -> Json:
    target = incident_of(call)
    sent = call.body("source_incidents", list)
    if not sent or not all(isinstance(each, dict) and isinstance(each.get("id"), str) for each in sent):
        raise invalid("source_incidents must be references to incidents")
    sources = [call.pagerduty.incident(each["id"]).id for each in sent]
    return {"incident": call.show.incident_reference(call.pagerduty.merge(target.id, sources, call.actor))}


_CONTENT = Field("content", fields.text(), required=True)


def _list_notes(call: Call) -> Json:
    notes = sorted(incident_of(call).notes, key=lambda each: each.created_at, reverse=True)
    return {"notes": [call.show.note(each) for each in notes]}


def _create_note(call: Call) -> Json:
    incident = incident_of(call)
    content = fields.read(call, call.body("note"), _CONTENT, creating=True)["content"]
    return {"note": call.show.note(call.pagerduty.add_note(incident.id, content, call.actor))}


def _update_note(call: Call) -> Json:
    incident = incident_of(call)
    content = fields.read(call, call.body("note"), _CONTENT, creating=True)["content"]
    return {"note": call.show.note(call.pagerduty.update_note(incident.id, call.path["note_id"], content))}


def _delete_note(call: Call) -> Response:
    call.pagerduty.delete_note(incident_of(call).id, call.path["note_id"])
    return Response(status_code=204)


def _related_changes(call: Call) -> Json:
    """Return the changes of the incident's service before it, newest first."""
    incident = incident_of(call)
    limit = min(call.number("limit", 25, 1), 100)
    found = [
        each
        for each in reversed(call.pagerduty.changes)
        if each.service is incident.service and each.received_at <= incident.created_at
    ]
    reason = {"reason": "most_recent"}
    shown = [call.show.change_event(each) | {"correlation_reason": reason} for each in found[:limit]]
    return {"change_events": shown}


ENDPOINTS = (
    Endpoint("GET", "/incidents", _list),
    Endpoint("POST", "/incidents", _create, 201, acts=True),
    Endpoint("PUT", "/incidents", _update_many, acts=True),
    Endpoint("GET", "/incidents/{id}", _get),
    Endpoint("PUT", "/incidents/{id}", _update, acts=True),
    Endpoint("POST", "/incidents/{id}/snooze", _snooze, 201, acts=True),
    Endpoint("PUT", "/incidents/{id}/merge", _merge, acts=True),
    Endpoint("GET", "/incidents/{id}/notes", _list_notes),
    Endpoint("POST", "/incidents/{id}/notes", _create_note, acts=True),
    Endpoint("PUT", "/incidents/{id}/notes/{note_id}", _update_note, acts=True),
    Endpoint("DELETE", "/incidents/{id}/notes/{note_id}", _delete_note),
    Endpoint("GET", "/incidents/{id}/related_change_events", _related_changes),
)
