"""The hooks' published interface: what they read, what wins, what they send and what they refuse."""

import asyncio
import inspect
import json
import subprocess
import sys
import types
from itertools import pairwise
from unittest import mock

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowNotFoundException

from airflow_provider_pagerduty.exceptions import DeliveryFailed, EventRejected, MissingCredentials
from airflow_provider_pagerduty.hooks import pagerduty_events
from airflow_provider_pagerduty.hooks.pagerduty import PagerdutyHook
from airflow_provider_pagerduty.hooks.pagerduty_events import PagerdutyEventsAsyncHook, PagerdutyEventsHook
from airflow_provider_pagerduty.sandbox.fault import Fault

KEY = "0123456789abcdefghijklmnopqrstuv"
OTHER_KEY = "vutsrqponmlkjihgfedcba9876543210"
TOKEN = "u+a-token-that-nobody-may-see"
NOT_GIVEN = [None, "", "  "]
AFTER_ACTION = "dedup_key custom_details group component class_type images links"
EVENT_FIELDS = f"self summary severity source action {AFTER_ACTION}"
REST_EVENT = f"self summary severity source action routing_key {AFTER_ACTION}"
PREPARE = "summary severity source custom_details component group class_type action dedup_key images links"


def test_the_published_names_stand():
    assert (
        PagerdutyHook.conn_name_attr,
        PagerdutyHook.default_conn_name,
        PagerdutyHook.conn_type,
        PagerdutyHook.hook_name,
    ) == ("pagerduty_conn_id", "pagerduty_default", "pagerduty", "Pagerduty")
    assert (
        PagerdutyEventsHook.conn_name_attr,
        PagerdutyEventsHook.default_conn_name,
        PagerdutyEventsHook.conn_type,
        PagerdutyEventsHook.hook_name,
    ) == ("pagerduty_events_conn_id", "pagerduty_events_default", "pagerduty_events", "Pagerduty Events")


@pytest.mark.parametrize(
    ("function", "signature"),
    [
        (PagerdutyHook, ["token", "pagerduty_conn_id"]),
        (PagerdutyEventsHook, ["integration_key", "pagerduty_events_conn_id", "pagerduty_conn_id"]),
        (
            PagerdutyEventsAsyncHook,
            ["integration_key", "pagerduty_events_conn_id", "api_version", "pagerduty_conn_id"],
        ),
        (
            PagerdutyHook.create_event,
            REST_EVENT,
        ),
        *(
            (
                function,
                EVENT_FIELDS,
            )
            for function in (
                PagerdutyEventsHook.create_event,
                PagerdutyEventsHook.send_event,
                PagerdutyEventsAsyncHook.create_event,
                PagerdutyEventsAsyncHook.send_event,
            )
        ),
        *(
            (function, "self summary source custom_details timestamp links")
            for function in (
                PagerdutyEventsHook.create_change_event,
                PagerdutyEventsAsyncHook.create_change_event,
            )
        ),
        (
            pagerduty_events.prepare_event_data,
            f"{PREPARE} action_key_name",
        ),
    ],
)
def test_the_published_signatures_stand_in_their_order(function, signature):
    names = signature.split() if isinstance(signature, str) else signature
    parameters = inspect.signature(function).parameters
    # What came later came behind, by name only.
    later = [name for name in ("timestamp", "client", "client_url") if name not in names and name in parameters]
    assert list(parameters) == [*names, *later]
    assert {parameters[name].kind for name in later} <= {inspect.Parameter.KEYWORD_ONLY}
    for name, default in (("source", "airflow"), ("action", "trigger")):
        if name in parameters:
            assert parameters[name].default == default


def test_both_field_behaviours_are_static():
    for hook in (PagerdutyHook, PagerdutyEventsHook):
        assert isinstance(inspect.getattr_static(hook, "get_ui_field_behaviour"), staticmethod)


