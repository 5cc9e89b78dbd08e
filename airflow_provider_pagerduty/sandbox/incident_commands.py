"""The commands that change incidents and their alerts, and how incidents are found."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Literal

from airflow_provider_pagerduty.sandbox.commands import Refused, command
from airflow_provider_pagerduty.sandbox.directory import Unknown
from airflow_provider_pagerduty.sandbox.incident_index import Found
from airflow_provider_pagerduty.sandbox.model import Alert, Event, Incident, LogEntry, Note, Service, Status
from airflow_provider_pagerduty.sandbox.service_commands import Services, found

#: Alerts of one incident. https://developer.pagerduty.com/api-reference/ (Merge incidents)
MOST_ALERTS = 1000


class Incidents(Services):
    """An account with the commands for incidents too."""

    def _new_incident(
        self, service: Service, title: str, agent: dict[str, str], incident_key: str | None, **more: Any
    ) -> Incident:
        more = {"urgency": "high", "escalation_policy_id": service.escalation_policy_id} | more
        incident = Incident(
            id=self.new_id(),
            number=len(self.incidents) + 1,
            title=title,
            service=service,
            created_at=self.at,
            updated_at=self.at,
            last_status_change_at=self.at,
            last_status_change_by=agent,
            incident_key=incident_key,
            **more,
        )
        service.last_incident_at = self.at
        self._index.add(incident)
        return incident

    def _notify(self, incident: Incident, level: int = 1) -> None:
        """Assign an incident to whoever is on call for a level of its policy, unless it is assigned."""
        if not incident.assigned_to:
            on_call = self.directory.on_call_of(incident.escalation_policy_id, self.at, level)
            self._index.assign(incident, on_call, self.at)
        for user_id, _ in incident.assigned_to:
            channel = {"type": "auto", "user_id": user_id}
            self._log(incident, "assign", incident.last_status_change_by, channel=channel)

    def _log(
        self,
        incident: Incident,
        kind: str,
        agent: dict[str, str],
        *,
        event: Event | None = None,
        channel: dict[str, Any] | None = None,
    ) -> None:
        channel = channel or {"type": "api"}
        entry = LogEntry(self.new_id("R"), kind, self.at, agent, channel, incident, event)
        incident.log.append(entry)
        self.log.append(entry)
        self.log_by_id[entry.id] = entry

    def _set_status(
        self, incident: Incident, status: Status, agent: dict[str, str], event: Event | None = None
    ) -> None:
        self._index.set_status(incident, status)
        incident.updated_at = incident.last_status_change_at = self.at
        incident.last_status_change_by = agent
        incident.snoozed_until = None
        incident.resolved_at = self.at if status == "resolved" else None
        if status == "acknowledged":
            incident.acknowledged_by.append((agent, self.at))
        else:
            incident.acknowledged_by = []
        if status == "resolved":
            self._index.assign(incident, [], self.at)
            for alert in incident.alerts:
                if alert.status != "resolved":
                    self._resolve_alert(alert)
        kind = {"triggered": "unacknowledge", "acknowledged": "acknowledge", "resolved": "resolve"}[status]
        self._log(incident, kind, agent, event=event)

    @command
    def create_incident(self, attributes: dict[str, Any], by: str) -> Incident:
        """Make an incident that no alert opened.

        :param attributes: ``title`` and ``service_id``; ``urgency``, ``incident_key``, ``details``,
            ``priority_id``, ``escalation_policy_id``, ``assigned_to`` (user ids), ``conference_bridge``.
        :param by: the user's id.
        :raises Refused: if an open incident has that incident_key, or the service raises none now.
        """
        service = self.service(attributes["service_id"])
        if not self.raises_incidents(service):
            # What PagerDuty answers is not documented; that no incident is made is.
            raise Refused("Service is disabled or in a maintenance window")
        key = attributes.get("incident_key") or None
        if key is not None and any(
            each.status != "resolved"
            for each in self.find_incidents(incident_key=key, service_ids=[service.id])
        ):
            raise Refused("Open incident with matching dedup key already exists on this service")
        agent = {"type": "user", "id": by}
        optional = ("urgency", "details", "priority_id", "escalation_policy_id", "conference_bridge")
        more = {name: attributes[name] for name in optional if attributes.get(name) is not None}
        key = key or "".join(self._random.choices("0123456789abcdef", k=32))
        more.setdefault("urgency", urgency_of(service, "critical"))
        incident = self._new_incident(service, attributes["title"], agent, key, **more)
        incident.directly_assigned = bool(attributes.get("assigned_to"))
        self._index.assign(incident, attributes.get("assigned_to") or [], self.at)
        self._log(incident, "trigger", agent)
        self._notify(incident)
        return incident

    @command
    def update_incident(self, incident_id: str, changes: dict[str, Any], by: str) -> Incident:
        """Change an incident as a user.

        :param changes: any of ``status``, ``title``, ``urgency``, ``resolution`` (a note), ``priority_id``,
            ``escalation_policy_id``, ``escalation_level``, ``assigned_to`` (user ids), ``conference_bridge``.
        :raises Refused: for any change to a resolved incident, and for a level that its policy has not.
        """
        self.check_update(incident_id, changes)
        incident = self.incident(incident_id)
        agent = {"type": "user", "id": by}
        status = changes.get("status")
        incident.escalation_policy_id = changes.get("escalation_policy_id") or incident.escalation_policy_id
        for name in ("title", "resolution", "priority_id", "conference_bridge"):
            if name in changes:
                setattr(incident, name, changes[name])
        incident.updated_at = self.at
        if changes.get("urgency") not in (None, incident.urgency):
            self._index.set_urgency(incident, changes["urgency"])
            self._log(incident, "urgency_change", agent)
        if incident.status != "resolved":
            self._reassign(incident, changes, agent)
        if status and status != incident.status:
            self._set_status(incident, status, agent)
            if status == "resolved" and changes.get("resolution"):
                self.add_note(incident_id, changes["resolution"], by)
        return incident

    def check_update(self, incident_id: str, changes: dict[str, Any]) -> None:
        """Refuse what ``update_incident`` would.

        :raises Refused: for any change to a resolved incident, and for a level that its policy has not.
        """
        incident = self.incident(incident_id)
        if incident.status == "resolved" and changes.get("status") != "resolved":
            raise Refused("Incident Already Resolved")
        policy_id = changes.get("escalation_policy_id") or incident.escalation_policy_id
        level = changes.get("escalation_level")
        if level is not None and not self.directory.on_call_of(policy_id, self.at, level):
            raise Refused(f"Escalation level {level} is not one of the escalation policy")

    def _reassign(self, incident: Incident, changes: dict[str, Any], agent: dict[str, str]) -> None:
        if changes.get("assigned_to"):
            incident.directly_assigned = True
            self._index.assign(incident, changes["assigned_to"], self.at)
            for user_id in changes["assigned_to"]:
                self._log(incident, "assign", agent, channel={"type": "api", "user_id": user_id})
        elif changes.get("escalation_policy_id") or changes.get("escalation_level"):
            incident.directly_assigned = False
            self._index.assign(incident, [], self.at)
            self._log(incident, "escalate", agent)
            self._notify(incident, changes.get("escalation_level") or 1)

    @command
    def add_note(self, incident_id: str, content: str, by: str) -> Note:
        """Write a note on an incident."""
        incident = self.incident(incident_id)
        note = Note(self.new_id("P"), content, by, self.at)
        incident.notes.append(note)
        incident.updated_at = self.at
        self._log(
            incident, "annotate", {"type": "user", "id": by}, channel={"type": "note", "summary": content}
        )
        return note

    @command
    def update_note(self, incident_id: str, note_id: str, content: str) -> Note:
        """Write a note anew."""
        note = self._note(incident_id, note_id)
        note.content, note.updated_at = content, self.at
        return note

    @command
    def delete_note(self, incident_id: str, note_id: str) -> None:
        """Remove a note."""
        note = self._note(incident_id, note_id)
        self.incident(incident_id).notes.remove(note)

    def _note(self, incident_id: str, note_id: str) -> Note:
        found = next((each for each in self.incident(incident_id).notes if each.id == note_id), None)
        if found is None:
            raise Unknown(note_id)
        return found

    @command
    def snooze(self, incident_id: str, seconds: int, by: str) -> Incident:
        """Acknowledge an incident for some seconds; it is triggered again after them."""
        incident = self.incident(incident_id)
        if incident.status == "resolved":
            raise Refused("Incident Already Resolved")
        agent = {"type": "user", "id": by}
        if incident.status == "triggered":
            self._set_status(incident, "acknowledged", agent)
        incident.snoozed_until = self.at + timedelta(seconds=seconds)
        heapq.heappush(self._snoozed, (incident.snoozed_until, incident.number))
        self._log(incident, "snooze", agent, channel={"type": "api", "duration": seconds})
        return incident

    def refresh(self) -> None:
        """Do what the mere passing of time brings about; every command does so first."""
        if self._snoozed and self._snoozed[0][0] <= self.clock():
            self.wake()

    @command
    def wake(self) -> None:
        """Trigger the incidents again whose snooze is over."""
        while self._snoozed and self._snoozed[0][0] <= self.at:
            until, number = heapq.heappop(self._snoozed)
            incident = self.incidents[number - 1] if number <= len(self.incidents) else None
            if incident and incident.snoozed_until == until and incident.status == "acknowledged":
                self._set_status(incident, "triggered", {"type": "service", "id": incident.service.id})

    @command
    def merge(self, incident_id: str, source_ids: list[str], by: str) -> Incident:
        """Move other incidents' alerts into one, and resolve those.

        :raises Refused: for one into itself, an open one into a resolved one, and too many alerts.
        """
        target = self.incident(incident_id)
        agent = {"type": "user", "id": by}
        sources = [self.incident(each) for each in dict.fromkeys(source_ids)]
        if target in sources:
            raise Refused("Cannot merge an incident into itself")
        if target.status == "resolved" and any(source.status != "resolved" for source in sources):
            raise Refused("Open incidents cannot be merged into a resolved incident")
        if len(target.alerts) + sum(len(source.alerts) for source in sources) > MOST_ALERTS:
            raise Refused(f"An incident cannot have more than {MOST_ALERTS} alerts")
        for source in sources:
            for alert in list(source.alerts):
                self._move(alert, source, target)
            source.merged_into = target
            if source.status != "resolved":
                self._set_status(source, "resolved", agent)
        target.updated_at = self.at
        return target

    def _move(self, alert: Alert, source: Incident, target: Incident) -> None:
        source.alerts.remove(alert)
        target.alerts.append(alert)
        alert.incident = target
        self._index.add_key(target, alert.dedup_key)
        source.updated_at = target.updated_at = self.at

    @command
    def update_alert(self, incident_id: str, alert_id: str, changes: dict[str, Any], by: str) -> Alert:
        """Resolve an alert, or move it to another incident (``incident_id`` in changes)."""
        incident, alert = self.incident(incident_id), self.alert(incident_id, alert_id)
        if alert.status == "resolved" and changes.get("status") == "triggered":
            raise Refused("Alert is already resolved")
        if changes.get("incident_id") not in (None, incident.id):
            self._move(alert, incident, self.incident(changes["incident_id"]))
        if changes.get("status") == "resolved" and alert.status != "resolved":
            self._resolve_alert(alert)
            holder = alert.incident
            if holder and holder.status != "resolved" and all(a.status == "resolved" for a in holder.alerts):
                self._set_status(holder, "resolved", {"type": "user", "id": by})
        return alert

    def alert(self, incident_id: str, alert_id: str) -> Alert:
        """Return an alert of an incident.

        :raises Unknown: if it has none of that id.
        """
        found = next((each for each in self.incident(incident_id).alerts if each.id == alert_id), None)
        if found is None:
            raise Unknown(alert_id)
        return found

    @command
    def set_custom_values(self, incident_id: str, values: dict[str, Any], by: str | None = None) -> Incident:
        """Set an incident's custom fields, by their ids."""
        incident = self.incident(incident_id)
        incident.custom_values.update(values)
        incident.updated_at = self.at
        fields = self.directory.entries["custom_fields"]
        changeset = [f"Updated {fields[each]['name']} to {value}" for each, value in values.items()]
        agent = {"type": "user", "id": by or self.directory.default_user_id}
        self._log(incident, "custom_field_value_change", agent, channel={"type": "api", "changeset": changeset})
        return incident

    def incident(self, incident_id: str) -> Incident:
        """Return an incident by its id, or by its number as text.

        :raises Unknown: if there is none.
        """
        if incident_id.isascii() and incident_id.isdigit() and 0 < int(incident_id[:9]) <= len(self.incidents):
            return self.incidents[int(incident_id[:9]) - 1]
        return found(self._index.by_id, incident_id)

    def numbers_of(self, status: Status) -> list[int]:
        """Return the numbers of the incidents that have a status now, in order; not to be changed."""
        return self._index.by_status[status]

    def find_incidents(self, **filters: Any) -> Iterator[Incident]:
        """Yield the incidents of ``select_incidents``."""
        return iter(self.select_incidents(**filters))

    def select_incidents(self, **filters: Any) -> Found:
        """Return the incidents that all of some filters let through, to go through or to take a page of.

        :param filters: ``statuses``, ``service_ids``, ``urgencies``, ``assignees`` (user ids),
            ``incident_key``; ``since`` and ``until`` (when they were made); ``newest_first``,
            ``by_resolution``.
        """
        return self._index.find(**filters)

    def _resolve_alert(self, alert: Alert) -> None:
        alert.status, alert.resolved_at, alert.updated_at = "resolved", self.at, self.at
        if self._open.get((alert.service.id, alert.dedup_key)) is alert:
            del self._open[alert.service.id, alert.dedup_key]


def urgency_of(service: Service, severity: str) -> Literal["high", "low"]:
    """Return a service's urgency for a severity; rules by support hours are taken for "high"."""
    rule = service.attributes.get("incident_urgency_rule") or {}
    urgency = rule.get("urgency") if rule.get("type") == "constant" else "high"
    if urgency == "severity_based":
        return "high" if severity in ("critical", "error") else "low"
    return "low" if urgency == "low" else "high"
