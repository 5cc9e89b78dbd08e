"""What can be made to go wrong in the sandbox: asked for over HTTP or in Python, and seen by clients."""

import http.client
import json
import re
import socket
import threading
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

import pytest
import requests

from airflow_provider_pagerduty.hooks.pagerduty_events import PagerdutyEventsHook
from airflow_provider_pagerduty.sandbox.account import PagerDuty
from airflow_provider_pagerduty.sandbox.fault import Fault
from airflow_provider_pagerduty.sandbox.server import running

KEY = "0123456789abcdefghijklmnopqrstuv"
OTHER_KEY = "vutsrqponmlkjihgfedcba9876543210"
TIMEOUT = 20


class Clock:
    def __init__(self):
        self.now = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)

    def __call__(self):
        return self.now

    def advance(self, **duration):
        self.now += timedelta(**duration)


CLOCK = Clock()


@pytest.fixture(scope="module")
def server():
    with running(PagerDuty(clock=CLOCK)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(server):
    server.pagerduty.clear()
    return server


def event(dedup_key="k", key=KEY):
    payload = {"summary": "Disk full", "source": "db-1", "severity": "error"}
    return {"routing_key": key, "event_action": "trigger", "dedup_key": dedup_key, "payload": payload}


def send(sandbox, dedup_key="k", key=KEY):
    """Send an event over a connection of its own, and return the answer."""
    return requests.post(f"{sandbox.url}/v2/enqueue", json=event(dedup_key, key), timeout=TIMEOUT)


def control(sandbox, **fault):
    return requests.post(f"{sandbox.url}/sandbox/faults", json=fault, timeout=TIMEOUT)


def added(sandbox, **fault):
    answer = control(sandbox, **fault)
    assert answer.status_code == 201, answer.text
    return answer.json()["fault"]["id"]


def listed(sandbox):
    answer = requests.get(f"{sandbox.url}/sandbox/faults", timeout=TIMEOUT)
    assert answer.status_code == 200
    return answer.json()["faults"]


def stored(sandbox):
    return [each.dedup_key for each in sandbox.pagerduty.events]


# refuse


@pytest.mark.parametrize(
    ("when", "kept"), [("before", []), ("during", []), ("after", ["k"])], ids=["before", "during", "after"]
)
@pytest.mark.parametrize("key", [None, KEY], ids=["all keys", "one key"])
def test_a_refused_event_is_answered_nothing_and_stored_only_if_after(sandbox, when, kept, key):
    added(sandbox, kind="refuse", when=when, times=1, key=key)
    with pytest.raises(requests.ConnectionError):
        send(sandbox)
    assert stored(sandbox) == kept
    assert send(sandbox, "next").status_code == 202
    assert stored(sandbox) == [*kept, "next"]


def test_a_retry_after_a_stored_event_that_was_not_answered_is_how_people_are_paged_twice(sandbox):
    added(sandbox, kind="refuse", when="after", times=1)
    without_key = event()
    del without_key["dedup_key"]
    with pytest.raises(requests.ConnectionError):
        requests.post(f"{sandbox.url}/v2/enqueue", json=without_key, timeout=TIMEOUT)
    assert requests.post(f"{sandbox.url}/v2/enqueue", json=without_key, timeout=TIMEOUT).status_code == 202
    assert len(sandbox.pagerduty.incidents) == 2


def raw(sandbox, head, body=b""):
    """Return a connection on which the beginning of a request was sent."""
    address = urlsplit(sandbox.url)
    client = socket.create_connection((address.hostname, address.port), TIMEOUT)
    client.sendall(f"POST /v2/enqueue HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n".encode() + body)
    return client


def read_to_the_end(client):
    with client:
        try:
            return client.recv(65536)
        except ConnectionResetError:
            return b""


def test_a_connection_refused_before_is_closed_while_the_body_is_still_to_come(sandbox):
    added(sandbox, kind="refuse", when="before", times=1)
    assert read_to_the_end(raw(sandbox, "Content-Length: 1000")) == b""
    assert listed(sandbox) == []


def test_a_connection_refused_during_is_closed_when_a_part_of_the_body_has_come(sandbox):
    added(sandbox, kind="refuse", when="during", times=1)
    client = raw(sandbox, "Content-Length: 1000")
    client.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.recv(1)
    client.settimeout(TIMEOUT)
    client.sendall(b'{"routing_key": ')
    assert read_to_the_end(client) == b""


def test_a_client_that_goes_away_while_its_key_is_awaited_uses_up_no_fault(sandbox):
    added(sandbox, kind="status", status=500, times=1, key=KEY)
    raw(sandbox, "Content-Length: 1000", b'{"routing').close()
    assert send(sandbox).status_code == 500


@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_nothing_is_logged_about_a_refusal(sandbox, when, caplog, capfd):
    added(sandbox, kind="refuse", when=when, times=1)
    with pytest.raises(requests.ConnectionError):
        send(sandbox)
    send(sandbox, "next")
    assert caplog.text == ""
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_a_connection_over_tls_is_refused_too(when):
    with running(tls=True) as sandbox:
        sandbox.faults.add(Fault(kind="refuse", when=when, times=1))
        session = requests.Session()
        session.verify = str(sandbox.ca_file)
        with pytest.raises(requests.ConnectionError) as refused:
            session.post(f"{sandbox.url}/v2/enqueue", json=event(), timeout=TIMEOUT)
        assert not isinstance(refused.value, requests.exceptions.SSLError | requests.Timeout)
        assert session.post(f"{sandbox.url}/v2/enqueue", json=event("next"), timeout=TIMEOUT).ok
        assert stored(sandbox) == (["k", "next"] if when == "after" else ["next"])


# status


@pytest.mark.parametrize("status", [200, 204, 304, 400, 418, 451, 500, 503, 599])
def test_any_status_is_answered_without_a_body_and_nothing_is_stored(sandbox, status):
    added(sandbox, kind="status", status=status, times=1)
    answer = send(sandbox)
    assert (answer.status_code, answer.content) == (status, b"")
    assert stored(sandbox) == []


@pytest.mark.parametrize(
    ("body", "content", "kind"),
    [
        ("Down. Bäck soon", "Down. Bäck soon".encode(), "text/plain; charset=utf-8"),
        ("", b"", "text/plain; charset=utf-8"),
        ({"error": [1]}, b'{"error":[1]}', "application/json"),
        (False, b"false", "application/json"),
    ],
)
def test_a_status_comes_with_the_body_and_headers_that_were_asked_for(sandbox, body, content, kind):
    added(sandbox, kind="status", status=503, body=body, headers={"Retry-After": "7"}, times=1)
    answer = send(sandbox)
    assert (answer.status_code, answer.content) == (503, content)
    assert (answer.headers["Content-Type"], answer.headers["Retry-After"]) == (kind, "7")


def test_a_content_type_that_is_asked_for_replaces_the_usual_one(sandbox):
    headers = {"Content-Type": "text/html"}
    added(sandbox, kind="status", status=502, body="<h1>Bad gateway</h1>", headers=headers, times=1)
    assert send(sandbox).headers["Content-Type"] == "text/html"


def test_a_status_leaves_a_kept_connection_fit_for_more(sandbox):
    added(sandbox, kind="status", status=500, times=2)
    address = urlsplit(sandbox.url)
    client = http.client.HTTPConnection(address.hostname, address.port, timeout=TIMEOUT)
    codes = []
    for _ in range(3):
        client.request("POST", "/v2/enqueue", json.dumps(event() | {"padding": "x" * 100_000}))
        used = client.sock
        answer = client.getresponse()
        answer.read()
        codes.append((answer.status, client.sock is used))
    client.close()
    assert codes == [(500, True), (500, True), (202, True)]


# slow


def test_a_slow_answer_is_given_after_the_event_was_stored(sandbox):
    sandbox.faults.add(Fault(kind="slow", delay=3600, times=1))
    came = threading.Event()

    def listen(*_):
        came.set()

    sandbox.pagerduty.listeners.append(listen)
    client = raw(sandbox, f"Content-Length: {len(json.dumps(event()))}", json.dumps(event()).encode())
    assert came.wait(TIMEOUT)
    client.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.recv(1)
    assert stored(sandbox) == ["k"]
    client.close()
    sandbox.pagerduty.listeners.remove(listen)


def test_a_slow_answer_comes_after_its_delay(sandbox):
    added(sandbox, kind="slow", delay=0.2, times=1)
    answer = send(sandbox)
    assert answer.status_code == 202
    assert answer.elapsed >= timedelta(seconds=0.2)


# rate_limit


def test_a_rate_limit_is_answered_as_pagerduty_does_by_either_api(sandbox):
    added(sandbox, kind="rate_limit", times=2, headers={"Retry-After": "30"})
    answer = send(sandbox)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "30")
    assert (answer.json()["status"], answer.json()["errors"]) == ("throttle exceeded", ["Enhance Your Calm."])
    answer = requests.get(f"{sandbox.url}/incidents", timeout=TIMEOUT)
    assert answer.status_code == 429
    assert answer.json() == {"error": {"message": "Rate Limit Exceeded", "code": 2020}}
    assert answer.headers["ratelimit-remaining"] == "0"
    assert stored(sandbox) == []


