"""Who and what an account's incidents refer to: users, teams, schedules, policies, priorities, custom fields.

Each is a plain dictionary of what REST clients set, with its ``id`` and ``created_at``; ``rest`` adds what
PagerDuty adds when it shows them. An account starts with what one must have: a user, on call day and night.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, NamedTuple

from airflow_provider_pagerduty.sandbox import shifts

#: The kinds, as REST's paths name them.
KINDS = ("users", "teams", "schedules", "escalation_policies", "priorities", "custom_fields")
#: What a current account can do. https://developer.pagerduty.com/api-reference/ (Abilities)
ABILITIES = ("sso", "advanced_reports", "teams", "urgencies", "manual_alert_creation", "event_rules")
#: What PagerDuty sells besides, and this account has not bought.
OTHER_ABILITIES = (
    "live_call_routing",
    "read_only_users",
    "team_responders",
    "preview_intelligent_alert_grouping",
)

_START = datetime(2020, 1, 1, tzinfo=timezone.utc)
USER_ID = "PSANDBOXUSER01"
SCHEDULE_ID = "PSANDBOXSCHED1"
POLICY_ID = "PSANDBOXPOLIC1"


class Unknown(LookupError):
    """There is no such thing in the account: PagerDuty answers 404."""


class OnCall(NamedTuple):
    """Somebody who is on call for a level of a policy, through a schedule or by name."""

    policy_id: str
    level: int
    user_id: str
    schedule_id: str | None
    start: datetime | None
    end: datetime | None


class Directory:
    """The entries of one account, by kind and id."""

    default_policy_id = POLICY_ID
    default_user_id = USER_ID

    def __init__(self) -> None:
        self.entries: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in KINDS}
        self._seed()

    def _seed(self) -> None:
        user = {"name": "On Call", "email": "on-call@example.com", "role": "owner", "time_zone": "Etc/UTC"}
        self.put("users", USER_ID, user, _START)
        layer = {
            "id": "PSANDBOXLAYER1",
            "name": "Always",
            "start": _START.isoformat(),
            "user_ids": [USER_ID],
            "rotation_virtual_start": _START.isoformat(),
            "rotation_turn_length_seconds": 7 * 86400,
        }
        schedule = {"name": "Day and night", "time_zone": "Etc/UTC", "layers": [layer]}
        self.put("schedules", SCHEDULE_ID, schedule, _START)
        rule = {
            "id": "PSANDBOXRULE01",
            "escalation_delay_in_minutes": 30,
            "targets": [["schedule", SCHEDULE_ID]],
        }
        policy = {"name": "Default", "num_loops": 0, "rules": [rule]}
        self.put("escalation_policies", POLICY_ID, policy, _START)
        for number, colour in enumerate(("a8171c", "eb6016", "f9b406", "555555", "555555"), 1):
            priority = {
                "name": f"P{number}",
                "description": f"Priority {number}",
                "color": colour,
                "order": 6 - number,
            }
            self.put("priorities", f"PSANDBOXPRIO{number:02}", priority, _START)

    def get(self, kind: str, entry_id: str) -> dict[str, Any]:
        """Return an entry.

        :raises Unknown: if there is none.
        """
        try:
            return self.entries[kind][entry_id]
        except KeyError:
            raise Unknown(entry_id) from None

    def put(
        self, kind: str, entry_id: str, attributes: dict[str, Any], at: datetime, *, must_exist: bool = False
    ) -> dict[str, Any]:
        """Make an entry, or change the attributes that are given of the one with that id."""
        if must_exist:
            self.get(kind, entry_id)
        entry = self.entries[kind].setdefault(entry_id, {"id": entry_id, "created_at": at})
        entry.update(attributes)
        entry["updated_at"] = at
        return entry

    def delete(self, kind: str, entry_id: str) -> None:
        """Remove an entry.

        :raises Unknown: if there is none.
        """
        self.get(kind, entry_id)
        del self.entries[kind][entry_id]

    def user_of_email(self, email: str) -> str | None:
        """Return the id of the user with an address, however it is capitalized."""
        wanted = email.strip().lower()
        users = self.entries["users"].items()
        return next((user_id for user_id, user in users if user["email"].lower() == wanted), None)

    def teams_of_policy(self, policy_id: str) -> list[str]:
        """Return the ids of a policy's teams that are there."""
        team_ids = self.entries["escalation_policies"].get(policy_id, {}).get("team_ids", [])
        return [team_id for team_id in team_ids if team_id in self.entries["teams"]]

    def teams_of_user(self, user_id: str) -> list[str]:
        """Return the ids of the teams that a user is a member of."""
        teams = self.entries["teams"].items()
        return [team_id for team_id, team in teams if user_id in team.get("members", {})]

    def on_calls(self, policy_id: str, at: datetime) -> list[OnCall]:
        """Return who is on call for each level of a policy at a moment."""
        found: list[OnCall] = []
        rules = self.entries["escalation_policies"].get(policy_id, {}).get("rules", [])
        for level, rule in enumerate(rules, 1):
            for kind, target_id in rule["targets"]:
                if kind == "schedule":
                    schedule = self.entries["schedules"].get(target_id, {})
                    shift = shifts.at(schedule.get("layers", []), at)
                    if shift and shift.user_id in self.entries["users"]:
                        found.append(OnCall(policy_id, level, shift[0], target_id, shift[1], shift[2]))
                elif target_id in self.entries["users"]:
                    found.append(OnCall(policy_id, level, target_id, None, None, None))
        return found

    def on_call_of(self, policy_id: str, at: datetime, level: int = 1) -> list[str]:
        """Return the ids of the users whom a level of a policy pages."""
        return list(dict.fromkeys(each.user_id for each in self.on_calls(policy_id, at) if each.level == level))
