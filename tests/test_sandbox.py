"""The sandbox, asked over HTTP as PagerDuty is, also by clients that nobody here wrote.

What PagerDuty documents, or users have seen, is claimed word for word. Where it is silent, only that
something is refused.
"""

import contextlib
import json
import socket
import subprocess
import sys
import threading
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest
import requests
import trustme
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from pagerduty import EventsApiV2Client

from airflow_provider_pagerduty.sandbox.account import PagerDuty
from airflow_provider_pagerduty.sandbox.server import application, bind, running, url_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # pdpyras announces its end when it is imported
    from pdpyras import ChangeEventsAPISession, EventsAPISession, PDClientError

KEY = "0123456789abcdefghijklmnopqrstuv"
OTHER_KEY = "vutsrqponmlkjihgfedcba9876543210"
RULESET_KEY = "R" + KEY[1:]
PAYLOAD = {"summary": "Disk full", "source": "db-1", "severity": "critical"}
TIMEOUT = 20
#: The server answers "100 Continue" when it begins to wait for the rest, which never comes.
HALF_A_REQUEST = (
    b"POST /v2/enqueue HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
)


def alert(action="trigger", key=KEY, payload=PAYLOAD, **fields):
    event = {"routing_key": key, "event_action": action, "payload": payload, **fields}
    return {name: value for name, value in event.items() if value is not ...}


def payload(**fields):
    return {name: value for name, value in {**PAYLOAD, **fields}.items() if value is not ...}


def change(key=KEY, summary="Deployed", **fields):
    return {"routing_key": key, "payload": {"summary": summary}, **fields}


class Client:
    """Plain HTTP, and what the sandbox holds afterwards."""

    def __init__(self, url):
        self.url = url
        self.session = requests.Session()

    def post(self, body, path="/v2/enqueue"):
        data = body if isinstance(body, bytes) else json.dumps(body)
        return self.session.post(self.url + path, data=data, timeout=TIMEOUT)

    def send(self, *args, **fields):
        response = self.post(alert(*args, **fields))
        assert response.status_code == 202, response.text
        return response.json()["dedup_key"]

    def post_change(self, body):
        return self.post(body, "/v2/change/enqueue")

    def held(self, what, **params):
        response = self.session.get(f"{self.url}/sandbox/{what}", params=params, timeout=TIMEOUT)
        assert response.status_code == 200, response.text
        return response.json()[what]

    def statuses(self):
        return [each["status"] for each in self.held("incidents")]


@pytest.fixture
def client(sandbox):
    client = Client(sandbox.url)
    with client.session:
        yield client


class Clock:
    """A clock that goes only when it is told to."""

    def __init__(self):
        self.present = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)

    def __call__(self):
        return self.present

    def advance(self, seconds):
        self.present += timedelta(seconds=seconds)


@contextlib.contextmanager
def limited(rate_limit, clock):
    with running(PagerDuty(rate_limit=rate_limit, clock=clock)) as sandbox:
        client = Client(sandbox.url)
        with client.session:
            yield client


# What is taken

#: The example of PagerDuty's own description of this API, with the key of these tests.
EVERY_FIELD = {
    "payload": {
        "summary": "DISK at 99% on machine prod-datapipe03.example.com",
        "timestamp": "2015-07-17T08:42:58.315+0000",
        "severity": "critical",
        "source": "prod-datapipe03.example.com",
        "component": "mysql",
        "group": "prod-datapipe",
        "class": "disk",
        "custom_details": {"free space": "1%", "ping time": "1500ms", "load avg": 0.75},
    },
    "routing_key": KEY,
    "dedup_key": "srv01/mysql",
    "event_action": "trigger",
    "client": "Sample Monitoring Service",
    "client_url": "https://monitoring.service.com",
    "links": [{"href": "http://pagerduty.example.com", "text": "An example link."}],
    "images": [{"src": "https://chart.example.com/c?a=1,2", "href": "https://example.com", "alt": "An image"}],
}


