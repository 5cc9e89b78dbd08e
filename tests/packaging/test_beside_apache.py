"""Beside Apache's own provider, which has the same two connection types: who answers, and who stays whole."""

import json

import pytest
from distribution import NAME, PACKAGE

from airflow_provider_pagerduty.sandbox.testing import PagerdutySandbox

APACHE = "apache-airflow-providers-pagerduty"
OUR_HOOKS = {
    "pagerduty": f"{PACKAGE}.hooks.pagerduty.PagerdutyHook",
    "pagerduty_events": f"{PACKAGE}.hooks.pagerduty_events.PagerdutyEventsHook",
}
THEIR_HOOKS = {
    "pagerduty": "airflow.providers.pagerduty.hooks.pagerduty.PagerdutyHook",
    "pagerduty_events": "airflow.providers.pagerduty.hooks.pagerduty_events.PagerdutyEventsHook",
}
#: Asks as a task does, and as Airflow's pages do; says what it got, and sends with it.
GET_HOOKS = """
import json, sys
from airflow.models.connection import Connection
from airflow.providers.common.compat.sdk import BaseHook

given = {}
for conn_type in ("pagerduty", "pagerduty_events"):
    conn_id = f"{conn_type}_default"
    for connection in (BaseHook.get_connection(conn_id), Connection(conn_id=conn_id, conn_type=conn_type)):
        hook = connection.get_hook()
        given.setdefault(conn_type, []).append(f"{type(hook).__module__}.{type(hook).__name__}")
        if "send" in sys.argv:
            hook.create_event(f"{conn_type} {len(given[conn_type])}", "error")
print(json.dumps(given))
"""
SENT = ["pagerduty 1", "pagerduty 2", "pagerduty_events 1", "pagerduty_events 2"]


@pytest.fixture(scope="module")
def both(alone):
    """Give an Airflow with ours and, for as long as these tests run, the newest of Apache's that it takes."""
    with alone.with_more(APACHE):
        yield alone


@pytest.fixture
def get_hooks(both, sandbox):
    """Return a function that gives the classes that connections hand out."""
    connections = PagerdutySandbox(sandbox).connections
    variables = {f"AIRFLOW_CONN_{conn_id.upper()}": value for conn_id, value in connections.items()}

    def get_hooks(*arguments):
        printed = both.run("python", "-c", GET_HOOKS, *arguments, **variables).stdout
        return json.loads(printed.splitlines()[-1])

    return get_hooks


def summaries(sandbox):
    return sorted(event.body["payload"]["summary"] for event in PagerdutySandbox(sandbox).events("trigger"))


def both_of(hooks):
    return {conn_type: [hook, hook] for conn_type, hook in hooks.items()}


def test_the_two_share_no_file(both):
    ours, theirs = both.files(NAME), both.files(APACHE)
    assert min(len(ours), len(theirs)) > 10
    assert ours & theirs == set()
    assert both.damaged_files(NAME) == both.damaged_files(APACHE) == []
    assert both.pip("check").strip() == "No broken requirements found."


def test_airflow_lists_both_and_has_our_hooks(both):
    providers = json.loads(both.airflow("providers", "list", "--output", "json"))
    assert {NAME, APACHE} <= {row["package_name"] for row in providers}
    hooks = json.loads(both.airflow("providers", "hooks", "--output", "json"))
    assert {
        row["connection_type"]: row["class"] for row in hooks if "pagerduty" in row["connection_type"]
    } == OUR_HOOKS


def test_an_event_goes_through_our_hook_whoever_asks_the_connection_for_one(get_hooks, sandbox):
    assert get_hooks("send") == both_of(OUR_HOOKS)
    assert summaries(sandbox) == SENT


def test_removing_ours_leaves_theirs_whole(both, wheel, get_hooks):
    with both.without(NAME, wheel):
        assert not (both.site_packages / PACKAGE).exists()
        assert both.damaged_files(APACHE) == []
        assert get_hooks() == both_of(THEIR_HOOKS)


def test_removing_theirs_leaves_ours_whole(both, get_hooks, sandbox):
    with both.without(APACHE):
        assert not (both.site_packages / "airflow" / "providers" / "pagerduty").exists()
        assert both.damaged_files(NAME) == []
        assert get_hooks("send") == both_of(OUR_HOOKS)
    assert summaries(sandbox) == SENT
