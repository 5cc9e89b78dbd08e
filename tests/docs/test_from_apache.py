"""What docs/from-apache.md says of names: each is here, and takes what it took there, in the same order."""

import importlib
import inspect
import re

import pytest
from docs_page import ROOT

PAGE = (ROOT / "docs" / "from-apache.md").read_text()
ROWS = re.findall(
    r"^\| (.+?) \| (.+) \| (.+) \|$", PAGE.partition("## Every name")[2].partition("## What")[0], re.MULTILINE
)
_FACTS = ("summary", "severity", "source")
_MORE = ("custom_details", "component", "group", "class_type", "action", "dedup_key", "images", "links")
EVENT = [
    *_FACTS,
    "action",
    "dedup_key",
    "custom_details",
    "group",
    "component",
    "class_type",
    "images",
    "links",
]
#: What each took, as read in the wheels of 1.0.0 to 5.3.1.
PARAMETERS = {
    "hooks.pagerduty.PagerdutyHook": ["token", "pagerduty_conn_id"],
    "hooks.pagerduty.PagerdutyHook.create_event": [*EVENT[:4], "routing_key", *EVENT[4:]],
    "hooks.pagerduty_events.PagerdutyEventsHook": ["integration_key", "pagerduty_events_conn_id"],
    "hooks.pagerduty_events.PagerdutyEventsHook.create_event": EVENT,
    "hooks.pagerduty_events.PagerdutyEventsHook.send_event": EVENT,
    "hooks.pagerduty_events.PagerdutyEventsHook.create_change_event": [
        *("summary", "source", "custom_details", "timestamp", "links")
    ],
    "hooks.pagerduty_events.prepare_event_data": [*_FACTS, *_MORE, "action_key_name"],
    "hooks.pagerduty_events.PagerdutyEventsHook.prepare_event_data": [*_FACTS, *_MORE, "action_key_name"],
    "hooks.pagerduty_events.PagerdutyEventsAsyncHook": [
        *("integration_key", "pagerduty_events_conn_id", "api_version")
    ],
    "hooks.pagerduty_events.PagerdutyEventsAsyncHook.send_event": EVENT,
}
NOTIFIER = {*EVENT, "pagerduty_events_conn_id", "integration_key"}
REQUIRED = {"summary", "severity"}


def ours(name):
    """Return what a dotted name is here."""
    parts = name.split(".")
    found = importlib.import_module(f"airflow_provider_pagerduty.{'.'.join(parts[:2])}")
    for part in parts[2:]:
        found = getattr(found, part)
    return found


def names_here():
    return sorted(
        {name for *_, here in ROWS for name in re.findall(r"`((?:hooks|notifications)\.[\w.]+)`", here)}
    )


def test_each_row_says_what_to_write_here():
    body = [row for row in ROWS if row[0] != "in versions" and set(row[0]) != {"-"}]
    assert len(body) > 10
    assert [row for row in body if not re.search(r"`(?:hooks|notifications)\.[\w.]+`", row[2])] == []


@pytest.mark.parametrize("name", names_here())
def test_the_name_is_here(name):
    assert ours(name)


@pytest.mark.parametrize("name", PARAMETERS)
def test_it_takes_the_same_arguments_in_the_same_order(name):
    assert name in names_here()
    parameters = [
        parameter
        for parameter in inspect.signature(ours(name)).parameters.values()
        if parameter.name != "self" and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    wanted = PARAMETERS[name]
    assert [parameter.name for parameter in parameters][: len(wanted)] == wanted
    required = {parameter.name for parameter in parameters if parameter.default is parameter.empty}
    assert required <= REQUIRED


def test_the_notifier_takes_what_it_took_and_renders_what_it_rendered():
    from airflow_provider_pagerduty.notifications.pagerduty import (
        PagerdutyNotifier,
        send_pagerduty_notification,
    )

    assert send_pagerduty_notification is PagerdutyNotifier
    assert set(inspect.signature(PagerdutyNotifier).parameters) >= NOTIFIER
    assert set(PagerdutyNotifier.template_fields) >= NOTIFIER - {"integration_key"}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        (
            "hooks.pagerduty.PagerdutyHook",
            ("pagerduty_conn_id", "pagerduty_default", "pagerduty", "Pagerduty"),
        ),
        (
            "hooks.pagerduty_events.PagerdutyEventsHook",
            ("pagerduty_events_conn_id", "pagerduty_events_default", "pagerduty_events", "Pagerduty Events"),
        ),
        (
            "hooks.pagerduty_events.PagerdutyEventsAsyncHook",
            (
                "pagerduty_events_conn_id",
                "pagerduty_events_default",
                "pagerduty_events",
                "Async Pagerduty Events",
            ),
        ),
    ],
)
def test_a_hook_says_of_itself_what_it_said(name, values):
    hook = ours(name)
    assert (hook.conn_name_attr, hook.default_conn_name, hook.conn_type, hook.hook_name) == values