class TestPagerdutyHookConstruction:
    def test_a_token_alone_looks_no_connection_up(self):
        with mock.patch.object(PagerdutyHook, "get_connection", side_effect=AssertionError):
            hook = PagerdutyHook(token=TOKEN)
        assert hook.token == TOKEN
        assert hook.routing_key is None

    def test_token_and_routing_key_come_from_the_connection(self, connect):
        connect("pd", conn_type="pagerduty", password=TOKEN, extra={"routing_key": KEY})
        hook = PagerdutyHook(pagerduty_conn_id="pd")
        assert (hook.token, hook.routing_key) == (TOKEN, KEY)

    def test_an_explicit_token_wins_and_the_routing_key_is_still_read(self, connect):
        connect("pd", conn_type="pagerduty", password=TOKEN, extra={"routing_key": KEY})
        hook = PagerdutyHook("explicit-token", "pd")
        assert (hook.token, hook.routing_key) == ("explicit-token", KEY)

    @pytest.mark.parametrize("token", NOT_GIVEN)
    @pytest.mark.parametrize("conn_id", NOT_GIVEN)
    def test_nothing_given_leads_to_the_default_connection(self, connections, token, conn_id):
        assert PagerdutyHook(token, conn_id).token == TOKEN

    @pytest.mark.parametrize("token", NOT_GIVEN)
    def test_an_empty_token_does_not_hide_the_connections(self, connect, token):
        connect("pd", conn_type="pagerduty", password=TOKEN)
        assert PagerdutyHook(token, "pd").token == TOKEN

    def test_the_forms_routing_key_wins_over_the_published_one(self, connect):
        extra = {"routing_key": KEY, "routing_key_secret": OTHER_KEY}
        connect("pd", conn_type="pagerduty", password=TOKEN, extra=extra)
        assert PagerdutyHook(pagerduty_conn_id="pd").routing_key == OTHER_KEY

    @pytest.mark.parametrize("password", [None, ""])
    def test_no_token_anywhere_says_where_one_may_stand(self, connect, password):
        connect("pagerduty_default", conn_type="pagerduty", password=password)
        message = r"^Cannot get token: No valid api token nor pagerduty_conn_id supplied\. .*pagerduty_default"
        with pytest.raises(AirflowException, match=message) as caught:
            PagerdutyHook()
        assert isinstance(caught.value, MissingCredentials)

    def test_no_default_connection_says_the_same(self):
        with pytest.raises(MissingCredentials, match="^Cannot get token: No valid api token"):
            PagerdutyHook()

    def test_a_named_connection_that_is_not_there_is_airflows_own_error(self):
        with pytest.raises(AirflowNotFoundException):
            PagerdutyHook(pagerduty_conn_id="nowhere")
        with pytest.raises(AirflowNotFoundException):
            PagerdutyHook(TOKEN, "nowhere")


class TestEventsHookConstruction:
    def test_an_explicit_key_needs_no_connection(self):
        with mock.patch.object(PagerdutyEventsHook, "get_connection", side_effect=AssertionError):
            assert PagerdutyEventsHook(KEY).integration_key == KEY

    def test_the_key_is_the_connections_password(self, connect):
        connect("pd", conn_type="pagerduty_events", password=KEY)
        assert PagerdutyEventsHook(pagerduty_events_conn_id="pd").integration_key == KEY
        assert PagerdutyEventsHook(pagerduty_conn_id="pd").integration_key == KEY
        assert PagerdutyEventsHook(None, "pd", pagerduty_conn_id="pd").integration_key == KEY

    def test_beside_an_api_token_the_key_is_the_extras(self, connect):
        connect("pd", conn_type="pagerduty", password=TOKEN, extra={"routing_key": KEY})
        assert PagerdutyEventsHook(pagerduty_conn_id="pd").integration_key == KEY

    def test_an_explicit_key_wins(self, connect):
        connect("pd", conn_type="pagerduty_events", password=KEY)
        assert PagerdutyEventsHook(OTHER_KEY, "pd").integration_key == OTHER_KEY

    @pytest.mark.parametrize("key", NOT_GIVEN)
    @pytest.mark.parametrize("conn_id", NOT_GIVEN)
    def test_nothing_given_leads_to_the_default_connection(self, connections, key, conn_id):
        assert PagerdutyEventsHook(key, conn_id, pagerduty_conn_id=conn_id).integration_key == KEY

    @pytest.mark.parametrize("hook", [PagerdutyEventsHook, PagerdutyEventsAsyncHook])
    def test_two_different_connections_are_refused(self, hook):
        with pytest.raises(ValueError, match=r"pagerduty_events_conn_id='one' and pagerduty_conn_id='two'"):
            hook(KEY, "one", pagerduty_conn_id="two")

    def test_no_key_anywhere_says_where_one_may_stand(self, connect):
        message = r"^Cannot get token: No valid integration key nor pagerduty_events_conn_id supplied\. .*'{}'"
        with pytest.raises(MissingCredentials, match=message.format("pagerduty_events_default")):
            PagerdutyEventsHook()
        connect("pd", conn_type="pagerduty_events")
        with pytest.raises(MissingCredentials, match=message.format("pd")):
            PagerdutyEventsHook(pagerduty_events_conn_id="pd")

    def test_a_named_connection_that_is_not_there_is_airflows_own_error(self):
        with pytest.raises(AirflowNotFoundException):
            PagerdutyEventsHook(pagerduty_events_conn_id="nowhere")


