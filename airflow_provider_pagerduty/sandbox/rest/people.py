"""Users, teams, priorities and abilities."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from starlette.responses import Response

from airflow_provider_pagerduty.sandbox.account import PagerDuty
from airflow_provider_pagerduty.sandbox.directory import ABILITIES, OTHER_ABILITIES
from airflow_provider_pagerduty.sandbox.rest import errors, fields
from airflow_provider_pagerduty.sandbox.rest.call import Call, Endpoint
from airflow_provider_pagerduty.sandbox.rest.fields import Field
from airflow_provider_pagerduty.sandbox.rest.paging import Listed, page

Json = dict[str, Any]
T = TypeVar("T")

ROLES = (
    "admin",
    "limited_user",
    "observer",
    "owner",
    "read_only_user",
    "restricted_access",
    "read_only_limited_user",
    "user",
)
TEAM_ROLES = ("manager", "responder", "observer")


def by_name(call: Call, things: Iterable[T], *texts_of: Callable[[T], str]) -> list[T]:
    """Return the things one of whose texts has the query in it, in the order of the first of their texts."""
    wanted = call.query.get("query", "").lower()
    found = [each for each in things if any(wanted in text_of(each).lower() for text_of in texts_of)]
    order = call.choice("sort_by", ("name", "name:asc", "name:desc"))
    return sorted(found, key=lambda each: texts_of[0](each).lower(), reverse=order == "name:desc")


def entry_of(call: Call, kind: str, name: str = "id") -> Json:
    """Return the entry of the directory that the path names.

    :raises LookupError: if there is none.
    """
    return call.pagerduty.directory.get(kind, call.path[name])


def entries_of(call: Call, kind: str) -> Iterable[Json]:
    """Return all entries of a kind."""
    return call.pagerduty.directory.entries[kind].values()


def _name(entry: Json) -> str:
    return str(entry["name"])


def _email_address(pagerduty: PagerDuty, value: Any) -> str:
    address: str = fields.text(6, 100)(pagerduty, value)
    if not re.fullmatch(r"[^\s@]+@[^\s@]+", address):
        raise ValueError("must be an email address")
    return address


_USER = (
    Field("name", fields.text(longest=100), required=True),
    Field("email", _email_address, required=True),
    Field("role", fields.one_of(*ROLES)),
    Field("time_zone", fields.text()),
    Field("color", fields.text()),
    Field("job_title", fields.text(0, 100)),
    Field("description", fields.text(0), nullable=True),
)


def _list_users(call: Call) -> Json:
    team_ids = set(call.list("team_ids"))
    found = by_name(call, entries_of(call, "users"), _name, lambda each: str(each["email"]))
    teams_of = call.pagerduty.directory.teams_of_user
    found = [each for each in found if not team_ids or team_ids.intersection(teams_of(each["id"]))]
    return page(call, "users", Listed(found), call.show.user)


def _me(call: Call) -> Json | Response:
    if call.caller.user_id is None:
        return errors.account_token_has_no_user()
    return {"user": call.show.user(call.pagerduty.directory.get("users", call.caller.user_id))}


def _get_user(call: Call) -> Json:
    return {"user": call.show.user(entry_of(call, "users"))}


def _put_user(call: Call, user_id: str | None) -> Json:
    attributes = fields.read(call, call.body("user"), *_USER, creating=user_id is None)
    if call.pagerduty.directory.user_of_email(attributes.get("email", "")) not in (None, user_id):
        raise errors.invalid("Email has already been taken")
    return {"user": call.show.user(call.pagerduty.put_entry("users", user_id, attributes))}


def _create_user(call: Call) -> Json:
    return _put_user(call, None)


def _update_user(call: Call) -> Json:
    return _put_user(call, entry_of(call, "users")["id"])


def _delete_user(call: Call) -> Response:
    call.pagerduty.delete_entry("users", call.path["id"])
    return Response(status_code=204)


_TEAM = (
    Field("name", fields.text(longest=100), required=True),
    Field("description", fields.text(0, 1024)),
    Field("default_role", fields.one_of("manager", "none")),
)


def _list_teams(call: Call) -> Json:
    return page(call, "teams", Listed(by_name(call, entries_of(call, "teams"), _name)), call.show.team)


def _get_team(call: Call) -> Json:
    return {"team": call.show.team(entry_of(call, "teams"))}


def _create_team(call: Call) -> Json:
    attributes = fields.read(call, call.body("team"), *_TEAM, creating=True)
    return {"team": call.show.team(call.pagerduty.put_entry("teams", None, attributes))}


def _update_team(call: Call) -> Json:
    team = entry_of(call, "teams")
    attributes = fields.read(call, call.body("team"), *_TEAM)
    return {"team": call.show.team(call.pagerduty.put_entry("teams", team["id"], attributes))}


def _delete_team(call: Call) -> Response:
    call.pagerduty.delete_entry("teams", call.path["id"])
    return Response(status_code=204)


def _list_members(call: Call) -> Json:
    members = entry_of(call, "teams").get("members", {})
    there = [each for each in members.items() if each[0] in call.pagerduty.directory.entries["users"]]
    return page(
        call,
        "members",
        Listed(there),
        lambda each: {"user": call.show.either("user", each[0], "users"), "role": each[1]},
    )


def _add_member(call: Call) -> Response:
    team, user = entry_of(call, "teams"), entry_of(call, "users", "user_id")
    role = call.body("role", str) if call.raw.strip() else "manager"
    if role not in TEAM_ROLES:
        raise errors.invalid(f"role must be one of {', '.join(TEAM_ROLES)}")
    members = team.get("members", {}) | {user["id"]: role}
    call.pagerduty.put_entry("teams", team["id"], {"members": members})
    return Response(status_code=204)


def _remove_member(call: Call) -> Response:
    team, user = entry_of(call, "teams"), entry_of(call, "users", "user_id")
    members = {key: role for key, role in team.get("members", {}).items() if key != user["id"]}
    call.pagerduty.put_entry("teams", team["id"], {"members": members})
    return Response(status_code=204)


def _add_policy(call: Call) -> Response:
    team, policy = entry_of(call, "teams"), entry_of(call, "escalation_policies", "escalation_policy_id")
    team_ids = [*policy.get("team_ids", []), team["id"]]
    call.pagerduty.put_entry("escalation_policies", policy["id"], {"team_ids": list(dict.fromkeys(team_ids))})
    return Response(status_code=204)


def _remove_policy(call: Call) -> Response:
    team, policy = entry_of(call, "teams"), entry_of(call, "escalation_policies", "escalation_policy_id")
    team_ids = [each for each in policy.get("team_ids", []) if each != team["id"]]
    call.pagerduty.put_entry("escalation_policies", policy["id"], {"team_ids": team_ids})
    return Response(status_code=204)


def _list_priorities(call: Call) -> Json:
    return page(call, "priorities", Listed(entries_of(call, "priorities")), call.show.priority)


def _list_abilities(call: Call) -> Json:
    return {"abilities": list(ABILITIES)}


def _test_ability(call: Call) -> Response:
    if call.path["id"] in ABILITIES:
        return Response(status_code=204)
    if call.path["id"] in OTHER_ABILITIES:
        raise errors.Problem(
            402, "Payment Required", 2012, f"The account has not the ability {call.path['id']}"
        )
    raise errors.not_found()


ENDPOINTS = (
    Endpoint("GET", "/users", _list_users),
    Endpoint("POST", "/users", _create_user, 201, acts=True),
    Endpoint("GET", "/users/me", _me),
    Endpoint("GET", "/users/{id}", _get_user),
    Endpoint("PUT", "/users/{id}", _update_user),
    Endpoint("DELETE", "/users/{id}", _delete_user),
    Endpoint("GET", "/teams", _list_teams),
    Endpoint("POST", "/teams", _create_team, 201),
    Endpoint("GET", "/teams/{id}", _get_team),
    Endpoint("PUT", "/teams/{id}", _update_team),
    Endpoint("DELETE", "/teams/{id}", _delete_team),
    Endpoint("GET", "/teams/{id}/members", _list_members),
    Endpoint("PUT", "/teams/{id}/users/{user_id}", _add_member, 204),
    Endpoint("DELETE", "/teams/{id}/users/{user_id}", _remove_member, 204),
    Endpoint("PUT", "/teams/{id}/escalation_policies/{escalation_policy_id}", _add_policy, 204),
    Endpoint("DELETE", "/teams/{id}/escalation_policies/{escalation_policy_id}", _remove_policy, 204),
    Endpoint("GET", "/priorities", _list_priorities),
    Endpoint("GET", "/abilities", _list_abilities),
    Endpoint("GET", "/abilities/{id}", _test_ability),
)