def test_an_event_with_every_field_is_answered_and_kept_as_it_was_sent(client):
    response = client.post(EVERY_FIELD)
    assert response.status_code == 202
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"status": "success", "message": "Event processed", "dedup_key": "srv01/mysql"}
    [event] = client.held("events")
    assert {**event, "routing_key": KEY}.items() >= EVERY_FIELD.items()
    [incident] = client.held("incidents")
    assert (incident["number"], incident["status"]) == (1, "triggered")
    assert incident["title"] == incident["alert"]["summary"] == EVERY_FIELD["payload"]["summary"]
    assert incident["alert"]["severity"] == "critical"
    assert incident["alert"]["events"] == [event]
    assert event["alert_id"] == incident["alert"]["id"]
    assert event["service"] == incident["service"]


@pytest.mark.parametrize(
    "body",
    [
        *(alert(payload=payload(severity=each)) for each in ("critical", "error", "warning", "info")),
        alert(payload=payload(summary="x" * 1024)),
        alert(payload=payload(summary="\N{FIRE}" * 1024)),
        alert(dedup_key="k" * 255),
        alert(dedup_key=""),
        alert(dedup_key=None, client=None, links=None, images=None),
        alert(links=[], images=[]),
        alert(links=[{"href": "https://example.com"}]),
        alert(images=[{"src": "https://example.com/i.png"}]),
        alert(key=RULESET_KEY),
        alert(a_field_nobody_knows=[1]),
        alert(payload=payload(custom_details="a string, which PagerDuty shows as it is")),
        *(
            alert(payload=payload(timestamp=each))
            for each in (
                "2026-03-01T12:00:00Z",
                "2026-03-01T12:00:00",
                "2026-03-01T12:00Z",
                "2026-03-01T12:00:00.123456+05:30",
                "2026-03-01T12:00:00-0800",
                None,
            )
        ),
        # Rules may need a payload to find the way, and with these actions nothing in it is required.
        *(
            alert(action, dedup_key="k", payload=each)
            for action in ("acknowledge", "resolve")
            for each in (..., {}, {"summary": "why"}, PAYLOAD)
        ),
    ],
    ids=lambda body: json.dumps({**body, "routing_key": ""})[19:100],
)
def test_a_valid_event_is_accepted(client, body):
    response = client.post(body)
    assert response.status_code == 202, response.text
    assert response.json()["status"] == "success"
    assert len(client.held("events")) == 1


def test_a_body_of_512000_bytes_is_accepted_and_one_more_is_refused(client):
    size = len(json.dumps(alert(payload=payload(custom_details=""))))
    largest = alert(payload=payload(custom_details="x" * (512_000 - size)))
    assert len(json.dumps(largest)) == 512_000
    assert client.post(largest).status_code == 202
    largest["payload"]["custom_details"] += "x"
    refused = client.post(largest)
    assert 400 <= refused.status_code < 500
    assert refused.status_code != 429  # which would ask for the same body again
    assert refused.json()["errors"]
    assert len(client.held("events")) == 1


def test_size_is_counted_in_bytes_and_not_in_characters(client):
    body = alert(payload=payload(custom_details="é" * 300_000))
    assert not client.post(json.dumps(body, ensure_ascii=False).encode()).ok
    body["payload"]["custom_details"] = "é" * 200_000
    assert client.post(json.dumps(body, ensure_ascii=False).encode()).status_code == 202


# What is refused

#: As users have reported them, word for word and letter for letter.
SEEN = [
    (alert(key=KEY[:-1]), "Length of 'routing_key' is incorrect (should be 32 characters)"),
    (alert(key=KEY + "w"), "Length of 'routing_key' is incorrect (should be 32 characters)"),
    (alert(key="-" * 32), "'routing_key' cannot contain non-alphanumeric characters."),
    (alert(key="é" * 32), "'routing_key' cannot contain non-alphanumeric characters."),
    (alert(payload=payload(source=...)), "'payload.source' is missing or blank"),
    (alert(payload=payload(source=" ")), "'payload.source' is missing or blank"),
    (alert(payload=payload(severity=...)), "'payload.severity' is missing or blank"),
    (alert(payload=payload(severity="")), "'payload.severity' is missing or blank"),
    (alert(payload=payload(summary="x" * 1025)), "'summary' is too long (maiximum is 1024 characters)"),
]