class TestAsyncHookLookUp:
    def test_there_is_one_version_of_the_events_api(self):
        assert PagerdutyEventsAsyncHook(KEY, None, "v2").api_version == "v2"
        with pytest.raises(ValueError, match="api_version must be 'v2'.*got 'v3'"):
            PagerdutyEventsAsyncHook(KEY, api_version="v3")

    def test_making_it_looks_nothing_up(self):
        assert PagerdutyEventsAsyncHook(pagerduty_events_conn_id="nowhere").integration_key is None

    def test_the_key_comes_from_the_connection(self, connections):
        assert asyncio.run(PagerdutyEventsAsyncHook().get_integration_key()) == KEY
        assert asyncio.run(PagerdutyEventsAsyncHook(OTHER_KEY).get_integration_key()) == OTHER_KEY

    def test_no_key_anywhere_says_where_one_may_stand(self, connect):
        message = "^Cannot get token: No valid integration key nor pagerduty_events_conn_id supplied"
        with pytest.raises(MissingCredentials, match=message):
            asyncio.run(PagerdutyEventsAsyncHook().create_event("boom", "error"))

    def test_a_named_connection_that_is_not_there_is_airflows_own_error(self):
        with pytest.raises(AirflowNotFoundException):
            asyncio.run(PagerdutyEventsAsyncHook(KEY, "nowhere").create_event("boom", "error"))


EVENT = {
    "summary": "boom",
    "severity": "critical",
    "source": "a host",
    "dedup_key": "the-alert",
    "custom_details": {"free space": "1%"},
    "group": "a group",
    "component": "a disk",
    "class_type": "a class",
    "images": [{"src": "https://example.com/a.png", "href": "https://example.com", "alt": "a picture"}],
    "links": [{"href": "https://example.com/log", "text": "the log"}],
}
ON_THE_WIRE = {
    "event_action": "trigger",
    "dedup_key": "the-alert",
    "payload": {
        "summary": "boom",
        "severity": "critical",
        "source": "a host",
        "custom_details": {"free space": "1%"},
        "group": "a group",
        "component": "a disk",
        "class": "a class",
    },
    "images": EVENT["images"],
    "links": EVENT["links"],
}


def sync_call(name):
    return getattr(PagerdutyEventsHook(), name)


def async_call(name):
    return lambda *args, **kwargs: asyncio.run(getattr(PagerdutyEventsAsyncHook(), name)(*args, **kwargs))


@pytest.fixture(params=[sync_call, async_call], ids=["sync", "async"])
def call(request, connections):
    """Return a function that calls a method of an events hook of either kind, on the default connection."""
    return lambda name, *args, **kwargs: request.param(name)(*args, **kwargs)


