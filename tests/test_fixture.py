"""The fixture `pagerduty_sandbox`, as a user's test suite has it."""

import os
import subprocess
import sys

import pytest

from airflow_provider_pagerduty.exceptions import DeliveryFailed
from airflow_provider_pagerduty.hooks.pagerduty import PagerdutyHook
from airflow_provider_pagerduty.hooks.pagerduty_events import PagerdutyEventsHook


def test_both_hooks_page_it_as_they_stand(pagerduty_sandbox):
    PagerdutyEventsHook().create_event("disk full", "critical", dedup_key="disk")
    PagerdutyHook().create_event("disk fuller", "critical", dedup_key="disk")
    PagerdutyEventsHook().create_change_event("deployed")
    (incident,) = pagerduty_sandbox.incidents(status="triggered")
    (alert,) = pagerduty_sandbox.alerts()
    assert incident.alerts == [alert]
    assert (incident.title, alert.summary) == ("disk full", "disk fuller")
    assert [event.body["payload"]["summary"] for event in pagerduty_sandbox.events("trigger")] == [
        "disk full",
        "disk fuller",
    ]
    assert pagerduty_sandbox.events("resolve") == []
    assert [change.body["payload"]["summary"] for change in pagerduty_sandbox.changes()] == ["deployed"]


def test_rest_sees_what_events_made(pagerduty_sandbox):
    PagerdutyEventsHook().create_event("disk full", "critical")
    session = PagerdutyHook().get_session()
    (incident,) = session.iter_all("incidents", params={"statuses[]": ["triggered"]})
    session.rput(f"/incidents/{incident['id']}", json={"type": "incident_reference", "status": "resolved"})
    assert pagerduty_sandbox.incidents("triggered") == []
    assert [each.id for each in pagerduty_sandbox.incidents("resolved")] == [incident["id"]]
    assert pagerduty_sandbox.alerts("triggered") == []


@pytest.mark.parametrize("number", [1, 2])
def test_each_test_finds_it_empty(pagerduty_sandbox, number):
    assert pagerduty_sandbox.incidents() == pagerduty_sandbox.events() == pagerduty_sandbox.changes() == []
    pagerduty_sandbox.fail_next(1000)
    with pytest.raises(DeliveryFailed, match="503"):
        PagerdutyEventsHook().create_event(f"boom {number}", "error")
    pagerduty_sandbox.clear()
    PagerdutyEventsHook().create_event("boom", "error")


@pytest.fixture(autouse=True)
def _quick(configure):
    configure(send_timeout=2)


def test_the_next_requests_fail_and_no_more(pagerduty_sandbox):
    pagerduty_sandbox.fail_next(2, status=500)
    PagerdutyEventsHook().create_event("boom", "error")
    assert len(pagerduty_sandbox.events()) == 1


def test_a_word_that_nothing_has_is_an_error_and_not_an_empty_list(pagerduty_sandbox):
    with pytest.raises(
        ValueError, match="status must be one of: triggered, acknowledged, resolved; got 'open'"
    ):
        pagerduty_sandbox.incidents(status="open")
    with pytest.raises(ValueError, match="status must be one of: triggered, resolved; got 'acknowledged'"):
        pagerduty_sandbox.alerts(status="acknowledged")
    with pytest.raises(ValueError, match="action must be one of"):
        pagerduty_sandbox.events("triggered")


def test_a_fault_that_cannot_be_is_refused(pagerduty_sandbox):
    with pytest.raises(ValueError, match="'kind'"):
        pagerduty_sandbox.fail_next(kind="explode")
    with pytest.raises(ValueError, match="'status'"):
        pagerduty_sandbox.fail_next(status=99)


def pytest_in(folder, *arguments, **environment):
    """Run pytest in a folder of its own, and return its output."""
    own = {**os.environ, "AIRFLOW_HOME": str(folder / "home"), **environment}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    result = subprocess.run(
        command, cwd=folder, env=own, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_a_session_that_does_not_use_it_loads_nothing_for_it(tmp_path):
    (tmp_path / "test_nothing.py").write_text(
        "import sys\n"
        "def test_nothing():\n"
        "    assert 'airflow_provider_pagerduty.pytest_plugin' in sys.modules\n"
        "    for name in ('uvicorn', 'starlette', 'airflow_provider_pagerduty.sandbox', 'requests'):\n"
        "        assert name not in sys.modules, name\n"
    )
    plugins = ["-p", "no:requests_mock", "-p", "no:anyio", "-p", "no:hypothesispytest"]
    assert "1 passed" in pytest_in(tmp_path, *plugins)
