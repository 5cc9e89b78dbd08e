"""Who is paged: escalation policies, schedules and on-calls."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from starlette.responses import Response

from airflow_provider_pagerduty.sandbox import shifts
from airflow_provider_pagerduty.sandbox.account import PagerDuty
from airflow_provider_pagerduty.sandbox.directory import OnCall
from airflow_provider_pagerduty.sandbox.rest import errors, fields
from airflow_provider_pagerduty.sandbox.rest.call import Call, Endpoint
from airflow_provider_pagerduty.sandbox.rest.fields import Field
from airflow_provider_pagerduty.sandbox.rest.paging import Listed, page
from airflow_provider_pagerduty.sandbox.rest.people import by_name, entries_of, entry_of

Json = dict[str, Any]

#: "Defaults to 2 weeks after since if a since is given."
#: https://developer.pagerduty.com/api-reference/ (Get a schedule)
DEFAULT_WINDOW = timedelta(weeks=2)


def _rules(pagerduty: PagerDuty, value: Any) -> list[Json]:
    if not isinstance(value, list) or not value:
        raise ValueError("must be an array of at least one rule")
    return [_rule_of(pagerduty, each) for each in value]


def _rule_of(pagerduty: PagerDuty, rule: Any) -> Json:
    targets = rule.get("targets") if isinstance(rule, dict) else None
    if not isinstance(targets, list) or not 1 <= len(targets) <= 10:
        raise ValueError("must each have from 1 to 10 targets")
    delay = fields.number(1)(pagerduty, rule.get("escalation_delay_in_minutes"))
    kept = []
    for target in targets:
        kind = str(target.get("type") if isinstance(target, dict) else None).removesuffix("_reference")
        if kind not in ("user", "schedule"):
            raise ValueError("must each have users and schedules as targets")
        kept.append([kind, fields.reference(kind)(pagerduty, target)])
    return {"id": rule.get("id"), "escalation_delay_in_minutes": delay, "targets": kept}


_POLICY = (
    Field("name", fields.text(), required=True),
    Field("escalation_rules", _rules, "rules", required=True),
    Field("description", fields.text(0)),
    Field("num_loops", fields.number(0)),
    Field("on_call_handoff_notifications", fields.one_of("if_has_services", "always")),
    Field("teams", fields.references("team"), "team_ids"),
)


def _name(entry: Json) -> str:
    return str(entry["name"])


def _list_policies(call: Call) -> Json:
    user_ids, team_ids = set(call.list("user_ids")), set(call.list("team_ids"))
    found = [
        each
        for each in by_name(call, entries_of(call, "escalation_policies"), _name)
        if (not team_ids or team_ids.intersection(each.get("team_ids", [])))
        and (not user_ids or user_ids.intersection(_targeted(call.pagerduty, each)))
    ]
    return page(call, "escalation_policies", Listed(found), call.show.escalation_policy)


def _targeted(pagerduty: PagerDuty, policy: Json) -> list[str]:
    targets = [target for rule in policy["rules"] for target in rule["targets"]]
    found = [target_id for kind, target_id in targets if kind == "user"]
    for kind, target_id in targets:
        if kind == "schedule":
            layers = pagerduty.directory.entries["schedules"].get(target_id, {}).get("layers", [])
            found += [user_id for layer in layers for user_id in layer["user_ids"]]
    return found


def _get_policy(call: Call) -> Json:
    return {"escalation_policy": call.show.escalation_policy(entry_of(call, "escalation_policies"))}


def _create_policy(call: Call) -> Json:
    attributes = fields.read(call, call.body("escalation_policy"), *_POLICY, creating=True)
    return _put_policy(call, None, attributes)


def _update_policy(call: Call) -> Json:
    policy = entry_of(call, "escalation_policies")
    return _put_policy(call, policy["id"], fields.read(call, call.body("escalation_policy"), *_POLICY))


def _put_policy(call: Call, policy_id: str | None, attributes: Json) -> Json:
    name = attributes.get("name")
    if any(
        each["name"] == name and each["id"] != policy_id for each in entries_of(call, "escalation_policies")
    ):
        raise errors.invalid("Name has already been taken")
    policy = call.pagerduty.put_entry("escalation_policies", policy_id, attributes)
    return {"escalation_policy": call.show.escalation_policy(policy)}


def _delete_policy(call: Call) -> Response:
    policy = entry_of(call, "escalation_policies")
    if any(each.escalation_policy_id == policy["id"] for each in call.pagerduty.services.values()):
        raise errors.refused("The escalation policy is used by services")
    call.pagerduty.delete_entry("escalation_policies", policy["id"])
    return Response(status_code=204)


def _layers(pagerduty: PagerDuty, value: Any) -> list[Json]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise ValueError("must be an array of layers")
    # The last of the layers that are sent is the topmost when they are shown; kept is the topmost last.
    return [_layer(pagerduty, each) for each in reversed(value)]


def _layer(pagerduty: PagerDuty, layer: Json) -> Json:
    if layer.get("restrictions"):
        raise ValueError("have restrictions, which the sandbox does not know")
    users = layer.get("users")
    if not isinstance(users, list) or not users or not all(isinstance(each, dict) for each in users):
        raise ValueError("must each have users")
    start = fields.time()(pagerduty, layer.get("start"))
    return {
        "id": layer.get("id"),
        "name": layer.get("name") if isinstance(layer.get("name"), str) else "Layer",
        "start": start,
        "end": fields.time()(pagerduty, layer["end"]) if layer.get("end") else None,
        "user_ids": [fields.reference("user")(pagerduty, each.get("user")) for each in users],
        "rotation_virtual_start": fields.time()(pagerduty, layer.get("rotation_virtual_start") or start),
        "rotation_turn_length_seconds": fields.number(60)(pagerduty, layer.get("rotation_turn_length_seconds")),
    }


_SCHEDULE = (
    Field("name", fields.text(), required=True),
    Field("time_zone", fields.text(), required=True),
    Field("schedule_layers", _layers, "layers", required=True),
    Field("description", fields.text(0)),
)


def _list_schedules(call: Call) -> Json:
    found = by_name(call, entries_of(call, "schedules"), _name)
    return page(call, "schedules", Listed(found), call.show.schedule)


def _get_schedule(call: Call) -> Json:
    since, until = call.moment("since"), call.moment("until")
    if since is None:
        since = until - DEFAULT_WINDOW if until else call.pagerduty.clock()
    until = until or since + DEFAULT_WINDOW
    if until < since:
        raise errors.invalid("until is before since")
    return {"schedule": call.show.schedule(entry_of(call, "schedules"), (since, until))}


def _put_schedule(call: Call, schedule_id: str | None) -> Json:
    attributes = fields.read(call, call.body("schedule"), *_SCHEDULE, creating=schedule_id is None)
    present = call.pagerduty.clock()
    schedule = call.pagerduty.put_entry("schedules", schedule_id, attributes)
    return {"schedule": call.show.schedule(schedule, (present, present + DEFAULT_WINDOW))}


def _create_schedule(call: Call) -> Json:
    return _put_schedule(call, None)


def _update_schedule(call: Call) -> Json:
    return _put_schedule(call, entry_of(call, "schedules")["id"])


def _delete_schedule(call: Call) -> Response:
    target = ["schedule", entry_of(call, "schedules")["id"]]
    policies = entries_of(call, "escalation_policies")
    if any(target in rule["targets"] for policy in policies for rule in policy["rules"]):
        raise errors.refused("The schedule is used by escalation policies")
    call.pagerduty.delete_entry("schedules", target[1])
    return Response(status_code=204)


def _schedules_users(call: Call) -> Json:
    layers = entry_of(call, "schedules").get("layers", [])
    since = call.moment("since") or call.pagerduty.clock()
    until = call.moment("until") or since + timedelta(seconds=1)
    user_ids = dict.fromkeys(each.user_id for each in shifts.between(layers, since, until))
    users = call.pagerduty.directory.entries["users"]
    return {"users": [call.show.user(users[each]) for each in user_ids if each in users]}


def _list_on_calls(call: Call) -> Json:
    since = call.moment("since") or call.pagerduty.clock()
    until = call.moment("until") or since
    if until < since:
        raise errors.invalid("until is before since")
    wanted = {
        "policy_id": call.list("escalation_policy_ids"),
        "user_id": call.list("user_ids"),
        "schedule_id": call.list("schedule_ids"),
    }
    moments = [since]
    found: dict[OnCall, None] = {}
    while moments:
        # Where a shift ends within the window, the next one is also asked for.
        at = moments.pop()
        for policy_id in call.pagerduty.directory.entries["escalation_policies"]:
            for each in call.pagerduty.directory.on_calls(policy_id, at):
                if each in found or len(found) >= shifts.MOST_SHIFTS:
                    continue
                found[each] = None
                if each.end and each.end <= until and each.end > at:
                    moments.append(each.end)
    on_calls = [
        each for each in found if all(not ids or getattr(each, name) in ids for name, ids in wanted.items())
    ]
    return page(
        call, "oncalls", Listed(_earliest(on_calls) if call.flag("earliest") else on_calls), call.show.on_call
    )


def _earliest(on_calls: list[OnCall]) -> list[OnCall]:
    first: dict[tuple[str, int, str], OnCall] = {}
    for each in sorted(on_calls, key=lambda each: each.start.timestamp() if each.start else 0):
        first.setdefault((each.policy_id, each.level, each.user_id), each)
    return list(first.values())


ENDPOINTS = (
    Endpoint("GET", "/escalation_policies", _list_policies),
    Endpoint("POST", "/escalation_policies", _create_policy, 201),
    Endpoint("GET", "/escalation_policies/{id}", _get_policy),
    Endpoint("PUT", "/escalation_policies/{id}", _update_policy),
    Endpoint("DELETE", "/escalation_policies/{id}", _delete_policy),
    Endpoint("GET", "/schedules", _list_schedules),
    Endpoint("POST", "/schedules", _create_schedule, 201),
    Endpoint("GET", "/schedules/{id}", _get_schedule),
    Endpoint("PUT", "/schedules/{id}", _update_schedule),
    Endpoint("DELETE", "/schedules/{id}", _delete_schedule),
    Endpoint("GET", "/schedules/{id}/users", _schedules_users),
    Endpoint("GET", "/oncalls", _list_on_calls),
)