def test_a_rate_limit_per_minute_lets_each_key_have_its_share_of_each_minute(sandbox):
    added(sandbox, kind="rate_limit", per_minute=2, api="events")
    codes = [send(sandbox, key=key).status_code for key in [KEY] * 3 + [OTHER_KEY] * 3]
    assert codes == [202, 202, 429] * 2
    CLOCK.advance(seconds=60)
    assert [send(sandbox).status_code for _ in range(3)] == [202, 202, 429]


# For which requests, and for how long


def test_a_fault_for_so_many_requests_happens_so_often(sandbox):
    added(sandbox, kind="status", status=500, times=2)
    assert listed(sandbox)[0]["times"] == 2
    assert send(sandbox).status_code == 500
    assert listed(sandbox)[0]["times"] == 1
    assert [send(sandbox).status_code for _ in range(2)] == [500, 202]
    assert listed(sandbox) == []


def test_a_fault_for_a_time_lasts_for_that_time(sandbox):
    added(sandbox, kind="status", status=500, seconds=30)
    CLOCK.advance(seconds=29)
    assert send(sandbox).status_code == 500
    assert listed(sandbox)[0]["seconds"] == 1
    CLOCK.advance(seconds=1)
    assert send(sandbox).status_code == 202
    assert listed(sandbox) == []


