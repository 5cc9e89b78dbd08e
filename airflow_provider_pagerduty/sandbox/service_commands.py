"""What an account holds, and the commands that change its services, maintenance windows and directory."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, TypeVar

from airflow_provider_pagerduty.sandbox.commands import Commanded, Refused, command, now
from airflow_provider_pagerduty.sandbox.directory import Directory, Unknown
from airflow_provider_pagerduty.sandbox.incident_index import IncidentIndex
from airflow_provider_pagerduty.sandbox.model import (
    Alert,
    AuditRecord,
    Change,
    Event,
    Incident,
    Integration,
    LogEntry,
    MaintenanceWindow,
    Service,
)

#: Seconds over which a rate limit counts. https://developer.pagerduty.com/docs/events-api-v2-overview
RATE_WINDOW = timedelta(seconds=60)
#: Requests per token and minute. https://developer.pagerduty.com/docs/rest-api-rate-limits
REST_LIMIT = 960

#: Whose changes are recorded, as REST's paths name them.
AUDITED = ("users", "teams", "schedules", "escalation_policies", "services")

T = TypeVar("T")


class Allowance(NamedTuple):
    """What is left of a rate limit: how many requests, and for how many seconds still."""

    limit: int
    remaining: int
    reset: int
    admitted: bool


class Services(Commanded):
    """All of an account, with the commands named above. ``PagerDuty`` adds the others."""

    def __init__(
        self,
        rate_limit: int | None = None,
        clock: Callable[[], datetime] = now,
        *,
        strict: bool = False,
        rest_limit: int | None = REST_LIMIT,
    ) -> None:
        super().__init__(clock)
        self.rate_limit = rate_limit
        self.rest_limit = rest_limit
        self.strict = strict
        self._forget()

    def _forget(self) -> None:
        self.services: dict[str, Service] = {}
        self.integrations: dict[str, Integration] = {}
        self.windows: dict[str, MaintenanceWindow] = {}
        self._next_window = 1
        self.directory = Directory()
        self.events: list[Event] = []
        self.changes: list[Change] = []
        #: In the order of time.
        self.audit: list[AuditRecord] = []
        self._index = IncidentIndex()
        #: By number, from 1 on without a gap.
        self.incidents: list[Incident] = self._index.all
        #: Every line of every incident's history, in the order of time; and by id.
        self.log: list[LogEntry] = []
        self.log_by_id: dict[str, LogEntry] = {}
        self._open: dict[tuple[str, str], Alert] = {}
        self._snoozed: list[tuple[datetime, int]] = []
        self._arrivals: dict[str, deque[datetime]] = {}
        self._requests: dict[str, tuple[datetime, int]] = {}

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
        self._refuse_taken_name(name)
        policy = attributes.get("escalation_policy_id") or self.directory.default_policy_id
        rest = {key: value for key, value in attributes.items() if key not in ("name", "escalation_policy_id")}
        service = Service(self.new_id(), name, integration_key or "", self.at, policy, rest)
        self.services[service.id] = service
        if integration_key:
            self.add_integration(service.id, {"name": "Events API V2"}, integration_key)
        self._record("create", "services", service.id, name, attributes)
        return service

    def _refuse_taken_name(self, name: str, unless: Service | None = None) -> None:
        if any(each.name == name and each is not unless for each in self.services.values()):
            raise Refused("Name has already been taken")

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
        """Change a service's name, policy or other attributes.

        :raises Refused: if there is another one of that name.
        """
        service = self.service(service_id)
        self._refuse_taken_name(attributes.get("name", service.name), unless=service)
        changes = dict(attributes)
        service.name = changes.pop("name", service.name)
        service.escalation_policy_id = changes.pop("escalation_policy_id", service.escalation_policy_id)
        service.attributes.update(changes)
        self._record("update", "services", service.id, service.name, attributes)
        return service

    def integrations_of(self, service: Service) -> list[Integration]:
        """Return a service's integrations, oldest first."""
        return [each for each in self.integrations.values() if each.service is service]

    @command
    def update_integration(
        self, service_id: str, integration_id: str, attributes: dict[str, Any]
    ) -> Integration:
        """Change an integration's name."""
        service = self.service(service_id)
        found = next((each for each in self.integrations_of(service) if each.id == integration_id), None)
        if found is None:
            raise Unknown(integration_id)
        found.name = attributes.get("name", found.name)
        return found

    @command
    def delete_service(self, service_id: str) -> None:
        """Remove a service and its keys; its incidents stay."""
        service = self.service(service_id)
        del self.services[service_id]
        self.integrations = {k: v for k, v in self.integrations.items() if v.service is not service}
        self._record("delete", "services", service.id, service.name, {})

    def service(self, service_id: str) -> Service:
        """Return a service by its id.

        :raises Unknown: if there is none.
        """
        return found(self.services, service_id)

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

    def admits_request(self, token: str) -> Allowance | None:
        """Count a REST request of a token and say what is left of its minute; None without a limit."""
        if self.rest_limit is None:
            return None
        with self._lock:
            present = self.clock()
            start, count = self._requests.get(token, (present, 0))
            if not start <= present < start + RATE_WINDOW:
                start, count = present, 0
            self._requests[token] = start, count + 1
            reset = math.ceil((start + RATE_WINDOW - present).total_seconds())
            return Allowance(
                self.rest_limit, max(self.rest_limit - count - 1, 0), reset, count < self.rest_limit
            )

    # Maintenance windows

    def is_in_maintenance(self, service_id: str) -> bool:
        """Say whether a service opens no incidents now."""
        return any(
            window.start_time <= self.at < window.end_time and service_id in window.service_ids
            for window in self.windows.values()
        )

    def raises_incidents(self, service: Service) -> bool:
        """Say whether a service opens incidents now: it is not disabled, and in no maintenance window."""
        return service.attributes.get("status") != "disabled" and not self.is_in_maintenance(service.id)

    @command
    def put_window(self, window_id: str | None, attributes: dict[str, Any], by: str) -> MaintenanceWindow:
        """Make a maintenance window, or change the one of that id; times are ISO 8601 with a zone."""
        before = found(self.windows, window_id) if window_id else None
        start = datetime.fromisoformat(attributes["start_time"])
        window = MaintenanceWindow(
            id=before.id if before else self.new_id("P"),
            # "If this date is in the past, it will be updated to be the current time."
            start_time=start if before and before.start_time == start else max(start, self.at),
            end_time=datetime.fromisoformat(attributes["end_time"]),
            description=attributes.get("description"),
            service_ids=list(attributes["service_ids"]),
            created_by=before.created_by if before else by,
            number=before.number if before else self._next_window,
        )
        if window.end_time <= window.start_time:
            raise Refused("End time must be after start time")
        self.windows[window.id] = window
        self._next_window = max(self._next_window, window.number + 1)
        return window

    @command
    def delete_window(self, window_id: str) -> None:
        """End a window that is open, remove one that is to come.

        :raises Refused: if it is over.
        """
        window = found(self.windows, window_id)
        if window.end_time <= self.at:
            raise Refused("Maintenance window has already ended")
        if window.start_time <= self.at:
            window.end_time = self.at
        else:
            del self.windows[window_id]

    # The directory

    @command
    def put_entry(self, kind: str, entry_id: str | None, attributes: dict[str, Any]) -> dict[str, Any]:
        """Make or change a user, team, schedule, escalation policy or custom field; return it."""
        must_exist, entry_id = bool(entry_id), entry_id or self.new_id("P")
        for name in ("rules", "layers"):
            if name in attributes:
                # In a new dictionary: the journal is told of what was given.
                parts = [each | {"id": each.get("id") or self.new_id("P")} for each in attributes[name]]
                attributes = attributes | {name: parts}
        entry = self.directory.put(kind, entry_id, attributes, self.at, must_exist=must_exist)
        self._record("update" if must_exist else "create", kind, entry_id, entry["name"], attributes)
        return entry

    @command
    def delete_entry(self, kind: str, entry_id: str) -> None:
        """Remove one of these."""
        name = self.directory.get(kind, entry_id)["name"]
        self.directory.delete(kind, entry_id)
        self._record("delete", kind, entry_id, name, {})

    def _record(
        self,
        action: Literal["create", "update", "delete"],
        kind: str,
        thing_id: str,
        name: str,
        attributes: dict[str, Any],
    ) -> None:
        if kind in AUDITED:
            fields = {key: value for key, value in attributes.items() if isinstance(value, str | int | float)}
            self.audit.append(AuditRecord(self.new_id("P"), self.at, action, kind, thing_id, name, fields))

    @command
    def put_field_option(self, field_id: str, option_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        """Make a choice of a custom field, or change the one with that id; return it."""
        field = self.directory.get("custom_fields", field_id)
        options = field.setdefault("options", {})
        if option_id is not None and option_id not in options:
            raise Unknown(option_id)
        option_id = option_id or self.new_id("P")
        option = options.setdefault(option_id, {"id": option_id, "created_at": self.at})
        option |= {"data": data, "updated_at": self.at}
        return dict(option)

    @command
    def delete_field_option(self, field_id: str, option_id: str) -> None:
        """Remove a choice of a custom field."""
        options = self.directory.get("custom_fields", field_id).get("options", {})
        if option_id not in options:
            raise Unknown(option_id)
        del options[option_id]


def found(things: dict[str, T], key: str) -> T:
    """Return a thing by its id.

    :raises Unknown: if there is none.
    """
    try:
        return things[key]
    except KeyError:
        raise Unknown(key) from None
