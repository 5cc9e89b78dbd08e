"""Maintenance windows: times in which services open no incident."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from airflow_provider_pagerduty.sandbox.model import MaintenanceWindow
from airflow_provider_pagerduty.sandbox.rest import fields
from airflow_provider_pagerduty.sandbox.rest.call import Call, Endpoint
from airflow_provider_pagerduty.sandbox.rest.errors import invalid, not_found
from airflow_provider_pagerduty.sandbox.rest.fields import Field
from airflow_provider_pagerduty.sandbox.rest.paging import Listed, page

Json = dict[str, Any]

_FIELDS = (
    Field("start_time", fields.time(), required=True),
    Field("end_time", fields.time(), required=True),
    Field("services", fields.references("service"), "service_ids", required=True),
    Field("description", fields.text(0), nullable=True),
)


def _list(call: Call) -> Json:
    present = call.pagerduty.clock()
    state = call.choice("filter", ("past", "future", "ongoing", "open", "all")) or "all"
    service_ids, team_ids = set(call.list("service_ids")), set(call.list("team_ids"))
    wanted = call.query.get("query", "").lower()

    def matches(window: MaintenanceWindow) -> bool:
        state_of = (
            "past" if window.end_time <= present else "future" if window.start_time > present else "ongoing"
        )
        teams = {team["id"] for team in call.show.maintenance_window(window)["teams"]} if team_ids else set()
        return (
            (state in ("all", state_of) or (state == "open" and state_of != "past"))
            and (not service_ids or bool(service_ids.intersection(window.service_ids)))
            and (not team_ids or bool(team_ids & teams))
            and wanted in (window.description or "").lower()
        )

    found = [each for each in call.pagerduty.windows.values() if matches(each)]
    return page(call, "maintenance_windows", Listed(found), call.show.maintenance_window)


def _window_of(call: Call) -> MaintenanceWindow:
    window = call.pagerduty.windows.get(call.path["id"])
    if window is None:
        raise not_found()
    return window


def _get(call: Call) -> Json:
    return {"maintenance_window": call.show.maintenance_window(_window_of(call))}


def _create(call: Call) -> Json:
    attributes = fields.read(call, call.body("maintenance_window"), *_FIELDS, creating=True)
    return _put(call, None, attributes)


def _update(call: Call) -> Json:
    window = _window_of(call)
    before = {
        "start_time": window.start_time.isoformat(),
        "end_time": window.end_time.isoformat(),
        "description": window.description,
        "service_ids": window.service_ids,
    }
    return _put(call, window.id, before | fields.read(call, call.body("maintenance_window"), *_FIELDS))


def _put(call: Call, window_id: str | None, attributes: Json) -> Json:
    if not attributes["service_ids"]:
        raise invalid("services cannot be empty")
    window = call.pagerduty.put_window(window_id, attributes, call.actor)
    return {"maintenance_window": call.show.maintenance_window(window)}


def _delete(call: Call) -> Response:
    call.pagerduty.delete_window(_window_of(call).id)
    return Response(status_code=204)


ENDPOINTS = (
    Endpoint("GET", "/maintenance_windows", _list),
    Endpoint("POST", "/maintenance_windows", _create, 201, acts=True),
    Endpoint("GET", "/maintenance_windows/{id}", _get),
    Endpoint("PUT", "/maintenance_windows/{id}", _update),
    Endpoint("DELETE", "/maintenance_windows/{id}", _delete),
)