class TestSending:
    def test_every_field_arrives_as_pagerduty_names_it(self, call, sandbox):
        response = call("create_event", **EVENT)
        assert response == {"status": "success", "message": "Event processed", "dedup_key": "the-alert"}
        (event,) = sandbox.pagerduty.events
        assert event.body == ON_THE_WIRE
        assert event.service.integration_key == KEY

    def test_what_monitors_the_system_and_since_when_arrive_too(self, call, sandbox):
        origin = {"client": "Apache Airflow", "client_url": "https://airflow.example.com/dags/a"}
        call("create_event", **EVENT, **origin, timestamp="2026-08-01T09:30:00Z")
        (event,) = sandbox.pagerduty.events
        assert event.body["payload"] == ON_THE_WIRE["payload"] | {"timestamp": "2026-08-01T09:30:00Z"}
        assert event.body | origin == event.body

    def test_send_event_returns_the_dedup_key(self, call, sandbox):
        assert call("send_event", **EVENT) == "the-alert"
        made_up = call("send_event", "boom", "info")
        assert made_up == sandbox.pagerduty.events[1].body["dedup_key"] != "the-alert"

    def test_an_alert_is_triggered_acknowledged_and_resolved(self, call, sandbox):
        for action, status in (
            ("trigger", "triggered"),
            ("acknowledge", "acknowledged"),
            ("trigger", "acknowledged"),
            ("resolve", "resolved"),
        ):
            call("create_event", "boom", "error", action=action, dedup_key="k")
            assert [incident.status for incident in sandbox.pagerduty.incidents] == [status]

    def test_a_change_event_arrives(self, call, sandbox):
        links = [{"href": "https://example.com/build", "text": "the build"}]
        response = call("create_change_event", "deployed", "ci", {"build": 220}, "2026-08-01T09:30:00Z", links)
        assert response == {"status": "success", "message": "Event processed"}
        (change,) = sandbox.pagerduty.changes
        assert change.body == {
            "payload": {
                "summary": "deployed",
                "source": "ci",
                "custom_details": {"build": 220},
                "timestamp": "2026-08-01T09:30:00Z",
            },
            "links": links,
        }

    def test_a_wrong_argument_is_refused_before_anything_is_sent(self, call, sandbox):
        with pytest.raises(ValueError, match=r"Event severity must be one of: .*'ERROR'.*Write it as 'error'"):
            call("create_event", "boom", "ERROR")
        with pytest.raises(ValueError, match="The dedup_key property is required for event_action=resolve"):
            call("create_event", "boom", "error", action="resolve")
        with pytest.raises(ValueError, match="timestamp must be .*'yesterday'"):
            call("create_change_event", "deployed", timestamp="yesterday")
        assert sandbox.pagerduty.events == sandbox.pagerduty.changes == []

    @pytest.mark.parametrize("details", [5, True, 1.5, [1, 2]])
    def test_details_of_any_type_arrive(self, call, sandbox, details):
        call("create_event", "boom", "error", custom_details=details)
        (event,) = sandbox.pagerduty.events
        expected = details if isinstance(details, list) else json.dumps(details)
        assert event.body["payload"]["custom_details"] == expected

    @pytest.mark.parametrize(
        "timestamp",
        ["2024-01-01T00:00:00z", "2024-01-01t00:00:00,5Z", "2024-01-01 00:00+02", "2024-01-01T00:00"],
    )
    def test_any_spelling_of_a_timestamp_arrives(self, call, sandbox, timestamp):
        call("create_change_event", "deployed", timestamp=timestamp)
        assert sandbox.pagerduty.changes[0].body["payload"]["timestamp"].startswith("2024-01-01T00:00")

    def test_details_that_are_a_string_are_sent_as_they_are(self, call, sandbox):
        call("create_event", "boom", "error", custom_details="free text")
        assert sandbox.pagerduty.events[0].body["payload"]["custom_details"] == "free text"

    def test_what_pagerduty_refuses_is_an_error_with_its_reasons(self, sandbox, configure):
        configure(base_url=sandbox.url)
        with pytest.raises(EventRejected) as caught:
            PagerdutyEventsHook("too-short").create_event("boom", "error")
        assert caught.value.errors == [
            "Length of 'routing_key' is incorrect (should be 32 characters)",
            "'routing_key' cannot contain non-alphanumeric characters.",
        ]
        assert isinstance(caught.value, AirflowException)


