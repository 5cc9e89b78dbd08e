"""Apache's package, as its pages say to use it. Nothing is imported before it is needed: the clock runs."""

#: Its callback raises in the end, and the event is gone.
GIVES_UP = True
SUMMARY = "orders.load failed: ValueError: no rows"


def import_notifier():
    import airflow.providers.pagerduty.notifications.pagerduty  # noqa: F401


def notifier():
    """Return what stands behind ``on_failure_callback=``."""
    from airflow.providers.pagerduty.notifications.pagerduty import send_pagerduty_notification

    return send_pagerduty_notification(
        summary="The task {{ ti.task_id }} failed",
        severity="critical",
        source="airflow dag_id: {{ dag.dag_id }}",
        dedup_key="{{ dag.dag_id }}-{{ ti.task_id }}",
        group="{{ dag.dag_id }}",
        component="airflow",
        class_type="Prod Data Pipeline",
    )


def page():
    """Send one event."""
    sender()(0)


def sender():
    """Return a function that sends one event, from one hook."""
    from airflow.providers.pagerduty.hooks.pagerduty_events import PagerdutyEventsHook

    hook = PagerdutyEventsHook(pagerduty_events_conn_id="pagerduty_events_default")
    return lambda number: hook.send_event(SUMMARY, "error", dedup_key=f"orders/load/{number}")


async def with_sender(use):
    """Call ``use`` with a function that sends one event with the synchronous hook: others wait meanwhile."""
    send_now = sender()

    async def send(number):
        send_now(number)

    return await use(send)
