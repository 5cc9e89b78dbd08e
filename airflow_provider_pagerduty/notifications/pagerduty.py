"""The notifier for ``on_failure_callback`` and its siblings.

DAG files import this at every parse, so all that sends is imported when something is sent.
"""

from __future__ import annotations

import copy
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.notifier import BaseNotifier

if TYPE_CHECKING:
    from airflow_provider_pagerduty.hooks.pagerduty_events import (
        PagerdutyEventsAsyncHook,
        PagerdutyEventsHook,
    )


#: Airflow 3.1 and later hand the context in where they await a notifier.
_TAKES_CONTEXT = "context" in BaseNotifier.__init__.__code__.co_varnames
#: Of the templates, those that PagerDuty wants as text; with native rendering they may be anything.
_TEXTS = ("summary", "severity", "source", "action", "dedup_key", "group", "component", "class_type")


class PagerdutyNotifier(BaseNotifier):  # type: ignore[misc, unused-ignore]
    """Sends an event when Airflow calls it back.

    Every argument but ``integration_key`` is a template. What the event's fields mean and how they are
    limited is said at ``PagerdutyEventsHook.create_event``.

    :param summary: what happened.
    :param severity: ``critical``, ``error``, ``warning`` or ``info``.
    :param source: the affected system.
    :param action: ``trigger``, ``acknowledge`` or ``resolve``.
    :param dedup_key: which alert this is about; required for acknowledge and resolve.
    :param custom_details: a dictionary or a string.
    :param group: a cluster of sources.
    :param component: the part of the system that is affected.
    :param class_type: the kind of event.
    :param images: ``[{"src": "https://…", "href": …, "alt": …}]``.
    :param links: ``[{"href": …, "text": …}]``.
    :param pagerduty_events_conn_id: the connection; ``pagerduty_events_default`` where neither it nor a key
        is given.
    :param integration_key: the key itself; better kept in a connection.
    """

    template_fields = (
        "summary",
        "severity",
        "source",
        "action",
        "dedup_key",
        "custom_details",
        "group",
        "component",
        "class_type",
        "images",
        "links",
        "pagerduty_events_conn_id",
    )

    def __init__(
        self,
        *,
        summary: str,
        severity: str,
        source: str = "airflow",
        action: str = "trigger",
        dedup_key: str | None = None,
        custom_details: Any = None,
        group: str | None = None,
        component: str | None = None,
        class_type: str | None = None,
        images: list[dict[str, Any]] | None = None,
        links: list[dict[str, Any]] | None = None,
        pagerduty_events_conn_id: str | None = None,
        integration_key: str | None = None,
        **kwargs: Any,
    ) -> None:
        if not _TAKES_CONTEXT:
            kwargs.pop("context", None)
        super().__init__(**kwargs)
        self.summary = summary
        self.severity = severity
        self.source = source
        self.action = action
        self.dedup_key = dedup_key
        self.custom_details = custom_details
        self.group = group
        self.component = component
        self.class_type = class_type
        self.images = images
        self.links = links
        self.pagerduty_events_conn_id = pagerduty_events_conn_id
        self.integration_key = integration_key

    def __call__(self, *args: Any) -> None:
        """Render the templates and send the event.

        Airflow renders them in place, once and for all. One notifier serves many tasks and runs, so each
        call gets a copy, else the second alert would say what the first one said.
        """
        BaseNotifier.__call__(copy.copy(self), *args)

    def __await__(self) -> Generator[Any, None, None]:
        return BaseNotifier.__await__(copy.copy(self))  # type: ignore[no-any-return, unused-ignore]

    @property
    def hook(self) -> PagerdutyEventsHook:
        """A hook for the notifier's key or connection."""
        from airflow_provider_pagerduty.hooks.pagerduty_events import PagerdutyEventsHook

        return PagerdutyEventsHook(self.integration_key, self.pagerduty_events_conn_id)

    @property
    def hook_async(self) -> PagerdutyEventsAsyncHook:
        """The same for an event loop."""
        from airflow_provider_pagerduty.hooks.pagerduty_events import PagerdutyEventsAsyncHook

        return PagerdutyEventsAsyncHook(self.integration_key, self.pagerduty_events_conn_id)

    def _event(self) -> dict[str, Any]:
        event = {
            field: getattr(self, field) for field in self.template_fields if field != "pagerduty_events_conn_id"
        }
        return event | {field: str(event[field]) for field in _TEXTS if event[field] is not None}

    def notify(self, context: Any) -> None:
        """Send the event."""
        self.hook.create_event(**self._event())

    async def async_notify(self, context: Any) -> None:
        """Send the event from an event loop."""
        await self.hook_async.create_event(**self._event())


send_pagerduty_notification = PagerdutyNotifier