class TestEventsFromTheRestHook:
    def test_the_connections_key_and_base_url_are_used(self, connections):
        response = PagerdutyHook().create_event(**EVENT)
        assert response["dedup_key"] == "the-alert"
        (event,) = connections.pagerduty.events
        assert event.body == ON_THE_WIRE
        assert event.service.integration_key == OTHER_KEY

    def test_the_arguments_key_wins(self, connections):
        PagerdutyHook().create_event("boom", "error", routing_key=KEY)
        assert connections.pagerduty.events[0].service.integration_key == KEY

    @pytest.mark.parametrize("routing_key", NOT_GIVEN)
    def test_no_key_anywhere_says_where_one_may_stand(self, routing_key):
        with pytest.raises(AirflowException, match=r"Pass routing_key, or .*routing_key_secret or routing_key"):
            PagerdutyHook(TOKEN).create_event("boom", "error", routing_key=routing_key)

    def test_it_goes_through_the_events_hook_with_every_argument_by_keyword(self, connections):
        with (
            mock.patch.object(PagerdutyEventsHook, "__init__", return_value=None) as init,
            mock.patch.object(
                PagerdutyEventsHook, "create_event", return_value={"status": "success"}
            ) as create,
        ):
            assert PagerdutyHook().create_event("boom", "error", "a host") == {"status": "success"}
        init.assert_called_once_with(integration_key=OTHER_KEY)
        create.assert_called_once_with(
            summary="boom",
            severity="error",
            source="a host",
            action="trigger",
            dedup_key=None,
            custom_details=None,
            group=None,
            component=None,
            class_type=None,
            images=None,
            links=None,
        )

    def test_the_connections_region_is_handed_on(self, connect, requests_mock):
        connect("pd", conn_type="pagerduty", password=TOKEN, extra={"routing_key": KEY, "region": "eu"})
        requests_mock.post(
            "https://events.eu.pagerduty.com/v2/enqueue", status_code=202, json={"dedup_key": "k"}
        )
        assert PagerdutyHook(pagerduty_conn_id="pd").create_event("boom", "error")["dedup_key"] == "k"


class TestWithRequestsMock:
    """For people who test with requests-mock, whose answers are 200 unless told otherwise."""

    def test_whatever_stands_in_the_place_of_requests_is_who_is_sent_to(self, monkeypatch, sandbox, configure):
        import requests

        def send(self, request, **_):
            answer = requests.Response()
            answer.status_code, answer.headers["content-type"] = 202, "application/json"
            answer._content = b'{"status": "success", "dedup_key": "from the stand-in"}'
            return answer

        configure(base_url=sandbox.url)
        for owner in (requests.adapters.HTTPAdapter, requests.Session):
            with monkeypatch.context() as patched:
                patched.setattr(owner, "send", send)
                answer = PagerdutyEventsHook(KEY).create_event("boom", "error")
            assert answer["dedup_key"] == "from the stand-in"
        assert sandbox.pagerduty.incidents == []

    def test_what_only_watches_requests_lets_the_event_through_with_no_password_of_a_netrc(
        self, monkeypatch, connections, tmp_path
    ):
        import requests

        def traced(session, request, **more):
            seen.append(request.headers)
            return send(session, request, **more)

        seen, send = [], requests.Session.send
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        monkeypatch.setattr(requests.Session, "send", traced)
        PagerdutyEventsHook().create_event("boom", "error")
        (headers,) = seen
        assert "Authorization" not in headers
        assert len(connections.pagerduty.incidents) == 1

    def test_requests_that_another_thread_is_importing_stands_in_nobodys_way(self, monkeypatch, connections):
        monkeypatch.setitem(sys.modules, "requests", types.ModuleType("requests"))
        PagerdutyEventsHook().create_event("boom", "error")
        assert len(connections.pagerduty.incidents) == 1

    def test_an_alert(self, requests_mock):
        body = {"status": "success", "message": "Event processed", "dedup_key": "samplekey"}
        requests_mock.post("https://events.pagerduty.com/v2/enqueue", json=body)
        assert PagerdutyEventsHook(KEY).create_event("boom", "error") == body
        sent = requests_mock.last_request.json()
        assert sent["routing_key"] == KEY
        assert sent["dedup_key"]

    def test_an_answer_without_a_dedup_key_leaves_ours(self, requests_mock):
        answer = {"status": "success", "dedup_key": None}
        requests_mock.post("https://events.pagerduty.com/v2/enqueue", status_code=202, json=answer)
        assert PagerdutyEventsHook(KEY).send_event("boom", "error", dedup_key="ours") == "ours"

    def test_a_change(self, requests_mock):
        requests_mock.post("https://events.pagerduty.com/v2/change/enqueue", json={"id": "change_event_id"})
        assert PagerdutyEventsHook(KEY).create_change_event("deployed")["id"] == "change_event_id"

    def test_a_session(self, requests_mock):
        requests_mock.get("https://api.pagerduty.com/users", json={"users": [{"id": "PZMO0JF"}], "more": False})
        assert PagerdutyHook(TOKEN).get_session().rget("/users") == [{"id": "PZMO0JF"}]


