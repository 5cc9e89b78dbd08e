"""A real Airflow, two sandboxes in PagerDuty's place, and a Chromium: started once, for all tests here."""

import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # not done by pytest in importlib mode
import pictures
from credentials import APACHE_EVENTS_KEY, APACHE_KEY, EU_KEY, KEY, TOKEN
from sites import IS_AIRFLOW_2, ThisSite
from two_regions import two_regions

if IS_AIRFLOW_2:
    from connection_pages2 import ConnectionPages
else:
    from connection_pages3 import ConnectionPages

RUN = "the_run"
#: Milliseconds. On two busy cores Airflow's pages take seconds.
PATIENCE = 30_000


@pytest.fixture(scope="package")
def browser(chromium):
    with chromium(PATIENCE) as browser:
        yield browser


@pytest.fixture(scope="package")
def regions(browser, tmp_path_factory):
    """What stands for PagerDuty; asked for after the browser, without which nothing here can be run."""
    with two_regions(tmp_path_factory.mktemp("regions")) as both:
        yield both
        assert both.refused == [], "Airflow asked for other machines"


@pytest.fixture(scope="package")
def airflow(regions, tmp_path_factory):
    site = ThisSite(tmp_path_factory.mktemp("airflow") / "home", regions)
    with site.started():
        yield site
    assert site.processes() == [], "Airflow left processes behind"


@pytest.fixture(scope="package")
def window(browser):
    """A browser's window, with what it remembers."""
    context = browser.new_context(
        viewport={"width": pictures.WIDTH, "height": 900}, color_scheme="light", reduced_motion="reduce"
    )
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture(scope="package")
def connections(window, airflow):
    """Admin, Connections; in one tab for all, as loading Airflow's pages takes seconds."""
    return ConnectionPages(window.new_page(), airflow.url)


@pytest.fixture
def make(connections):
    """Return a function that makes a connection by Airflow's REST API, as it may have been there before."""
    return lambda conn_id, **fields: make_connection(connections, conn_id, **fields)


def make_connection(connections, conn_id, **fields):
    fields = {"connection_id": conn_id, **fields, "extra": json.dumps(fields.get("extra", {}))}
    answer = connections.page.request.post(f"{connections.url}{connections.API}", data=fields)
    assert answer.ok, answer.text()
    connections.page.goto("about:blank")  # a list that is open does not know of it


@pytest.fixture
def api_answer(connections):
    """Return a function that asks Airflow's REST API for a connection, and returns its answer as it comes."""

    def ask(conn_id):
        answer = connections.page.request.get(f"{connections.url}{connections.API}/{conn_id}")
        assert answer.ok, answer.text()
        return answer.text()

    return ask


@pytest.fixture(scope="package", autouse=True)
def stored(connections, airflow, regions):
    """Connections that a person has stored by the forms; and runs that use them, which go on meanwhile.

    Two are new, and two come from the Apache package and were edited.
    """
    for sandbox, keys in ((regions.eu, [EU_KEY]), (regions.us, [KEY, APACHE_KEY, APACHE_EVENTS_KEY])):
        for key in keys:
            sandbox.pagerduty.declare_key(key)
    make_connection(
        connections, "from_apache", conn_type="pagerduty", password=TOKEN, extra={"routing_key": APACHE_KEY}
    )
    make_connection(connections, "events_from_apache", conn_type="pagerduty_events", password=APACHE_EVENTS_KEY)
    for conn_id in ("from_apache", "events_from_apache"):
        connections.reopen(conn_id)
        connections.fill({"Description": "Edited"})
        connections.save()
    connections.open_new("Pagerduty", "pagerduty_default")
    connections.fill(
        {
            "API token": regions.eu.user_token,
            "Integration key": EU_KEY,
            "Region": "eu",
            "Sender's e-mail address": "on-call@example.com",
        }
    )
    pictures.take_form(connections, "pagerduty")
    connections.save()
    connections.open_new("Pagerduty Events", "pagerduty_events_default")
    connections.fill({"Integration key": KEY, "Region": "us"})
    pictures.take_form(connections, "pagerduty-events")
    connections.save()
    for dag_id in ("orders", "pages"):
        airflow.trigger(dag_id, RUN, "2026-01-01T00:00:00+00:00" if IS_AIRFLOW_2 else None)
