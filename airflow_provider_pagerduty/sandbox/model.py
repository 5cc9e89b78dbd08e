"""What a PagerDuty account holds: services and their keys, incidents with their alerts, change events.

Only records. What changes them is in ``account``; how PagerDuty's REST API shows them is in ``rest``.
https://support.pagerduty.com/main/docs/incidents and https://support.pagerduty.com/main/docs/alerts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Status = Literal["triggered", "acknowledged", "resolved"]


@dataclass(slots=True)
class Service:
    """A service. ``attributes`` are what REST clients may set and only REST clients see."""

    id: str
    name: str
    integration_key: str = field(repr=False)
    created_at: datetime
    escalation_policy_id: str
    attributes: dict[str, Any] = field(default_factory=dict)
    last_incident_at: datetime | None = None


@dataclass(slots=True)
class Integration:
    """A way into a service, by a key of its own."""

    id: str
    name: str
    type: str
    integration_key: str = field(repr=False)
    service: Service
    created_at: datetime


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
    integration_id: str | None = None


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
    resolved_at: datetime | None = None
    incident: Incident | None = field(default=None, repr=False)
    events: list[Event] = field(default_factory=list, repr=False)


@dataclass(slots=True)
class Note:
    """What somebody wrote on an incident."""

    id: str
    content: str
    user_id: str
    created_at: datetime
    updated_at: datetime | None = None


@dataclass(slots=True)
class LogEntry:
    """One line of an incident's history.

    :param kind: PagerDuty's word before ``_log_entry``: trigger, acknowledge, resolve, annotate, assign, …
    :param agent: who did it: ``{"type": "user", "id": …}`` or ``{"type": "service", "id": …}``.
    :param channel: through what: ``{"type": "api"}``, ``{"type": "note", "summary": …}``, …
    """

    id: str
    kind: str
    created_at: datetime
    agent: dict[str, str]
    channel: dict[str, Any]
    incident: Incident = field(repr=False)
    event: Event | None = field(default=None, repr=False)


@dataclass(slots=True)
class Incident:
    """What people are paged for. Each alert opens one; one made through REST has no alert."""

    id: str
    number: int
    title: str
    service: Service
    created_at: datetime
    updated_at: datetime
    last_status_change_at: datetime
    last_status_change_by: dict[str, str]
    urgency: Literal["high", "low"]
    escalation_policy_id: str
    incident_key: str | None = None
    status: Status = "triggered"
    resolved_at: datetime | None = None
    details: str | None = None
    resolution: str | None = None
    priority_id: str | None = None
    conference_bridge: dict[str, Any] | None = None
    assigned_to: list[tuple[str, datetime]] = field(default_factory=list)
    directly_assigned: bool = False
    acknowledged_by: list[tuple[dict[str, str], datetime]] = field(default_factory=list)
    snoozed_until: datetime | None = None
    merged_into: Incident | None = field(default=None, repr=False)
    alerts: list[Alert] = field(default_factory=list, repr=False)
    notes: list[Note] = field(default_factory=list, repr=False)
    log: list[LogEntry] = field(default_factory=list, repr=False)
    custom_values: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def alert(self) -> Alert:
        """The alert that opened the incident.

        :raises IndexError: for an incident made through REST, which has none.
        """
        return self.alerts[0]

    @property
    def summary(self) -> str:
        """What the incident is about now: its first alert's latest summary, else its title."""
        return self.alerts[0].summary if self.alerts else self.title


@dataclass(slots=True)
class Change:
    """A change event: shown beside a service's incidents, nobody is notified."""

    id: str
    received_at: datetime
    service: Service
    body: dict[str, Any]
    integration_id: str | None = None


@dataclass(slots=True)
class AuditRecord:
    """A change of a service or of something in the directory; by whom is not kept.

    :param kind: as REST's paths name it: services, users, …
    :param name: of the thing, at that time.
    :param fields: what it was given, as far as that is text, a number or a truth value.
    """

    id: str
    at: datetime
    action: Literal["create", "update", "delete"]
    kind: str
    thing_id: str
    name: str
    fields: dict[str, str | int | float]


@dataclass(slots=True)
class MaintenanceWindow:
    """A time in which services open no incident."""

    id: str
    start_time: datetime
    end_time: datetime
    description: str | None
    service_ids: list[str]
    created_by: str
    number: int
