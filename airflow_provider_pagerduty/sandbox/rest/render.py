"""How PagerDuty shows what an account holds: references everywhere, and whole things where they are asked for.

Services, people and what belongs to them are here; incidents are in ``render_incidents``. What PagerDuty's
description does not allow to be null is left out where there is none.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_pagerduty.sandbox import shifts
from airflow_provider_pagerduty.sandbox.account import PagerDuty
from airflow_provider_pagerduty.sandbox.directory import OnCall
from airflow_provider_pagerduty.sandbox.model import Change, Integration, MaintenanceWindow, Service
from airflow_provider_pagerduty.sandbox.rest.moments import moment, parsed_moment

if TYPE_CHECKING:
    from typing_extensions import Self

#: By PagerDuty's name of a type: how paths name them.
PATHS = {
    "user": "users",
    "team": "teams",
    "schedule": "schedules",
    "escalation_policy": "escalation_policies",
    "priority": "priorities",
    "service": "services",
    "incident": "incidents",
}
#: What of a service clients set, and see as they set it.
SERVICE_ATTRIBUTES = (
    "description",
    "auto_resolve_timeout",
    "acknowledgement_timeout",
    "incident_urgency_rule",
    "support_hours",
    "scheduled_actions",
    "alert_creation",
    "alert_grouping_parameters",
    "auto_pause_notifications_parameters",
    "response_play",
)

Json = dict[str, Any]


def given(**fields: Any) -> Json:
    """Return the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def texts_of(sent: Json, *names: str) -> Json:
    """Return those of the fields that were sent and are text: of a link, nothing checks the others."""
    return {name: sent[name] for name in names if isinstance(sent.get(name), str)}


