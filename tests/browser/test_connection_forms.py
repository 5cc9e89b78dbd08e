"""The forms under Admin, Connections: what they show, what they store, and what they never show."""

import json

import pytest
from credentials import APACHE_EVENTS_KEY, APACHE_KEY, EU_KEY, KEY, OTHER_KEY, OTHER_TOKEN, TOKEN
from sites import IS_AIRFLOW_2

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

only_airflow_2 = pytest.mark.skipif(not IS_AIRFLOW_2, reason="Airflow 3 draws this by itself")
only_airflow_3 = pytest.mark.skipif(IS_AIRFLOW_2, reason="Airflow 2 has no such thing")
PORT = [] if IS_AIRFLOW_2 else ["Port"]


# What they show


def test_the_form_of_pagerduty_shows_what_helps_and_nothing_else(connections):
    connections.open_new("Pagerduty")
    assert connections.labels() == [
        "Base URL",
        "API token",
        *PORT,
        "Integration key",
        "Region",
        "Sender's e-mail address",
    ]
    assert connections.regions() == ["us", "eu"]


def test_the_form_of_pagerduty_events_shows_what_helps_and_nothing_else(connections):
    connections.open_new("Pagerduty Events")
    assert connections.labels() == ["Base URL", "Integration key", *PORT, "Region"]
    assert connections.regions() == ["us", "eu"]


def test_every_field_says_what_to_put_there(connections):
    connections.open_new("Pagerduty")
    assert "http://localhost:8765" in connections.field("Base URL").get_attribute("placeholder")
    assert "API Access Keys" in connections.field("API token").get_attribute("placeholder")
    assert '"Events API V2"' in connections.description("Integration key")
    assert "acme.eu.pagerduty.com is eu" in connections.description("Region")
    assert "on-call@example.com" in connections.description("Sender's e-mail address")
    connections.open_new("Pagerduty Events")
    assert "Events API V2" in connections.field("Integration key").get_attribute("placeholder")


def test_a_secret_is_not_shown_while_it_is_typed(connections):
    connections.open_new("Pagerduty")
    assert connections.field("API token").get_attribute("type") == "password"
    assert connections.field("Integration key").get_attribute("type") == "password"
    connections.open_new("Pagerduty Events")
    assert connections.field("Integration key").get_attribute("type") == "password"


# What they store


def test_what_is_typed_is_stored_as_the_hooks_read_it(airflow, regions):
    assert airflow.stored("pagerduty_default") == {
        "conn_type": "pagerduty",
        "host": None,
        "port": None,
        "password": regions.eu.user_token,
        "extra": {"routing_key_secret": EU_KEY, "region": "eu", "from_email": "on-call@example.com"},
    }
    assert airflow.stored("pagerduty_events_default") == {
        "conn_type": "pagerduty_events",
        "host": None,
        "port": None,
        "password": KEY,
        "extra": {"region": "us"},
    }


def test_a_form_that_is_opened_again_shows_all_but_the_secrets(connections, api_answer, regions):
    connections.reopen("pagerduty_default")
    assert connections.value("Region") == "eu"
    assert connections.value("Sender's e-mail address") == "on-call@example.com"
    shown = connections.source() + connections.page.content() + api_answer("pagerduty_default")
    assert regions.eu.user_token not in shown
    assert EU_KEY not in shown
    connections.reopen("pagerduty_events_default")
    assert KEY not in connections.source() + connections.page.content() + api_answer("pagerduty_events_default")


ALL = {
    "conn_type": "pagerduty",
    "password": TOKEN,
    "extra": {"routing_key_secret": KEY, "region": "eu", "from_email": "old@example.com"},
}


def test_who_edits_one_field_changes_no_other(connections, make, airflow):
    make("one_edit", **ALL)
    connections.reopen("one_edit")
    connections.fill({"Sender's e-mail address": "new@example.com"})
    connections.save()
    kept = airflow.stored("one_edit")
    assert kept["password"] == TOKEN
    assert kept["extra"] == ALL["extra"] | {"from_email": "new@example.com"}


def test_a_new_token_and_a_new_key_take_the_place_of_the_old_ones(connections, make, airflow):
    make("new_secrets", **ALL)
    connections.reopen("new_secrets")
    connections.fill({"API token": OTHER_TOKEN, "Integration key": OTHER_KEY})
    connections.save()
    kept = airflow.stored("new_secrets")
    assert (kept["password"], kept["extra"]["routing_key_secret"]) == (OTHER_TOKEN, OTHER_KEY)


def test_a_region_can_be_taken_back(connections, make, airflow):
    # The last one of the extra fields, which Airflow 2 would keep.
    make("no_region", conn_type="pagerduty_events", password=KEY, extra={"region": "eu"})
    connections.reopen("no_region")
    connections.fill({"Region": ""})
    connections.save()
    assert airflow.stored("no_region")["extra"] == {}


def test_connections_of_the_apache_package_stay_whole_when_they_are_edited(airflow):
    first, second = airflow.stored("from_apache"), airflow.stored("events_from_apache")
    assert (first["password"], first["extra"]) == (TOKEN, {"routing_key": APACHE_KEY})
    assert (second["password"], second["extra"]) == (APACHE_EVENTS_KEY, {})


@only_airflow_3
def test_a_key_of_the_apache_package_is_hidden_once_it_is_renamed(connections, make, airflow, api_answer):
    make("renamed", conn_type="pagerduty", password=TOKEN, extra={"routing_key": APACHE_KEY})
    assert APACHE_KEY in api_answer("renamed")  # Airflow knows secrets by their names
    connections.reopen("renamed")
    connections.write_json(json.dumps({"routing_key_secret": APACHE_KEY}))
    connections.show("Extra Fields")
    assert connections.field("Integration key").get_attribute("type") == "password"
    connections.save()
    assert airflow.stored("renamed")["extra"] == {"routing_key_secret": APACHE_KEY}
    assert APACHE_KEY not in api_answer("renamed")


@only_airflow_2
def test_a_key_of_the_apache_package_is_not_in_the_page(connections):
    connections.reopen("from_apache")
    assert APACHE_KEY not in connections.source()


@only_airflow_2
@pytest.mark.parametrize(("region", "shown"), [("EU", "eu"), ("apac", "apac")])
def test_a_region_that_is_no_choice_is_shown_and_not_lost(connections, make, airflow, region, shown):
    make(f"region_{region}", conn_type="pagerduty_events", password=KEY, extra={"region": region})
    connections.reopen(f"region_{region}")
    assert connections.value("Region") == shown
    connections.save()
    assert airflow.stored(f"region_{region}")["extra"] == {"region": shown}


@only_airflow_2
def test_connections_of_other_types_are_saved_as_ever(connections, make, airflow):
    make("other", conn_type="http", password=TOKEN, extra={"timeout": 5})
    connections.reopen("other")
    connections.fill({"Host": "https://example.com"})
    connections.save()
    kept = airflow.stored("other")
    assert (kept["host"], kept["password"], kept["extra"]) == ("https://example.com", TOKEN, {"timeout": 5})