@pytest.mark.parametrize(("body", "error"), SEEN)
def test_a_fault_is_named_in_the_words_that_users_have_seen(client, body, error):
    response = client.post(body)
    assert response.status_code == 400
    assert response.json() == {
        "status": "invalid event",
        "message": "Event object is invalid",
        "errors": [error],
    }
    assert client.held("events") == client.held("incidents") == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (alert(key=...), "routing_key"),
        (alert(key=""), "routing_key"),
        (alert(key=int("1" * 32)), "routing_key"),
        (alert(...), "event_action"),
        (alert("page"), "event_action"),
        (alert("Trigger"), "event_action"),
        (alert(["trigger"]), "event_action"),
        (alert("acknowledge"), "dedup_key"),
        (alert("resolve"), "dedup_key"),
        (alert("resolve", dedup_key=""), "dedup_key"),
        (alert(dedup_key="k" * 256), "dedup_key"),
        (alert(dedup_key=7), "dedup_key"),
        (alert(payload=payload(summary=...)), "payload.summary"),
        (alert(payload=payload(summary="\n")), "payload.summary"),
        (alert(payload=payload(summary=7)), "payload.summary"),
        (alert(payload=payload(severity="fatal")), "payload.severity"),
        (alert(payload=payload(severity="Critical")), "payload.severity"),
        (alert(payload=payload(component=7)), "payload.component"),
        (alert(payload=payload(group=[])), "payload.group"),
        (alert(payload=payload(**{"class": {}})), "payload.class"),
        (alert(payload=payload(custom_details=5)), "payload.custom_details"),
        (alert(payload=payload(custom_details=0)), "payload.custom_details"),
        (alert(payload=payload(custom_details=False)), "payload.custom_details"),
        *(
            (alert(payload=payload(timestamp=each)), "payload.timestamp")
            for each in (
                "",
                "yesterday",
                "Sun, 01 Mar 2026 12:00:00 GMT",
                "2026-02-30T12:00:00Z",
                "2026-03-01T25:00:00Z",
                "2026-03-01T12:00:00+99:99",
                "2026-03-01T12:00:00Z and more",
                1_772_366_400,
            )
        ),
        (alert(payload=...), "payload.summary"),
        (alert(payload=[]), "payload"),
        (alert("resolve", dedup_key="k", payload="why"), "payload"),
        (alert(links={"href": "https://example.com"}), "links"),
        (alert(links=[{"text": "where to?"}]), "links[0].href"),
        (alert(links=["https://example.com"]), "links[0].href"),
        (alert(images=[{"src": "https://example.com/i.png"}, {"alt": "what?"}]), "images[1].src"),
        (alert(images=[{"src": "http://example.com/i.png"}]), "images[0].src"),
    ],
)
def test_a_fault_is_refused_with_the_name_of_its_field(client, body, field):
    response = client.post(body)
    assert response.status_code == 400
    assert response.json()["status"] == "invalid event"
    assert f"'{field}'" in response.json()["errors"][0]
    assert client.held("events") == client.held("incidents") == []


def test_every_fault_of_an_event_is_named_at_once(client):
    errors = client.post({"routing_key": "short-key", "event_action": "trigger"}).json()["errors"]
    assert errors == [
        "Length of 'routing_key' is incorrect (should be 32 characters)",
        "'routing_key' cannot contain non-alphanumeric characters.",
        "'payload.summary' is missing or blank",
        "'payload.source' is missing or blank",
        "'payload.severity' is missing or blank",
    ]


NO_EVENT = {
    "empty": b"",
    "plain text": b"Disk full on db-1",
    "a form": b"routing_key=0123456789abcdefghijklmnopqrstuv&event_action=trigger",
    "cut short": json.dumps(alert()).encode()[:-1],
    "two": json.dumps(alert()).encode() * 2,
    "Latin-1": json.dumps(alert(client="é"), ensure_ascii=False).encode("latin-1"),
    "NaN": json.dumps(alert(client=float("nan"))).encode(),
    "Infinity": json.dumps(alert(client=float("inf"))).encode(),
    "a number over all bounds": json.dumps(alert(client=0)).replace('"client": 0', '"client": 1e999').encode(),
    "half a surrogate pair": json.dumps(alert(client="\ud83d")).encode(),
    "deeper than any parser goes": b"[" * 100_000,
    "null": b"null",
    "a list": json.dumps([alert()]).encode(),
    "a string": json.dumps(json.dumps(alert())).encode(),
}