class Renderer:
    """Shows the things of one account to one request.

    :param base: the address under which the client reached the sandbox, for links.
    :param include: what ``include[]`` asked for: whole things instead of references.
    """

    def __init__(self, pagerduty: PagerDuty, base: str, include: frozenset[str] = frozenset()) -> None:
        self.pagerduty = pagerduty
        self.base = base
        self.include = include

    @property
    def plain(self) -> Self:
        """What shows an included thing: within it are references, whatever was asked for."""
        return type(self)(self.pagerduty, self.base)

    def head(self, kind: str, thing_id: str, summary: str | None, path: str | None = None) -> Json:
        """Return what every thing begins with.

        :param path: of the API; None if it cannot be read by itself.
        """
        url = f"{self.base}/{path}" if path else None
        return {
            "id": thing_id,
            "type": kind,
            "summary": summary,
            "self": url,
            # There is one page, and it is at the top.
            "html_url": f"{self.base}/#{thing_id}",
        }

    def entry(self, kind: str, entry_id: str) -> Json | None:
        """Return an entry of the directory, or None if it was removed."""
        return self.pagerduty.directory.entries[PATHS[kind]].get(entry_id)

    def refer(self, kind: str, thing_id: str) -> Json:
        """Return a reference to a service or to something of the directory."""
        name: str | None
        if kind == "service":
            service = self.pagerduty.services.get(thing_id)
            name = service.name if service else None
        else:
            entry = self.entry(kind, thing_id)
            name = entry["name"] if entry else None
        path = f"{PATHS[kind]}/{thing_id}" if name is not None else None
        return self.head(f"{kind}_reference", thing_id, name, path)

    def either(self, kind: str, thing_id: str, *includes: str) -> Json:
        """Return the whole thing if one of these was included and it is still there, else a reference."""
        if self.include.intersection(includes):
            if kind == "service":
                if thing_id in self.pagerduty.services:
                    return self.plain.service(self.pagerduty.services[thing_id])
            elif (entry := self.entry(kind, thing_id)) is not None:
                whole: Json = getattr(self.plain, kind)(entry)
                return whole
        return self.refer(kind, thing_id)

    # People

    def user(self, user: Json) -> Json:
        """Return a user."""
        team_ids = self.pagerduty.directory.teams_of_user(user["id"])
        return self.head("user", user["id"], user["name"], f"users/{user['id']}") | {
            "name": user["name"],
            "email": user["email"],
            "time_zone": user.get("time_zone") or "Etc/UTC",
            "color": user.get("color") or "purple",
            "role": user.get("role") or "user",
            "avatar_url": f"{self.base}/avatar.png",
            "description": user.get("description"),
            "invitation_sent": False,
            "job_title": user.get("job_title") or "",
            "created_via_sso": False,
            "teams": [self.either("team", each, "teams") for each in team_ids],
            "contact_methods": [],
            "notification_rules": [],
        }

    def team(self, team: Json) -> Json:
        """Return a team."""
        return self.head("team", team["id"], team["name"], f"teams/{team['id']}") | {
            "name": team["name"],
            "description": team.get("description") or "",
            "default_role": team.get("default_role") or "manager",
        }

    def priority(self, priority: Json) -> Json:
        """Return a priority."""
        own = {key: priority[key] for key in ("name", "description", "color", "order")}
        path = f"priorities/{priority['id']}"
        return self.head("priority", priority["id"], priority["name"], path) | own

    def escalation_policy(self, policy: Json) -> Json:
        """Return an escalation policy."""
        services = [
            each for each in self.pagerduty.services.values() if each.escalation_policy_id == policy["id"]
        ]
        teams = self.pagerduty.directory.teams_of_policy(policy["id"])
        path = f"escalation_policies/{policy['id']}"
        return self.head("escalation_policy", policy["id"], policy["name"], path) | {
            "name": policy["name"],
            "description": policy.get("description") or "",
            "num_loops": policy.get("num_loops") or 0,
            "on_call_handoff_notifications": policy.get("on_call_handoff_notifications") or "if_has_services",
            "escalation_rules": [
                {
                    "id": rule["id"],
                    "escalation_delay_in_minutes": rule["escalation_delay_in_minutes"],
                    "targets": [self.either(kind, target_id, "targets") for kind, target_id in rule["targets"]],
                }
                for rule in policy["rules"]
            ],
            "services": [self.either("service", each.id, "services") for each in services],
            "teams": [self.either("team", each, "teams") for each in teams],
        }

    def schedule(self, schedule: Json, window: tuple[datetime, datetime] | None = None) -> Json:
        """Return a schedule.

        :param window: the time whose shifts are shown, if any, and with them the layers.
        """
        schedule_id, layers = schedule["id"], schedule.get("layers", [])
        policies = self.pagerduty.directory.entries["escalation_policies"].values()
        using = [
            p for p in policies if any(["schedule", schedule_id] in rule["targets"] for rule in p["rules"])
        ]
        user_ids = dict.fromkeys(user_id for layer in layers for user_id in layer["user_ids"])
        shown = self.head("schedule", schedule_id, schedule["name"], f"schedules/{schedule_id}") | {
            "name": schedule["name"],
            "description": schedule.get("description") or "",
            "time_zone": schedule["time_zone"],
            "escalation_policies": [self.refer("escalation_policy", each["id"]) for each in using],
            "users": [self.refer("user", each) for each in user_ids],
            "teams": [],
        }
        if window or "schedule_layers" in self.include:
            shown["schedule_layers"] = [self._layer(each, window) for each in reversed(layers)]
        if window or "final_schedule" in self.include:
            shown["final_schedule"] = {"name": "Final Schedule"} | self._shifts(layers, window)
        if window or "overrides_subschedule" in self.include:
            shown["overrides_subschedule"] = {"name": "Overrides", "rendered_schedule_entries": []}
        return shown

    def _layer(self, layer: Json, window: tuple[datetime, datetime] | None) -> Json:
        own = given(**{key: layer.get(key) for key in ("id", "name", "start", "end", "rotation_virtual_start")})
        return own | {
            "rotation_turn_length_seconds": layer["rotation_turn_length_seconds"],
            "users": [{"user": self.refer("user", each)} for each in layer["user_ids"]],
            "restrictions": [],
            **self._shifts([layer], window),
        }

    def _shifts(self, layers: list[Json], window: tuple[datetime, datetime] | None) -> Json:
        if window is None:
            return {"rendered_schedule_entries": []}
        found = [each for each in shifts.between(layers, *window) if each.start and each.end]
        covered = sum((each.end - each.start).total_seconds() for each in found if each.start and each.end)
        entries = [
            {"start": moment(each.start), "end": moment(each.end), "user": self.refer("user", each.user_id)}
            for each in found
            if each.start and each.end
        ]
        length = (window[1] - window[0]).total_seconds()
        percentage = round(100 * covered / length, 2) if length else 0.0
        return {"rendered_schedule_entries": entries, "rendered_coverage_percentage": percentage}

    def on_call(self, on_call: OnCall) -> Json:
        """Return who is on call for a level of a policy."""
        schedule = on_call.schedule_id and self.either("schedule", on_call.schedule_id, "schedules")
        return given(
            escalation_policy=self.either("escalation_policy", on_call.policy_id, "escalation_policies"),
            escalation_level=on_call.level,
            schedule=schedule or None,
            user=self.either("user", on_call.user_id, "users"),
            start=moment(on_call.start) if on_call.start else None,
            end=moment(on_call.end) if on_call.end else None,
        )

    # Services

    def service(self, service: Service) -> Json:
        """Return a service."""
        integrations = self.pagerduty.integrations_of(service)
        whole = bool(self.include.intersection(("integrations",)))
        teams = self.pagerduty.directory.teams_of_policy(service.escalation_policy_id)
        attributes = given(**{key: service.attributes.get(key) for key in SERVICE_ATTRIBUTES})
        return (
            self.head("service", service.id, service.name, f"services/{service.id}")
            | given(
                name=service.name,
                created_at=moment(service.created_at),
                status=self._status(service),
                last_incident_timestamp=moment(service.last_incident_at) if service.last_incident_at else None,
                escalation_policy=self.either(
                    "escalation_policy", service.escalation_policy_id, "escalation_policies"
                ),
                teams=[self.either("team", each, "teams") for each in teams],
                integrations=[
                    self.integration(each) if whole else self.integration_reference(each)
                    for each in integrations
                ],
                incident_urgency_rule={"type": "constant", "urgency": "high"},
                alert_creation="create_alerts_and_incidents",
                addons=[],
            )
            | {"description": ""}
            | attributes
        )

    def _status(self, service: Service) -> str:
        if service.attributes.get("status") == "disabled":
            return "disabled"
        if self.pagerduty.is_in_maintenance(service.id):
            return "maintenance"
        for status, word in (("triggered", "critical"), ("acknowledged", "warning")):
            if next(self.pagerduty.find_incidents(statuses=[status], service_ids=[service.id]), None):
                return word
        return "active"

    def integration(self, integration: Integration) -> Json:
        """Return an integration; its key is what clients come for, as at PagerDuty."""
        path = f"services/{integration.service.id}/integrations/{integration.id}"
        return self.head(integration.type, integration.id, integration.name, path) | {
            "name": integration.name,
            "service": self.either("service", integration.service.id, "services"),
            "created_at": moment(integration.created_at),
            "integration_key": integration.integration_key,
        }

    def integration_reference(self, integration: Integration) -> Json:
        """Return a reference to an integration, which does not tell its key."""
        path = f"services/{integration.service.id}/integrations/{integration.id}"
        return self.head(f"{integration.type}_reference", integration.id, integration.name, path)

    def maintenance_window(self, window: MaintenanceWindow) -> Json:
        """Return a maintenance window."""
        directory = self.pagerduty.directory
        services = [self.pagerduty.services.get(each) for each in window.service_ids]
        team_ids = [
            t for each in services if each for t in directory.teams_of_policy(each.escalation_policy_id)
        ]
        path = f"maintenance_windows/{window.id}"
        return self.head("maintenance_window", window.id, window.description or "", path) | {
            "sequence_number": window.number,
            "start_time": moment(window.start_time),
            "end_time": moment(window.end_time),
            "description": window.description or "",
            "created_by": self.either("user", window.created_by, "users"),
            "services": [self.either("service", each, "services") for each in window.service_ids],
            "teams": [self.either("team", each, "teams") for each in dict.fromkeys(team_ids)],
        }

    def change_event(self, change: Change) -> Json:
        """Return a change event, without the key that it came with."""
        payload = change.body["payload"]
        details, sent = payload.get("custom_details"), payload.get("timestamp")
        integration = next(
            (i for i in self.pagerduty.integrations.values() if i.id == change.integration_id), None
        )
        own = given(
            timestamp=moment(parsed_moment(sent, "timestamp") if sent else change.received_at),
            services=[self.refer("service", change.service.id)],
            integration=self.integration_reference(integration) if integration else None,
            source=payload.get("source"),
            links=[texts_of(each, "href", "text") for each in change.body.get("links") or []],
            images=[texts_of(each, "src", "href", "alt") for each in change.body.get("images") or []],
            # Sent as text or as a list, which the description of this API does not know.
            custom_details=details if isinstance(details, dict | None) else {"details": details},
        )
        return self.head("change_event", change.id, payload["summary"], f"change_events/{change.id}") | own
