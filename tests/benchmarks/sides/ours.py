"""This package, as its pages say to use it. Nothing is imported before it is needed: the clock runs."""

#: What cannot be sent is kept for later.
GIVES_UP = False
SUMMARY = "orders.load failed: ValueError: no rows"


def import_notifier():
    import airflow_provider_pagerduty.notifications.pagerduty  # noqa: F401


def notifier():
    """Return what stands behind ``on_failure_callback=``."""
    from airflow_provider_pagerduty.notifications.pagerduty import PagerdutyNotifier

    return PagerdutyNotifier()


def page():
    """Send one event."""
    sender()(0)


def sender():
    """Return a function that sends one event, from one hook."""
    from airflow_provider_pagerduty.hooks.pagerduty_events import PagerdutyEventsHook

    hook = PagerdutyEventsHook(pagerduty_events_conn_id="pagerduty_events_default")
    return lambda number: hook.send_event(SUMMARY, "error", dedup_key=f"orders/load/{number}")


async def with_sender(use):
    """Call ``use`` with a function that sends one event in an event loop."""
    from airflow_provider_pagerduty.hooks.pagerduty_events import PagerdutyEventsAsyncHook

    async with PagerdutyEventsAsyncHook(pagerduty_events_conn_id="pagerduty_events_default") as hook:

        async def send(number):
            await hook.send_event(SUMMARY, "error", dedup_key=f"orders/load/{number}")

        return await use(send)


def relay(seconds):
    """Run relays until nothing waits or the time is up; return how many events never arrived."""
    import time

    from airflow_provider_pagerduty.hooks.once import send_once
    from airflow_provider_pagerduty.outbox.location import open_outbox
    from airflow_provider_pagerduty.outbox.relay import Relay

    store, until = open_outbox(), time.monotonic() + seconds
    while store.counts()["pending"] and time.monotonic() < until:
        Relay(store, send_once).drain(seconds=seconds)
        time.sleep(1)
    counts = store.counts()
    return counts["pending"] + counts["rejected"] + counts["expired"]