@pytest.mark.parametrize("path", ["/v2/enqueue", "/v2/change/enqueue"])
@pytest.mark.parametrize("body", NO_EVENT.values(), ids=NO_EVENT)
def test_what_is_no_json_object_is_unrecognized(client, body, path):
    response = client.post(body, path)
    assert response.status_code == 400
    assert response.json() == {
        "status": "Unrecognized object",
        "message": "Event object format is unrecognized",
        "errors": ["JSON parse error"],
    }
    assert client.held("events") == client.held("changes") == []


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


def mostly(*good):
    return st.sampled_from(good) | anything


odd_payloads = st.fixed_dictionaries(
    {"summary": mostly("Disk full"), "source": mostly("db-1"), "severity": mostly("info", "error")},
    optional={
        "timestamp": mostly("2026-03-01T12:00:00Z"),
        "class": anything,
        "custom_details": st.dictionaries(st.text(), anything, max_size=3) | anything,
    },
)
odd_events = st.fixed_dictionaries(
    {"routing_key": st.just(KEY), "payload": odd_payloads},
    optional={
        "event_action": st.sampled_from(["trigger", "acknowledge", "resolve"]),
        "dedup_key": mostly("k"),
        "links": mostly([{"href": "https://example.com"}]),
        "images": mostly([{"src": "https://example.com/i.png"}]),
        "client": anything,
        "id": anything,
        "service": anything,
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=odd_events, path=st.sampled_from(["/v2/enqueue", "/v2/change/enqueue"]))
def test_whatever_is_sent_is_taken_or_refused_and_all_that_is_taken_can_be_read_back(client, body, path):
    client.session.post(f"{client.url}/sandbox/reset", timeout=TIMEOUT)
    response = client.post(body, path)
    taken = response.status_code == 202
    assert taken or response.status_code == 400, response.text
    assert (response.json()["status"] == "success") == taken
    assert bool(response.json().get("errors")) == (not taken)
    assert len(client.held("events") + client.held("changes")) == taken
    client.held("incidents")


# Alerts and incidents


def test_a_trigger_on_an_open_alert_adds_to_it_and_shows_the_newest_summary(client):
    client.send(dedup_key="k", payload=payload(summary="90% full", severity="warning"))
    client.send(dedup_key="k", payload=payload(summary="99% full", severity="error"))
    [incident] = client.held("incidents")
    assert incident["status"] == "triggered"
    assert (incident["alert"]["summary"], incident["alert"]["severity"]) == ("99% full", "error")
    assert [event["payload"]["summary"] for event in incident["alert"]["events"]] == ["90% full", "99% full"]


def test_a_trigger_on_an_acknowledged_incident_notifies_nobody(client, sandbox):
    client.send(dedup_key="k")
    client.send("acknowledge", dedup_key="k", payload=...)
    history = [entry.kind for entry in sandbox.pagerduty.incidents[0].log]
    assert "assign" in history  # which is how the sandbox notes whom it has notified
    client.send(dedup_key="k", payload=payload(summary="newest"))
    [incident] = client.held("incidents")
    assert (incident["status"], incident["alert"]["status"]) == ("acknowledged", "triggered")
    assert incident["alert"]["summary"] == "newest"
    assert [entry.kind for entry in sandbox.pagerduty.incidents[0].log].count("assign") == history.count(
        "assign"
    )


def test_after_resolve_the_same_key_opens_a_new_alert(client):
    for action in ("trigger", "resolve", "trigger"):
        client.send(action, dedup_key="k")
    first, second = client.held("incidents")
    assert (first["status"], first["alert"]["status"]) == ("resolved", "resolved")
    assert (second["status"], second["alert"]["status"]) == ("triggered", "triggered")
    assert first["alert"]["dedup_key"] == second["alert"]["dedup_key"] == "k"
    assert first["id"] != second["id"]
    assert first["alert"]["id"] != second["alert"]["id"]
    assert (first["number"], second["number"]) == (1, 2)
    assert [len(each["alert"]["events"]) for each in (first, second)] == [2, 1]


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"dedup_key": "unknown"}, id="an unknown dedup_key"),
        pytest.param({"dedup_key": "K"}, id="another case"),
        pytest.param({"dedup_key": "k", "key": OTHER_KEY}, id="another routing key"),
    ],
)
def test_standing_down_what_is_not_open_is_answered_202_and_dropped(client, action, other):
    client.send(dedup_key="k")
    before = client.held("incidents")
    assert client.send(action, **other) == other["dedup_key"]
    assert client.held("incidents") == before
    assert [event["alert_id"] for event in client.held("events")] == [before[0]["alert"]["id"], None]


