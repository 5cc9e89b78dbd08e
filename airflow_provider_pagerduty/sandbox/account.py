"""One PagerDuty account: what changes it, and how incidents are found in it.

Every change is a *command*: a method with the mark ``@command``, whose arguments are plain JSON. A command's
time and ids come from its moment and its seed alone, so that a journal of commands, replayed, is the same
account again (see ``journal``). Only what PagerDuty documents is done here; what it does not say (grouping,
orchestration, suppression) is not guessed.
"""

from __future__ import annotations

import functools
import heapq
import random
import string
import threading
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Concatenate, ParamSpec, TypeVar

from airflow_provider_pagerduty.sandbox.directory import Directory
from airflow_provider_pagerduty.sandbox.model import (
    Alert,
    Change,
    Event,
    Incident,
    Integration,
    LogEntry,
    MaintenanceWindow,
    Note,
    Service,
    Status,
)

#: Seconds over which a rate limit counts. https://developer.pagerduty.com/docs/events-api-v2-overview
RATE_WINDOW = timedelta(seconds=60)
STATUSES: tuple[Status, ...] = ("triggered", "acknowledged", "resolved")

P = ParamSpec("P")
R = TypeVar("R")


def now() -> datetime:
    """Return the present, in UTC."""
    return datetime.now(timezone.utc)


class Unknown(LookupError):
    """There is no such thing in the account: PagerDuty answers 404."""


class Refused(ValueError):
    """The account does not take that: PagerDuty answers 400 with these errors."""

    def __init__(self, *errors: str) -> None:
        super().__init__("; ".join(errors))
        self.errors = list(errors)


