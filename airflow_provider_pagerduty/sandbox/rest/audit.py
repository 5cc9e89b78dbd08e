"""Audit records: what was changed of services, people, teams, schedules and escalation policies, newest first.

The sandbox does not keep who changed it, nor what a value was before.
https://developer.pagerduty.com/docs/rest-api-v2/audit-records-api/
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_pagerduty.sandbox.model import AuditRecord
from airflow_provider_pagerduty.sandbox.rest.call import Call, Endpoint
from airflow_provider_pagerduty.sandbox.rest.errors import invalid, not_found
from airflow_provider_pagerduty.sandbox.rest.paging import page_by_cursor
from airflow_provider_pagerduty.sandbox.rest.render import PATHS
from airflow_provider_pagerduty.sandbox.service_commands import AUDITED

Json = dict[str, Any]

#: If ``since`` is not given, and from it to ``until`` at most, by the description of those parameters.
DEFAULT_WINDOW = timedelta(hours=24)
LONGEST_WINDOW = timedelta(days=31)
#: PagerDuty's name of a type, by how paths name it.
TYPES = {path: name for name, path in PATHS.items()}
ACTIONS = ("create", "update", "delete")
ACTORS = ("user_reference", "api_key_reference", "app_reference")
METHODS = ("browser", "oauth", "api_token", "identity_provider", "other")
#: Of all changes, also of the services that the sandbox makes for keys nobody told it of.
METHOD = "api_token"


def _window(call: Call) -> tuple[datetime, datetime | None]:
    """Return from when on and until before when; None for the present, which is still part of it."""
    present = call.pagerduty.clock()
    since, until = call.moment("since") or present - DEFAULT_WINDOW, call.moment("until")
    if (until or present) - since > LONGEST_WINDOW:
        raise invalid("until may not be more than 31 days after since: ask for smaller windows of time")
    return since, until


def _page(call: Call, matches: Callable[[AuditRecord], bool]) -> Json:
    since, until = _window(call)

    def is_asked_for(record: AuditRecord) -> bool:
        return since <= record.at and (until is None or record.at < until) and matches(record)

    found = page_by_cursor(call, "records", call.pagerduty.audit, is_asked_for, lambda each: _shown(call, each))
    return found | {"response_metadata": None}


def _shown(call: Call, record: AuditRecord) -> Json:
    resource = call.show.refer(TYPES[record.kind], record.thing_id) | {"summary": record.name}
    fields = dict(record.fields)
    policy_id = fields.pop("escalation_policy_id", None)
    details: Json = {"resource": resource}
    if fields:
        details["fields"] = [{"name": name, "value": _text(value)} for name, value in fields.items()]
    if policy_id:
        added = [call.show.refer("escalation_policy", str(policy_id))]
        details["references"] = [{"name": "escalation_policy", "added": added}]
    return {
        "id": record.id,
        "self": None,
        "execution_time": record.at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.")
        + f"{record.at.microsecond // 1000:03}Z",
        "execution_context": None,
        "actors": None,
        "method": {"type": METHOD},
        "root_resource": resource,
        "action": record.action,
        "details": details,
    }


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _list(call: Call) -> Json:
    kinds = call.list("root_resource_types", (*AUDITED, "ip_allow_lists"))
    actions = call.list("actions", ACTIONS)
    method, actor = call.choice("method_type", METHODS), call.choice("actor_type", ACTORS)
    for name, needed, is_there in (
        ("actor_id", "actor_type", actor),
        ("method_truncated_token", "method_type", method),
    ):
        if call.query.get(name) and not is_there:
            raise invalid(f"{name} needs {needed} beside it")
    # No actor and no token is kept, so no record has the one that is asked for.
    if actor or call.query.get("method_truncated_token") or method not in (None, METHOD):
        return _page(call, lambda _: False)
    return _page(
        call, lambda each: (not kinds or each.kind in kinds) and (not actions or each.action in actions)
    )


def _list_of(kind: str) -> Callable[[Call], Json]:
    def answer(call: Call) -> Json:
        thing_id = call.path["id"]

        def is_its(record: AuditRecord) -> bool:
            return record.thing_id == thing_id and record.kind == kind

        there = call.pagerduty.services if kind == "services" else call.pagerduty.directory.entries[kind]
        # What was removed still has its records.
        if thing_id not in there and not any(map(is_its, call.pagerduty.audit)):
            raise not_found()
        return _page(call, is_its)

    return answer


ENDPOINTS = (
    Endpoint("GET", "/audit/records", _list),
    *(Endpoint("GET", f"/{kind}/{{id}}/audit/records", _list_of(kind)) for kind in AUDITED),
)
