"""The notifier for ``on_failure_callback`` and its siblings, and the pair of callbacks that most DAGs need.

DAG files import this at every parse, so all that reads contexts and sends is imported when something happens.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from airflow.providers.common.compat.notifier import BaseNotifier

if TYPE_CHECKING:
    from airflow_provider_pagerduty.hooks.pagerduty_events import (
        PagerdutyEventsAsyncHook,
        PagerdutyEventsHook,
    )
    from airflow_provider_pagerduty.notifications.dispatch import Dispatch
    from airflow_provider_pagerduty.notifications.event import Faults


log = logging.getLogger(__name__)

#: Airflow 3.1 and later hand the context in where they await a notifier.
_TAKES_CONTEXT = "context" in BaseNotifier.__init__.__code__.co_varnames
_SCOPES = ("always", "run")
#: In the place of what could not be rendered.
_FAULTY = object()


class PagerdutyNotifier(BaseNotifier):  # type: ignore[misc, unused-ignore]
    """Sends an alert when Airflow calls it back, which says by itself what there is to say.

    Nothing has to be given. What is given wins, and is a template, but for the last three arguments. A fault
    in a template or a value never loses the page: that part is left out, and the alert's details say so. What
    the event's fields mean and how they are limited is said at ``PagerdutyEventsHook.create_event``.

    :param summary: what happened; ``<dag>.<task> failed: <exception>: <its first line>`` by default, or what
        else the callback is about.
    :param severity: ``critical``, ``error``, ``warning`` or ``info``; ``[pagerduty] severity`` by default.
    :param source: the affected system; this deployment's name by default (``[pagerduty] deployment``).
    :param action: ``trigger``, ``acknowledge`` or ``resolve``, which stands down what the default opened.
    :param dedup_key: which alert this is about; by default one alert for each task, or in a DAG's own callbacks
        for the DAG, at failure and at success.
    :param custom_details: a dictionary, added to what the alert says by itself, or a string in its place.
    :param group: a cluster of sources; the DAG by default.
    :param component: the part of the system that is affected; the task by default.
    :param class_type: the kind of event; the exception's class, or why a run failed, by default.
    :param images: ``[{"src": "https://…", "href": …, "alt": …}]``.
    :param links: ``[{"href": …, "text": …}]``, before those to the task's log and to the run.
    :param pagerduty_events_conn_id: the connection; ``pagerduty_events_default`` where neither it nor a key
        is given.
    :param runbook_url: what to do about it, as a link.
    :param integration_key: the key itself; better kept in a connection.
    :param dedup_scope: ``run`` gives each run an alert of its own, where ``always`` has one until it recovers.
    :param only_on_recovery: with a resolve, whether to send it only if Airflow's history says that there was a
        failure, or cannot say; by default where no ``dedup_key`` is given.
    :raises ValueError: for a ``dedup_scope`` that is none.
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
        "runbook_url",
    )

    def __init__(
        self,
        *,
        summary: str | None = None,
        severity: str | None = None,
        source: str | None = None,
        action: str = "trigger",
        dedup_key: str | None = None,
        custom_details: Any = None,
        group: str | None = None,
        component: str | None = None,
        class_type: str | None = None,
        images: list[dict[str, Any]] | None = None,
        links: list[dict[str, Any]] | None = None,
        pagerduty_events_conn_id: str | None = None,
        runbook_url: str | None = None,
        integration_key: str | None = None,
        dedup_scope: Literal["always", "run"] = "always",
        only_on_recovery: bool | None = None,
        **kwargs: Any,
    ) -> None:
        if dedup_scope not in _SCOPES:
            raise ValueError(f"dedup_scope must be one of: {', '.join(_SCOPES)}; got {dedup_scope!r}.")
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
        self.runbook_url = runbook_url
        self.integration_key = integration_key
        self.dedup_scope: Literal["always", "run"] = dedup_scope
        self.only_on_recovery = only_on_recovery
        self._faults: Faults | None = None

    def __call__(self, *args: Any) -> None:
        """Render the templates and send the event.

        Airflow renders them in place, once and for all. One notifier serves many tasks and runs, so each
        call gets a copy, else the second alert would say what the first one said.
        """
        BaseNotifier.__call__(copy.copy(self), *args)

    def __await__(self) -> Generator[Any, None, None]:
        return BaseNotifier.__await__(copy.copy(self))  # type: ignore[no-any-return, unused-ignore]

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:
        """Render each part by itself, in place; one whose template is faulty is left out, and noted."""
        from airflow_provider_pagerduty.notifications.event import Faults

        self._faults = Faults()
        dag = context.get("dag")
        if not hasattr(dag, "get_template_env"):
            dag = None  # `dag.test()` on Airflow 3 hands its callbacks a DAG that holds no templates
        environment = jinja_env or self.get_template_env(dag=dag)
        for name in self.template_fields:
            value = self._rendered(name, getattr(self, name), context, environment)
            setattr(self, name, None if value is _FAULTY else value)

    def _rendered(self, name: str, value: Any, context: Any, environment: Any) -> Any:
        try:
            return self._render_part(name, value, context, environment)
        except Exception as error:  # the value and its template are the user's, and what they call is too
            assert self._faults is not None
            self._faults.add(name, error)
            return _FAULTY

    def _render_part(self, name: str, value: Any, context: Any, environment: Any) -> Any:
        if isinstance(value, dict):
            items = [
                (key, self._rendered(f"{name}[{key!r}]", item, context, environment))
                for key, item in value.items()
            ]
            return {key: item for key, item in items if item is not _FAULTY}
        if isinstance(value, list):
            rendered = [
                self._rendered(f"{name}[{index}]", item, context, environment)
                for index, item in enumerate(value)
            ]
            return [item for item in rendered if item is not _FAULTY]
        from airflow_provider_pagerduty.masking import redact

        rendered = self.render_template(value, context, environment)
        if not isinstance(rendered, str) or name == "pagerduty_events_conn_id":
            return rendered
        return redact(rendered)  # at once: whatever is cut or quoted later could show half of a secret

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

    def _event(self, context: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what is to be sent, or None where there is nothing to stand down."""
        from datetime import datetime, timezone

        from airflow_provider_pagerduty.hooks.pagerduty_events import PagerdutyEventsHook
        from airflow_provider_pagerduty.notifications.event import Faults, Given, compose

        conn_id = self.pagerduty_events_conn_id or PagerdutyEventsHook.default_conn_name
        fields = {
            name: getattr(self, name) for name in self.template_fields if name != "pagerduty_events_conn_id"
        }
        given = Given(fields, conn_id, self.dedup_scope, self.only_on_recovery, self._faults or Faults())
        return compose(given, context, datetime.now(timezone.utc))

    def _way(self, context: Mapping[str, Any]) -> Dispatch | None:
        event = self._event(context)
        if event is None:
            return None
        if self.integration_key and "deadline" in context:
            log.warning(
                "The integration_key in this deadline callback's kwargs lies in Airflow's database in clear: "
                "put it into a connection, and name that."
            )
        from airflow_provider_pagerduty.hooks.once import send_once
        from airflow_provider_pagerduty.hooks.pagerduty_events import PagerdutyEventsHook
        from airflow_provider_pagerduty.notifications.dispatch import Dispatch

        # Only a connection's own key can be found again by whoever sends the event later.
        conn_id = self.pagerduty_events_conn_id or PagerdutyEventsHook.default_conn_name
        return Dispatch(event, None if self.integration_key else conn_id, send_once)

    def notify(self, context: Any) -> None:
        """Send the event, or keep it for later."""
        way = self._way(context)
        if way is not None:
            from airflow_provider_pagerduty.notifications.dispatch import dispatch

            dispatch(lambda: self.hook, way)

    async def async_notify(self, context: Any) -> None:
        """Do so from an event loop."""
        import asyncio

        # In a thread: on Airflow 3 history is asked of the supervisor, which must not be done in the loop.
        way = await asyncio.to_thread(self._way, context)
        if way is not None:
            from airflow_provider_pagerduty.notifications.dispatch import dispatch_async

            await dispatch_async(lambda: self.hook_async, way)


send_pagerduty_notification = PagerdutyNotifier


def pagerduty_callbacks(
    level: Literal["dag", "task"] = "dag", **overrides: Any
) -> dict[str, PagerdutyNotifier]:
    """Return the callbacks that page at a failure and stand down at the recovery.

    ``DAG(…, **pagerduty_callbacks())`` has one alert for the DAG, whatever fails in it;
    ``DAG(…, default_args=pagerduty_callbacks(level="task"))`` has one for each task. At run level Airflow calls
    back also where no task can, as it was killed.

    :param level: where the callbacks will stand: on a DAG, or on tasks.
    :param overrides: arguments of :class:`PagerdutyNotifier`, for all of them.
    :return: ``{"on_failure_callback": …, "on_success_callback": …}``, and for tasks ``"on_skipped_callback"``:
        a mapped task recovers also if its last index skips itself.
    :raises ValueError: for a level that is none, or an ``action``, of which there are two here.
    """
    if level not in ("dag", "task"):
        raise ValueError(f"level must be 'dag' or 'task', got {level!r}.")
    if "action" in overrides:
        raise ValueError(
            f"action={overrides['action']!r} cannot be given to both callbacks: one triggers, the other "
            "resolves. Use PagerdutyNotifier for one alone."
        )
    recovery = PagerdutyNotifier(**{"only_on_recovery": True} | overrides, action="resolve")
    callbacks = {"on_failure_callback": PagerdutyNotifier(**overrides), "on_success_callback": recovery}
    return callbacks | ({"on_skipped_callback": recovery} if level == "task" else {})
