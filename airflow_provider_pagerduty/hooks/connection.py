"""What an Airflow connection, or without one the ``[pagerduty]`` configuration, says about PagerDuty.

Everything read here that is a credential is masked in Airflow's logs from then on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_pagerduty.hooks.endpoint import REGIONS, Endpoint, of_base_url, of_region
from airflow_provider_pagerduty.masking import mask
from airflow_provider_pagerduty.settings import option

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection


@dataclass(frozen=True, slots=True)
class Settings:
    """One connection's settings; None where it says nothing.

    :param secret: the password: an API token, or for events an integration key.
    :param routing_key: the integration key from extra, beside an API token.
    :param from_email: whom incidents created with an account's token come from.
    :param endpoint: the PagerDuty that the connection names itself.
    """

    secret: str | None = field(default=None, repr=False)
    routing_key: str | None = field(default=None, repr=False)
    from_email: str | None = None
    endpoint: Endpoint | None = None
    conn_type: str | None = None

    @property
    def integration_key(self) -> str | None:
        """The key to send events with: beside an API token it stands in extra, elsewhere it is the password."""
        if self.conn_type == "pagerduty" and self.routing_key:
            return self.routing_key
        return self.secret or self.routing_key


def find_settings(
    get_connection: Callable[[str], Connection], conn_id: str | None, default: str, explicit: str | None
) -> Settings:
    """Look up the settings that a hook's arguments lead to.

    :param conn_id: the connection that was named; one that does not exist is Airflow's own error.
    :param default: the connection to look up where nothing was given at all; it need not exist.
    :param explicit: the token or key that was given; with it and no ``conn_id``, nothing is looked up.
    """
    from airflow.providers.common.compat.sdk import AirflowNotFoundException

    mask(explicit)
    if conn_id:
        return read_settings(get_connection(conn_id))
    if explicit:
        return Settings()
    try:
        return read_settings(get_connection(default))
    except AirflowNotFoundException:
        return Settings()


def read_settings(connection: Connection) -> Settings:
    """Read a connection of either type.

    :raises ValueError: if its region, base URL or e-mail address cannot be one; names the connection's field.
    """
    extra = connection.extra_dejson
    if not isinstance(extra, dict):  # a JSON list is valid to Airflow
        extra = {}
    name = f"Connection {connection.conn_id!r}"
    # The form writes the second name, which Airflow redacts; the first is the published one.
    routing_key = given(extra.get("routing_key_secret")) or given(extra.get("routing_key"))
    secret = given(connection.password)
    for each in (secret, routing_key):
        mask(each)
    return Settings(
        secret=secret,
        routing_key=routing_key,
        from_email=_from_email(extra.get("from_email"), name),
        endpoint=_endpoint(connection, extra.get("region"), name),
        conn_type=connection.conn_type,
    )


def given(value: Any) -> str | None:
    """Return a text without white space around it; None and an empty one both mean not given."""
    return str(value).strip() or None if value is not None else None


def _from_email(value: Any, name: str) -> str | None:
    address = given(value)
    if address and ("@" not in address or not address.isprintable() or " " in address):
        raise ValueError(
            f"{name}: extra field 'from_email' must be a PagerDuty user's e-mail address, got {address!r}."
        )
    return address


def _endpoint(connection: Connection, region: Any, name: str) -> Endpoint | None:
    host = given(connection.host)
    if host:
        url = host if "://" in host else f"{given(connection.schema) or 'https'}://{host}"
        return of_base_url(url, f"{name}: host (its base URL)", port=connection.port)
    if given(region):
        return of_region(str(region), f"{name}: extra field 'region'")
    return None


def configured_endpoint() -> Endpoint:
    """Return the deployment's own PagerDuty: ``[pagerduty] base_url``, else ``[pagerduty] region``, else US.

    :raises ValueError: if either setting cannot be one.
    """
    base_url = option("base_url")
    if base_url:
        return of_base_url(base_url, "[pagerduty] base_url")
    region = option("region")
    return of_region(region, "[pagerduty] region") if region else REGIONS["us"]