def command(method: Callable[Concatenate[PagerDuty, P], R]) -> Callable[Concatenate[PagerDuty, P], R]:
    """Mark a method that changes the account; one called by another is part of it."""

    @functools.wraps(method)
    def run(self: PagerDuty, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self._lock:
            if self._at is not None:
                return method(self, *args, **kwargs)
            at, seed = self.clock(), self._seeds.getrandbits(64)
            result = self._perform(method, at, seed, args, kwargs)
            for listen in self.listeners:
                listen(method.__name__, at, seed, list(args), dict(kwargs))
            return result

    return run


class PagerDuty:
    """All of one account, in memory. Safe to use from several threads.

    :param rate_limit: events per integration key and minute; None for no limit.
    :param clock: returns the present, with its time zone.
    :param strict: take only integration keys that were declared; else a key's first event makes a service.
    """

    def __init__(
        self, rate_limit: int | None = None, clock: Callable[[], datetime] = now, *, strict: bool = False
    ) -> None:
        self.rate_limit = rate_limit
        self.clock = clock
        self.strict = strict
        #: Called with each command after it was done: name, moment, seed, arguments.
        self.listeners: list[Callable[[str, datetime, int, list[Any], dict[str, Any]], None]] = []
        self._lock = threading.RLock()
        self._seeds = random.SystemRandom()
        self._at: datetime | None = None
        self._random = random.Random(0)  # noqa: S311 (ids, no secrets)
        self._forget()

    def _forget(self) -> None:
        self.services: dict[str, Service] = {}
        self.integrations: dict[str, Integration] = {}
        self.windows: dict[str, MaintenanceWindow] = {}
        self.directory = Directory()
        self.events: list[Event] = []
        self.changes: list[Change] = []
        #: By number, from 1 on without a gap.
        self.incidents: list[Incident] = []
        self._by_id: dict[str, Incident] = {}
        self._by_incident_key: dict[str, list[int]] = {}
        self._by_status: dict[Status, list[int]] = {status: [] for status in STATUSES}
        self._by_service: dict[str, list[int]] = {}
        self._open: dict[tuple[str, str], Alert] = {}
        self._snoozed: list[tuple[datetime, int]] = []
        self._arrivals: dict[str, deque[datetime]] = {}

    def _perform(
        self, method: Callable[..., R], at: datetime, seed: int, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> R:
        self._at, self._random = at, random.Random(seed)  # noqa: S311
        try:
            self._wake(at)
            return method(self, *args, **kwargs)
        finally:
            self._at = None

    def replay(self, name: str, at: datetime, seed: int, args: list[Any], kwargs: dict[str, Any]) -> None:
        """Do a command of the past again, without telling the listeners."""
        method = getattr(type(self), name).__wrapped__
        with self._lock:
            self._perform(method, at, seed, args, kwargs)

    def new_id(self, start: str = "Q") -> str:
        """Return an id in PagerDuty's style: 14 capitals and digits."""
        letters = string.ascii_uppercase + string.digits
        return start + "".join(self._random.choices(letters, k=13))

    @property
    def at(self) -> datetime:
        """The moment of the command that is being done, else the present."""
        return self._at or self.clock()

    @command
    def clear(self) -> None:
        """Forget everything, the directory included."""
        self._forget()

    # Services, and who may send to them

    def service_of(self, integration_key: str) -> Service | None:
        """Return the service of a key; None if there is none, or none yet."""
        found = self.integrations.get(integration_key)
        return found.service if found else None

    @command
    def declare_key(self, integration_key: str) -> Service:
        """Return the service of a key, which is made if there is none."""
        service = self.service_of(integration_key)
        if service is None:
            service = self.add_service({"name": f"Service {len(self.services) + 1}"}, integration_key)
        return service

    @command
    def add_service(self, attributes: dict[str, Any], integration_key: str | None = None) -> Service:
        """Make a service, with an Events API v2 integration if a key is given.

        :raises Refused: if there is one of that name.
        """
        name = str(attributes["name"])
        if any(each.name == name for each in self.services.values()):
            raise Refused("Name has already been taken")
        policy = attributes.get("escalation_policy_id") or self.directory.default_policy_id
        rest = {key: value for key, value in attributes.items() if key not in ("name", "escalation_policy_id")}
        service = Service(self.new_id(), name, integration_key or "", self.at, policy, rest)
        self.services[service.id] = service
        if integration_key:
            self.add_integration(service.id, {"name": "Events API V2"}, integration_key)
        return service

    @command
    def add_integration(
        self, service_id: str, attributes: dict[str, Any], integration_key: str | None = None
    ) -> Integration:
        """Give a service another integration, with a key of its own."""
        service = self.service(service_id)
        key = integration_key or "".join(self._random.choices("0123456789abcdef", k=32))
        kind = attributes.get("type") or "events_api_v2_inbound_integration"
        integration = Integration(
            self.new_id("P"), attributes.get("name") or "Events API V2", kind, key, service, self.at
        )
        self.integrations[key] = integration
        service.integration_key = service.integration_key or key
        return integration

    @command
    def update_service(self, service_id: str, attributes: dict[str, Any]) -> Service:
        """Change a service's name, policy or other attributes."""
        service = self.service(service_id)
        changes = dict(attributes)
        service.name = changes.pop("name", service.name)
        service.escalation_policy_id = changes.pop("escalation_policy_id", service.escalation_policy_id)
        service.attributes.update(changes)
        return service

    @command
    def delete_service(self, service_id: str) -> None:
        """Remove a service and its keys; its incidents stay."""
        service = self.service(service_id)
        del self.services[service_id]
        self.integrations = {k: v for k, v in self.integrations.items() if v.service is not service}

    def service(self, service_id: str) -> Service:
        """Return a service by its id.

        :raises Unknown: if there is none.
        """
        return _found(self.services, service_id)

    def admits(self, integration_key: str) -> bool:
        """Count an arrival, unless the key has had its share of the last minute."""
        if self.rate_limit is None:
            return True
        with self._lock:
            present = self.clock()
            arrivals = self._arrivals.setdefault(integration_key, deque())
            while arrivals and arrivals[0] <= present - RATE_WINDOW:
                arrivals.popleft()
            if len(arrivals) >= self.rate_limit:
                return False
            arrivals.append(present)
            return True

    # Events

    @command
    def take_event(self, integration_key: str, body: dict[str, Any]) -> Event:
        """Apply a valid alert event; ``body`` is without its routing key."""
        service = self.service_of(integration_key) or self.declare_key(integration_key)
        action = body["event_action"]
        dedup_key = body.get("dedup_key") or "".join(self._random.choices("0123456789abcdef", k=32))
        event = Event(self.new_id("R"), self.at, service, action, dedup_key, body)
        self.events.append(event)
        alert = self._open.get((service.id, dedup_key))
        if action == "trigger":
            if alert is None and self.is_in_maintenance(service.id):
                return event  # taken, and nobody is paged
            self._trigger(service, alert, event)
        elif alert is None:
            return event  # for an unknown key, PagerDuty says 202 and drops it
        else:
            self._stand_down(alert, event)
        return event

    def _trigger(self, service: Service, alert: Alert | None, event: Event) -> None:
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
            incident = self._new_incident(service, payload["summary"], agent, incident_key=event.dedup_key)
            incident.alerts.append(alert)
            alert.incident = incident
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

    def _resolve_alert(self, alert: Alert) -> None:
        alert.status, alert.resolved_at, alert.updated_at = "resolved", self.at, self.at
        if self._open.get((alert.service.id, alert.dedup_key)) is alert:
            del self._open[alert.service.id, alert.dedup_key]

    @command
    def take_change(self, integration_key: str, body: dict[str, Any]) -> Change:
        """Keep a valid change event; ``body`` is without its routing key."""
        service = self.service_of(integration_key) or self.declare_key(integration_key)
        change = Change(self.new_id(), self.at, service, body)
        self.changes.append(change)
        return change

    # Incidents

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
        self.incidents.append(incident)
        self._by_id[incident.id] = incident
        self._by_status["triggered"].append(incident.number)
        self._by_service.setdefault(service.id, []).append(incident.number)
        if incident_key is not None:
            self._by_incident_key.setdefault(incident_key, []).append(incident.number)
        return incident

    def _notify(self, incident: Incident) -> None:
        """Assign an incident to whoever is on call for its policy."""
        if not incident.assigned_to:
            on_call = self.directory.on_call_of(incident.escalation_policy_id)
            incident.assigned_to = [(user_id, self.at) for user_id in on_call]
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
        incident.log.append(LogEntry(self.new_id("R"), kind, self.at, agent, channel, incident, event))

    def _set_status(
        self, incident: Incident, status: Status, agent: dict[str, str], event: Event | None = None
    ) -> None:
        before = self._by_status[incident.status]
        del before[bisect_left(before, incident.number)]
        insort(self._by_status[status], incident.number)
        incident.status = status
        incident.updated_at = incident.last_status_change_at = self.at
        incident.last_status_change_by = agent
        incident.snoozed_until = None
        incident.resolved_at = self.at if status == "resolved" else None
        if status == "acknowledged":
            incident.acknowledged_by.append((agent, self.at))
        else:
            incident.acknowledged_by = []
        if status == "resolved":
            incident.assigned_to = []
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
        :raises Refused: if an open incident has that incident_key.
        """
        service = self.service(attributes["service_id"])
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
        incident = self._new_incident(service, attributes["title"], agent, key, **more)
        incident.assigned_to = [(user_id, self.at) for user_id in attributes.get("assigned_to") or []]
        self._log(incident, "trigger", agent)
        self._notify(incident)
        return incident

    @command
    def update_incident(self, incident_id: str, changes: dict[str, Any], by: str) -> Incident:
        """Change an incident as a user.

        :param changes: any of ``status``, ``title``, ``urgency``, ``resolution``, ``priority_id``,
            ``escalation_policy_id``, ``assigned_to`` (user ids), ``conference_bridge``.
        :raises Refused: for any change to a resolved incident.
        """
        incident = self.incident(incident_id)
        agent = {"type": "user", "id": by}
        if incident.status == "resolved" and changes.get("status") != "resolved":
            raise Refused("Incident Already Resolved")
        for name in (
            "title",
            "urgency",
            "resolution",
            "priority_id",
            "escalation_policy_id",
            "conference_bridge",
        ):
            if name in changes:
                setattr(incident, name, changes[name])
                incident.updated_at = self.at
        if "assigned_to" in changes:
            incident.assigned_to = [(user_id, self.at) for user_id in changes["assigned_to"]]
            for user_id in changes["assigned_to"]:
                self._log(incident, "assign", agent, channel={"type": "api", "user_id": user_id})
        elif changes.get("escalation_policy_id"):
            incident.assigned_to = []
            self._notify(incident)
        status = changes.get("status")
        if status and status != incident.status:
            self._set_status(incident, status, agent)
        return incident

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

    def _wake(self, present: datetime) -> None:
        while self._snoozed and self._snoozed[0][0] <= present:
            until, number = heapq.heappop(self._snoozed)
            incident = self.incidents[number - 1] if number <= len(self.incidents) else None
            if incident and incident.snoozed_until == until and incident.status == "acknowledged":
                self._set_status(incident, "triggered", {"type": "service", "id": incident.service.id})

    @command
    def wake(self) -> None:
        """Trigger the incidents again whose snooze is over; every other command does so first."""

    @command
    def merge(self, incident_id: str, source_ids: list[str], by: str) -> Incident:
        """Move other incidents' alerts into one, and resolve those."""
        target = self.incident(incident_id)
        agent = {"type": "user", "id": by}
        for source in [self.incident(each) for each in source_ids]:
            if source is target:
                raise Refused("Cannot merge an incident into itself")
            target.alerts += source.alerts
            for alert in source.alerts:
                alert.incident = target
            source.alerts = []
            source.merged_into = target
            if source.status != "resolved":
                self._set_status(source, "resolved", agent)
            self._log(target, "link", agent, channel={"type": "api", "incident_id": source.id})
        target.updated_at = self.at
        return target

    @command
    def update_alert(self, incident_id: str, alert_id: str, changes: dict[str, Any], by: str) -> Alert:
        """Resolve an alert, or move it to another incident (``incident_id`` in changes)."""
        incident = self.incident(incident_id)
        alert = next((each for each in incident.alerts if each.id == alert_id), None)
        if alert is None:
            raise Unknown(alert_id)
        if changes.get("incident_id") not in (None, incident.id):
            target = self.incident(changes["incident_id"])
            incident.alerts.remove(alert)
            target.alerts.append(alert)
            alert.incident = target
        if changes.get("status") == "resolved" and alert.status != "resolved":
            self._resolve_alert(alert)
            holder = alert.incident
            if holder and holder.status != "resolved" and all(a.status == "resolved" for a in holder.alerts):
                self._set_status(holder, "resolved", {"type": "user", "id": by})
        return alert

    @command
    def set_custom_values(self, incident_id: str, values: dict[str, Any]) -> Incident:
        """Set an incident's custom fields, by their ids."""
        incident = self.incident(incident_id)
        incident.custom_values.update(values)
        incident.updated_at = self.at
        return incident

    def incident(self, incident_id: str) -> Incident:
        """Return an incident by its id, or by its number as text.

        :raises Unknown: if there is none.
        """
        if incident_id.isascii() and incident_id.isdigit() and 0 < int(incident_id[:9]) <= len(self.incidents):
            return self.incidents[int(incident_id[:9]) - 1]
        return _found(self._by_id, incident_id)

    def find_incidents(
        self,
        *,
        statuses: Sequence[str] = (),
        service_ids: Sequence[str] = (),
        incident_key: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        newest_first: bool = False,
    ) -> Iterator[Incident]:
        """Yield the incidents that were made in a window of time, in order of their numbers.

        The smallest of the indexes is read, and only as far as the caller goes: the first page of 100,000
        incidents costs what that of 1,000 does.
        """
        numbers = [
            merged
            for merged in (
                self._merged(self._by_status, statuses) if statuses else None,
                self._merged(self._by_service, service_ids) if service_ids else None,
                [self._by_incident_key.get(incident_key, [])] if incident_key is not None else None,
            )
            if merged is not None
        ]
        runs = (
            min(numbers, key=lambda lists: sum(map(len, lists)))
            if numbers
            else [range(1, len(self.incidents) + 1)]
        )
        first = bisect_left(self.incidents, since, key=lambda each: each.created_at) + 1 if since else 1
        last = (
            bisect_left(self.incidents, until, key=lambda each: each.created_at)
            if until
            else len(self.incidents)
        )
        slices = [run[bisect_left(run, first) : bisect_left(run, last + 1)] for run in runs]
        if newest_first:
            ordered = heapq.merge(*(reversed(each) for each in slices), reverse=True)
        else:
            ordered = heapq.merge(*slices)
        for number in ordered:
            incident = self.incidents[number - 1]
            if (
                (not statuses or incident.status in statuses)
                and (not service_ids or incident.service.id in service_ids)
                and (incident_key is None or incident.incident_key == incident_key)
            ):
                yield incident

    @staticmethod
    def _merged(index: dict[Any, list[int]], keys: Sequence[str]) -> list[list[int]]:
        return [index.get(key, []) for key in dict.fromkeys(keys)]

    # Maintenance windows

    def is_in_maintenance(self, service_id: str) -> bool:
        """Say whether a service opens no incidents now."""
        return any(
            window.start_time <= self.at < window.end_time and service_id in window.service_ids
            for window in self.windows.values()
        )

    @command
    def put_window(self, window_id: str | None, attributes: dict[str, Any], by: str) -> MaintenanceWindow:
        """Make a maintenance window, or change the one of that id; times are ISO 8601 with a zone."""
        before = _found(self.windows, window_id) if window_id else None
        window = MaintenanceWindow(
            id=before.id if before else self.new_id("P"),
            start_time=datetime.fromisoformat(attributes["start_time"]),
            end_time=datetime.fromisoformat(attributes["end_time"]),
            description=attributes.get("description"),
            service_ids=list(attributes["service_ids"]),
            created_by=before.created_by if before else by,
            number=before.number if before else len(self.windows) + 1,
        )
        if window.end_time <= window.start_time:
            raise Refused("End time must be after start time")
        self.windows[window.id] = window
        return window

    @command
    def delete_window(self, window_id: str) -> None:
        """End a window that is open, remove one that is to come."""
        window = _found(self.windows, window_id)
        if window.start_time <= self.at < window.end_time:
            window.end_time = self.at
        else:
            del self.windows[window_id]

    # The directory

    @command
    def put_entry(self, kind: str, entry_id: str | None, attributes: dict[str, Any]) -> dict[str, Any]:
        """Make or change a user, team, schedule, escalation policy or custom field; return it."""
        return self.directory.put(
            kind, entry_id or self.new_id("P"), attributes, self.at, must_exist=bool(entry_id)
        )

    @command
    def delete_entry(self, kind: str, entry_id: str) -> None:
        """Remove one of these."""
        self.directory.delete(kind, entry_id)


T = TypeVar("T")


def _found(things: dict[str, T], key: str) -> T:
    try:
        return things[key]
    except KeyError:
        raise Unknown(key) from None