def test_a_resolved_alert_is_not_acknowledged_again(client):
    for action in ("trigger", "resolve", "acknowledge", "resolve"):
        client.send(action, dedup_key="k")
    assert client.statuses() == ["resolved"]


@pytest.mark.parametrize("missing", [..., None, ""])
def test_each_trigger_without_a_dedup_key_is_a_new_alert_with_a_key_of_its_own(client, missing):
    first, second = client.send(dedup_key=missing), client.send(dedup_key=missing)
    assert first != second
    assert [each["alert"]["dedup_key"] for each in client.held("incidents")] == [first, second]
    client.send("resolve", dedup_key=first)
    assert client.statuses() == ["resolved", "triggered"]


def test_one_dedup_key_under_two_routing_keys_is_two_alerts(client):
    client.send(dedup_key="k")
    client.send(dedup_key="k", key=OTHER_KEY)
    client.send("resolve", dedup_key="k")
    mine, theirs = client.held("incidents")
    assert (mine["status"], theirs["status"]) == ("resolved", "triggered")
    assert mine["service"] != theirs["service"]


@pytest.fixture
def restless_threads():
    """Let threads take turns after microseconds, and so in the middle of everything."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("restless_threads")
def test_triggers_that_arrive_at_once_open_one_incident(sandbox):
    threads, keys = 8, [str(number) for number in range(400)]
    start = threading.Barrier(threads)

    def send_all(_):
        for dedup_key in keys:
            start.wait(TIMEOUT)
            sandbox.pagerduty.take_event(KEY, alert(key=..., dedup_key=dedup_key))

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(send_all, range(threads)))
    incidents = sandbox.pagerduty.incidents
    assert [each.alert.dedup_key for each in incidents] == keys
    assert [each.number for each in incidents] == list(range(1, len(keys) + 1))
    assert {len(each.alert.events) for each in incidents} == {threads}
    assert len(sandbox.pagerduty.events) == threads * len(keys)


def test_times_are_those_of_arrival():
    clock = Clock()
    with limited(None, clock) as client:
        client.send(dedup_key="k", payload=payload(timestamp="2015-07-17T08:42:58Z"))
        for action in ("trigger", "acknowledge", "resolve"):
            clock.advance(90)
            client.send(action, dedup_key="k")
            [incident] = client.held("incidents")
            times = [event["received_at"] for event in client.held("events")]
            assert incident["created_at"] == times[0] == "2026-03-01T12:00:00+00:00"
            assert incident["updated_at"] == times[-1] == clock().isoformat()


# Change events


def test_a_change_event_is_kept_and_opens_nothing(client):
    body = change(
        links=[{"href": "https://example.com/builds/220", "text": "The build"}],
        images=[{"src": "https://example.com/i.png"}],
    )
    body["payload"] |= {
        "source": "ci",
        "timestamp": "2015-07-17T08:42:58.315+0000",
        "custom_details": {"build": 220},
    }
    response = client.post_change(body)
    assert response.status_code == 202
    assert response.json()["status"] == "success"
    assert "dedup_key" not in response.json()
    [kept] = client.held("changes")
    assert {**kept, "routing_key": KEY}.items() >= body.items()
    assert client.held("events") == client.held("incidents") == []


def test_a_change_event_needs_nothing_but_its_key_and_a_summary(client):
    assert client.post_change(change(summary="x" * 1024)).status_code == 202


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (change(key=KEY[:-1]), "Length of 'routing_key' is incorrect (should be 32 characters)"),
        (change(summary=" "), "'payload.summary' is missing or blank"),
        ({"routing_key": KEY}, "'payload.summary' is missing or blank"),
        (change(summary="x" * 1025), "'summary' is too long (maiximum is 1024 characters)"),
        (change(key=RULESET_KEY), "ruleset"),
        (change(payload=[]), "'payload'"),
        (change(payload={"summary": "s", "timestamp": "now"}), "'payload.timestamp'"),
        (change(payload={"summary": "s", "custom_details": 5}), "'payload.custom_details'"),
        (change(links=[{"text": "where to?"}]), "'links[0].href'"),
        (change(images=[{"src": "http://example.com/i.png"}]), "'images[0].src'"),
    ],
)
def test_a_faulty_change_event_is_refused(client, body, error):
    response = client.post_change(body)
    assert response.status_code == 400
    assert response.json()["status"] == "invalid event"
    assert error in response.json()["errors"][0]
    assert client.held("changes") == []


# Throttling


def test_the_121st_event_of_a_minute_is_throttled_in_pagerdutys_words_and_not_taken():
    with limited(120, Clock()) as client:
        for number in range(120):
            client.send(dedup_key=str(number))
        response = client.post(alert(dedup_key="one too many"))
        assert response.status_code == 429
        assert response.json() == {
            "status": "throttle exceeded",
            "message": "Requests for this service are arriving too quickly.  Please retry later.",
            "errors": ["Enhance Your Calm."],
        }
        assert "retry-after" not in response.headers  # documented for the other API only
        assert [event["dedup_key"] for event in client.held("events")] == [str(number) for number in range(120)]
        client.send(dedup_key="another service", key=OTHER_KEY)


def test_the_minute_slides():
    clock = Clock()

    def answers():
        return [client.post(alert(dedup_key="k")).status_code for _ in range(3)]

    with limited(4, clock) as client:
        assert answers() == [202, 202, 202]
        clock.advance(30)
        assert answers() == [202, 429, 429]
        clock.advance(29.9)
        assert answers() == [429, 429, 429]
        clock.advance(0.1)
        assert answers() == [202, 202, 202]
        assert answers() == [429, 429, 429]
        clock.advance(30)
        assert answers() == [202, 429, 429]


def test_change_events_count_like_any_event_of_their_key():
    with limited(2, Clock()) as client:
        client.send()
        assert client.post_change(change()).status_code == 202
        assert client.post_change(change()).status_code == 429
        assert client.post(alert()).status_code == 429
        assert (len(client.held("events")), len(client.held("changes"))) == (1, 1)


def test_nothing_is_throttled_unless_asked_for(client):
    for _ in range(130):
        client.send(dedup_key="k")


# Reading back


def test_incidents_are_found_by_status(client):
    for key, actions in {
        "a": ["trigger"],
        "b": ["trigger", "acknowledge"],
        "c": ["trigger", "resolve"],
    }.items():
        for action in actions:
            client.send(action, dedup_key=key)
    found = {
        status: [each["alert"]["dedup_key"] for each in client.held("incidents", status=status)]
        for status in ("triggered", "acknowledged", "resolved")
    }
    assert found == {"triggered": ["a"], "acknowledged": ["b"], "resolved": ["c"]}


def test_what_is_read_back_shows_no_key(client):
    client.send(dedup_key="k")
    client.post_change(change(key=OTHER_KEY))
    for what in ("incidents", "events", "changes"):
        shown = json.dumps(client.held(what))
        assert "Service " in shown
        assert "routing_key" not in shown
        assert KEY not in shown
        assert OTHER_KEY not in shown


def test_a_sent_field_does_not_pass_for_one_of_the_sandboxs_own(client):
    forged = {"id": "forged", "received_at": "forged", "service": "forged"}
    client.send(**forged, alert_id="forged")
    client.post_change(change(**forged))
    [incident] = client.held("incidents")
    [event] = client.held("events")
    [kept] = client.held("changes")
    assert "forged" not in json.dumps([event, kept])
    assert event["alert_id"] == incident["alert"]["id"]


def test_reset_forgets_everything_also_who_was_throttled():
    with limited(1, Clock()) as client:
        client.send()
        assert client.post_change(change()).status_code == 429
        assert client.session.post(f"{client.url}/sandbox/reset", timeout=TIMEOUT).status_code == 204
        assert client.held("incidents") == client.held("events") == client.held("changes") == []
        assert client.post_change(change()).status_code == 202
        assert len(client.held("changes")) == 1


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v2/enqueue"), ("POST", "/v2/other"), ("GET", "/nowhere")]
)
def test_what_is_not_there_says_so(client, method, path):
    response = client.session.request(method, client.url + path, timeout=TIMEOUT)
    assert response.status_code == 501
    assert f"{method} {path}" in response.json()["error"]["message"]


# Clients that nobody here wrote


@pytest.fixture
def pdpyras_session(sandbox):
    with EventsAPISession(KEY) as session:
        session.url = sandbox.url
        yield session


def test_pdpyras_pages_and_stands_down(pdpyras_session, client):
    dedup_key = pdpyras_session.trigger(
        "Disk full",
        "db-1",
        severity="error",
        custom_details={"free": 0.01},
        links=[{"href": "https://example.com"}],
        images=[{"src": "https://example.com/i.png"}],
    )
    assert pdpyras_session.trigger("Still full", "db-1", dedup_key=dedup_key) == dedup_key
    assert pdpyras_session.acknowledge(dedup_key) == dedup_key
    assert client.statuses() == ["acknowledged"]
    assert pdpyras_session.resolve(dedup_key) == dedup_key
    [incident] = client.held("incidents")
    assert incident["status"] == "resolved"
    assert incident["alert"]["summary"] == "Still full"
    actions = [event["event_action"] for event in incident["alert"]["events"]]
    assert actions == ["trigger", "trigger", "acknowledge", "resolve"]


def test_pdpyras_reads_a_refusal(pdpyras_session):
    with pytest.raises(PDClientError, match="invalid event.*payload.severity") as refused:
        pdpyras_session.trigger("Disk full", "db-1", severity="fatal")
    assert refused.value.response.status_code == 400


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pdpyras")  # it asks utcnow() for the time
def test_pdpyras_submits_a_change(sandbox, client):
    with ChangeEventsAPISession(KEY) as session:
        session.url = sandbox.url
        session.submit("Deployed", source="ci", custom_details={"build": 220})
    [kept] = client.held("changes")
    assert kept["payload"].pop("timestamp").endswith("Z")
    assert kept["payload"] == {"summary": "Deployed", "source": "ci", "custom_details": {"build": 220}}


@pytest.fixture
def https_sandbox(tmp_path, monkeypatch):
    """A sandbox behind TLS, as PagerDuty's newer client takes nothing else; and trust in it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):  # each HTTP library looks at its own
        monkeypatch.setenv(name, str(tmp_path / "authority.pem"))
    pagerduty = PagerDuty()
    quiet = {"log_level": "warning", "lifespan": "off", "ws": "none"}
    config = uvicorn.Config(application(pagerduty), ssl_certfile=tmp_path / "server.pem", **quiet)
    server = uvicorn.Server(config)
    with bind(0) as bound:
        bound.listen()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        yield url_of(bound).replace("http:", "https:"), pagerduty
        server.should_exit = server.force_exit = True
        thread.join(TIMEOUT)