class TestConnectionTest:
    def test_an_events_key_is_tried_without_opening_an_alert(self, connections):
        worked, message = PagerdutyEventsHook().test_connection()
        assert worked
        assert "no alert was opened" in message
        assert "only a real alert can show" in message
        assert connections.pagerduty.incidents == []

    def test_a_malformed_key_is_said(self, sandbox, configure):
        configure(base_url=sandbox.url)
        worked, message = PagerdutyEventsHook("short").test_connection()
        assert not worked
        assert "Length of 'routing_key' is incorrect" in message

    def test_a_failure_is_said_after_one_attempt(self, sandbox, configure):
        configure(base_url=sandbox.url)
        sandbox.faults.add(Fault(kind="status", status=503, times=1))
        worked, message = PagerdutyEventsHook(KEY).test_connection()
        assert not worked
        assert "503" in message

    @pytest.mark.parametrize("hook", [lambda: PagerdutyEventsHook(KEY), lambda: PagerdutyHook(TOKEN)])
    def test_nothing_listening_is_said(self, configure, hook):
        configure(base_url="http://127.0.0.1:9", send_timeout=1)
        worked, message = hook().test_connection()
        assert not worked
        assert message.startswith("PagerDuty could not be reached:")
        assert "Connection refused" in message

    def test_an_accounts_token_is_told_from_a_users(self, requests_mock):
        requests_mock.get("https://api.pagerduty.com/abilities", json={"abilities": ["teams"]})
        requests_mock.get("https://api.pagerduty.com/users/me", status_code=400, json={"error": "account"})
        worked, message = PagerdutyHook(TOKEN).test_connection()
        assert worked
        assert "PagerDuty at https://api.pagerduty.com takes this token: an account's token (" in message
        me = {"user": {"email": "on-call@example.com"}}
        requests_mock.get("https://api.pagerduty.com/users/me", json=me)
        worked, message = PagerdutyHook(TOKEN).test_connection()
        assert worked
        assert "a user's token (on-call@example.com)" in message
        assert requests_mock.last_request.headers["Authorization"] == f"Token token={TOKEN}"

    def test_a_wrong_token_is_told_from_a_wrong_region(self, requests_mock):
        requests_mock.get(
            "https://api.pagerduty.com/abilities", status_code=401, text="HTTP Token: Access denied."
        )
        requests_mock.get("https://api.eu.pagerduty.com/abilities", status_code=401)
        worked, message = PagerdutyHook(TOKEN).test_connection()
        assert not worked
        assert "refuses this token (HTTP 401)" in message
        requests_mock.get("https://api.eu.pagerduty.com/abilities", json={"abilities": []})
        worked, message = PagerdutyHook(TOKEN).test_connection()
        assert not worked
        assert "Set the connection's region to eu" in message

    @pytest.mark.parametrize("address", ["https://xn--.com", "https://no-such-host.invalid"])
    def test_an_address_that_leads_nowhere_is_answered_and_not_raised(self, configure, address):
        configure(base_url=address, send_timeout=2)
        worked, message = PagerdutyHook(TOKEN).test_connection()
        assert not worked
        assert message.startswith("PagerDuty could not be reached")

    def test_behind_a_base_url_no_other_region_is_asked(self, configure, requests_mock):
        configure(base_url="https://proxy.example.com")
        requests_mock.get("https://proxy.example.com/abilities", status_code=401)
        worked, message = PagerdutyHook(TOKEN).test_connection()
        assert not worked
        assert "https://proxy.example.com refuses this token" in message
        assert len(requests_mock.request_history) == 1

    @pytest.mark.parametrize(
        ("status", "says"),
        [(429, "too many requests"), (403, "HTTP 403"), (200, "HTTP 200"), (302, "HTTP 302")],
    )
    def test_another_answer_is_not_taken_for_a_wrong_token(self, requests_mock, status, says):
        requests_mock.get("https://api.pagerduty.com/abilities", status_code=status, text="<html>")
        worked, message = PagerdutyHook(TOKEN).test_connection()
        assert not worked
        assert says in message

    def test_no_message_shows_the_token(self, requests_mock):
        requests_mock.get("https://api.pagerduty.com/abilities", status_code=401, text=TOKEN)
        requests_mock.get("https://api.eu.pagerduty.com/abilities", status_code=401)
        assert TOKEN not in PagerdutyHook(TOKEN).test_connection()[1]


