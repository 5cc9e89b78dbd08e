"""What the page is told: a board of the newest incidents, and one incident with all its events.

The board holds what a list shows and no event's details, so that it is small and fast however much there is.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from airflow_provider_pagerduty.sandbox.account import PagerDuty
from airflow_provider_pagerduty.sandbox.model import Alert, Change, Event, Incident, LogEntry, Note, Status

#: So many are shown of anything at first; the page says how many more there are.
LIMIT = 100
#: What the page can be asked to show, and the order in which people on call want it.
SHOWN: dict[str, tuple[Status, ...]] = {
    "open": ("triggered", "acknowledged"),
    "resolved": ("resolved",),
    "all": ("triggered", "acknowledged", "resolved"),
}
SEVERITIES = ("critical", "error", "warning", "info")


def board(pagerduty: PagerDuty, show: str) -> dict[str, Any]:
    """Return the first incidents to show, triggered ones first and new before old, and how many there are."""
    pagerduty.refresh()
    incidents = pagerduty.incidents
    # Only the ends of the indexes are read: it costs the same with 100,000 incidents as with 100.
    numbers = [number for status in SHOWN[show] for number in _numbers(pagerduty, status)[: -LIMIT - 1 : -1]]
    # Once each: one that is acknowledged meanwhile, by another thread, is in two of them.
    found = [incidents[number - 1] for number in dict.fromkeys(numbers[:LIMIT])]
    counts = _counts(pagerduty)
    return {
        "now": pagerduty.clock().isoformat(),
        "counts": counts,
        "more": max(0, sum(counts[status] for status in SHOWN[show]) - len(found)),
        "incidents": [card(pagerduty, each) for each in found],
    }


def changes(pagerduty: PagerDuty) -> dict[str, Any]:
    """Return the newest change events, and how many there are."""
    newest = pagerduty.changes[: -LIMIT - 1 : -1]
    return {
        "now": pagerduty.clock().isoformat(),
        "counts": _counts(pagerduty),
        "more": max(0, len(pagerduty.changes) - len(newest)),
        "changes": [_change(each) for each in newest],
    }


def _numbers(pagerduty: PagerDuty, status: Status) -> list[int]:
    return pagerduty.numbers_of(status)


def _counts(pagerduty: PagerDuty) -> dict[str, int]:
    counts = {status: len(_numbers(pagerduty, status)) for status in SHOWN["all"]}
    return counts | {"changes": len(pagerduty.changes)}


def card(pagerduty: PagerDuty, incident: Incident) -> dict[str, Any]:
    """Return what a list shows of an incident; whatever changes the incident changes this."""
    return {
        "id": incident.id,
        "number": incident.number,
        "status": incident.status,
        "severity": _severity(incident),
        "urgency": incident.urgency,
        "summary": incident.summary,
        "service": incident.service.name,
        "created_at": incident.created_at.isoformat(),
        "updated_at": incident.updated_at.isoformat(),
        "snoozed_until": incident.snoozed_until.isoformat() if incident.snoozed_until else None,
        "assigned_to": [_user(pagerduty, user_id) for user_id, _ in incident.assigned_to],
        "alerts": len(incident.alerts),
        "open_alerts": sum(each.status != "resolved" for each in incident.alerts),
        "events": sum(len(each.events) for each in incident.alerts),
        "notes": len(incident.notes),
        "log": len(incident.log),
    }


def _severity(incident: Incident) -> str | None:
    """Return the worst of what is open, else of all; None for an incident without alerts."""
    alerts = [each for each in incident.alerts if each.status != "resolved"] or incident.alerts
    return min((each.severity for each in alerts), key=SEVERITIES.index, default=None)


def incident(pagerduty: PagerDuty, shown: Incident, limit: int) -> dict[str, Any]:
    """Return an incident's facts, its alerts, and the newest entries of its timeline, newest first."""
    entries = list(islice(_timeline(pagerduty, shown), limit))
    logged = _logged(shown)
    count = sum(each.kind != "annotate" for each in shown.log) + len(shown.notes)
    count += sum(each.id not in logged for alert in shown.alerts for each in alert.events)
    return {
        "facts": _facts(pagerduty, shown),
        "alerts": [_alert(each) for each in shown.alerts[-LIMIT:]],
        "more_alerts": max(0, len(shown.alerts) - LIMIT),
        "timeline": entries,
        "more": max(0, count - len(entries)),
    }


