"""What the sandbox shows of itself, which PagerDuty has no like of: everything it holds, and a reset.

No key is in any answer: a service is known by its id and its name.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_provider_pagerduty.sandbox.account import STATUSES, PagerDuty
from airflow_provider_pagerduty.sandbox.model import Alert, Change, Event, Incident, Service


def routes(pagerduty: PagerDuty) -> list[Route]:
    """Return the endpoints under ``/sandbox`` over one account."""

    async def incidents(request: Request) -> Response:
        status = request.query_params.get("status")
        if status not in (None, *STATUSES):
            return JSONResponse({"error": f"status must be one of {', '.join(STATUSES)}; got {status!r}"}, 400)
        found = [each for each in pagerduty.incidents if status in (None, each.status)]
        return JSONResponse({"incidents": [incident_json(each) for each in found]})

    async def events(request: Request) -> Response:
        return JSONResponse({"events": [event_json(each) for each in pagerduty.events]})

    async def changes(request: Request) -> Response:
        return JSONResponse({"changes": [change_json(each) for each in pagerduty.changes]})

    async def reset(request: Request) -> Response:
        pagerduty.clear()
        return Response(status_code=204)

    return [
        Route("/sandbox/incidents", incidents, methods=["GET"]),
        Route("/sandbox/events", events, methods=["GET"]),
        Route("/sandbox/changes", changes, methods=["GET"]),
        Route("/sandbox/reset", reset, methods=["POST"]),
    ]


def incident_json(incident: Incident) -> dict[str, Any]:
    """Return an incident with its alert and every event of it."""
    return {
        "id": incident.id,
        "number": incident.number,
        "status": incident.status,
        "title": incident.title,
        "service": _service_json(incident.service),
        "created_at": incident.created_at.isoformat(),
        "updated_at": incident.updated_at.isoformat(),
        "alert": alert_json(incident.alerts[0]) if incident.alerts else None,
    }


def alert_json(alert: Alert) -> dict[str, Any]:
    """Return an alert with every event of it."""
    return {
        "id": alert.id,
        "status": alert.status,
        "dedup_key": alert.dedup_key,
        "summary": alert.summary,
        "severity": alert.severity,
        "events": [event_json(event) for event in alert.events],
    }


def event_json(event: Event) -> dict[str, Any]:
    """Return an event as it was sent, less its key, with what became of it."""
    own = {
        "id": event.id,
        "received_at": event.received_at.isoformat(),
        "service": _service_json(event.service),
        "alert_id": event.alert.id if event.alert else None,
    }
    # Again at the end: PagerDuty takes fields that it does not know, and they may have these names.
    return own | event.body | own | {"dedup_key": event.dedup_key}


def change_json(change: Change) -> dict[str, Any]:
    """Return a change event as it was sent, less its key."""
    own = {
        "id": change.id,
        "received_at": change.received_at.isoformat(),
        "service": _service_json(change.service),
    }
    return own | change.body | own


def _service_json(service: Service) -> dict[str, str]:
    return {"id": service.id, "name": service.name}