class TestSession:
    def test_it_is_pdpyras_own_for_the_connections_region(self, connect):
        import pdpyras

        extra = {"region": "eu", "from_email": "on-call@example.com"}
        connect("pd", conn_type="pagerduty", password=TOKEN, extra=extra)
        hook = PagerdutyHook(pagerduty_conn_id="pd")
        for session in (hook.get_session(), hook.get_conn()):
            assert isinstance(session, pdpyras.APISession)
            assert session.url == "https://api.eu.pagerduty.com"
            assert session.default_from == "on-call@example.com"

    def test_from_is_sent_where_an_address_is_given(self, connect, requests_mock):
        requests_mock.post("https://api.pagerduty.com/incidents", status_code=201, json={"incident": {}})
        connect("pd", conn_type="pagerduty", password=TOKEN, extra={"from_email": "on-call@example.com"})
        PagerdutyHook(pagerduty_conn_id="pd").get_session().post("/incidents", json={"incident": {}})
        assert requests_mock.last_request.headers["From"] == "on-call@example.com"
        PagerdutyHook(TOKEN).get_session().post("/incidents", json={"incident": {}})
        assert "From" not in requests_mock.last_request.headers

    def test_a_throttled_request_is_tried_a_few_times_with_jitter(self, requests_mock, monkeypatch):
        import pdpyras

        slept = []
        monkeypatch.setattr(pdpyras.time, "sleep", slept.append)
        requests_mock.get("https://api.pagerduty.com/abilities", status_code=429, json={})
        assert PagerdutyHook(TOKEN).get_session().get("/abilities").status_code == 429
        assert len(requests_mock.request_history) == 5
        assert 12 < sum(slept) < 45
        ratios = {later / earlier for earlier, later in pairwise(slept)}
        assert len(ratios) == 3
        assert all(1.5 <= ratio <= 2.25 for ratio in ratios)

    def test_a_redirect_is_not_followed(self, requests_mock):
        import pdpyras

        elsewhere = requests_mock.get("https://elsewhere.example.com/", json={})
        requests_mock.post(
            "https://api.pagerduty.com/incidents",
            status_code=302,
            headers={"Location": "https://elsewhere.example.com/"},
        )
        with pytest.raises(pdpyras.PDClientError, match="a redirect, which is not followed"):
            PagerdutyHook(TOKEN).get_session().post("/incidents", json={})
        assert not elsewhere.called

    def test_a_refused_token_shows_no_part_of_itself(self, requests_mock):
        import pdpyras

        requests_mock.get("https://api.pagerduty.com/abilities", status_code=401)
        with pytest.raises(pdpyras.PDHTTPError) as caught:
            PagerdutyHook(TOKEN).get_session().get("/abilities")
        assert TOKEN[-4:] not in str(caught.value)

    def test_pdpyras_import_warning_never_reaches_the_user(self):
        code = (
            "from airflow_provider_pagerduty.hooks.rest_session import pdpyras_session\n"
            "from airflow_provider_pagerduty.hooks.endpoint import REGIONS\n"
            "print(pdpyras_session('a-token', REGIONS['us'], None).url)\n"
        )
        command = [sys.executable, "-W", "error", "-c", code]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert result.stdout == "https://api.pagerduty.com\n"
        assert "pdpyras" not in result.stderr