def test_pagerdutys_newer_client_pages_stands_down_and_submits_a_change(https_sandbox):
    url, pagerduty = https_sandbox
    with contextlib.closing(EventsApiV2Client(KEY, base_url=url)) as newer:
        dedup_key = newer.trigger("Disk full", "db-1", severity="error", custom_details={"free": 0.01})
        assert newer.acknowledge(dedup_key) == dedup_key
        assert newer.resolve(dedup_key) == dedup_key
        newer.submit("Deployed", source="ci", timestamp="2026-03-01T12:00:00Z")
    [incident] = pagerduty.incidents
    assert (incident.status, incident.alert.dedup_key) == ("resolved", dedup_key)
    assert [event.action for event in incident.alert.events] == ["trigger", "acknowledge", "resolve"]
    assert [each.body["payload"]["summary"] for each in pagerduty.changes] == ["Deployed"]


# The account against a reference


class Account(RuleBasedStateMachine):
    """Any sequence of events, against a list of [key, status, summary, number of events], one an incident."""

    keys = st.sampled_from([KEY, OTHER_KEY])
    dedup_keys = st.sampled_from(["a", "A", "b"])
    summaries = st.sampled_from(["first", "second", "third"])

    def __init__(self):
        super().__init__()
        self.pagerduty = PagerDuty(clock=Clock())
        self.expected = []
        self.sent = self.dropped = self.changes = 0

    def take(self, key, action, **fields):
        self.sent += 1
        return self.pagerduty.take_event(key, alert(action, key=..., **fields))

    def open_under(self, key, dedup_key):
        found = [each for each in self.expected if each[0] == (key, dedup_key) and each[1] != "resolved"]
        return found[0] if found else None

    @rule(key=keys, dedup_key=dedup_keys, summary=summaries)
    def trigger(self, key, dedup_key, summary):
        self.take(key, "trigger", dedup_key=dedup_key, payload=payload(summary=summary))
        incident = self.open_under(key, dedup_key)
        if incident is None:
            incident = [(key, dedup_key), "triggered", summary, 0]
            self.expected.append(incident)
        incident[2] = summary
        incident[3] += 1

    @rule(key=keys, summary=summaries)
    def trigger_without_a_dedup_key(self, key, summary):
        event = self.take(key, "trigger", payload=payload(summary=summary))
        self.expected.append([(key, event.dedup_key), "triggered", summary, 1])

    @rule(key=keys, dedup_key=dedup_keys, action=st.sampled_from(["acknowledge", "resolve"]))
    def stand_down(self, key, dedup_key, action):
        event = self.take(key, action, dedup_key=dedup_key, payload=...)
        incident = self.open_under(key, dedup_key)
        if incident is None:
            self.dropped += 1
            assert event.alert is None
        else:
            incident[1] = f"{action}d"
            incident[3] += 1

    @rule(key=keys)
    def deploy(self, key):
        self.changes += 1
        self.pagerduty.take_change(key, {"payload": {"summary": "Deployed"}})

    @invariant()
    def the_incidents_are_those_of_the_reference(self):
        assert [
            [
                (each.service.integration_key, each.alert.dedup_key),
                each.status,
                each.alert.summary,
                len(each.alert.events),
            ]
            for each in self.pagerduty.incidents
        ] == self.expected

    @invariant()
    def an_alert_is_open_as_long_as_its_incident(self):
        for each in self.pagerduty.incidents:
            assert (each.alert.status == "resolved") == (each.status == "resolved")

    @invariant()
    def one_incident_at_most_is_open_for_a_service_and_a_dedup_key(self):
        pairs = Counter(
            (each.service.id, each.alert.dedup_key)
            for each in self.pagerduty.incidents
            if each.status != "resolved"
        )
        assert all(count == 1 for count in pairs.values())

    @invariant()
    def every_event_is_kept_and_belongs_to_one_alert_or_none(self):
        in_alerts = [event.id for each in self.pagerduty.incidents for event in each.alert.events]
        assert len(self.pagerduty.events) == self.sent == len(in_alerts) + self.dropped
        assert len(set(in_alerts)) == len(in_alerts)
        assert len(self.pagerduty.changes) == self.changes


