"""Services and their integrations."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from airflow_provider_pagerduty.sandbox.account import PagerDuty
from airflow_provider_pagerduty.sandbox.rest import fields
from airflow_provider_pagerduty.sandbox.rest.call import Call, Endpoint
from airflow_provider_pagerduty.sandbox.rest.errors import not_found
from airflow_provider_pagerduty.sandbox.rest.fields import Field
from airflow_provider_pagerduty.sandbox.rest.paging import Listed, page
from airflow_provider_pagerduty.sandbox.rest.people import by_name

Json = dict[str, Any]

#: The ways in that are addressed with an integration key.
INTEGRATION_TYPES = tuple(
    f"{name}_inbound_integration"
    for name in (
        "events_api_v2",
        "generic_events_api",
        "event_transformer_api",
        "generic_email",
        "nagios",
        "pingdom",
        "aws_cloudwatch",
        "cloudkick",
        "keynote",
        "sql_monitor",
    )
)


def _rule(pagerduty: PagerDuty, value: Any) -> Json:
    kinds = ("constant", "use_support_hours")
    urgencies = ("high", "low", "severity_based")
    if not isinstance(value, dict) or value.get("type") not in kinds:
        raise ValueError(f"must be an object whose type is one of {', '.join(kinds)}")
    if value.get("urgency") not in (None, *urgencies):
        raise ValueError(f"must have an urgency of {', '.join(urgencies)}")
    return {name: each for name, each in value.items() if each is not None}


_FIELDS = (
    Field("name", fields.text(longest=255), required=True),
    Field("escalation_policy", fields.reference("escalation_policy"), "escalation_policy_id", required=True),
    Field("description", fields.text(0)),
    Field("status", fields.one_of("active", "warning", "critical", "maintenance", "disabled")),
    Field("auto_resolve_timeout", fields.number(0), nullable=True),
    Field("acknowledgement_timeout", fields.number(0), nullable=True),
    Field("alert_creation", fields.one_of("create_incidents", "create_alerts_and_incidents")),
    Field("incident_urgency_rule", _rule),
    *(
        Field(name, fields.exactly(kind), nullable=True)
        for name, kind in (
            ("support_hours", dict),
            ("scheduled_actions", list),
            ("alert_grouping_parameters", dict),
            ("auto_pause_notifications_parameters", dict),
        )
    ),
)


def _list(call: Call) -> Json:
    team_ids = set(call.list("team_ids"))
    exact = call.query.get("name")
    found = [
        each
        for each in call.pagerduty.services.values()
        if (not exact or each.name == exact)
        and (
            not team_ids
            or team_ids.intersection(call.pagerduty.directory.teams_of_policy(each.escalation_policy_id))
        )
    ]
    return page(call, "services", Listed(by_name(call, found, lambda each: each.name)), call.show.service)


def _get(call: Call) -> Json:
    return {"service": call.show.service(call.pagerduty.service(call.path["id"]))}


def _create(call: Call) -> Json:
    attributes = fields.read(call, call.body("service"), *_FIELDS, creating=True)
    return {"service": call.show.service(call.pagerduty.add_service(attributes))}


def _update(call: Call) -> Json:
    service = call.pagerduty.service(call.path["id"])
    attributes = fields.read(call, call.body("service"), *_FIELDS)
    return {"service": call.show.service(call.pagerduty.update_service(service.id, attributes))}


def _delete(call: Call) -> Response:
    call.pagerduty.delete_service(call.path["id"])
    return Response(status_code=204)


_INTEGRATION = (Field("name", fields.text(longest=255)), Field("type", fields.one_of(*INTEGRATION_TYPES)))


def _create_integration(call: Call) -> Json:
    service = call.pagerduty.service(call.path["id"])
    attributes = fields.read(call, _typed(call.body("integration")), *_INTEGRATION)
    return {"integration": call.show.integration(call.pagerduty.add_integration(service.id, attributes))}


def _typed(sent: Json) -> Json:
    """Return an integration with the type of which a client sent a reference's name."""
    kind = sent.get("type")
    return sent | {"type": kind.removesuffix("_reference")} if isinstance(kind, str) else sent


def _get_integration(call: Call) -> Json:
    service = call.pagerduty.service(call.path["id"])
    for each in call.pagerduty.integrations_of(service):
        if each.id == call.path["integration_id"]:
            return {"integration": call.show.integration(each)}
    raise not_found()


def _update_integration(call: Call) -> Json:
    service = call.pagerduty.service(call.path["id"])
    attributes = fields.read(call, _typed(call.body("integration")), *_INTEGRATION)
    found = call.pagerduty.update_integration(service.id, call.path["integration_id"], attributes)
    return {"integration": call.show.integration(found)}


ENDPOINTS = (
    Endpoint("GET", "/services", _list),
    Endpoint("POST", "/services", _create, 201),
    Endpoint("GET", "/services/{id}", _get),
    Endpoint("PUT", "/services/{id}", _update),
    Endpoint("DELETE", "/services/{id}", _delete),
    Endpoint("POST", "/services/{id}/integrations", _create_integration, 201),
    Endpoint("GET", "/services/{id}/integrations/{integration_id}", _get_integration),
    Endpoint("PUT", "/services/{id}/integrations/{integration_id}", _update_integration),
)
