"""What a page's reader has already, and its blocks need: by page, and given before its first block."""

import json

from airflow_provider_pagerduty.outbox.database import Database
from airflow_provider_pagerduty.outbox.store import Store

#: A made-up key and token of the right form; the stand-in takes them.
CONNECTIONS = {
    "AIRFLOW_CONN_PAGERDUTY_EVENTS_DEFAULT": {
        "conn_type": "pagerduty_events",
        "password": "0123456789abcdef0123456789abcdef",
    },
    "AIRFLOW_CONN_PAGERDUTY_DEFAULT": {
        "conn_type": "pagerduty",
        "password": "u+a-token-that-nobody-has",
        "extra": {"routing_key": "0123456789abcdef0123456789abcdef", "from_email": "on-call@example.com"},
    },
}


def connections(terminal):
    """Both connections, to PagerDuty as everybody has it."""
    for name, fields in CONNECTIONS.items():
        terminal.environment[name] = json.dumps(fields)


def an_outbox(terminal):
    """Those, a name for the deployment, and an outbox of seven events, the last of them rejected."""
    connections(terminal)
    terminal.environment["AIRFLOW__PAGERDUTY__DEPLOYMENT"] = "production"
    store = Store(Database(f"sqlite:///{terminal.folder / 'airflow' / 'pagerduty-outbox.db'}"))
    for _ in range(6):
        store.keep("pagerduty_events_default", _event("orders"))
        store.delivered(store.claim("pagerduty_events_default"))
    store.reject("pagerduty_events_default", _event("invoices"), "'summary' is too long")


def _event(dag):
    payload = {"summary": f"{dag} failed", "severity": "error", "source": "production"}
    return {"event_action": "trigger", "dedup_key": f"production/{dag}", "payload": payload}


SETUPS = {"docs/commands.md": an_outbox, "docs/from-apache.md": connections}
