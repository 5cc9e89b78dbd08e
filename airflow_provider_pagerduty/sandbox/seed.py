"""A handful of incidents to look at first, made by the commands that anybody's events and clicks give."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow_provider_pagerduty.sandbox.account import PagerDuty


def seed(pagerduty: PagerDuty) -> None:
    """Fill an empty account with the last three hours of a data platform; one that is not empty stays as it is.

    The moments are before the account's present, so nothing else may be done to it meanwhile.
    """
    if pagerduty.services:
        return
    clock = pagerduty.clock
    present = clock()
    try:
        for minutes, step in _STORY:
            moment = present - timedelta(minutes=minutes)
            pagerduty.clock = lambda moment=moment: moment  # type: ignore[misc]
            step(_Teller(pagerduty))
    finally:
        pagerduty.clock = clock


class _Teller:
    """Says in one word what takes a key, an id and a user to do."""

    def __init__(self, pagerduty: PagerDuty) -> None:
        self._pagerduty = pagerduty

    def send(self, service: str, action: str, dedup_key: str, summary: str = "", **more: Any) -> None:
        severity = more.pop("severity", "error")
        body = {"event_action": action, "dedup_key": dedup_key} | more.pop("event", {})
        if action == "trigger":
            body["payload"] = {"summary": summary, "severity": severity, "source": "airflow", **more}
        self._pagerduty.take_event(self._key_of(service), body)

    def deploy(self, service: str, summary: str, **more: Any) -> None:
        self._pagerduty.take_change(self._key_of(service), {"payload": {"summary": summary, **more}})

    def note(self, dedup_key: str, text: str) -> None:
        self._pagerduty.add_note(self._incident_id(dedup_key), text, self._user)

    def set_status(self, dedup_key: str, status: str) -> None:
        self._pagerduty.update_incident(self._incident_id(dedup_key), {"status": status}, self._user)

    @property
    def _user(self) -> str:
        return self._pagerduty.directory.default_user_id

    def _incident_id(self, dedup_key: str) -> str:
        *_, newest = self._pagerduty.find_incidents(incident_key=dedup_key)
        return newest.id

    def _key_of(self, name: str) -> str:
        found = [each for each in self._pagerduty.services.values() if each.name == name]
        if not found:
            service = self._pagerduty.add_service({"name": name})
            # A key that nobody knows, so that these services stay as they are.
            return self._pagerduty.add_integration(service.id, {"name": "Airflow"}).integration_key
        return found[0].integration_key


_WAREHOUSE, _ORDERS = "Data warehouse", "Order pipeline"
_LOAD, _LATE, _DISK, _QUALITY = "dag/load_orders/load", "sla/daily_report", "disk/etl-2", "quality/customers"
_RUN = {"dag_id": "load_orders", "task_id": "load", "run_id": "scheduled__2026-03-01T02:00:00+00:00"}
_LINKS = {
    "client": "Airflow",
    "client_url": "https://airflow.example.com/dags/load_orders",
    "links": [
        {"href": "https://airflow.example.com/dags/load_orders/runs", "text": "The run in Airflow"},
        {"href": "https://wiki.example.com/runbooks/load_orders", "text": "Runbook"},
    ],
}

#: Minutes ago, and what was done then.
_STORY: tuple[tuple[int, Any], ...] = (
    (
        180,
        lambda tell: tell.send(
            _WAREHOUSE,
            "trigger",
            _DISK,
            "Disk of etl-2 is 91 % full",
            severity="warning",
            component="etl-2",
            custom_details={"mount": "/var/lib/warehouse", "used_percent": 91, "free_gb": 18.4},
        ),
    ),
    (150, lambda tell: tell.send(_WAREHOUSE, "resolve", _DISK)),
    (95, lambda tell: tell.deploy(_ORDERS, "Deployed load_orders 4.2.0", source="ci")),
    (
        88,
        lambda tell: tell.send(
            _ORDERS,
            "trigger",
            _LOAD,
            "Task load of load_orders failed (try 1 of 3)",
            custom_details=_RUN | {"try": 1, "exception": "KeyError: 'currency'"},
            event=_LINKS,
        ),
    ),
    (
        83,
        lambda tell: tell.send(
            _ORDERS,
            "trigger",
            _LOAD,
            "Task load of load_orders failed (try 2 of 3)",
            severity="critical",
            custom_details=_RUN | {"try": 2, "exception": "KeyError: 'currency'"},
            event=_LINKS,
        ),
    ),
    (
        60,
        lambda tell: tell.send(
            _WAREHOUSE,
            "trigger",
            _LATE,
            "daily_report is 40 minutes late",
            severity="warning",
            group="reports",
            custom_details={"dag_id": "daily_report", "expected": "06:00", "waiting_for": ["load_orders"]},
        ),
    ),
    (52, lambda tell: tell.set_status(_LATE, "acknowledged")),
    (50, lambda tell: tell.note(_LATE, "Waits for load_orders; the column was renamed in 4.2.0.")),
    (
        20,
        lambda tell: tell.send(
            _WAREHOUSE,
            "trigger",
            _QUALITY,
            "3 of 1,204,551 customers have no country",
            severity="info",
            custom_details={"table": "customers", "rows": 3},
        ),
    ),
)
