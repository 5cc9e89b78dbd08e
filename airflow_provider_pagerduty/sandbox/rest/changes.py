"""Change events, as they are read; they come in through the Events API."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from airflow_provider_pagerduty.sandbox.model import Change
from airflow_provider_pagerduty.sandbox.rest import fields
from airflow_provider_pagerduty.sandbox.rest.call import Call, Endpoint
from airflow_provider_pagerduty.sandbox.rest.errors import invalid
from airflow_provider_pagerduty.sandbox.rest.fields import Field
from airflow_provider_pagerduty.sandbox.rest.paging import Sifted, page

Json = dict[str, Any]


def _utc(call: Call, name: str) -> datetime | None:
    value = call.query.get(name, "")
    if value and not value.upper().endswith(("Z", "+00:00")):
        # PagerDuty's description: "Will return an HTTP 400 for non-UTC datetimes."
        raise invalid(f"{name} {value!r} is not in UTC, like 2026-03-01T12:00:00Z")
    return call.moment(name)


def _found(call: Call) -> Iterator[Change]:
    since, until = _utc(call, "since"), _utc(call, "until")
    team_ids, integration_ids = set(call.list("team_ids")), set(call.list("integration_ids"))
    for each in reversed(call.pagerduty.changes):
        teams = call.pagerduty.directory.teams_of_policy(each.service.escalation_policy_id)
        if (
            (since is None or each.received_at >= since)
            and (until is None or each.received_at < until)
            and (not team_ids or team_ids.intersection(teams))
            and (not integration_ids or each.integration_id in integration_ids)
        ):
            yield each


def _list(call: Call) -> Json:
    return page(call, "change_events", Sifted(lambda: _found(call)), call.show.change_event)


def _list_of_service(call: Call) -> Json:
    service = call.pagerduty.service(call.path["id"])
    found = Sifted(lambda: (each for each in _found(call) if each.service is service))
    return page(call, "change_events", found, call.show.change_event)


def _get(call: Call) -> Json:
    return {"change_event": call.show.change_event(call.pagerduty.change(call.path["id"]))}


def _update(call: Call) -> Json:
    change = call.pagerduty.change(call.path["id"])
    attributes = fields.read(
        call,
        call.body("change_event"),
        Field("summary", fields.text(longest=1024)),
        Field("source", fields.text(0)),
        Field("custom_details", fields.exactly(dict)),
    )
    return {"change_event": call.show.change_event(call.pagerduty.update_change(change.id, attributes))}


ENDPOINTS = (
    Endpoint("GET", "/change_events", _list),
    Endpoint("GET", "/change_events/{id}", _get),
    Endpoint("PUT", "/change_events/{id}", _update),
    Endpoint("GET", "/services/{id}/change_events", _list_of_service),
)