class TestClient:
    def test_it_is_pagerdutys_own_for_the_connections_region(self, connect):
        import pagerduty

        connect("pd", conn_type="pagerduty", password=TOKEN, extra={"region": "eu"})
        client = PagerdutyHook(pagerduty_conn_id="pd").client()
        assert isinstance(client, pagerduty.RestApiV2Client)
        assert client.url == "https://api.eu.pagerduty.com"
        assert client.retry[429] == 4

    def test_a_refused_token_shows_no_part_of_itself_and_the_loopback_no_proxy(self, monkeypatch):
        import pagerduty

        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("AIRFLOW__PAGERDUTY__BASE_URL", "https://localhost:8443")
        client = PagerdutyHook(TOKEN).client()
        assert isinstance(client, pagerduty.RestApiV2Client)
        assert client.trunc_key == "hidden"
        assert (
            "Proxy"
            not in type(client._transport_for_url(client.base_url.copy_with(host="localhost"))._pool).__name__
        )

    def test_one_that_asks_elsewhere_than_it_is_told_never_gets_to_ask(self, monkeypatch):
        import pagerduty

        class Old(pagerduty.RestApiV2Client):
            """What 6.0 and 6.1 do."""

            def __init__(self, api_key, base_url, **kwargs):
                super().__init__(api_key, base_url="https://api.pagerduty.com", **kwargs)

        monkeypatch.setattr(pagerduty, "RestApiV2Client", Old)
        assert PagerdutyHook(TOKEN).client()
        monkeypatch.setenv("AIRFLOW__PAGERDUTY__REGION", "eu")
        with pytest.raises(
            ImportError, match=r"in version 6.2 or later.*airflow-provider-pagerduty\[pagerduty\]"
        ):
            PagerdutyHook(TOKEN).client()

    def test_without_the_package_the_error_names_the_extra(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "pagerduty", None)
        with pytest.raises(ImportError, match=r"airflow-provider-pagerduty\[pagerduty\]"):
            PagerdutyHook(TOKEN).client()


def test_no_repr_shows_a_credential(connections):
    hooks = [PagerdutyHook(), PagerdutyEventsHook(), PagerdutyEventsAsyncHook(KEY)]
    shown = "".join(repr(hook) + str(hook) for hook in hooks)
    assert not any(secret in shown for secret in (TOKEN, KEY, OTHER_KEY))


def test_an_error_survives_pickling():
    import pickle

    rejected = pickle.loads(pickle.dumps(EventRejected(["a reason"])))
    assert (str(rejected), rejected.errors) == ("PagerDuty rejected the event: a reason", ["a reason"])
    failed = pickle.loads(pickle.dumps(DeliveryFailed("no answer", 3, 9.5)))
    assert (failed.last_cause, failed.attempts, failed.seconds) == ("no answer", 3, 9.5)
    assert str(failed) == "PagerDuty did not take the event (3 attempts in 9.5 s). Last cause: no answer"
