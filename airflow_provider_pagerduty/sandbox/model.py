"""What PagerDuty keeps, and how an event changes it: services, alerts, incidents, change events.

Alerts and incidents: https://support.pagerduty.com/main/docs/event-management. Only what is documented is
done here; what is not (grouping, orchestration, suppression) is not guessed.
"""

from __future__ import annotations

import secrets
import string
import threading
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

Status = Literal["triggered", "acknowledged", "resolved"]

#: Seconds over which a rate limit counts. https://developer.pagerduty.com/docs/events-api-v2-overview
RATE_WINDOW = timedelta(seconds=60)


@dataclass(slots=True)
class Service:
    """A service with one integration, and so with one key."""

    id: str
    name: str
    integration_key: str = field(repr=False)
    arrivals: deque[datetime] = field(default_factory=deque, repr=False)


@dataclass(slots=True)
class Event:
    """An event as it was accepted, without its routing key."""

    id: str
    received_at: datetime
    service: Service
    action: str
    dedup_key: str
    body: dict[str, Any]
    alert: Alert | None = None


@dataclass(slots=True)
class Alert:
    """What one dedup_key stands for while it is open; afterwards the key opens another one."""

    id: str
    dedup_key: str
    service: Service
    summary: str
    severity: str
    created_at: datetime
    updated_at: datetime
    status: Literal["triggered", "resolved"] = "triggered"
    events: list[Event] = field(default_factory=list)


@dataclass(slots=True)
class Incident:
    """What people are paged for: here, each alert opens one."""

    id: str
    number: int
    title: str
    service: Service
    alert: Alert
    created_at: datetime
    updated_at: datetime
    status: Status = "triggered"
    notifications: int = 1


@dataclass(slots=True)
class Change:
    """A change event: shown beside a service's incidents, nobody is notified."""

    id: str
    received_at: datetime
    service: Service
    body: dict[str, Any]


def now() -> datetime:
    """Return the present, in UTC."""
    return datetime.now(timezone.utc)


class PagerDuty:
    """All of one account, in memory. Safe to use from several threads.

    :param rate_limit: events per integration key and minute; None for no limit.
    :param clock: returns the present, with its time zone.
    """

    def __init__(self, rate_limit: int | None = None, clock: Callable[[], datetime] = now) -> None:
        self.rate_limit = rate_limit
        self.clock = clock
        self._lock = threading.RLock()
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self.services: dict[str, Service] = {}
            self.events: list[Event] = []
            self.incidents: list[Incident] = []
            self.changes: list[Change] = []
            self._open: dict[tuple[str, str], Incident] = {}

    def service_of(self, integration_key: str) -> Service:
        """Return the service of a key; the first event of a key makes one."""
        with self._lock:
            service = self.services.get(integration_key)
            if service is None:
                service = Service(_new_id(), f"Service {len(self.services) + 1}", integration_key)
                self.services[integration_key] = service
            return service

    def admits(self, service: Service) -> bool:
        """Count an arrival, unless the service has had its share of the last minute."""
        if self.rate_limit is None:
            return True
        with self._lock:
            present = self.clock()
            while service.arrivals and service.arrivals[0] <= present - RATE_WINDOW:
                service.arrivals.popleft()
            if len(service.arrivals) >= self.rate_limit:
                return False
            service.arrivals.append(present)
            return True

    def take_event(self, service: Service, body: dict[str, Any]) -> Event:
        """Apply a valid alert event; ``body`` is without its routing key."""
        with self._lock:
            action = body["event_action"]
            event = Event(
                id=uuid.uuid4().hex,
                received_at=self.clock(),
                service=service,
                action=action,
                dedup_key=body.get("dedup_key") or uuid.uuid4().hex,
                body=body,
            )
            self.events.append(event)
            incident = self._open.get((service.id, event.dedup_key))
            if action == "trigger":
                incident = self._reopen_or_add(incident, event)
            elif incident is None:
                return event  # for an unknown key, PagerDuty says 202 and drops it
            else:
                self._stand_down(incident, action)
            incident.updated_at = incident.alert.updated_at = event.received_at
            incident.alert.events.append(event)
            event.alert = incident.alert
            return event

    def _reopen_or_add(self, incident: Incident | None, event: Event) -> Incident:
        payload = event.body["payload"]
        if incident is not None:
            # Onto a triggered or an acknowledged incident: nobody is notified again.
            incident.alert.summary = payload["summary"]
            incident.alert.severity = payload["severity"]
            return incident
        alert = Alert(
            id=_new_id(),
            dedup_key=event.dedup_key,
            service=event.service,
            summary=payload["summary"],
            severity=payload["severity"],
            created_at=event.received_at,
            updated_at=event.received_at,
        )
        incident = Incident(
            id=_new_id(),
            number=len(self.incidents) + 1,
            title=payload["summary"],
            service=event.service,
            alert=alert,
            created_at=event.received_at,
            updated_at=event.received_at,
        )
        self.incidents.append(incident)
        self._open[event.service.id, event.dedup_key] = incident
        return incident

    def _stand_down(self, incident: Incident, action: str) -> None:
        if action == "acknowledge":
            incident.status = "acknowledged"
            return
        incident.status = "resolved"
        incident.alert.status = "resolved"
        del self._open[incident.service.id, incident.alert.dedup_key]

    def take_change(self, service: Service, body: dict[str, Any]) -> Change:
        """Keep a valid change event; ``body`` is without its routing key."""
        with self._lock:
            change = Change(uuid.uuid4().hex, self.clock(), service, body)
            self.changes.append(change)
            return change


def _new_id() -> str:
    """Return an id in PagerDuty's style: 14 capitals and digits, beginning with Q."""
    return "Q" + "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(13))
