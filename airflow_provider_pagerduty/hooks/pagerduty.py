"""Hook for PagerDuty's REST API v2, which can send events too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_pagerduty.hooks import connection
from airflow_provider_pagerduty.hooks.pagerduty_events import PagerdutyEventsHook
from airflow_provider_pagerduty.settings import send_timeout

if TYPE_CHECKING:
    import pagerduty
    import pdpyras

    from airflow_provider_pagerduty.hooks.endpoint import Endpoint


class PagerdutyHook(BaseHook):  # type: ignore[misc, unused-ignore]
    """Talks to PagerDuty's REST API with an API token, and sends events with an integration key.

    The connection is read when the hook is made: the token from its password; from extra the integration key
    (``routing_key_secret`` or ``routing_key``), ``region`` and ``from_email``; a base URL from its host.

    :param token: an account's or a user's API token; wins over the connection's. With a token and no
        connection id, no connection is looked up.
        https://support.pagerduty.com/main/docs/api-access-keys
    :param pagerduty_conn_id: the connection; ``pagerduty_default`` where nothing is given.
    :raises ValueError: if the connection's region, base URL or e-mail address cannot be one.
    :raises MissingCredentials: an AirflowException, if there is no token anywhere.
    """

    conn_name_attr = "pagerduty_conn_id"
    default_conn_name = "pagerduty_default"
    conn_type = "pagerduty"
    hook_name = "Pagerduty"

    def __init__(self, token: str | None = None, pagerduty_conn_id: str | None = None) -> None:
        super().__init__()
        conn_id, explicit = connection.given(pagerduty_conn_id), connection.given(token)
        settings = connection.find_settings(self.get_connection, conn_id, self.default_conn_name, explicit)
        found = explicit or settings.secret
        if not found:
            from airflow_provider_pagerduty.exceptions import MissingCredentials

            raise MissingCredentials(
                "Cannot get token: No valid api token nor pagerduty_conn_id supplied. Pass token, or put the "
                f"API token into the password of the connection {conn_id or self.default_conn_name!r}."
            )
        self.token = found
        self.routing_key = settings.routing_key
        self._from_email = settings.from_email
        self._connection_endpoint = settings.endpoint

    @staticmethod
    def get_ui_field_behaviour() -> dict[str, Any]:
        """Return the form's hidden and renamed fields, for Airflow 2.11."""
        from airflow_provider_pagerduty.hooks.connection_form import ui_field_behaviour

        return ui_field_behaviour(PagerdutyHook.conn_type)

    @staticmethod
    def get_connection_form_widgets() -> dict[str, Any]:
        """Return the form's own fields, for Airflow 2.11."""
        from airflow_provider_pagerduty.hooks.connection_form import connection_form_widgets

        return connection_form_widgets(PagerdutyHook.conn_type)

    @property
    def _endpoint(self) -> Endpoint:
        return self._connection_endpoint or connection.configured_endpoint()

    def get_session(self) -> pdpyras.APISession:
        """Return a pdpyras session for the connection's region or base URL.

        It tries a 429 at most four times again, 12 to 44 seconds in all, follows no redirect, and sends
        ``From`` where the connection has a ``from_email``. How to use it:
        https://pagerduty.github.io/pdpyras/user_guide.html
        """
        from airflow_provider_pagerduty.hooks.rest_session import pdpyras_session

        return pdpyras_session(self.token, self._endpoint, self._from_email)

    def get_conn(self) -> pdpyras.APISession:
        """Return what :meth:`get_session` returns."""
        return self.get_session()

    def client(self) -> pagerduty.RestApiV2Client:
        """Return PagerDuty's newer client, likewise set up. It speaks https only.

        :raises ImportError: if the extra ``pagerduty`` is not installed.
        """
        from airflow_provider_pagerduty.hooks.rest_session import pagerduty_client

        return pagerduty_client(self.token, self._endpoint, self._from_email)

    def create_event(
        self,
        summary: str,
        severity: str,
        source: str = "airflow",
        action: str = "trigger",
        routing_key: str | None = None,
        dedup_key: str | None = None,
        custom_details: Any = None,
        group: str | None = None,
        component: str | None = None,
        class_type: str | None = None,
        images: Sequence[Mapping[str, Any]] | None = None,
        links: Sequence[Mapping[str, Any]] | None = None,
    ) -> dict[str, Any]:
        """Trigger, acknowledge or resolve an alert, as :meth:`PagerdutyEventsHook.create_event` does.

        :param routing_key: the integration key; the connection's where not given.
        :raises MissingCredentials: an AirflowException, if there is no integration key anywhere.

        The other parameters, the answer and the errors are those of :meth:`PagerdutyEventsHook.create_event`.
        """
        key = connection.given(routing_key) or self.routing_key
        if not key:
            from airflow_provider_pagerduty.exceptions import MissingCredentials

            raise MissingCredentials(
                "Cannot send the event: no integration key. Pass routing_key, or fill in the integration key "
                "of the pagerduty connection (routing_key_secret or routing_key in its extra)."
            )
        events = PagerdutyEventsHook(integration_key=key)
        events.use_endpoint(self._connection_endpoint)
        return events.create_event(
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

    def test_connection(self) -> tuple[bool, str]:
        """Ask for the account's abilities, and say whose token it is, or what is really wrong."""
        from airflow_provider_pagerduty.hooks.token_check import check_token

        return check_token(self.token, self._endpoint, send_timeout())
