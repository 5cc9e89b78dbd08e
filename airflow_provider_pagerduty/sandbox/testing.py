"""What a test sees of the sandbox: the connections that lead to it, what arrived, and what is to go wrong.

The pytest fixture ``pagerduty_sandbox`` is one of these.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from airflow_provider_pagerduty.sandbox.fault import Fault

if TYPE_CHECKING:
    from typing import Any, Literal

    from airflow_provider_pagerduty.sandbox.model import Alert, Change, Event, Incident, Status
    from airflow_provider_pagerduty.sandbox.server import RunningSandbox

#: Made-up credentials of the right form.
INTEGRATION_KEY = "5a4db0c5a4db0c5a4db0c5a4db0c5a4d"
API_TOKEN = "u+sandbox-account-token"  # noqa: S105


class PagerdutySandbox:
    """A running sandbox, as a test looks at it.

    :param server: what :func:`~airflow_provider_pagerduty.sandbox.server.running` gave.
    """

    def __init__(self, server: RunningSandbox) -> None:
        self._server = server
        self._account = server.pagerduty

    @property
    def url(self) -> str:
        """The base URL, of REST and events alike."""
        return self._server.url

    @property
    def connections(self) -> dict[str, str]:
        """Airflow's two default connections to this sandbox, by id, each as JSON."""
        events = {"conn_type": "pagerduty_events", "host": self.url, "password": INTEGRATION_KEY}
        rest = {
            "conn_type": "pagerduty",
            "host": self.url,
            "password": API_TOKEN,
            "extra": {
                "routing_key": INTEGRATION_KEY,
                "from_email": self._account.directory.get("users", self._account.directory.default_user_id)[
                    "email"
                ],
            },
        }
        return {"pagerduty_events_default": json.dumps(events), "pagerduty_default": json.dumps(rest)}

    def incidents(self, status: Status | None = None) -> list[Incident]:
        """Return the incidents, the oldest first; those of one status only, if one is given."""
        _one_of("status", status, ("triggered", "acknowledged", "resolved"))
        return list(self._account.find_incidents(statuses=[status] if status else []))

    def alerts(self, status: Literal["triggered", "resolved"] | None = None) -> list[Alert]:
        """Return the alerts of all incidents, the oldest incident's first."""
        _one_of("status", status, ("triggered", "resolved"))
        alerts = [alert for incident in self.incidents() for alert in incident.alerts]
        return [alert for alert in alerts if status in (None, alert.status)]

    def events(self, action: Literal["trigger", "acknowledge", "resolve"] | None = None) -> list[Event]:
        """Return the alert events that were taken, in their order; ``body`` is what was sent, less its key."""
        _one_of("action", action, ("trigger", "acknowledge", "resolve"))
        return [event for event in self._account.events if action in (None, event.action)]

    def changes(self) -> list[Change]:
        """Return the change events that were taken, in their order."""
        return list(self._account.changes)

    def fail_next(self, times: int = 1, *, kind: str = "status", **fault: Any) -> None:
        """Let the next requests fail.

        :param times: how many.
        :param kind: ``status``, ``refuse``, ``slow`` or ``rate_limit``.
        :param fault: what else that kind takes, such as ``status=503``, ``when="after"`` or ``delay=2.0``; a
            ``status`` without a code is a 503.
        :raises ValueError: if there is no such fault; names the field.
        """
        if kind == "status":
            fault = {"status": 503} | fault
        self._server.faults.add(Fault(kind=kind, times=times, **fault))  # type: ignore[arg-type]

    def clear(self) -> None:
        """Forget everything that arrived, and take every fault back."""
        self._account.clear()
        self._server.faults.clear()


def _one_of(name: str, value: str | None, allowed: tuple[str, ...]) -> None:
    # An empty list for a word that nothing has would make a test pass that should not.
    if value is not None and value not in allowed:
        raise ValueError(f"{name} must be one of: {', '.join(allowed)}; got {value!r}.")