def test_a_fault_without_an_end_lasts_until_it_is_taken_back(sandbox):
    number = added(sandbox, kind="status", status=500)
    CLOCK.advance(days=30)
    assert {send(sandbox).status_code for _ in range(20)} == {500}
    url = f"{sandbox.url}/sandbox/faults/{number}"
    assert requests.delete(url, timeout=TIMEOUT).status_code == 204
    assert send(sandbox).status_code == 202
    again = requests.delete(url, timeout=TIMEOUT)
    assert again.status_code == 404
    assert f"no fault {number} is in force" in again.json()["error"]["message"]


def test_all_faults_are_taken_back_at_once(sandbox):
    added(sandbox, kind="refuse")
    added(sandbox, kind="status", status=500)
    assert requests.delete(f"{sandbox.url}/sandbox/faults", timeout=TIMEOUT).status_code == 204
    assert send(sandbox).status_code == 202


def test_a_reset_takes_all_faults_back(sandbox):
    added(sandbox, kind="refuse")
    assert requests.post(f"{sandbox.url}/sandbox/reset", timeout=TIMEOUT).status_code == 204
    assert listed(sandbox) == []
    assert send(sandbox).status_code == 202


def test_faults_happen_in_the_order_in_which_they_were_added(sandbox):
    added(sandbox, kind="status", status=500, times=1)
    added(sandbox, kind="rate_limit", times=1)
    added(sandbox, kind="refuse", times=1)
    assert [send(sandbox).status_code for _ in range(2)] == [500, 429]
    with pytest.raises(requests.ConnectionError):
        send(sandbox)
    assert send(sandbox).status_code == 202


