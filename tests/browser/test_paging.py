"""Tasks page with the very connections that the forms have stored."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def test_a_task_pages_the_region_that_its_connection_names(airflow, regions):
    assert airflow.run_end("pages", "the_run").state == "success"
    [incident] = regions.eu.pagerduty.incidents
    assert incident.title == "Paged with pagerduty_default"
    assert "Paged with pagerduty_events_default" in titles(regions.us)


def test_a_task_pages_with_edited_connections_of_the_apache_package(airflow, regions):
    assert airflow.run_end("pages", "the_run").state == "success"
    assert {"Paged with from_apache", "Paged with events_from_apache"} <= titles(regions.us)


def titles(sandbox):
    return {each.title for each in sandbox.pagerduty.incidents}
