"""``send``: one test alert, straight to PagerDuty."""

from __future__ import annotations

import argparse
import shlex

from airflow_provider_pagerduty import deployment
from airflow_provider_pagerduty.commands.output import print_json, say
from airflow_provider_pagerduty.hooks.pagerduty_events import PagerdutyEventsHook


def send(arguments: argparse.Namespace) -> int:
    """Send an event, and say what came of it and how to stand it down."""
    source = deployment.name() or "airflow"
    conn_id = arguments.conn_id or PagerdutyEventsHook.default_conn_name
    answer = _hook(arguments, conn_id).create_event(
        arguments.summary or f"Test alert from {source}: nothing is wrong",
        arguments.severity,
        source=source,
        action=arguments.action,
        dedup_key=arguments.dedup_key,
        client="airflow-pagerduty send" if arguments.action == "trigger" else None,
    )
    key = str(answer["dedup_key"])
    resolve = [*arguments.prog.split(), "send", "--action", "resolve", "--dedup-key", key]
    if arguments.conn_id:
        resolve += ["--conn-id", conn_id]
    if arguments.format == "json":
        print_json({"action": arguments.action, "conn_id": conn_id, "dedup_key": key, "answer": answer})
        return 0
    say(f"PagerDuty took the {arguments.action} with the connection {conn_id!r}.")
    say(f"dedup_key: {key}")
    if arguments.action != "resolve":
        say(f"Resolve it: {shlex.join(resolve)}")
    return 0


def _hook(arguments: argparse.Namespace, conn_id: str) -> PagerdutyEventsHook:
    from airflow.providers.common.compat.sdk import AirflowNotFoundException

    try:
        return PagerdutyEventsHook(pagerduty_events_conn_id=conn_id)
    except AirflowNotFoundException:
        raise ValueError(
            f"there is no connection {conn_id!r}: add it, or name another one with --conn-id. "
            f"{arguments.prog} doctor shows which there are."
        ) from None