def test_a_fault_for_one_key_lets_the_others_through(sandbox):
    added(sandbox, kind="status", status=500, key=KEY)
    assert [send(sandbox, key=key).status_code for key in (KEY, OTHER_KEY, KEY)] == [500, 202, 500]
    change = {"routing_key": KEY, "payload": {"summary": "Deployed"}}
    assert requests.post(f"{sandbox.url}/v2/change/enqueue", json=change, timeout=TIMEOUT).status_code == 500
    for body in (b"no JSON", b"[]", b'{"routing_key": 1}', b"\xff"):
        assert requests.post(f"{sandbox.url}/v2/enqueue", data=body, timeout=TIMEOUT).status_code == 400


@pytest.mark.parametrize(
    ("where", "codes"),
    [
        ({"api": "events"}, (500, 500, 0)),
        ({"api": "rest"}, (0, 0, 500)),
        ({"api": "all"}, (500, 500, 500)),
        ({}, (500, 500, 500)),
        ({"path": "/v2/change"}, (0, 500, 0)),
        ({"path": "/incidents"}, (0, 0, 500)),
        ({"path": "/incidents", "api": "events"}, (0, 0, 0)),
    ],
    ids=str,
)
def test_a_fault_is_for_one_api_or_what_a_path_begins_with(sandbox, where, codes):
    added(sandbox, kind="status", status=500, **where)
    paths = ("/v2/enqueue", "/v2/change/enqueue", "/incidents/Q1")
    answers = [requests.post(f"{sandbox.url}{path}", timeout=TIMEOUT).status_code for path in paths]
    assert tuple(500 if code == 500 else 0 for code in answers) == codes


def test_no_fault_meets_the_sandboxs_own_addresses(sandbox):
    sandbox.faults.add(Fault(kind="refuse"))
    for path in ("/", "/sandbox/incidents", "/sandbox/faults"):
        assert requests.get(f"{sandbox.url}{path}", timeout=TIMEOUT).status_code == 200
    assert len(sandbox.faults.listed()) == 1


def test_requests_that_come_at_once_share_one_count(sandbox):
    added(sandbox, kind="status", status=500, times=10)
    codes = []

    def work():
        codes.extend(send(sandbox).status_code for _ in range(10))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(TIMEOUT)
    assert (codes.count(500), codes.count(202)) == (10, 30)


def test_the_events_hook_gets_over_a_fault_and_pages_once(connections):
    connections.pagerduty.clear()
    connections.faults.add(Fault(kind="refuse", when="after", times=1))
    PagerdutyEventsHook().create_event("Disk full", "error", dedup_key="k")
    assert len(connections.pagerduty.events) == 2
    assert len(connections.pagerduty.incidents) == 1


# Secrets, and what is refused


def test_no_listing_repr_or_error_shows_a_key(sandbox):
    send(sandbox)
    added(sandbox, kind="refuse", key=KEY)
    added(sandbox, kind="refuse", key=OTHER_KEY)
    first, second = listed(sandbox)
    assert (first["service"], second["service"]) == ("Service 1", "one that has sent nothing yet")
    shown = json.dumps([first, second]) + repr(Fault(kind="refuse", key=KEY)) + repr(sandbox.faults)
    wrong = control(sandbox, kind="refuse", key=f"{KEY}x").json()["error"]["message"]
    assert "'key' must be an integration key" in wrong
    assert KEY not in shown + wrong
    assert OTHER_KEY not in shown