TestAccount = Account.TestCase
TestAccount.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


# The house it stands in

SERVE_AN_EVENT = """
import sys
from urllib.request import Request, urlopen
from airflow_provider_pagerduty.sandbox.server import running

with running() as sandbox:
    urlopen(Request(sandbox.url + "/v2/enqueue", sys.argv[1].encode()), timeout=20).close()
    urlopen(sandbox.url + "/sandbox/incidents", timeout=20).close()
    assert len(sandbox.pagerduty.incidents) == 1
print(*sys.modules, sep="\\n")
"""


def test_the_sandbox_serves_without_airflow_and_without_the_rest_of_this_package():
    command = [sys.executable, "-c", SERVE_AN_EVENT, json.dumps(alert())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    ours = [name for name in done.stdout.split() if name.startswith("airflow")]
    package = "airflow_provider_pagerduty"
    assert f"{package}.sandbox.events_api" in ours
    assert [name for name in ours if name != package and not f"{name}.".startswith(f"{package}.sandbox.")] == []


def test_it_is_bound_to_the_loopback_alone():
    with bind(0) as bound:
        assert bound.getsockname()[0] == "127.0.0.1"


def test_a_sandbox_in_a_thread_gives_its_port_back_also_when_a_client_stopped_halfway():
    with running() as sandbox:
        host, port = sandbox.url.removeprefix("http://").split(":")
        half = socket.create_connection((host, int(port)), TIMEOUT)
        half.sendall(HALF_A_REQUEST)
        assert half.recv(99).startswith(b"HTTP/1.1 100")
        with pytest.raises(OSError, match="in use"):
            bind(int(port))
    with half, running(port=int(port)) as again:
        assert Client(again.url).held("incidents") == []
