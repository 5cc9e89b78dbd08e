"""Which PagerDuty connections this deployment has, wherever Airflow keeps them, and what each says."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass

from airflow_provider_pagerduty.commands.checks.finding import Finding
from airflow_provider_pagerduty.commands.opened import Opened
from airflow_provider_pagerduty.commands.run import one_line
from airflow_provider_pagerduty.hooks.connection import Settings, configured_endpoint, read_settings
from airflow_provider_pagerduty.hooks.endpoint import Endpoint
from airflow_provider_pagerduty.hooks.pagerduty import PagerdutyHook
from airflow_provider_pagerduty.hooks.pagerduty_events import PagerdutyEventsHook

TYPES = (PagerdutyHook.conn_type, PagerdutyEventsHook.conn_type)
DEFAULTS = (PagerdutyEventsHook.default_conn_name, PagerdutyHook.default_conn_name)
_PREFIX = "AIRFLOW_CONN_"


@dataclass(frozen=True, slots=True)
class Found:
    """A connection that is there and can be read.

    :param endpoint: the PagerDuty that it leads to.
    """

    conn_id: str
    settings: Settings
    endpoint: Endpoint

    @property
    def has_token(self) -> bool:
        """Whether its password is an API token."""
        return self.settings.conn_type == PagerdutyHook.conn_type and bool(self.settings.secret)

    @property
    def has_key(self) -> bool:
        """Whether events can be sent with it."""
        if self.settings.conn_type == PagerdutyHook.conn_type:
            return bool(self.settings.routing_key)
        return bool(self.settings.integration_key)


def find_connections(opened: Opened | None) -> tuple[list[Found], list[Finding]]:
    """Return the PagerDuty connections, and what there is to say of them.

    Looked for are the defaults, those that the outbox waits for, and all of our types in the environment and in
    Airflow's database. Another secrets backend can be asked for those whose names are known, but lists none.
    """
    findings: list[Finding] = []
    waited_for = _waited_for(opened)
    in_database, trouble = _in_database()
    if trouble is not None:
        findings.append(trouble)
    ids = dict.fromkeys([*DEFAULTS, *waited_for, *_in_environment(), *in_database])
    found = []
    for conn_id in ids:
        one, finding = _look_up(conn_id, waits=conn_id in waited_for)
        found += [one] if one else []
        findings += [finding] if finding else []
    if not any(each.has_key for each in found):
        findings.append(
            Finding(
                "connections",
                "failure",
                "No connection with an integration key was found: nobody can be paged.",
                f"Add the connection {DEFAULTS[0]!r} of the type pagerduty_events, its password the key of a "
                "service's Events API V2 integration.",
            )
        )
    return found, findings


def _look_up(conn_id: str, *, waits: bool) -> tuple[Found | None, Finding | None]:
    from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

    try:
        settings = read_settings(BaseHook.get_connection(conn_id))
        one = Found(conn_id, settings, settings.endpoint or configured_endpoint())
    except AirflowNotFoundException:
        if waits:
            return None, Finding(
                "connections",
                "failure",
                f"Events in the outbox wait for the connection {conn_id!r}, which is not there.",
                "Add it again, or drop them: outbox list --conn-id shows which they are.",
            )
        return None, _no_default(conn_id)
    except Exception as error:  # of the connection's settings, or of a secrets backend
        return None, Finding(
            "connections",
            "failure",
            f"The connection {conn_id!r} cannot be used: {one_line(error)}",
            "Correct the field that is named.",
        )
    if not (one.has_key or one.has_token):
        return None, Finding(
            "connections",
            "failure",
            f"The connection {conn_id!r} has neither an integration key nor an API token.",
            "Put it into its password.",
        )
    return one, Finding("connections", "ok", f"{conn_id}: {_holds(one)}, {_leads_to(one)}.")


def _no_default(conn_id: str) -> Finding:
    serves = {
        DEFAULTS[0]: "notifiers and hooks that name no connection cannot send events",
        DEFAULTS[1]: "needed for PagerDuty's REST API alone",
    }
    return Finding(
        "connections", "note", f"There is no connection {conn_id!r}: {serves.get(conn_id, 'it is gone')}."
    )


def _holds(one: Found) -> str:
    return " and ".join(["an API token"] * one.has_token + ["an integration key"] * one.has_key)


def _leads_to(one: Found) -> str:
    named = "" if one.settings.endpoint else ", from [pagerduty]"
    if one.endpoint.region:
        return f"region {one.endpoint.region}{named}"
    return f"base URL {one.endpoint.events}{named}"


def _waited_for(opened: Opened | None) -> list[str]:
    try:
        return [] if opened is None else opened.store.connections()
    except Exception:  # the check of the outbox says so
        return []


def _in_environment() -> Iterator[str]:
    for name, value in sorted(os.environ.items()):
        if not name.startswith(_PREFIX):
            continue
        conn_type = value.partition("://")[0]
        if value.lstrip().startswith("{"):
            try:
                conn_type = str(json.loads(value).get("conn_type"))
            except ValueError:
                continue  # Airflow says so to whoever uses it
        if conn_type.replace("-", "_") in TYPES:
            yield name.removeprefix(_PREFIX).lower()


def _in_database() -> tuple[list[str], Finding | None]:
    try:
        from airflow.models.connection import Connection
        from airflow.utils.session import create_session
        from sqlalchemy import select

        ours = select(Connection.conn_id).where(Connection.conn_type.in_(TYPES)).order_by(Connection.conn_id)
        with create_session() as session:
            return [str(each) for each in session.scalars(ours)], None
    except Exception as error:  # no database may be had from here, as on a worker of Airflow 3
        cause = " ".join(str(getattr(error, "orig", None) or type(error).__name__).split())
        return [], Finding(
            "connections",
            "warning",
            f"Airflow's database cannot be asked for its connections: {cause}",
            "Run this where the scheduler runs; if it is that, run `airflow db migrate`.",
        )