BAD = [
    ({}, "'kind' must be one of 'refuse', 'status', 'slow', 'rate_limit', got None"),
    ({"kind": "fire"}, "'kind' must be one of 'refuse', 'status', 'slow', 'rate_limit', got 'fire'"),
    ({"kind": ["refuse"]}, "got ['refuse']"),
    ({"kind": "refuse", "tims": 1}, "'tims' is no field of a fault: it has kind, when,"),
    ({"kind": "refuse", "when": "later"}, "'when' must be one of 'before', 'during', 'after', got 'later'"),
    ({"kind": "refuse", "status": 500}, "'status' is of kind 'status', and this is 'refuse': leave it out"),
    ({"kind": "slow", "delay": 1, "when": "after"}, "'when' is of kind 'refuse', and this is 'slow'"),
    ({"kind": "status"}, "'status' must be a whole number from 200 to 599, got None"),
    ({"kind": "status", "status": 199}, "'status' must be a whole number from 200 to 599, got 199"),
    ({"kind": "status", "status": 600}, "got 600"),
    ({"kind": "status", "status": "500"}, "got '500'"),
    ({"kind": "status", "status": True}, "got True"),
    ({"kind": "status", "status": 204, "body": "x"}, "'body' cannot go with status 204"),
    ({"kind": "slow"}, "'delay' must be a number of seconds from 0 to 3600, got None"),
    ({"kind": "slow", "delay": -1}, "got -1"),
    ({"kind": "slow", "delay": float("nan")}, "got nan"),
    ({"kind": "refuse", "times": 0}, "'times' must be a whole number 1 or more, got 0"),
    ({"kind": "refuse", "times": 1.5}, "got 1.5"),
    ({"kind": "refuse", "seconds": "5"}, "'seconds' must be a number of seconds from 0 to"),
    ({"kind": "refuse", "seconds": float("inf")}, "got inf"),
    ({"kind": "rate_limit", "per_minute": -1}, "'per_minute' must be a whole number 0 or more, got -1"),
    ({"kind": "refuse", "api": "graphql"}, "'api' must be one of 'events', 'rest', 'all', got 'graphql'"),
    ({"kind": "refuse", "api": "rest", "key": KEY}, "'api' must be 'events' where 'key' is given, got 'rest'"),
    ({"kind": "refuse", "key": 12345}, "'key' must be an integration key: 32 letters and digits"),
    ({"kind": "refuse", "path": "incidents"}, "'path' must begin with '/'"),
    ({"kind": "refuse", "path": "/\ud800"}, "'path' must begin with '/'"),
    (
        {"kind": "refuse", "headers": {}},
        "'headers' are of kind 'status' and 'rate_limit', and this is 'refuse'",
    ),
    (
        {"kind": "status", "status": 500, "headers": []},
        "'headers' must be an object of names and texts, got []",
    ),
    ({"kind": "status", "status": 500, "headers": {"a": "b\r\nc"}}, "got 'a': 'b\\r\\nc'"),
    ({"kind": "status", "status": 500, "headers": {"Content-Length": "9"}}, "got 'Content-Length': '9'"),
    ({"kind": "status", "status": 500, "headers": {"Retry-After": 9}}, "got 'Retry-After': 9"),
    ({"kind": "status", "status": 500, "body": "\ud800"}, "'body' must be text or JSON"),
    ([], "a fault must be a JSON object"),
]


@pytest.mark.parametrize(
    ("fault", "complaint"), BAD, ids=lambda value: str(value)[:60].encode("unicode_escape").decode()
)
def test_an_ill_made_fault_is_refused_naming_field_value_and_cure(sandbox, fault, complaint):
    # Python's own JSON, as requests refuses NaN.
    answer = requests.post(f"{sandbox.url}/sandbox/faults", data=json.dumps(fault), timeout=TIMEOUT)
    assert answer.status_code == 400
    assert complaint in answer.json()["error"]["message"]
    assert listed(sandbox) == []
    with pytest.raises(ValueError, match=re.escape(complaint)):
        Fault.from_json(fault)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_refused(sandbox, body):
    answer = requests.post(f"{sandbox.url}/sandbox/faults", data=body, timeout=TIMEOUT)
    assert answer.status_code == 400
    assert "no JSON" in answer.json()["error"]["message"]


def test_a_fault_in_python_is_the_fault_over_http(sandbox):
    sandbox.faults.add(Fault(kind="status", status=503, times=2))
    added(sandbox, kind="status", status=503, times=2)
    first, second = listed(sandbox)
    assert first.pop("id") != second.pop("id")
    assert first == second == {"kind": "status", "status": 503, "times": 2}
