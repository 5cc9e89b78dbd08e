"""Hook for PagerDuty's Events API v2 in an event loop, such as the triggerer's.

Its published place is ``hooks.pagerduty_events``, beside the synchronous one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
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
from airflow_provider_pagerduty.masking import mask
from airflow_provider_pagerduty.payload import prepare_change_event_data, prepare_event_data
from airflow_provider_pagerduty.settings import send_timeout

if TYPE_CHECKING:
    from datetime import datetime
    from types import TracebackType

    from typing_extensions import Self

    from airflow_provider_pagerduty.hooks.async_sender import AsyncSender


class PagerdutyEventsAsyncHook(BaseHook):  # type: ignore[misc, unused-ignore]
    """Sends alert and change events from an event loop, such as the triggerer's.

    The connection is looked up at the first event. Within ``async with`` connections to PagerDuty are kept
    from one event to the next; without, each call makes its own and closes it.

    :param integration_key: as for :class:`PagerdutyEventsHook`, like the other two.
    :param pagerduty_events_conn_id: the connection; ``pagerduty_events_default`` where nothing is given.
    :param api_version: ``v2``, the only one that PagerDuty takes events for.
    :param pagerduty_conn_id: another published name for the connection.
    :raises ValueError: if the two names say different things, or for another ``api_version``.
    """

    conn_name_attr = "pagerduty_events_conn_id"
    default_conn_name = "pagerduty_events_default"
    conn_type = "pagerduty_events"
    hook_name = "Async Pagerduty Events"

    def __init__(
        self,
        integration_key: str | None = None,
        pagerduty_events_conn_id: str | None = None,
        api_version: str = "v2",
        *,
        pagerduty_conn_id: str | None = None,
    ) -> None:
        super().__init__()
        if api_version != "v2":
            raise ValueError(f"api_version must be 'v2', PagerDuty's Events API; got {api_version!r}.")
        self.api_version = api_version
        self._conn_id = one_connection(pagerduty_events_conn_id, pagerduty_conn_id)
        self._explicit = connection.given(integration_key)
        self.integration_key = self._explicit
        self._base_url: str | None = None
        self._kept: AsyncSender | None = None
        self._is_open = False

    async def __aenter__(self) -> Self:
        self._is_open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_open = False
        kept, self._kept = self._kept, None
        if kept is not None:
            await kept.__aexit__(kind, error, trace)

    async def get_integration_key(self) -> str:
        """Return the integration key, looking the connection up where that has not been done.

        :raises MissingCredentials: if there is no key anywhere.
        """
        return (await self._look_up())[0]

    async def _look_up(self) -> tuple[str, str]:
        """Return the key and the events address."""
        if self._base_url is None:
            settings = await self._settings()
            key = require_key(
                self._explicit or settings.integration_key, self._conn_id or self.default_conn_name
            )
            self.integration_key = key
            self._base_url = (settings.endpoint or connection.configured_endpoint()).events
        assert self.integration_key is not None  # set together with the address
        return self.integration_key, self._base_url

    async def _settings(self) -> connection.Settings:
        from airflow.providers.common.compat.connection import get_async_connection
        from airflow.providers.common.compat.sdk import AirflowNotFoundException

        if self._conn_id or not self._explicit:
            try:
                found = await get_async_connection(self._conn_id or self.default_conn_name)
            except AirflowNotFoundException:
                if self._conn_id:
                    raise
            else:
                # Masking asks the supervisor and waits for it, which is safe in a thread only.
                return await asyncio.to_thread(connection.read_settings, found)
        await asyncio.to_thread(mask, self._explicit)
        return connection.Settings()

    async def _send(
        self, path: str, event: Event, seconds: float | None = None, goes_on: Callable[[str], bool] = always
    ) -> dict[str, Any]:
        from airflow_provider_pagerduty.hooks.async_sender import AsyncSender

        def without_key(cause: str) -> bool:
            return goes_on(event.without_key(cause))

        _, base_url = await self._look_up()
        budget = send_timeout() if seconds is None else seconds
        if not self._is_open:
            async with AsyncSender(base_url) as sender:
                return event.conclude(*await sender.post_event(path, event.body, budget, without_key))
        if self._kept is None:
            self._kept = AsyncSender(base_url)
        return event.conclude(*await self._kept.post_event(path, event.body, budget, without_key))

    async def deliver(
        self,
        event: dict[str, Any],
        *,
        seconds: float | None = None,
        goes_on: Callable[[str], bool] = always,
    ) -> dict[str, Any]:
        """Send an event that is already made, as :meth:`PagerdutyEventsHook.deliver` does.

        :param goes_on: is called in a thread.
        """
        key, _ = await self._look_up()
        return await self._send(ALERT_PATH, Event.alert(key, event), seconds, goes_on)

    async def create_event(
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
        """Trigger, acknowledge or resolve an alert, as :meth:`PagerdutyEventsHook.create_event` does."""
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
        return await self.deliver(data)

    async def send_event(
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
        response = await self.create_event(
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

    async def create_change_event(
        self,
        summary: str,
        source: str = "airflow",
        custom_details: Any = None,
        timestamp: datetime | str | None = None,
        links: Sequence[Mapping[str, Any]] | None = None,
    ) -> dict[str, Any]:
        """Record a change, as :meth:`PagerdutyEventsHook.create_change_event` does."""
        data = prepare_change_event_data(summary, source, custom_details, timestamp, links)
        key, _ = await self._look_up()
        return await self._send(CHANGE_PATH, Event.change(key, data))
