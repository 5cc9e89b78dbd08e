"""What is counted reaches whoever listens to Airflow's StatsD, from a process of its own as callbacks are."""

import os
import re
import socket
import subprocess
import sys
import textwrap

SCRIPT = textwrap.dedent(
    """
    import logging, os, time
    from airflow_provider_pagerduty.hooks.once import send_once
    from airflow_provider_pagerduty.notifications.pagerduty import PagerdutyNotifier
    from airflow_provider_pagerduty.outbox.location import open_outbox
    from airflow_provider_pagerduty.outbox.relay import Relay
    # Airflow's own processes do this when they start; serialization does it in any other.
    try:
        import airflow.sdk.serde
    except ImportError:
        pass

    def page(key):
        PagerdutyNotifier(dedup_key=key, summary="boom").notify({})

    page("sent")
    there = os.environ["AIRFLOW_CONN_PAGERDUTY_EVENTS_DEFAULT"]
    os.environ["AIRFLOW_CONN_PAGERDUTY_EVENTS_DEFAULT"] = os.environ["NOWHERE"]
    page("queued")
    os.environ["AIRFLOW_CONN_PAGERDUTY_EVENTS_DEFAULT"] = there
    now = time.time() + 600
    Relay(open_outbox(lambda: now), send_once, clock=lambda: now).drain()
    """
)


def test_sent_queued_late_depth_and_seconds_are_told(connections):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(0.5)
        away = os.environ["AIRFLOW_CONN_PAGERDUTY_EVENTS_DEFAULT"].replace(
            connections.url, "http://127.0.0.1:9"
        )
        environment = {
            **os.environ,
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(listener.getsockname()[1]),
            "AIRFLOW__PAGERDUTY__SEND_TIMEOUT": "0.3",
            "NOWHERE": away,
        }
        command = [sys.executable, "-c", SCRIPT]
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)
        told = []
        try:
            while True:
                told.append(listener.recv(1_000).decode())
        except TimeoutError:
            pass
    ours = [each.removeprefix("airflow.pagerduty.") for each in told if each.startswith("airflow.pagerduty.")]
    assert [re.sub(r"[\d.]+\|ms", "…|ms", each) for each in ours] == [
        *("sent:1|c", "callback:…|ms"),
        *("queued:1|c", "callback:…|ms"),
        *("delivered_late:1|c", "outbox_depth:0|g"),
    ]
