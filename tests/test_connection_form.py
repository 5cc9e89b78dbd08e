"""The connection form on Airflow 2.11, in its real web application: opened, filled in, saved, opened again."""

import json
import re

import airflow
import pytest

pytestmark = pytest.mark.skipif(
    not airflow.__version__.startswith("2."), reason="Airflow 3 draws the form from provider.yaml itself"
)

KEY = "0123456789abcdefghijklmnopqrstuv"
OTHER_KEY = "vutsrqponmlkjihgfedcba9876543210"


@pytest.fixture(scope="module")
def client():
    from airflow.www.app import create_app

    app = create_app(testing=True)
    app.config["WTF_CSRF_ENABLED"] = False
    app.config["AUTH_ROLE_PUBLIC"] = "Admin"
    manager = app.appbuilder.sm
    manager.add_user("admin", "A", "Admin", "admin@example.com", manager.find_role("Admin"), "admin")
    client = app.test_client()
    client.post("/login/", data={"username": "admin", "password": "admin"})
    return client


@pytest.fixture
def stored():
    """Return functions that store and read a connection in Airflow's database."""
    from airflow.models import Connection
    from airflow.utils.session import create_session

    class Stored:
        def put(self, **fields):
            with create_session() as session:
                session.add(connection := Connection(conn_id="pd", **fields))
                session.flush()
                return connection.id

        def get(self):
            with create_session() as session:
                found = session.query(Connection).filter_by(conn_id="pd").one()
                # What was left empty is null.
                extra = {name: value for name, value in found.extra_dejson.items() if value is not None}
                return found.password, extra

    yield Stored()
    with create_session() as session:
        session.query(Connection).filter_by(conn_id="pd").delete()


def fields_of(page):
    """Return what a browser would send back of a form: each input's value by its name."""
    fields = {}
    for tag in re.findall(r"<input[^>]*>", page):
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if "name" in attributes:
            fields[attributes["name"]] = attributes.get("value", "")
    for select in re.findall(r"<select.*?</select>", page, re.DOTALL):
        name = re.search(r'name="([^"]*)"', select)[1]
        chosen = re.search(r"<option[^>]*\bselected\b[^>]*>", select)
        fields[name] = re.search(r'value="([^"]*)"', chosen[0])[1] if chosen else ""
    for name, text in re.findall(r'<textarea[^>]*name="(\w+)"[^>]*>(.*?)</textarea>', page, re.DOTALL):
        fields[name] = text.strip().replace("&#34;", '"').replace("&quot;", '"')
    return fields


def opened(client, number):
    response = client.get(f"/connection/edit/{number}")
    assert response.status_code == 200
    return response.get_data(as_text=True)


def save(client, number, **changes):
    fields = fields_of(opened(client, number)) | {"conn_id": "pd", "conn_type": "pagerduty"} | changes
    response = client.post(f"/connection/edit/{number}", data=fields)
    assert response.status_code == 302, response.get_data(as_text=True)


FORM = "extra__pagerduty__"


def test_opening_and_saving_keeps_every_credential(client, stored):
    extra = {"routing_key_secret": KEY, "routing_key": OTHER_KEY, "region": "eu", "from_email": "a@example.com"}
    number = stored.put(conn_type="pagerduty", password="a-token", extra=json.dumps(extra | {"unknown": 1}))
    save(client, number)
    assert stored.get() == ("a-token", extra | {"unknown": 1})


def test_the_page_shows_that_there_is_a_key_but_not_the_key(client, stored):
    number = stored.put(
        conn_type="pagerduty", password="a-token", extra=json.dumps({"routing_key_secret": KEY})
    )
    page = opened(client, number)
    assert KEY not in page
    assert "a-token" not in page
    assert fields_of(page)[f"{FORM}routing_key_secret"]


def test_a_new_key_replaces_the_old_one_and_an_emptied_field_removes_it(client, stored):
    number = stored.put(conn_type="pagerduty", extra=json.dumps({"routing_key_secret": KEY}))
    save(client, number, **{f"{FORM}routing_key_secret": OTHER_KEY, f"{FORM}region": "eu"})
    assert stored.get()[1] == {"routing_key_secret": OTHER_KEY, "region": "eu"}
    save(client, number, **{f"{FORM}routing_key_secret": ""})
    assert stored.get()[1] == {"region": "eu"}


def test_a_connection_of_the_apache_packages_shape_keeps_its_key_and_does_not_show_it(client, stored):
    number = stored.put(conn_type="pagerduty", password="a-token", extra=json.dumps({"routing_key": KEY}))
    assert KEY not in opened(client, number)
    save(client, number, **{f"{FORM}from_email": "a@example.com"})
    assert stored.get() == ("a-token", {"routing_key": KEY, "from_email": "a@example.com"})


def test_the_region_is_a_choice_that_can_be_taken_back(client, stored):
    number = stored.put(conn_type="pagerduty_events", password=KEY, extra=json.dumps({"region": "EU"}))
    page = opened(client, number)
    [select] = re.findall(r'<select[^>]*name="extra__pagerduty_events__region".*?</select>', page, re.DOTALL)
    assert re.findall(r'value="(.*?)"', select) == ["", "us", "eu"]
    assert fields_of(page)["extra__pagerduty_events__region"] == "eu"
    events = {"conn_type": "pagerduty_events"}
    save(client, number, **events, extra__pagerduty_events__region="us")
    assert stored.get() == (KEY, {"region": "us"})
    save(client, number, **events, extra__pagerduty_events__region="")
    assert stored.get() == (KEY, {})


def test_a_region_that_is_none_is_shown_and_kept_as_it_is(client, stored):
    odd = '<script>"apac"'
    number = stored.put(conn_type="pagerduty", password="a-token", extra=json.dumps({"region": odd}))
    page = opened(client, number)
    assert '<option value="&lt;script&gt;&#34;apac&#34;" selected>' in page
    save(client, number, **{f"{FORM}region": odd})
    assert stored.get()[1] == {"region": odd}


def test_a_new_connection_is_stored_as_the_hooks_read_it(client, stored):
    from airflow_provider_pagerduty.hooks.pagerduty import PagerdutyHook

    page = client.get("/connection/add").get_data(as_text=True)
    fields = fields_of(page) | {
        "conn_id": "pd",
        "conn_type": "pagerduty",
        "password": "a-token",
        f"{FORM}routing_key_secret": KEY,
        f"{FORM}region": "eu",
    }
    assert client.post("/connection/add", data=fields).status_code == 302
    hook = PagerdutyHook(pagerduty_conn_id="pd")
    assert (hook.token, hook.routing_key) == ("a-token", KEY)
    assert hook.get_session().url == "https://api.eu.pagerduty.com"


def test_every_field_of_the_file_is_on_the_page(client):
    page = client.get("/connection/add").get_data(as_text=True)
    for name in ("pagerduty__routing_key_secret", "pagerduty__region", "pagerduty__from_email"):
        assert f"extra__{name}" in page
    assert "extra__pagerduty_events__region" in page
    assert "acme.eu.pagerduty.com is eu" in page
