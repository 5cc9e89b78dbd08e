"""The bare client: what it costs to say the same to PagerDuty with requests or httpx and nothing else."""

import json
import os

from road import URL


def event(number):
    settings = json.loads(os.environ["AIRFLOW_CONN_PAGERDUTY_EVENTS_DEFAULT"])
    return {
        "routing_key": settings["password"],
        "event_action": "trigger",
        "dedup_key": f"orders/load/{number}",
        "payload": {
            "summary": "orders.load failed: ValueError: no rows",
            "severity": "error",
            "source": "airflow",
        },
    }


def page():
    """Send one event."""
    import requests

    requests.post(URL, json=event(0), timeout=10).raise_for_status()


def sender():
    """Return a function that sends one event, over one kept session."""
    import requests

    session = requests.Session()
    return lambda number: session.post(URL, json=event(number), timeout=10).raise_for_status()


async def with_sender(use):
    """Call ``use`` with a function that sends one event in an event loop."""
    import httpx

    async with httpx.AsyncClient(timeout=10) as client:

        async def send(number):
            (await client.post(URL, json=event(number))).raise_for_status()

        return await use(send)