def _facts(pagerduty: PagerDuty, shown: Incident) -> list[list[Any]]:
    entries = pagerduty.directory.entries
    priority = entries["priorities"].get(shown.priority_id or "", {})
    policy = entries["escalation_policies"].get(shown.escalation_policy_id, {})
    facts: list[list[Any]] = [
        ["Title", shown.title if shown.title != shown.summary else None],
        ["Details", shown.details],
        ["Urgency", shown.urgency],
        ["Priority", priority.get("name")],
        ["Assigned to", ", ".join(_user(pagerduty, user_id) for user_id, _ in shown.assigned_to)],
        ["Escalation policy", policy.get("name")],
        ["Resolution", shown.resolution],
        ["Merged into", f"#{shown.merged_into.number}" if shown.merged_into else None],
        *(
            [key.replace("_", " ").capitalize(), value]
            for key, value in (shown.conference_bridge or {}).items()
        ),
        *(
            [entries["custom_fields"].get(key, {}).get("display_name", key), value]
            for key, value in shown.custom_values.items()
        ),
        ["Incident", shown.id],
    ]
    return [fact for fact in facts if fact[1] not in (None, "")]


def _alert(alert: Alert) -> dict[str, Any]:
    newest = next((each for each in reversed(alert.events) if each.action == "trigger"), None)
    return {
        "id": alert.id,
        "status": alert.status,
        "severity": alert.severity,
        "summary": alert.summary,
        "dedup_key": alert.dedup_key,
        "events": len(alert.events),
        "event": _event(newest) if newest else None,
    }


def _event(event: Event) -> dict[str, Any]:
    payload = event.body.get("payload") or {}
    taken = ("summary", "severity", "source", "component", "group", "class", "timestamp")
    return {
        "id": event.id,
        **{name: payload.get(name) for name in taken},
        **{name: event.body.get(name) for name in ("client", "client_url")},
        **{name: event.body.get(name) or [] for name in ("links", "images")},
        "details": payload.get("custom_details"),
    }


def _change(change: Change) -> dict[str, Any]:
    payload = change.body["payload"]
    return {
        "id": change.id,
        "received_at": change.received_at.isoformat(),
        "service": change.service.name,
        **{name: payload.get(name) for name in ("summary", "source", "timestamp")},
        **{name: change.body.get(name) or [] for name in ("links", "images")},
        "details": payload.get("custom_details"),
    }


def _logged(shown: Incident) -> set[str]:
    """Return the ids of the events that the log tells of."""
    return {each.event.id for each in shown.log if each.event}


def _timeline(pagerduty: PagerDuty, shown: Incident) -> Iterator[dict[str, Any]]:
    logged = _logged(shown)
    runs: list[Iterator[tuple[datetime, LogEntry | Note | Event]]] = [
        # Notes are shown as they are now; the log says what they were at first.
        ((each.created_at, each) for each in reversed(shown.log) if each.kind != "annotate"),
        ((each.created_at, each) for each in reversed(shown.notes)),
    ]
    runs += [
        ((each.received_at, each) for each in reversed(alert.events) if each.id not in logged)
        for alert in shown.alerts
    ]
    for at, entry in heapq.merge(*runs, key=lambda each: each[0], reverse=True):
        if isinstance(entry, LogEntry):
            told = _log_entry(pagerduty, entry)
        elif isinstance(entry, Note):
            told = {"kind": "note", "by": _user(pagerduty, entry.user_id), "about": entry.content}
        else:
            # An event that changed no status: a trigger again, or one that came with a merged alert.
            first = entry.alert is not None and entry.alert.events[0] is entry
            kind = "again" if entry.action == "trigger" and not first else entry.action
            told = {"kind": kind, "by": entry.service.name, "no_change": True, "event": _event(entry)}
        yield {"id": entry.id, "at": at.isoformat()} | told


def _log_entry(pagerduty: PagerDuty, entry: LogEntry) -> dict[str, Any]:
    is_user = entry.agent["type"] == "user"
    about = entry.channel.get("changeset")
    if entry.kind == "assign":
        about = _user(pagerduty, entry.channel.get("user_id", ""))
    elif entry.kind == "snooze":
        about = entry.channel.get("duration")
    return {
        "kind": entry.kind,
        "by": _user(pagerduty, entry.agent["id"]) if is_user else entry.incident.service.name,
        "about": about,
        "event": _event(entry.event) if entry.event else None,
    }


def _user(pagerduty: PagerDuty, user_id: str) -> str:
    return str(pagerduty.directory.entries["users"].get(user_id, {}).get("name", user_id))
