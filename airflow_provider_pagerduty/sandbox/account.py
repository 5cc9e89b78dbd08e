"""One PagerDuty account: events and changes come in here, upon what the modules of commands do.

Only what PagerDuty documents is done; what it does not say (grouping, orchestration, suppression) is not
guessed.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_pagerduty.sandbox.commands import Refused, command
from airflow_provider_pagerduty.sandbox.directory import Unknown
from airflow_provider_pagerduty.sandbox.incident_commands import Incidents, urgency_of
from airflow_provider_pagerduty.sandbox.incident_index import STATUSES
from airflow_provider_pagerduty.sandbox.model import Alert, Change, Event, Incident, Service, Status
from airflow_provider_pagerduty.sandbox.service_commands import RATE_WINDOW, Allowance

__all__ = ["RATE_WINDOW", "STATUSES", "Allowance", "PagerDuty", "Refused", "Unknown"]


class PagerDuty(Incidents):
    """All of one account, in memory. Safe to use from several threads.

    :param rate_limit: events per integration key and minute; None for no limit.
    :param clock: returns the present, with its time zone.
    :param strict: take only integration keys that were declared; else a key's first event makes a service.
    :param rest_limit: REST requests per token and minute; None for no limit.
    """

    @command
    def clear(self) -> None:
        """Forget everything, the directory included."""
        self._forget()

    @command
    def take_event(self, integration_key: str, body: dict[str, Any]) -> Event:
        """Apply a valid alert event; ``body`` is without its routing key."""
        service = self.service_of(integration_key) or self.declare_key(integration_key)
        action = body["event_action"]
        dedup_key = body.get("dedup_key") or "".join(self._random.choices("0123456789abcdef", k=32))
        via = self.integrations.get(integration_key)
        event = Event(
            self.new_id("R"), self.at, service, action, dedup_key, body, integration_id=via.id if via else None
        )
        self.events.append(event)
        alert = self._open.get((service.id, dedup_key))
        by_hand = None if alert else self._made_by_hand(service, dedup_key)
        if action == "trigger":
            if alert is None and by_hand is None and not self.raises_incidents(service):
                return event  # taken, and nobody is paged
            self._trigger(service, alert, by_hand, event)
        elif alert is not None:
            self._stand_down(alert, event)
        elif by_hand is not None:
            status: Status = "resolved" if action == "resolve" else "acknowledged"
            if by_hand.status != status:
                self._set_status(by_hand, status, {"type": "service", "id": service.id}, event)
        return event  # for an unknown key, PagerDuty says 202 and drops it

    def _made_by_hand(self, service: Service, key: str) -> Incident | None:
        """Return the open incident that REST made with that incident_key, which is the dedup_key of events."""
        found = self.find_incidents(statuses=STATUSES[:2], service_ids=[service.id], incident_key=key)
        return next((each for each in found if not each.alerts), None)

    def _trigger(self, service: Service, alert: Alert | None, by_hand: Incident | None, event: Event) -> None:
        payload = event.body["payload"]
        agent = {"type": "service", "id": service.id}
        if alert is None:
            alert = Alert(
                self.new_id(),
                event.dedup_key,
                service,
                payload["summary"],
                payload["severity"],
                self.at,
                self.at,
            )
            self._open[service.id, event.dedup_key] = alert
            incident = by_hand or self._new_incident(
                service,
                payload["summary"],
                agent,
                incident_key=event.dedup_key,
                urgency=urgency_of(service, payload["severity"]),
            )
            incident.alerts.append(alert)
            alert.incident = incident
            if by_hand is None:
                self._log(incident, "trigger", agent, event=event)
                self._notify(incident)
        else:
            # Onto a triggered or an acknowledged incident: nobody is notified again.
            alert.summary, alert.severity = payload["summary"], payload["severity"]
        self._attach(alert, event)

    def _attach(self, alert: Alert, event: Event) -> None:
        alert.events.append(event)
        event.alert = alert
        alert.updated_at = self.at
        if alert.incident:
            alert.incident.updated_at = self.at

    def _stand_down(self, alert: Alert, event: Event) -> None:
        agent = {"type": "service", "id": alert.service.id}
        incident = alert.incident
        if event.action == "acknowledge":
            if incident and incident.status == "triggered":
                self._set_status(incident, "acknowledged", agent, event)
        else:
            self._resolve_alert(alert)
            if (
                incident
                and incident.status != "resolved"
                and all(a.status == "resolved" for a in incident.alerts)
            ):
                self._set_status(incident, "resolved", agent, event)
        self._attach(alert, event)

    @command
    def take_change(self, integration_key: str, body: dict[str, Any]) -> Change:
        """Keep a valid change event; ``body`` is without its routing key."""
        service = self.service_of(integration_key) or self.declare_key(integration_key)
        via = self.integrations.get(integration_key)
        change = Change(self.new_id(), self.at, service, body, via.id if via else None)
        self.changes.append(change)
        return change

    @command
    def update_change(self, change_id: str, attributes: dict[str, Any]) -> Change:
        """Change a change event's summary, details or other parts of its payload."""
        change = self.change(change_id)
        payload = change.body["payload"] | {k: v for k, v in attributes.items() if k not in ("links", "images")}
        change.body = change.body | {k: attributes[k] for k in ("links", "images") if k in attributes}
        change.body["payload"] = payload
        return change

    def change(self, change_id: str) -> Change:
        """Return a change event.

        :raises Unknown: if there is none.
        """
        found = next((each for each in self.changes if each.id == change_id), None)
        if found is None:
            raise Unknown(change_id)
        return found
