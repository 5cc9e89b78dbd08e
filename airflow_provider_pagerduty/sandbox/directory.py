"""Who and what an account's incidents refer to: users, teams, schedules, policies, priorities, custom fields.

Each is a plain dictionary of what REST clients set, with its ``id`` and ``created_at``; ``rest`` adds what
PagerDuty adds when it shows them. An account starts with what one must have: a user, on call day and night.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

#: The kinds, as REST's paths name them.
KINDS = ("users", "teams", "schedules", "escalation_policies", "priorities", "custom_fields")
#: What a current account can do. https://developer.pagerduty.com/api-reference/ (Abilities)
ABILITIES = ("sso", "advanced_reports", "teams", "urgencies", "manual_alert_creation", "event_rules")

_START = datetime(2020, 1, 1, tzinfo=timezone.utc)
USER_ID = "PSANDBOXUSER01"
SCHEDULE_ID = "PSANDBOXSCHED1"
POLICY_ID = "PSANDBOXPOLIC1"


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
        schedule = {"name": "Day and night", "time_zone": "Etc/UTC", "user_ids": [USER_ID]}
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

        :raises LookupError: if there is none.
        """
        return self.entries[kind][entry_id]

    def put(
        self, kind: str, entry_id: str, attributes: dict[str, Any], at: datetime, *, must_exist: bool = False
    ) -> dict[str, Any]:
        """Make an entry, or change the attributes that are given of the one with that id."""
        entries = self.entries[kind]
        if must_exist and entry_id not in entries:
            raise KeyError(entry_id)
        entry = entries.setdefault(entry_id, {"id": entry_id, "created_at": at})
        entry.update(attributes)
        entry["updated_at"] = at
        return entry

    def delete(self, kind: str, entry_id: str) -> None:
        """Remove an entry.

        :raises LookupError: if there is none.
        """
        del self.entries[kind][entry_id]

    def on_call_of(self, policy_id: str) -> list[str]:
        """Return the ids of the users whom a policy's first level pages."""
        policy = self.entries["escalation_policies"].get(policy_id, {})
        found: list[str] = []
        for rule in policy.get("rules", [])[:1]:
            for kind, target_id in rule["targets"]:
                if kind == "schedule":
                    found += self.entries["schedules"].get(target_id, {}).get("user_ids", [])
                else:
                    found.append(target_id)
        return list(dict.fromkeys(found))
