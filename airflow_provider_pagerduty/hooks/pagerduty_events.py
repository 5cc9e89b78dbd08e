"""Hooks for PagerDuty's Events API v2, which needs an integration key and nothing else.

https://developer.pagerduty.com/docs/events-api-v2-overview. All that is decided stands in ``event``,
``payload`` and ``delivery``, which the asynchronous hook shares.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_pagerduty.hooks import connection
from airflow_provider_pagerduty.hooks.event import (
    ALERT_PATH,
    CHANGE_PATH,
    Event,
    always,
    one_connection,
    require_key,
)
from airflow_provider_pagerduty.hooks.pagerduty_events_async import PagerdutyEventsAsyncHook
from airflow_provider_pagerduty.payload import prepare_change_event_data, prepare_event_data
from airflow_provider_pagerduty.settings import send_timeout

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_provider_pagerduty.hooks.endpoint import Endpoint
    from airflow_provider_pagerduty.hooks.sender import Sender

__all__ = ["PagerdutyEventsAsyncHook", "PagerdutyEventsHook", "prepare_event_data"]


class PagerdutyEventsHook(BaseHook):  # type: ignore[misc, unused-ignore]
    """Sends alert and change events with an integration key.

    The connection is read when the hook is made: the key from its password, and from its other fields where
    PagerDuty is (``region`` in extra, or a base URL as its host).

    :param integration_key: the key of a service's Events API v2 integration, 32 characters; wins over the
        connection's. With a key and no connection id, no connection is looked up.
    :param pagerduty_events_conn_id: the connection; ``pagerduty_events_default`` where nothing is given.
    :param pagerduty_conn_id: another published name for the same argument.
    :raises ValueError: if the two names say different things, or the connection's region or base URL cannot
        be one.
    :raises MissingCredentials: an AirflowException, if there is no key anywhere.
    """

    conn_name_attr = "pagerduty_events_conn_id"
    default_conn_name = "pagerduty_events_default"
    conn_type = "pagerduty_events"
    hook_name = "Pagerduty Events"

    def __init__(
        self,
        integration_key: str | None = None,
        pagerduty_events_conn_id: str | None = None,
        *,
        pagerduty_conn_id: str | None = None,
    ) -> None:
        super().__init__()
        conn_id = one_connection(pagerduty_events_conn_id, pagerduty_conn_id)
        explicit = connection.given(integration_key)
        settings = connection.find_settings(self.get_connection, conn_id, self.default_conn_name, explicit)
        self.integration_key = require_key(
            explicit or settings.integration_key, conn_id or self.default_conn_name
        )
        self._endpoint = settings.endpoint

    @staticmethod
    def get_ui_field_behaviour() -> dict[str, Any]:
        """Return the form's hidden and renamed fields, for Airflow 2.11."""
        from airflow_provider_pagerduty.hooks.connection_form import ui_field_behaviour

        return ui_field_behaviour(PagerdutyEventsHook.conn_type)

    @staticmethod
    def get_connection_form_widgets() -> dict[str, Any]:
        """Return the form's own fields, for Airflow 2.11."""
        from airflow_provider_pagerduty.hooks.connection_form import connection_form_widgets

        return connection_form_widgets(PagerdutyEventsHook.conn_type)

    # Where versions 3.3 to 5.0 of Apache's package had it.
    prepare_event_data = staticmethod(prepare_event_data)

    def use_endpoint(self, endpoint: Endpoint | None) -> None:
        """Send to this endpoint from now on; to the configured one with None."""
        self._endpoint = endpoint
        self.__dict__.pop("_sender", None)

    @cached_property
    def _sender(self) -> Sender:
        from airflow_provider_pagerduty.hooks.sender import Sender

        return Sender((self._endpoint or connection.configured_endpoint()).events)

    def _send(
        self, path: str, event: Event, seconds: float | None = None, goes_on: Callable[[str], bool] = always
    ) -> dict[str, Any]:
        def without_key(cause: str) -> bool:
            return goes_on(event.without_key(cause))

        budget = send_timeout() if seconds is None else seconds
        return event.conclude(*self._sender.post_event(path, event.body, budget, without_key))

    def deliver(
        self,
        event: dict[str, Any],
        *,
        seconds: float | None = None,
        goes_on: Callable[[str], bool] = always,
    ) -> dict[str, Any]:
        """Send an alert event as ``prepare_event_data`` makes it, with ``action_key_name="event_action"``.

        :param event: gets a ``dedup_key`` where it has none.
        :param seconds: what it may cost; ``[pagerduty] send_timeout`` where not given.
        :param goes_on: is told why an attempt failed, before the next wait, and says whether to go on.
        :return: PagerDuty's answer, and raises, as :meth:`create_event` does.
        """
        return self._send(ALERT_PATH, Event.alert(self.integration_key, event), seconds, goes_on)

    def create_event(
        self,
        summary: str,
        severity: str,
        source: str = "airflow",
        action: str = "trigger",
        dedup_key: str | None = None,
        custom_details: Any = None,
        group: str | None = None,
        component: str | None = None,
        class_type: str | None = None,
        images: Sequence[Mapping[str, Any]] | None = None,
        links: Sequence[Mapping[str, Any]] | None = None,
        *,
        timestamp: datetime | str | None = None,
        client: str | None = None,
        client_url: str | None = None,
    ) -> dict[str, Any]:
        """Trigger, acknowledge or resolve an alert.

        Tries again on 429, 5xx and network errors, for at most ``[pagerduty] send_timeout`` seconds in all.

        :param summary: what happened; over 1,024 characters it is cut.
        :param severity: ``critical``, ``error``, ``warning`` or ``info``.
        :param source: the affected system, such as a host or a deployment.
        :param action: ``trigger``, ``acknowledge`` or ``resolve``.
        :param dedup_key: which alert this is about, at most 255 characters (a longer one is made shorter, the
            same each time). Required for acknowledge and resolve; a trigger without one gets one, so that a
            retry never opens a second alert.
        :param custom_details: a dictionary, shown as a table, or a string. Values that JSON cannot hold
            become text; the largest give way where the body would be over 512,000 bytes.
        :param group: a cluster of sources.
        :param component: the part of the system that is affected.
        :param class_type: the kind of event.
        :param images: ``[{"src": "https://…", "href": …, "alt": …}]``.
        :param links: ``[{"href": …, "text": …}]``.
        :param timestamp: when it happened, a datetime (one without a zone is UTC) or ISO 8601 text; when it
            arrives, where not given.
        :param client: what monitors the system. Goes with a trigger only.
        :param client_url: where to find that. Goes with a trigger only.
        :return: PagerDuty's answer: ``{"status": "success", "message": …, "dedup_key": …}``.
        :raises ValueError: for an argument that PagerDuty would refuse and that cannot be mended.
        :raises EventRejected: if PagerDuty answered 400, with its reasons.
        :raises DeliveryFailed: if it did not take the event in time.
        """
        data = prepare_event_data(
            summary=summary,
            severity=severity,
            source=source,
            custom_details=custom_details,
            component=component,
            group=group,
            class_type=class_type,
            action=action,
            dedup_key=dedup_key,
            images=images,
            links=links,
            action_key_name="event_action",
            timestamp=timestamp,
            client=client,
            client_url=client_url,
        )
        return self.deliver(data)

    def send_event(
        self,
        summary: str,
        severity: str,
        source: str = "airflow",
        action: str = "trigger",
        dedup_key: str | None = None,
        custom_details: Any = None,
        group: str | None = None,
        component: str | None = None,
        class_type: str | None = None,
        images: Sequence[Mapping[str, Any]] | None = None,
        links: Sequence[Mapping[str, Any]] | None = None,
    ) -> str:
        """Do as :meth:`create_event` does, and return the alert's dedup_key."""
        response = self.create_event(
            summary=summary,
            severity=severity,
            source=source,
            action=action,
            dedup_key=dedup_key,
            custom_details=custom_details,
            group=group,
            component=component,
            class_type=class_type,
            images=images,
            links=links,
        )
        return str(response["dedup_key"])

    def create_change_event(
        self,
        summary: str,
        source: str = "airflow",
        custom_details: Any = None,
        timestamp: datetime | str | None = None,
        links: Sequence[Mapping[str, Any]] | None = None,
    ) -> dict[str, Any]:
        """Record a change, such as a deployment, beside a service's incidents; nobody is notified.

        :param summary: what changed; over 1,024 characters it is cut.
        :param source: where it changed.
        :param custom_details: as for :meth:`create_event`.
        :param timestamp: when it changed, a datetime (one without a zone is UTC) or ISO 8601 text; when it
            arrives, where not given.
        :param links: ``[{"href": …, "text": …}]``.
        :return: PagerDuty's answer.
        :raises ValueError, EventRejected, DeliveryFailed: as :meth:`create_event` does.
        """
        data = prepare_change_event_data(summary, source, custom_details, timestamp, links)
        return self._send(CHANGE_PATH, Event.change(self.integration_key, data))

    def test_connection(self) -> tuple[bool, str]:
        """Ask PagerDuty to resolve an alert that never was: it opens none, and shows what can be shown."""
        from airflow_provider_pagerduty.exceptions import DeliveryFailed, EventRejected

        never_used = f"airflow-connection-test-{uuid.uuid4()}"
        event = prepare_event_data(
            "Connection test", "info", action="resolve", dedup_key=never_used, action_key_name="event_action"
        )
        try:
            # Once: whoever has pressed the button waits, and can press it again.
            self.deliver(event, goes_on=lambda _: False)
        except EventRejected as rejected:
            return False, f"PagerDuty refuses this integration key: {'; '.join(rejected.errors)}"
        except DeliveryFailed as failed:
            return False, f"PagerDuty could not be reached: {failed.last_cause}"
        return True, (
            "PagerDuty was reached and took an event with this integration key; no alert was opened. Whether "
            "the key belongs to a service, and whom it pages, only a real alert can show."
        )
