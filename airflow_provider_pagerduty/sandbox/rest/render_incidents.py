"""How PagerDuty shows incidents, and their alerts, notes and log entries."""

from __future__ import annotations

from typing import Any

from airflow_provider_pagerduty.sandbox.model import Alert, Event, Incident, LogEntry, Note
from airflow_provider_pagerduty.sandbox.rest.moments import moment
from airflow_provider_pagerduty.sandbox.rest.render import Json, Renderer, given, texts_of


class IncidentRenderer(Renderer):
    """Shows incidents to one request."""

    def incident_reference(self, incident: Incident) -> Json:
        """Return a reference to an incident."""
        return self._incident_head("incident_reference", incident)

    def _incident_head(self, kind: str, incident: Incident) -> Json:
        summary = f"[#{incident.number}] {incident.title}"
        return self.head(kind, incident.id, summary, f"incidents/{incident.id}")

    def incident(self, incident: Incident) -> Json:
        """Return an incident."""
        resolved = sum(alert.status == "resolved" for alert in incident.alerts)
        teams = self.pagerduty.directory.teams_of_policy(incident.service.escalation_policy_id)
        first = incident.log[0] if incident.log else None
        merged = incident.merged_into
        return self._incident_head("incident", incident) | given(
            incident_number=incident.number,
            title=incident.title,
            description=incident.title,
            created_at=moment(incident.created_at),
            updated_at=moment(incident.updated_at),
            status=incident.status,
            incident_key=incident.incident_key,
            service=self.either("service", incident.service.id, "services"),
            assignments=[
                {"at": moment(at), "assignee": self.either("user", user_id, "assignees", "users")}
                for user_id, at in incident.assigned_to
            ],
            assigned_via="direct_assignment" if incident.directly_assigned else "escalation_policy",
            last_status_change_at=moment(incident.last_status_change_at),
            resolved_at=moment(incident.resolved_at) if incident.resolved_at else None,
            first_trigger_log_entry=first and self._first_entry(first),
            alert_counts={
                "all": len(incident.alerts),
                "triggered": len(incident.alerts) - resolved,
                "resolved": resolved,
            },
            is_mergeable=incident.status != "resolved",
            incident_type={"name": "incident_default"},
            escalation_policy=self.either(
                "escalation_policy", incident.escalation_policy_id, "escalation_policies"
            ),
            teams=[self.either("team", each, "teams") for each in teams],
            pending_actions=[{"type": "unacknowledge", "at": moment(incident.snoozed_until)}]
            if incident.snoozed_until
            else [],
            acknowledgements=[
                {"at": moment(at), "acknowledger": self._agent(agent, "acknowledgers", "users")}
                for agent, at in incident.acknowledged_by
            ],
            last_status_change_by=self._agent(incident.last_status_change_by, "agents", "users"),
            priority=self._priority(incident.priority_id) if incident.priority_id else None,
            resolve_reason={"type": "merge_resolve_reason", "incident": self.incident_reference(merged)}
            if merged
            else None,
            conference_bridge=incident.conference_bridge,
            incidents_responders=[],
            responder_requests=[],
            urgency=incident.urgency,
            custom_fields=self._custom_fields(incident) if "custom_fields" in self.include else None,
        )

    def _priority(self, priority_id: str) -> Json | None:
        entry = self.entry("priority", priority_id)
        return self.priority(entry) if entry else None

    def _custom_fields(self, incident: Incident) -> list[Json]:
        fields = self.pagerduty.directory.entries["custom_fields"].values()
        return [self.field_value(each, incident) for each in fields]

    def field_value(self, field: Json, incident: Incident) -> Json:
        """Return what an incident has in a custom field."""
        return {
            "id": field["id"],
            "type": "field_value",
            "name": field["name"],
            "display_name": field["display_name"],
            "description": field.get("description"),
            "data_type": field["data_type"],
            "field_type": field["field_type"],
            "value": incident.custom_values.get(field["id"], field.get("default_value")),
        }

    def _agent(self, agent: dict[str, str], *includes: str) -> Json:
        return self.either(agent["type"], agent["id"], *includes)

    def _first_entry(self, entry: LogEntry) -> Json:
        whole = "first_trigger_log_entries" in self.include
        return self.plain.log_entry(entry) if whole else self._entry_head(entry, "_reference")

    # Alerts

    def alert(self, alert: Alert) -> Json:
        """Return an alert."""
        incident = alert.incident
        path = f"incidents/{incident.id}/alerts/{alert.id}" if incident else None
        first = (
            next((e for e in incident.log if e.event and e.event.alert is alert), None) if incident else None
        )
        via = alert.events[0].integration_id if alert.events else None
        integration = next((each for each in self.pagerduty.integrations.values() if each.id == via), None)
        whole = "incidents" in self.include
        return self.head("alert", alert.id, alert.summary, path) | given(
            created_at=moment(alert.created_at),
            updated_at=moment(alert.updated_at),
            resolved_at=moment(alert.resolved_at) if alert.resolved_at else None,
            status=alert.status,
            alert_key=alert.dedup_key,
            service=self.either("service", alert.service.id, "services"),
            first_trigger_log_entry=first and self._first_entry(first),
            incident=incident
            and (self.plain.incident(incident) if whole else self.incident_reference(incident)),
            suppressed=False,
            severity=alert.severity,
            integration=self.integration_reference(integration) if integration else None,
            body=self._alert_body(alert),
        )

    def _alert_body(self, alert: Alert) -> Json:
        triggers = [each for each in alert.events if each.action == "trigger"]
        body = triggers[-1].body if triggers else {"payload": {}}
        payload = body["payload"]
        contexts = contexts_of(body)
        details = payload.get("custom_details")
        return {
            "type": "alert_body",
            "contexts": contexts,
            # Sent as text or as a list, which the description of this API does not know.
            "details": details
            if isinstance(details, dict)
            else {}
            if details is None
            else {"details": details},
            "cef_details": given(
                version="1.0",
                contexts=contexts,
                dedup_key=alert.dedup_key,
                description=alert.summary,
                message=alert.summary,
                details=details,
                severity=alert.severity,
                source_origin=payload.get("source"),
                source_component=payload.get("component"),
                service_group=payload.get("group"),
                event_class=payload.get("class"),
                creation_time=payload.get("timestamp"),
                client=body.get("client"),
                client_url=body.get("client_url"),
            ),
        }

    # What was written, and what happened

    def note(self, note: Note) -> Json:
        """Return a note."""
        return given(
            id=note.id,
            user=self.refer("user", note.user_id),
            channel={"summary": "The PagerDuty website or APIs"},
            content=note.content,
            created_at=moment(note.created_at),
            updated_at=moment(note.updated_at or note.created_at),
        )

    def _entry_head(self, entry: LogEntry, suffix: str = "") -> Json:
        path = f"log_entries/{entry.id}?incident_id={entry.incident.id}"
        return self.head(f"{entry.kind}_log_entry{suffix}", entry.id, self._entry_summary(entry), path)

    def _entry_summary(self, entry: LogEntry) -> str:
        who = self._agent(entry.agent)["summary"] or "somebody"
        through = "through the API"
        user = self.entry("user", entry.channel.get("user_id", ""))
        words = {
            "trigger": f"Triggered {through}",
            "acknowledge": f"Acknowledged by {who}",
            "unacknowledge": "Unacknowledged",
            "resolve": f"Resolved by {who}",
            "annotate": f"Note added by {who}",
            "assign": f"Assigned to {user['name'] if user else 'somebody'}",
            "escalate": f"Escalated by {who}",
            "snooze": f"Snoozed by {who}",
            "urgency_change": f"Urgency changed by {who}",
            "custom_field_value_change": f"Custom fields changed by {who}",
        }
        return words.get(entry.kind, entry.kind)

    def log_entry(self, entry: LogEntry) -> Json:
        """Return a log entry."""
        incident = entry.incident
        whole = "incidents" in self.include
        teams = self.pagerduty.directory.teams_of_policy(incident.service.escalation_policy_id)
        shown: Json = self._entry_head(entry) | {
            "created_at": moment(entry.created_at),
            "agent": self._agent(entry.agent),
            "channel": self._channel(entry),
            "service": self.either("service", incident.service.id, "services"),
            "incident": self.plain.incident(incident) if whole else self.incident_reference(incident),
            "teams": [self.either("team", each, "teams") for each in teams],
            "contexts": contexts_of(entry.event.body) if entry.event else [],
        }
        if entry.kind == "trigger":
            shown["event_details"] = {"description": incident.title}
        elif entry.kind == "annotate":
            shown["note"] = entry.channel["summary"]
        elif entry.kind == "assign":
            shown["assignees"] = [self.refer("user", entry.channel["user_id"])]
        elif entry.kind == "custom_field_value_change":
            shown["changeset"] = entry.channel["changeset"]
        return shown

    def _channel(self, entry: LogEntry) -> Json:
        if "channels" not in self.include:
            return given(type=entry.channel["type"], duration=entry.channel.get("duration"))
        channel = {key: value for key, value in entry.channel.items() if key not in ("user_id", "changeset")}
        if entry.event is not None:
            channel |= _channel_of_event(entry.event)
        elif entry.kind == "trigger":
            details = {"details": entry.incident.details} if entry.incident.details else {}
            channel |= {
                "summary": entry.incident.title,
                "description": entry.incident.title,
                "details": details,
            }
        return channel


def _channel_of_event(event: Event) -> Json:
    payload = event.body.get("payload") or {}
    details = payload.get("custom_details")
    summary = payload.get("summary")
    return given(
        summary=summary,
        description=summary,
        incident_key=event.dedup_key,
        details=details if isinstance(details, dict | None) else {"details": details},
        client=event.body.get("client"),
        client_url=event.body.get("client_url"),
    )


def contexts_of(body: dict[str, Any]) -> list[Json]:
    """Return an event's links and images as the REST API names them."""
    links = [{"type": "link"} | texts_of(each, "href", "text") for each in body.get("links") or []]
    images = [{"type": "image"} | texts_of(each, "src", "href", "alt") for each in body.get("images") or []]
    return [*links, *images]
