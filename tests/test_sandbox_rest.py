"""The sandbox's REST API, asked over HTTP as PagerDuty's is, also by clients that nobody here wrote.

Every answer that these tests get is held against PagerDuty's own description, where it is at hand.
"""

import contextlib
import sys
import threading
import warnings
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pagerduty import RestApiV2Client
from starlette.applications import Starlette

from airflow_provider_pagerduty.sandbox.account import PagerDuty
from airflow_provider_pagerduty.sandbox.directory import POLICY_ID, SCHEDULE_ID, USER_ID
from airflow_provider_pagerduty.sandbox.rest import ENDPOINTS, Access, routes
from airflow_provider_pagerduty.sandbox.server import bind, running, url_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # pdpyras announces its end when it is imported
    from pdpyras import APISession, EventsAPISession, PDClientError, PDHTTPError

sys.path.append(str(Path(__file__).parent))  # not done by pytest in importlib mode
from pagerduty_contract import contract_of

KEY = "0123456789abcdefghijklmnopqrstuv"
OTHER_KEY = "vutsrqponmlkjihgfedcba9876543210"
TOKEN = "an-accounts-token"
USER_TOKEN = "a-users-token"
EMAIL = "on-call@example.com"
TIMEOUT = 20


class Clock:
    """A clock that goes only when it is told to."""

    def __init__(self):
        self.present = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)

    def __call__(self):
        return self.present

    def advance(self, **by):
        self.present += timedelta(**by)


class Rest:
    """A client of one token, and what it expects. In names of parameters, ``__`` stands for ``[]``."""

    def __init__(self, sandbox, contract, token=TOKEN, email=EMAIL):
        self.url = sandbox.url
        self.pagerduty = sandbox.pagerduty
        self.session = requests.Session()
        if contract:
            contract.watch(self.session)
        self.session.headers.update({"Authorization": f"Token token={token}", "From": email})

    def ask(self, method, path, body=None, **params):
        params = {name.replace("__", "[]"): value for name, value in params.items()}
        return self.session.request(method, self.url + path, json=body, params=params, timeout=TIMEOUT)

    def expect(self, status, method, path, body=None, **params):
        response = self.ask(method, path, body, **params)
        assert response.status_code == status, response.text
        return response.json() if response.content else None

    def get(self, path, **params):
        return self.expect(200, "GET", path, **params)

    def refusal(self, status, method, path, body=None, **params):
        """Return the texts of an error, after its form was looked at."""
        error = self.expect(status, method, path, body, **params)["error"]
        assert isinstance(error["message"], str)
        assert isinstance(error["code"], int)
        return " ".join([error["message"], *error["errors"]])

    def event(self, action="trigger", dedup_key="k", key=KEY, **payload):
        body = {"routing_key": key, "event_action": action, "dedup_key": dedup_key}
        if action == "trigger":
            body["payload"] = {"summary": "Disk full", "source": "db-1", "severity": "critical", **payload}
        self.expect(202, "POST", "/v2/enqueue", body)

    def incident(self, dedup_key="k", **event):
        """Page somebody; return the incident."""
        self.event(dedup_key=dedup_key, **event)
        [incident] = self.get("/incidents", incident_key=dedup_key, statuses__="triggered")["incidents"]
        return incident

    def keys(self, **params):
        """Return the incident keys of a list."""
        return [each["incident_key"] for each in self.get("/incidents", **params)["incidents"]]

    def put_incident(self, incident, **changes):
        body = {"incident": {"type": "incident", **changes}}
        return self.expect(200, "PUT", f"/incidents/{incident['id']}", body)["incident"]

    def service_id(self, key=KEY):
        return self.pagerduty.declare_key(key).id

    def create_incident(self, status=201, **fields):
        service = {"id": self.service_id(), "type": "service_reference"}
        body = {"incident": {"type": "incident", "title": "By hand", "service": service, **fields}}
        return self.expect(status, "POST", "/incidents", body)


@contextlib.contextmanager
def serving(pagerduty, access):
    """Serve the REST API of an account to those who have a token."""
    app = Starlette(routes=routes(pagerduty, access))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", ws="none"))
    with bind(0) as bound:
        bound.listen()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        yield SimpleNamespace(url=url_of(bound), pagerduty=pagerduty)
        server.should_exit = server.force_exit = True
        thread.join(TIMEOUT)


@pytest.fixture(scope="module")
def contract(request):
    return contract_of(request.config)


@pytest.fixture(scope="module")
def _running():
    with running(PagerDuty(clock=Clock(), rest_limit=None)) as sandbox:
        yield sandbox


@pytest.fixture
def user_token(_running):
    return _running.user_token


@pytest.fixture
def clock(_running):
    _running.pagerduty.clock = Clock()
    return _running.pagerduty.clock


@pytest.fixture
def rest(_running, contract, clock):
    _running.pagerduty.clear()
    client = Rest(_running, contract)
    with client.session:
        yield client


# Who may ask


@pytest.mark.parametrize(
    "authorization", [None, "", "Token", "Token token=", "Bearer ", "Basic dTpw", "token", "Token token=a b"]
)
def test_a_request_without_a_token_is_a_401(rest, authorization):
    rest.session.headers["Authorization"] = authorization
    response = rest.ask("GET", "/abilities")
    assert response.status_code == 401
    assert response.json()["error"]["code"] == 2006


@pytest.mark.parametrize("authorization", [f"Token token={TOKEN}", f"Bearer {TOKEN}", f'token token="{TOKEN}"'])
@pytest.mark.parametrize("accept", ["application/vnd.pagerduty+json;version=2", "*/*", "text/html", None])
def test_any_token_is_the_accounts_and_any_accept_header_will_do(rest, authorization, accept):
    rest.session.headers.update({"Authorization": authorization, "Accept": accept})
    assert "teams" in rest.get("/abilities")["abilities"]


def test_a_user_token_is_somebodys_and_needs_no_from(rest, contract, user_token):
    user = Rest(rest, contract, user_token, email=None)
    assert user.get("/users/me")["user"]["id"] == USER_ID
    acknowledged = user.put_incident(user.incident(), status="acknowledged")
    assert acknowledged["acknowledgements"][0]["acknowledger"]["id"] == USER_ID


def test_an_account_token_is_nobodys(rest):
    assert "account-level access token" in rest.expect(400, "GET", "/users/me")["error"]


def test_strict_access_knows_only_its_tokens(contract):
    access = Access({USER_TOKEN: USER_ID, "of-one-who-left": "PGONE"}, frozenset([TOKEN]))
    with serving(PagerDuty(), access) as sandbox:
        statuses = {
            token: Rest(sandbox, contract, token).ask("GET", "/users").status_code
            for token in (TOKEN, USER_TOKEN, "of-one-who-left", "nobodys")
        }
    assert statuses == {TOKEN: 200, USER_TOKEN: 200, "of-one-who-left": 401, "nobodys": 401}


def test_no_token_is_in_a_repr():
    assert TOKEN not in repr(Access({TOKEN: USER_ID}, frozenset([TOKEN])))


@pytest.mark.parametrize(("method", "path"), [(each.method, each.path) for each in ENDPOINTS if each.acts])
def test_an_account_token_must_say_for_whom_it_acts(rest, method, path):
    rest.incident()
    path = path.replace("{id}", "1")
    rest.session.headers["From"] = None
    assert rest.ask(method, path).json()["error"]["code"] == 2016
    assert "From" in rest.refusal(400, method, path)
    rest.session.headers["From"] = "nobody@example.com"
    assert rest.ask(method, path).json()["error"]["code"] == 1008
    assert "Requester User Not Found" in rest.refusal(400, method, path)


def test_there_are_960_requests_a_minute_for_a_token(contract):
    clock = Clock()
    with running(PagerDuty(clock=clock)) as sandbox:
        one, other = Rest(sandbox, contract), Rest(sandbox, contract, "another")
        first = one.ask("GET", "/abilities")
        assert first.headers["ratelimit-limit"] == "960"
        assert first.headers["ratelimit-remaining"] == "959"
        assert first.headers["ratelimit-reset"] == "60"
        clock.advance(seconds=59)
        for _ in range(958):
            sandbox.pagerduty.admits_request(TOKEN)
        assert one.ask("GET", "/abilities").headers["ratelimit-remaining"] == "0"
        last = one.ask("GET", "/abilities")
        assert last.status_code == 429
        assert last.json()["error"]["message"] == "Rate Limit Exceeded"
        assert last.json()["error"]["code"] == 2020
        assert (last.headers["ratelimit-remaining"], last.headers["ratelimit-reset"]) == ("0", "1")
        assert other.ask("GET", "/abilities").status_code == 200
        clock.advance(seconds=1)
        assert one.ask("GET", "/abilities").headers["ratelimit-remaining"] == "959"


# What is not there


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/incidents/types"),
        ("GET", "/incidents/count"),
        ("GET", "/services/custom_fields"),
        ("POST", "/schedules/preview"),
        ("POST", "/change_events"),
        ("GET", "/business_services"),
        ("GET", "/users/PX/contact_methods"),
        ("POST", "/incidents/QX/responder_requests"),
        ("POST", "/incidents/QX/status_updates"),
        ("GET", "/services/PX/custom_fields/values"),
    ],
)
def test_what_is_not_implemented_says_so(rest, method, path):
    assert f"{method} {path}" in rest.expect(501, method, path)["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path"), [("PATCH", "/incidents"), ("DELETE", "/incidents/QX"), ("POST", "/oncalls")]
)
def test_what_pagerduty_does_not_allow_either_is_a_405(rest, method, path):
    response = rest.ask(method, path)
    assert response.status_code == 405
    assert "GET" in response.headers["allow"]


def test_head_is_answered_as_get_without_a_body(rest):
    response = rest.ask("HEAD", "/incidents")
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/incidents/QNONE",
        "/incidents/99",
        "/incidents/0",
        "/incidents/QNONE/alerts",
        "/incidents/QNONE/notes",
        "/incidents/QNONE/log_entries",
        "/incidents/QNONE/custom_fields/values",
        "/incidents/custom_fields/PNONE",
        "/log_entries/RNONE",
        "/services/PNONE",
        "/services/PNONE/change_events",
        "/users/PNONE",
        "/teams/PNONE",
        "/teams/PNONE/members",
        "/schedules/PNONE",
        "/escalation_policies/PNONE",
        "/maintenance_windows/PNONE",
        "/change_events/PNONE",
        "/abilities/flying",
    ],
)
def test_an_id_that_is_nobodys_is_a_404(rest, path):
    assert "Not Found" in rest.refusal(404, "GET", path)
    assert rest.ask("GET", path).json()["error"]["code"] == 2100


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"{}", b'{"incident": 5}', b'{"incident": {"title": "\\ud800"}}', b"NaN"]
)
def test_a_body_that_is_not_what_it_must_be_is_a_400(rest, data):
    response = rest.session.post(f"{rest.url}/incidents", data=data, timeout=TIMEOUT)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == 2001


# Pages


def test_pages_have_25_unless_asked_otherwise_and_100_at_most(rest):
    for number in range(103):
        rest.event(dedup_key=f"k{number:03}")
    first = rest.get("/incidents")
    assert [each["incident_key"] for each in first["incidents"]] == [f"k{number:03}" for number in range(25)]
    assert (first["limit"], first["offset"], first["more"], first["total"]) == (25, 0, True, None)
    most = rest.get("/incidents", limit=500)
    assert (most["limit"], len(most["incidents"]), most["more"]) == (100, 100, True)
    last = rest.get("/incidents", limit=100, offset=100, total="true")
    assert (len(last["incidents"]), last["more"], last["total"]) == (3, False, 103)
    beyond = rest.get("/incidents", offset=200, total="true")
    assert (beyond["incidents"], beyond["more"], beyond["total"]) == ([], False, 103)


def test_a_page_ends_at_10000(rest):
    assert rest.get("/incidents", offset=9900, limit=100)["incidents"] == []
    assert "10000" in rest.refusal(400, "GET", "/incidents", offset=9901, limit=100)


@pytest.mark.parametrize(
    "params", [{"limit": "x"}, {"limit": "-1"}, {"limit": "0"}, {"offset": "-1"}, {"offset": "1.5"}]
)
def test_a_page_that_cannot_be_is_refused(rest, params):
    assert next(iter(params)) in rest.refusal(400, "GET", "/services", **params)


# Finding incidents


def test_events_and_rest_see_the_same_incidents(rest):
    incident = rest.incident("k", summary="Disk full")
    shown = (incident["title"], incident["status"], incident["incident_number"])
    assert shown == ("Disk full", "triggered", 1)
    rest.event("acknowledge")
    assert rest.get("/incidents/1")["incident"]["status"] == "acknowledged"
    rest.put_incident(incident, status="resolved")
    assert rest.pagerduty.incidents[0].status == "resolved"
    rest.event()
    assert rest.keys(statuses__="triggered") == ["k"]
    assert len(rest.get("/incidents")["incidents"]) == 2


def test_incidents_are_found_by_status_service_urgency_and_key(rest):
    for key, dedup_key in [(KEY, "a"), (KEY, "b"), (OTHER_KEY, "c"), (OTHER_KEY, "b")]:
        rest.event(dedup_key=dedup_key, key=key)
    rest.event("acknowledge", "a")
    rest.event("resolve", "c", key=OTHER_KEY)
    service, other = rest.service_id(), rest.service_id(OTHER_KEY)
    assert rest.keys(statuses__=["acknowledged", "resolved"]) == ["a", "c"]
    assert rest.keys(service_ids__=service) == ["a", "b"]
    assert rest.keys(service_ids__=[service, other], statuses__="triggered") == ["b", "b"]
    assert rest.keys(service_ids__=other, incident_key="b") == ["b"]
    assert rest.keys(incident_key="b") == ["b", "b"]
    assert rest.keys(incident_key="B") == []
    assert rest.keys(urgencies__="low") == []
    rest.put_incident({"id": "2"}, urgency="low")
    assert rest.keys(urgencies__="low") == ["b"]
    assert rest.keys(urgencies__=["low", "high"]) == ["a", "b", "c", "b"]
    assert rest.keys(service_ids__="PNONE") == []


def test_an_empty_incident_key_returns_every_open_incident(rest, clock):
    rest.event(dedup_key="old")
    clock.advance(days=200)
    for dedup_key in ("a", "b"):
        rest.event(dedup_key=dedup_key)
    rest.event("acknowledge", "a")
    rest.event("resolve", "b")
    assert rest.keys(incident_key="") == ["old", "a"]


def test_incidents_are_found_by_time_the_last_month_by_default(rest, clock):
    for dedup_key, days in [("old", 0), ("older", 150), ("week", 25), ("now", 7)]:
        clock.advance(days=days)
        rest.event(dedup_key=dedup_key)
    week, older = (clock.present - timedelta(days=days) for days in (7, 32))
    assert rest.keys() == ["week", "now"]
    assert rest.keys(date_range="all") == ["old", "older", "week", "now"]
    assert rest.keys(since=older.isoformat()) == ["older", "week", "now"]
    assert rest.keys(since=older.isoformat(), until=week.isoformat()) == ["older"]
    assert rest.keys(since=week.date().isoformat()) == ["week", "now"]
    assert rest.keys(until=older.isoformat().replace("+00:00", "Z")) == []
    assert "6 months" in rest.refusal(400, "GET", "/incidents", since="2026-01-01")


def test_incidents_are_found_by_whom_they_are_assigned_to(rest):
    other = new_user(rest)
    first, _ = rest.incident("a"), rest.incident("b")
    assert rest.keys(user_ids__=USER_ID) == ["a", "b"]
    assignee = {"assignee": {"id": other["id"], "type": "user_reference"}}
    changed = rest.put_incident(first, assignments=[assignee])
    assert changed["assigned_via"] == "direct_assignment"
    assert rest.keys(user_ids__=USER_ID) == ["b"]
    assert rest.keys(user_ids__=[USER_ID, other["id"]]) == ["a", "b"]
    rest.event("resolve", "a")
    assert rest.keys(user_ids__=other["id"]) == []


def test_incidents_are_found_by_team(rest):
    team = rest.expect(201, "POST", "/teams", {"team": {"type": "team", "name": "Data"}})["team"]
    rest.incident()
    assert rest.keys(team_ids__=team["id"]) == []
    rest.expect(204, "PUT", f"/teams/{team['id']}/escalation_policies/{POLICY_ID}")
    assert rest.keys(team_ids__=team["id"]) == ["k"]
    assert rest.get("/incidents/1")["incident"]["teams"][0]["summary"] == "Data"
    assert rest.get("/services", team_ids__=team["id"])["services"] != []


def test_incidents_are_sorted(rest, clock):
    for dedup_key in "abcd":
        rest.event(dedup_key=dedup_key)
        clock.advance(seconds=1)
    for dedup_key in "cb":
        rest.event("resolve", dedup_key)
        clock.advance(seconds=1)
    rest.put_incident({"id": "1"}, urgency="low")
    orders = {
        "incident_number": "abcd",
        "incident_number:desc": "dcba",
        "created_at:desc": "dcba",
        "resolved_at": "cbad",
        "resolved_at:desc": "dabc",
        "urgency": "abcd",
        "urgency:desc": "bcda",
        "urgency:desc,created_at:desc": "dcba",
        "urgency:desc,resolved_at": "cbda",
    }
    assert {order: "".join(rest.keys(sort_by=order)) for order in orders} == orders
    assert rest.keys(sort_by="resolved_at", statuses__="resolved", urgencies__="high") == ["c", "b"]
    for wrong in ("title", "created_at:up", "created_at,urgency,resolved_at"):
        assert "sort_by" in rest.refusal(400, "GET", "/incidents", sort_by=wrong)


@pytest.mark.parametrize(
    "params",
    [{"statuses__": "open"}, {"urgencies__": "medium"}, {"since": "yesterday"}, {"date_range": "some"}],
)
def test_a_filter_that_cannot_be_is_refused(rest, params):
    [name] = params
    assert name.removesuffix("__") in rest.refusal(400, "GET", "/incidents", **params)


def test_included_things_come_whole(rest):
    rest.incident()
    names = ["assignees", "services", "escalation_policies", "first_trigger_log_entries", "teams", "agents"]
    incident = rest.get("/incidents/1", include__=[*names, "acknowledgers", "priorities", "users"])["incident"]
    assert incident["assignments"][0]["assignee"]["email"] == EMAIL
    assert incident["service"]["status"] == "critical"
    assert incident["escalation_policy"]["name"] == "Default"
    assert incident["first_trigger_log_entry"]["event_details"] == {"description": "Disk full"}
    assert incident["last_status_change_by"]["type"] == "service"
    assert rest.get("/incidents/1")["incident"]["service"]["type"] == "service_reference"


# Making and changing incidents


def test_an_incident_is_created_by_hand(rest):
    [priority, *_] = rest.get("/priorities")["priorities"]
    incident = rest.create_incident(
        urgency="low",
        incident_key="mine",
        body={"type": "incident_body", "details": "All of them"},
        priority={"id": priority["id"], "type": "priority_reference"},
        conference_bridge={"conference_number": "+1-415-555-1212", "conference_url": "https://example.com/1"},
    )["incident"]
    assert (incident["title"], incident["urgency"], incident["incident_key"]) == ("By hand", "low", "mine")
    assert incident["priority"]["name"] == "P1"
    assert incident["conference_bridge"]["conference_url"] == "https://example.com/1"
    assert incident["assignments"][0]["assignee"]["summary"] == "On Call"
    assert incident["last_status_change_by"]["id"] == USER_ID
    assert incident["alert_counts"] == {"all": 0, "triggered": 0, "resolved": 0}
    [*_, first] = rest.get("/log_entries", include__="channels")["log_entries"]
    assert first["channel"]["details"] == {"details": "All of them"}


def test_creating_an_incident_with_the_key_of_an_open_one_is_refused(rest):
    first = rest.create_incident(incident_key="mine")["incident"]
    error = rest.create_incident(400, incident_key="mine")["error"]
    assert error["errors"] == ["Open incident with matching dedup key already exists on this service"]
    rest.put_incident(first, status="resolved")
    rest.create_incident(incident_key="mine")
    rest.event(dedup_key="of-an-event")
    rest.create_incident(400, incident_key="of-an-event")


@pytest.mark.parametrize(
    "fields",
    [
        {"title": None},
        {"title": " "},
        {"title": 5},
        {"service": None},
        {"service": {"id": "PNONE"}},
        {"service": "no"},
        {"urgency": "medium"},
        {"priority": {"id": "PNONE"}},
        {"escalation_policy": {"id": SCHEDULE_ID}},
        {"assignments": [{"assignee": {"id": "PNONE"}}]},
        {"assignments": "me"},
        {"incident_key": "x" * 256},
        {"body": "text"},
    ],
)
def test_a_faulty_incident_is_refused_by_the_name_of_its_field(rest, fields):
    [name] = fields
    assert name in " ".join(rest.create_incident(400, **fields)["error"]["errors"])
    assert rest.get("/incidents")["incidents"] == []


def test_an_incident_goes_through_its_statuses(rest, clock):
    incident = rest.incident()
    acknowledged = rest.put_incident(incident, status="acknowledged")
    assert acknowledged["acknowledgements"][0]["acknowledger"]["summary"] == "On Call"
    assert rest.put_incident(incident, status="triggered")["acknowledgements"] == []
    clock.advance(seconds=5)
    resolved = rest.put_incident(incident, status="resolved", resolution="Bought a disk")
    assert (resolved["resolved_at"], resolved["assignments"]) == ("2026-03-01T12:00:05Z", [])
    assert resolved["alert_counts"] == {"all": 1, "triggered": 0, "resolved": 1}
    assert rest.get("/incidents/1/notes")["notes"][0]["content"] == "Bought a disk"
    body = {"incident": {"type": "incident", "status": "acknowledged"}}
    assert "Incident Already Resolved" in rest.refusal(400, "PUT", "/incidents/1", body)
    clock.advance(seconds=5)
    assert rest.put_incident(incident, status="resolved")["resolved_at"] == "2026-03-01T12:00:05Z"


def test_an_incident_is_changed(rest):
    incident = rest.incident()
    priority = rest.get("/priorities")["priorities"][1]
    changed = rest.put_incident(incident, title="Another", urgency="low", priority=priority)
    assert (changed["title"], changed["urgency"], changed["priority"]["name"]) == ("Another", "low", "P2")
    assert "priority" not in rest.put_incident(incident, priority=None)


def test_an_incident_is_escalated(rest):
    other = new_user(rest)
    delay = {"escalation_delay_in_minutes": 5}
    rules = [
        delay | {"targets": [{"id": SCHEDULE_ID, "type": "schedule_reference"}]},
        delay | {"targets": [{"id": other["id"], "type": "user_reference"}]},
    ]
    body = {"escalation_policy": {"type": "escalation_policy", "name": "Two", "escalation_rules": rules}}
    policy = rest.expect(201, "POST", "/escalation_policies", body)["escalation_policy"]
    incident = rest.incident()
    reference = {"id": policy["id"], "type": "escalation_policy_reference"}
    moved = rest.put_incident(incident, escalation_policy=reference)
    assert moved["assignments"][0]["assignee"]["id"] == USER_ID
    escalated = rest.put_incident(incident, escalation_level=2)
    assert escalated["assignments"][0]["assignee"]["id"] == other["id"]
    body = {"incident": {"type": "incident", "escalation_level": 3}}
    assert "level 3" in rest.refusal(400, "PUT", "/incidents/1", body)


def test_many_incidents_are_changed_at_once_or_none(rest):
    incidents = [rest.incident(key) for key in "abc"]
    todo = [{"id": each["id"], "type": "incident_reference", "status": "acknowledged"} for each in incidents]
    wrong = [*todo[:2], {"id": "QNONE", "type": "incident_reference", "status": "acknowledged"}]
    rest.refusal(404, "PUT", "/incidents", {"incidents": wrong})
    assert rest.keys(statuses__="acknowledged") == []
    assert len(rest.expect(200, "PUT", "/incidents", {"incidents": todo})["incidents"]) == 3
    assert rest.keys(statuses__="acknowledged") == ["a", "b", "c"]
    rest.event("resolve", "c")
    again = [each | {"status": "triggered"} for each in todo]
    rest.refusal(400, "PUT", "/incidents", {"incidents": again})
    assert rest.keys(statuses__="triggered") == []
    rest.refusal(400, "PUT", "/incidents", {"incidents": []})
    rest.refusal(400, "PUT", "/incidents", {"incidents": ["x"]})


def test_a_snoozed_incident_wakes_by_itself(rest, clock):
    incident = rest.incident()
    path = f"/incidents/{incident['id']}/snooze"
    snoozed = rest.expect(201, "POST", path, {"duration": 3600})["incident"]
    assert snoozed["status"] == "acknowledged"
    assert snoozed["pending_actions"] == [{"type": "unacknowledge", "at": "2026-03-01T13:00:00Z"}]
    clock.advance(seconds=3599)
    assert rest.get("/incidents/1")["incident"]["status"] == "acknowledged"
    clock.advance(seconds=1)
    assert rest.get("/incidents/1")["incident"]["status"] == "triggered"
    for wrong in (0, 604801, "1", True, None):
        assert "duration" in rest.refusal(400, "POST", path, {"duration": wrong})


def test_merged_incidents_are_one(rest):
    target, source = rest.incident("a"), rest.incident("b")
    body = {"source_incidents": [{"id": source["id"], "type": "incident_reference"}]}
    assert rest.expect(200, "PUT", "/incidents/1/merge", body)["incident"]["id"] == target["id"]
    merged = rest.get("/incidents/2")["incident"]
    assert (merged["status"], merged["resolve_reason"]["incident"]["id"]) == ("resolved", target["id"])
    assert [each["alert_key"] for each in rest.get("/incidents/1/alerts")["alerts"]] == ["a", "b"]
    assert rest.keys(incident_key="b", statuses__="triggered") == ["a"]
    rest.event("resolve", "b")
    assert rest.get("/incidents/1")["incident"]["status"] == "triggered"
    rest.event("resolve", "a")
    assert rest.get("/incidents/1")["incident"]["status"] == "resolved"
    open_one = {"source_incidents": [{"id": rest.incident("c")["id"], "type": "incident_reference"}]}
    assert "resolved incident" in rest.refusal(400, "PUT", "/incidents/1/merge", open_one)
    assert "itself" in rest.refusal(400, "PUT", "/incidents/3/merge", open_one)
    rest.refusal(400, "PUT", "/incidents/3/merge", {"source_incidents": []})


def test_notes_are_written_changed_and_removed(rest, clock):
    rest.incident()
    path = "/incidents/1/notes"
    first = rest.expect(200, "POST", path, {"note": {"content": "On it"}})["note"]
    assert (first["content"], first["user"]["id"]) == ("On it", USER_ID)
    clock.advance(seconds=1)
    rest.expect(200, "POST", path, {"note": {"content": "Done"}})
    assert [each["content"] for each in rest.get(path)["notes"]] == ["Done", "On it"]
    changed = rest.expect(200, "PUT", f"{path}/{first['id']}", {"note": {"content": "On them"}})["note"]
    assert (changed["content"], changed["updated_at"]) == ("On them", "2026-03-01T12:00:01Z")
    rest.expect(204, "DELETE", f"{path}/{first['id']}")
    assert [each["content"] for each in rest.get(path)["notes"]] == ["Done"]
    rest.refusal(404, "DELETE", f"{path}/{first['id']}")
    assert "content" in rest.refusal(400, "POST", path, {"note": {"content": ""}})


# Alerts and log entries


def test_an_alert_shows_what_was_sent(rest):
    more = {"component": "mysql", "group": "prod", "class": "disk", "timestamp": "2015-07-17T08:42:58.315+0000"}
    rest.event(custom_details={"free": 0.01}, **more)
    [alert] = rest.get("/incidents/1/alerts")["alerts"]
    assert (alert["summary"], alert["severity"], alert["alert_key"]) == ("Disk full", "critical", "k")
    assert alert["body"]["details"] == {"free": 0.01}
    cef = alert["body"]["cef_details"]
    assert (cef["source_component"], cef["service_group"], cef["event_class"]) == ("mysql", "prod", "disk")
    assert alert["integration"]["type"] == "events_api_v2_inbound_integration_reference"
    assert rest.get(f"/incidents/1/alerts/{alert['id']}")["alert"] == alert
    included = rest.get("/incidents/1/alerts", include__=["services", "incidents", "first_trigger_log_entries"])
    assert included["alerts"][0]["incident"]["status"] == "triggered"


@pytest.mark.parametrize("details", [None, "text", ["a", 1], {"deep": {"er": [1]}}])
def test_details_of_any_kind_are_shown(rest, details):
    rest.event(custom_details=details)
    shown = rest.get("/incidents/1/alerts")["alerts"][0]["body"]["details"]
    assert shown == (details if isinstance(details, dict) else {"details": details} if details else {})
    rest.get("/log_entries", include__=["channels", "incidents", "services", "teams"])


def test_links_and_images_are_an_alerts_contexts(rest):
    body = {
        "routing_key": KEY,
        "event_action": "trigger",
        "payload": {"summary": "s", "source": "s", "severity": "info"},
        "links": [{"href": "https://example.com", "text": 5}, {"href": "https://example.com/2", "text": "Two"}],
        "images": [{"src": "https://example.com/i.png", "alt": "I"}],
    }
    rest.expect(202, "POST", "/v2/enqueue", body)
    assert rest.get("/incidents/1/alerts")["alerts"][0]["body"]["contexts"] == [
        {"type": "link", "href": "https://example.com"},
        {"type": "link", "href": "https://example.com/2", "text": "Two"},
        {"type": "image", "src": "https://example.com/i.png", "alt": "I"},
    ]


def test_alerts_are_filtered_sorted_resolved_and_moved(rest, clock):
    for key in "abc":
        rest.incident(key)
        clock.advance(seconds=1)
    sources = [{"id": str(number), "type": "incident_reference"} for number in (2, 3)]
    rest.expect(200, "PUT", "/incidents/1/merge", {"source_incidents": sources})

    def alerts(**params):
        return {each["alert_key"]: each["id"] for each in rest.get("/incidents/1/alerts", **params)["alerts"]}

    ids = alerts()
    resolve = {"alert": {"type": "alert", "status": "resolved"}}
    resolved = rest.expect(200, "PUT", f"/incidents/1/alerts/{ids['b']}", resolve)["alert"]
    assert resolved["status"] == "resolved"
    assert list(alerts(statuses__="resolved")) == ["b"]
    assert list(alerts(alert_key="c")) == ["c"]
    assert list(alerts(sort_by="created_at:desc")) == ["c", "b", "a"]
    assert list(alerts(sort_by="resolved_at")) == ["b", "a", "c"]
    elsewhere = {"alert": {"incident": {"id": rest.incident("d")["id"], "type": "incident_reference"}}}
    moved = rest.expect(200, "PUT", f"/incidents/1/alerts/{ids['c']}", elsewhere)["alert"]
    assert moved["incident"]["summary"].startswith("[#4]")
    assert list(alerts()) == ["a", "b"]
    many = {"alerts": [{"id": ids["a"], "type": "alert", "status": "resolved"}]}
    rest.refusal(404, "PUT", "/incidents/2/alerts", many)
    assert rest.expect(200, "PUT", "/incidents/1/alerts", many)["alerts"][0]["status"] == "resolved"
    assert rest.get("/incidents/1")["incident"]["status"] == "resolved"
    again = {"alert": {"status": "triggered"}}
    assert "resolved" in rest.refusal(400, "PUT", f"/incidents/1/alerts/{ids['a']}", again)


def test_everything_that_happens_is_in_the_log_newest_first(rest, clock):
    incident = rest.incident()
    clock.advance(seconds=10)
    rest.put_incident(incident, status="acknowledged", urgency="low")
    rest.expect(200, "POST", "/incidents/1/notes", {"note": {"content": "On it"}})
    rest.expect(201, "POST", "/incidents/1/snooze", {"duration": 60})
    clock.advance(seconds=60)
    rest.put_incident(incident, status="resolved")
    kinds = ["resolve", "unacknowledge", "snooze", "annotate", "acknowledge", "urgency_change"]
    kinds += ["assign", "trigger"]
    entries = rest.get("/incidents/1/log_entries")["log_entries"]
    assert [each["type"].removesuffix("_log_entry") for each in entries] == kinds
    assert rest.get("/log_entries")["log_entries"] == entries
    whole = ["channels", "incidents", "services", "teams"]
    assert rest.get("/log_entries", include__=whole)["log_entries"][-1]["channel"]["summary"] == "Disk full"
    for entry in entries:
        assert rest.get(f"/log_entries/{entry['id']}")["log_entry"] == entry
    between = {"since": "2026-03-01T12:00:05Z", "until": "2026-03-01T12:00:15Z"}
    found = rest.get("/log_entries", **between)["log_entries"]
    assert [each["type"].removesuffix("_log_entry") for each in found] == kinds[2:6]
    overview = rest.get("/incidents/1/log_entries", is_overview="true")["log_entries"]
    assert [each["type"].removesuffix("_log_entry") for each in overview] == [*kinds[:6], "trigger"]


# Services


def test_a_service_is_made_found_changed_and_removed(rest):
    policy = {"id": POLICY_ID, "type": "escalation_policy_reference"}
    service = {"type": "service", "name": "Nightly", "description": "ETL", "escalation_policy": policy}
    made = rest.expect(201, "POST", "/services", {"service": service})["service"]
    assert (made["name"], made["status"], made["integrations"]) == ("Nightly", "active", [])
    assert "taken" in rest.refusal(400, "POST", "/services", {"service": service})
    path = f"/services/{made['id']}"
    changed = rest.expect(200, "PUT", path, {"service": {"type": "service", "description": "ELT"}})["service"]
    assert (changed["name"], changed["description"]) == ("Nightly", "ELT")
    assert [each["id"] for each in rest.get("/services", query="night")["services"]] == [made["id"]]
    assert rest.get("/services", query="day")["services"] == []
    rest.expect(204, "DELETE", path)
    rest.refusal(404, "GET", path)
    for wrong in ({}, {"name": ""}, {"name": "x", "escalation_policy": {"id": "PNONE"}}):
        rest.refusal(400, "POST", "/services", {"service": wrong})


def test_an_integrations_key_pages_its_service(rest):
    service_id = rest.service_id()
    path = f"/services/{service_id}/integrations"
    body = {"integration": {"type": "events_api_v2_inbound_integration", "name": "Airflow"}}
    made = rest.expect(201, "POST", path, body)["integration"]
    rest.event(key=made["integration_key"])
    assert rest.get("/incidents/1")["incident"]["service"]["id"] == service_id
    assert rest.get("/incidents/1/alerts")["alerts"][0]["integration"]["summary"] == "Airflow"
    assert rest.get(f"{path}/{made['id']}")["integration"] == made
    body["integration"]["name"] = "Airflow 3"
    assert rest.expect(200, "PUT", f"{path}/{made['id']}", body)["integration"]["name"] == "Airflow 3"
    [service] = rest.get("/services", include__="integrations")["services"]
    assert [each["name"] for each in service["integrations"]] == ["Events API V2", "Airflow 3"]
    assert made["integration_key"] not in str(rest.get("/services"))
    rest.refusal(404, "GET", f"{path}/PNONE")
    rest.refusal(400, "POST", path, {"integration": {"type": "carrier_pigeon"}})


def test_a_services_status_follows_its_incidents(rest):
    incident = rest.incident()
    path = f"/services/{rest.service_id()}"
    statuses = [rest.get(path)["service"]["status"]]
    for status in ("acknowledged", "resolved"):
        rest.put_incident(incident, status=status)
        statuses.append(rest.get(path)["service"]["status"])
    assert statuses == ["critical", "warning", "active"]


def test_a_disabled_service_raises_nothing(rest):
    path = f"/services/{rest.service_id()}"
    rest.expect(200, "PUT", path, {"service": {"type": "service", "status": "disabled"}})
    rest.event()
    assert rest.get("/incidents")["incidents"] == []
    assert rest.get(path)["service"]["status"] == "disabled"


@pytest.mark.parametrize(
    ("rule", "severity", "urgency"),
    [("low", "critical", "low"), ("severity_based", "error", "high"), ("severity_based", "warning", "low")],
)
def test_a_services_rule_gives_the_urgency(rest, rule, severity, urgency):
    body = {"service": {"type": "service", "incident_urgency_rule": {"type": "constant", "urgency": rule}}}
    rest.expect(200, "PUT", f"/services/{rest.service_id()}", body)
    assert rest.incident(severity=severity)["urgency"] == urgency


# People


def new_user(rest, name="Ada", email="ada@example.com"):
    body = {"user": {"type": "user", "name": name, "email": email}}
    return rest.expect(201, "POST", "/users", body)["user"]


def test_a_user_is_made_found_changed_and_removed(rest):
    ada = new_user(rest)
    assert ada["role"] == "user"
    assert [each["id"] for each in rest.get("/users", query="ADA@")["users"]] == [ada["id"]]
    path = f"/users/{ada['id']}"
    body = {"user": {"type": "user", "job_title": "Countess", "description": None}}
    assert rest.expect(200, "PUT", path, body)["user"]["job_title"] == "Countess"
    assert rest.get(path)["user"]["name"] == "Ada"
    rest.session.headers["From"] = "Ada@Example.com"
    assert rest.create_incident()["incident"]["last_status_change_by"]["id"] == ada["id"]
    rest.expect(204, "DELETE", path)
    rest.refusal(404, "GET", path)
    assert rest.get("/incidents/1", include__="users")["incident"]["last_status_change_by"]["id"] == ada["id"]


def test_an_address_is_one_users_only(rest):
    new_user(rest)
    same = {"user": {"type": "user", "name": "Ada", "email": "ADA@example.com"}}
    assert "taken" in rest.refusal(400, "POST", "/users", same)
    for wrong in (
        {"name": "A", "email": "a"},
        {"name": "", "email": "a@example.com"},
        {"email": "b@example.com"},
    ):
        rest.refusal(400, "POST", "/users", {"user": wrong})


def test_a_team_has_members_and_escalation_policies(rest):
    team = rest.expect(201, "POST", "/teams", {"team": {"type": "team", "name": "Data"}})["team"]
    path = f"/teams/{team['id']}"
    body = {"team": {"type": "team", "description": "Us"}}
    assert rest.expect(200, "PUT", path, body)["team"]["description"] == "Us"
    assert rest.get(path)["team"]["name"] == "Data"
    rest.expect(204, "PUT", f"{path}/users/{USER_ID}", {"role": "responder"})
    [member] = rest.get(f"{path}/members", include__="users")["members"]
    assert (member["user"]["email"], member["role"]) == (EMAIL, "responder")
    assert [each["id"] for each in rest.get("/users", team_ids__=team["id"])["users"]] == [USER_ID]
    assert rest.get(f"/users/{USER_ID}", include__="teams")["user"]["teams"][0]["name"] == "Data"
    rest.expect(204, "DELETE", f"{path}/users/{USER_ID}")
    assert rest.get(f"{path}/members")["members"] == []
    rest.expect(204, "PUT", f"{path}/escalation_policies/{POLICY_ID}")
    assert len(rest.get("/escalation_policies", team_ids__=team["id"])["escalation_policies"]) == 1
    rest.expect(204, "DELETE", f"{path}/escalation_policies/{POLICY_ID}")
    assert rest.get("/escalation_policies", team_ids__=team["id"])["escalation_policies"] == []
    assert len(rest.get("/teams", query="data")["teams"]) == 1
    rest.expect(204, "DELETE", path)
    assert rest.get("/teams", query="data")["teams"] == []


def test_abilities_are_there_or_to_be_bought_or_unknown(rest):
    rest.expect(204, "GET", "/abilities/teams")
    rest.refusal(402, "GET", "/abilities/live_call_routing")
    rest.refusal(404, "GET", "/abilities/flying")


# On call


def rotation(*user_ids, start="2026-03-01T12:00:00Z", turn=86400):
    layer = {
        "name": "Layer 1",
        "start": start,
        "rotation_virtual_start": start,
        "rotation_turn_length_seconds": turn,
        "users": [{"user": {"id": each, "type": "user_reference"}} for each in user_ids],
    }
    schedule = {"type": "schedule", "name": "Turns", "time_zone": "Etc/UTC", "schedule_layers": [layer]}
    return {"schedule": schedule}


def test_those_whose_turn_it_is_are_paged(rest, clock):
    ada, bob = new_user(rest), new_user(rest, "Bob", "bob@example.com")
    schedule = rest.expect(201, "POST", "/schedules", rotation(ada["id"], bob["id"]))["schedule"]
    target = {"id": schedule["id"], "type": "schedule_reference"}
    rule = {"escalation_delay_in_minutes": 10, "targets": [target]}
    body = {"escalation_policy": {"type": "escalation_policy", "name": "Turns", "escalation_rules": [rule]}}
    policy = rest.expect(201, "POST", "/escalation_policies", body)["escalation_policy"]
    reference = {"id": policy["id"], "type": "escalation_policy_reference"}
    body = {"service": {"type": "service", "escalation_policy": reference}}
    rest.expect(200, "PUT", f"/services/{rest.service_id()}", body)

    def paged(key):
        return rest.incident(key)["assignments"][0]["assignee"]["summary"]

    assert paged("a") == "Ada"
    clock.advance(days=1)
    assert paged("b") == "Bob"
    [now] = rest.get("/oncalls", schedule_ids__=schedule["id"], include__="users")["oncalls"]
    shown = (now["user"]["name"], now["start"], now["end"])
    assert shown == ("Bob", "2026-03-02T12:00:00Z", "2026-03-03T12:00:00Z")
    later = rest.get("/oncalls", escalation_policy_ids__=policy["id"], until="2026-03-04T12:00:00Z")["oncalls"]
    assert [each["user"]["summary"] for each in later] == ["Bob", "Ada", "Bob"]
    earliest = {"until": "2026-03-05T12:00:00Z", "earliest": "true"}
    first = rest.get("/oncalls", user_ids__=bob["id"], **earliest)["oncalls"]
    assert [each["start"] for each in first] == ["2026-03-02T12:00:00Z"]
    window = {"since": "2026-03-01T00:00:00Z", "until": "2026-03-03T00:00:00Z"}
    final = rest.get(f"/schedules/{schedule['id']}", **window)["schedule"]["final_schedule"]
    assert [(each["user"]["summary"], each["start"]) for each in final["rendered_schedule_entries"]] == [
        ("Ada", "2026-03-01T12:00:00Z"),
        ("Bob", "2026-03-02T12:00:00Z"),
    ]
    assert final["rendered_coverage_percentage"] == 75
    assert [each["name"] for each in rest.get(f"/schedules/{schedule['id']}/users")["users"]] == ["Bob"]
    assert "policies" in rest.refusal(400, "DELETE", f"/schedules/{schedule['id']}")
    assert "services" in rest.refusal(400, "DELETE", f"/escalation_policies/{policy['id']}")


def test_somebody_is_on_call_from_the_start(rest):
    [on_call] = rest.get("/oncalls", include__=["users", "schedules", "escalation_policies"])["oncalls"]
    assert (on_call["user"]["id"], on_call["escalation_level"]) == (USER_ID, 1)
    assert "end" not in on_call
    rest.refusal(400, "GET", "/oncalls", since="2026-03-02", until="2026-03-01")


def test_schedules_are_found_changed_and_removed(rest):
    schedule = rest.expect(201, "POST", "/schedules", rotation(USER_ID))["schedule"]
    assert [each["id"] for each in rest.get("/schedules", query="turn")["schedules"]] == [schedule["id"]]
    assert schedule["schedule_layers"][0]["users"][0]["user"]["id"] == USER_ID
    path = f"/schedules/{schedule['id']}"
    assert rest.expect(200, "PUT", path, {"schedule": {"name": "Same"}})["schedule"]["name"] == "Same"
    rest.expect(204, "DELETE", path)
    restricted = rotation(USER_ID)
    restricted["schedule"]["schedule_layers"][0]["restrictions"] = [{"type": "daily_restriction"}]
    assert "restrictions" in rest.refusal(400, "POST", "/schedules", restricted)
    for wrong in (rotation(), rotation("PNONE"), rotation(USER_ID, turn=0), rotation(USER_ID, start="soon")):
        assert "schedule_layers" in rest.refusal(400, "POST", "/schedules", wrong)


def test_escalation_policies_are_found_changed_and_removed(rest):
    rule = {"escalation_delay_in_minutes": 1, "targets": [{"id": USER_ID, "type": "user_reference"}]}
    body = {"escalation_policy": {"type": "escalation_policy", "name": "Mine", "escalation_rules": [rule]}}
    made = rest.expect(201, "POST", "/escalation_policies", body)["escalation_policy"]
    path = f"/escalation_policies/{made['id']}"
    included = rest.get(path, include__=["targets", "services", "teams"])["escalation_policy"]
    assert included["escalation_rules"][0]["targets"][0]["email"] == EMAIL
    changed = rest.expect(200, "PUT", path, {"escalation_policy": {"num_loops": 2}})["escalation_policy"]
    assert (changed["num_loops"], changed["escalation_rules"]) == (2, made["escalation_rules"])
    found = rest.get("/escalation_policies", sort_by="name:desc")["escalation_policies"]
    assert [each["name"] for each in found] == ["Mine", "Default"]
    found = rest.get("/escalation_policies", user_ids__=USER_ID, query="m")["escalation_policies"]
    assert [each["name"] for each in found] == ["Mine"]
    assert "taken" in rest.refusal(400, "POST", "/escalation_policies", body)
    rest.expect(204, "DELETE", path)
    for rules in ([], [rule | {"targets": []}], [rule | {"targets": [{"id": USER_ID, "type": "team"}]}], "x"):
        wrong = {"escalation_policy": {"name": "Wrong", "escalation_rules": rules}}
        assert "escalation_rules" in rest.refusal(400, "POST", "/escalation_policies", wrong)


# Maintenance windows, change events, custom fields


def window(rest, start="2026-03-01T12:00:00Z", end="2026-03-01T13:00:00Z", key=KEY):
    services = [{"id": rest.service_id(key), "type": "service_reference"}]
    sent = {"type": "maintenance_window", "start_time": start, "end_time": end, "services": services}
    return {"maintenance_window": sent | {"description": "Disks"}}


def test_an_incident_in_a_maintenance_window_is_not_raised(rest, clock):
    made = rest.expect(201, "POST", "/maintenance_windows", window(rest))["maintenance_window"]
    assert (made["sequence_number"], made["created_by"]["id"]) == (1, USER_ID)
    rest.event(dedup_key="during")
    rest.create_incident(400)
    rest.event(dedup_key="elsewhere", key=OTHER_KEY)
    assert rest.keys() == ["elsewhere"]
    assert rest.get(f"/services/{rest.service_id()}")["service"]["status"] == "maintenance"
    clock.advance(hours=1)
    rest.event(dedup_key="after")
    assert rest.keys() == ["elsewhere", "after"]


def test_maintenance_windows_are_found_changed_and_ended(rest, clock):
    path = "/maintenance_windows"
    now = rest.expect(201, "POST", path, window(rest))["maintenance_window"]
    body = window(rest, "2026-03-02T12:00:00Z", "2026-03-02T14:00:00+01:00", OTHER_KEY)
    later = rest.expect(201, "POST", path, body)["maintenance_window"]
    assert later["end_time"] == "2026-03-02T13:00:00Z"

    def found(**params):
        return [each["id"] for each in rest.get(path, **params)["maintenance_windows"]]

    assert found() == found(filter="all") == found(filter="open") == [now["id"], later["id"]]
    assert (found(filter="ongoing"), found(filter="future")) == ([now["id"]], [later["id"]])
    assert found(service_ids__=rest.service_id(OTHER_KEY)) == [later["id"]]
    assert (found(query="disk"), found(query="none")) == ([now["id"], later["id"]], [])
    assert rest.get(path, include__=["services", "users", "teams"])["maintenance_windows"]
    body = {"maintenance_window": {"type": "maintenance_window", "description": "Other"}}
    clock.advance(minutes=10)
    changed = rest.expect(200, "PUT", f"{path}/{now['id']}", body)["maintenance_window"]
    assert (changed["description"], changed["start_time"]) == ("Other", now["start_time"])
    rest.expect(204, "DELETE", f"{path}/{now['id']}")
    ended = rest.get(f"{path}/{now['id']}")["maintenance_window"]
    assert ended["end_time"] == "2026-03-01T12:10:00Z"
    assert found(filter="past") == [now["id"]]
    rest.refusal(400, "DELETE", f"{path}/{now['id']}")
    rest.expect(204, "DELETE", f"{path}/{later['id']}")
    rest.refusal(404, "GET", f"{path}/{later['id']}")
    rest.refusal(400, "POST", path, window(rest, end="2026-02-01T00:00:00Z"))


def test_change_events_are_listed_newest_first(rest, clock):
    for number, key in enumerate([KEY, OTHER_KEY, KEY]):
        payload = {"summary": f"Deploy {number}", "source": "ci", "custom_details": {"n": number}}
        payload["timestamp"] = "2015-07-17T08:42:58.315+0000"
        body = {"routing_key": key, "payload": payload, "links": [{"href": "https://example.com"}]}
        rest.expect(202, "POST", "/v2/change/enqueue", body)
        clock.advance(seconds=60)

    def found(path="/change_events", **params):
        return [each["summary"][-1] for each in rest.get(path, **params)["change_events"]]

    assert found() == ["2", "1", "0"]
    assert found(f"/services/{rest.service_id()}/change_events") == ["2", "0"]
    assert found(since="2026-03-01T12:00:30Z", until="2026-03-01T12:01:30Z") == ["1"]
    assert "UTC" in rest.refusal(400, "GET", "/change_events", since="2026-03-01T12:00:30+02:00")
    newest = rest.get("/change_events")["change_events"][0]
    assert (newest["custom_details"], newest["timestamp"]) == ({"n": 2}, "2015-07-17T08:42:58Z")
    assert found(integration_ids__=newest["integration"]["id"]) == ["2", "0"]
    path = f"/change_events/{newest['id']}"
    body = {"change_event": {"type": "change_event", "summary": "Rolled back 9", "custom_details": {"n": 9}}}
    assert rest.expect(200, "PUT", path, body)["change_event"]["custom_details"] == {"n": 9}
    assert rest.get(path)["change_event"]["summary"] == "Rolled back 9"
    assert KEY not in str(rest.get("/change_events"))
    rest.incident()
    assert found("/incidents/1/related_change_events") == ["9", "0"]


# Audit records


def audited(rest, count):
    """Make a service and change it until it has so many audit records; return their path."""
    path = f"/services/{rest.service_id()}"
    for number in range(1, count):
        rest.expect(200, "PUT", path, {"service": {"description": str(number)}})
    return f"{path}/audit/records"


def descriptions(records):
    """Return what the records of changes set as a description, None for the others."""
    fields = [
        {each["name"]: each["value"] for each in record["details"].get("fields", [])} for record in records
    ]
    return [each.get("description") for each in fields]


NEWEST_FIRST = [*map(str, range(29, 0, -1)), None]


def test_audit_records_are_paged_by_cursor_each_once_and_newest_first(rest):
    path, found, cursor, sizes = audited(rest, 30), [], None, []
    while True:
        page = rest.get(path, limit=8, **({"cursor": cursor} if cursor else {}))
        assert page["limit"] == 8
        found += page["records"]
        sizes.append(len(page["records"]))
        cursor = page["next_cursor"]
        if cursor is None:
            break
        # What happens between two pages moves none.
        rest.expect(200, "PUT", path.removesuffix("/audit/records"), {"service": {"description": "later"}})
    assert sizes == [8, 8, 8, 6]
    assert descriptions(found) == NEWEST_FIRST
    assert len({each["id"] for each in found}) == 30


def test_a_page_of_audit_records_has_its_bounds(rest):
    path = audited(rest, 101)
    whole = rest.get(path, limit=1000)
    assert (whole["limit"], len(whole["records"]), bool(whole["next_cursor"])) == (100, 100, True)
    last = rest.get(path, cursor=whole["next_cursor"])
    assert (last["limit"], len(last["records"]), last["next_cursor"]) == (25, 1, None)
    # A page that ends with the last record tells so.
    assert rest.get(path, limit=1, cursor=whole["next_cursor"])["next_cursor"] is None
    for wrong in ("0", "-1", "x"):
        assert "limit" in rest.refusal(400, "GET", path, limit=wrong)


def test_a_cursor_that_was_not_given_is_refused(rest):
    path = audited(rest, 3)
    given = rest.get(path, limit=1)["next_cursor"]
    for wrong in ("x", "é", "AAAA", "OTk5OlBY", "LTE6UFg=", given[:-4], given + "AAAA", f"{given} "):
        assert "cursor" in rest.refusal(400, "GET", path, cursor=wrong)
    rest.pagerduty.clear()
    assert "cursor" in rest.refusal(400, "GET", audited(rest, 3), cursor=given)


def test_audit_records_are_of_the_last_day_unless_a_window_is_given(rest, clock):
    path = audited(rest, 2)
    clock.advance(hours=25)
    assert rest.get(path)["records"] == []
    [newer, older] = rest.get(path, since="2026-03-01T12:00:00Z")["records"]
    assert (newer["action"], older["action"]) == ("update", "create")
    assert newer["execution_time"] == "2026-03-01T12:00:00.000Z"
    assert rest.get(path, since="2026-03-01T12:00:01Z")["records"] == []
    assert rest.get(path, since="2026-03-01T00:00:00Z", until="2026-03-01T12:00:00Z")["records"] == []
    window = {"since": "2026-02-01T00:00:00Z", "until": "2026-03-04T00:00:00Z"}
    assert len(rest.get(path, **window)["records"]) == 2
    assert "31 days" in rest.refusal(400, "GET", path, **window | {"until": "2026-03-04T00:00:01Z"})
    assert "31 days" in rest.refusal(400, "GET", path, since="2026-01-01T00:00:00Z")


def test_audit_records_tell_what_was_done_to_whom(rest):
    path = audited(rest, 1).removesuffix("/audit/records")
    team = rest.expect(201, "POST", "/teams", {"team": {"type": "team", "name": "T"}})["team"]
    rest.expect(200, "PUT", f"/teams/{team['id']}", {"team": {"type": "team", "name": "U"}})
    rest.expect(200, "PUT", f"/users/{USER_ID}", {"user": {"type": "user", "job_title": "j"}})
    rest.expect(200, "PUT", f"/schedules/{SCHEDULE_ID}", {"schedule": {"description": "d"}})
    policy = {"escalation_policy": {"description": "d"}}
    rest.expect(200, "PUT", f"/escalation_policies/{POLICY_ID}", policy)
    rest.expect(200, "PUT", path, {"service": {"auto_resolve_timeout": 60}})
    rest.expect(204, "DELETE", path)
    rest.expect(204, "DELETE", f"/teams/{team['id']}")

    def found(path, **params):
        records = rest.get(path, **params)["records"]
        return [(each["action"], each["root_resource"]["type"].removesuffix("_reference")) for each in records]

    own = [("delete", "service"), ("update", "service"), ("create", "service")]
    assert found(f"{path}/audit/records") == own
    assert found(f"/teams/{team['id']}/audit/records") == [(action, "team") for action, _ in own]
    assert found(f"/users/{USER_ID}/audit/records") == [("update", "user")]
    assert found(f"/schedules/{SCHEDULE_ID}/audit/records") == [("update", "schedule")]
    assert found(f"/escalation_policies/{POLICY_ID}/audit/records") == [("update", "escalation_policy")]
    [_, changed, _] = rest.get(f"{path}/audit/records")["records"]
    assert changed["details"]["fields"] == [{"name": "auto_resolve_timeout", "value": "60"}]
    named = rest.get(f"/teams/{team['id']}/audit/records")["records"]
    assert [each["root_resource"]["summary"] for each in named] == ["U", "U", "T"]

    everything = "/audit/records"
    assert len(found(everything)) == 9
    assert found(everything, root_resource_types__="services") == own
    assert found(everything, actions__="create") == [("create", "team"), ("create", "service")]
    assert found(everything, actor_type="user_reference", actor_id=USER_ID) == []
    for wrong in ({"actions__": "read"}, {"root_resource_types__": "incidents"}, {"actor_id": USER_ID}):
        rest.refusal(400, "GET", everything, **wrong)
    for kind in ("services", "users", "teams", "schedules", "escalation_policies"):
        rest.refusal(404, "GET", f"/{kind}/PNONE/audit/records")
    assert KEY not in str(rest.get(everything))


def field(name, data_type="string", field_type="single_value", **more):
    shown = {"name": name, "display_name": name.title(), "data_type": data_type, "field_type": field_type}
    return {"field": {"type": "field", **shown, **more}}


def option(value):
    return {"type": "field_option", "data": {"data_type": "string", "value": value}}


def test_custom_fields_hold_what_they_are_for(rest):
    path = "/incidents/custom_fields"
    fixed = field("stage", field_type="single_value_fixed", field_options=[option("prod"), option("test")])
    made = rest.expect(201, "POST", path, fixed)["field"]
    assert [each["data"]["value"] for each in made["field_options"]] == ["prod", "test"]
    rest.expect(201, "POST", path, field("runs", "integer", default_value=1))
    rest.expect(201, "POST", path, field("dags", field_type="multi_value"))
    rest.incident()
    path = "/incidents/1/custom_fields/values"

    def values():
        return {each["name"]: each["value"] for each in rest.get(path)["custom_fields"]}

    assert values() == {"stage": None, "runs": 1, "dags": None}
    sent = [{"id": made["id"], "value": "prod"}, {"name": "runs", "value": 3}, {"name": "dags", "value": ["a"]}]
    rest.expect(201, "PUT", path, {"custom_fields": sent})
    assert values() == {"stage": "prod", "runs": 3, "dags": ["a"]}
    shown = rest.get("/incidents/1", include__="custom_fields")["incident"]["custom_fields"]
    assert [each["value"] for each in shown] == ["prod", 3, ["a"]]
    assert rest.get("/log_entries")["log_entries"][0]["changeset"][0] == "Updated stage to prod"
    wrong = [("stage", "dev"), ("runs", "three"), ("runs", True), ("dags", "a"), ("dags", [5]), ("none", 1)]
    for name, value in wrong:
        rest.refusal(400, "PUT", path, {"custom_fields": [{"name": name, "value": value}]})
    assert values() == {"stage": "prod", "runs": 3, "dags": ["a"]}


def test_custom_fields_and_their_options_are_changed_and_removed(rest):
    path = "/incidents/custom_fields"
    made = rest.expect(201, "POST", path, field("stage", field_type="multi_value_fixed"))["field"]
    one = f"{path}/{made['id']}"
    body = {"field_option": option("prod")}
    added = rest.expect(201, "POST", f"{one}/field_options", body)["field_option"]
    body = {"field_option": option("production")}
    rest.expect(200, "PUT", f"{one}/field_options/{added['id']}", body)
    [only] = rest.get(f"{one}/field_options")["field_options"]
    assert only["data"]["value"] == "production"
    assert rest.get(path, include__="field_options")["fields"][0]["field_options"] == [only]
    assert "field_options" not in rest.get(one)["field"]
    rest.expect(204, "DELETE", f"{one}/field_options/{added['id']}")
    rest.refusal(404, "DELETE", f"{one}/field_options/{added['id']}")
    body = {"field": {"display_name": "Where", "description": "Which stage"}}
    assert rest.expect(200, "PUT", one, body)["field"]["display_name"] == "Where"
    assert "taken" in rest.refusal(400, "POST", path, field("stage", field_type="multi_value_fixed"))
    rest.expect(204, "DELETE", one)
    rest.refusal(404, "GET", one)
    for wrong in (field("Upper"), field("x", "colour"), field("x", "integer", default_value="one")):
        rest.refusal(400, "POST", path, wrong)


# Clients that nobody here wrote


@pytest.fixture
def session(rest, contract):
    with APISession(TOKEN, default_from=EMAIL) as session:
        session.url = rest.url
        session.retry[429] = 1
        if contract:
            contract.watch(session)
        yield session


def test_pdpyras_knows_whose_token_it_has(rest, session, user_token):
    assert session.api_key_access == "account"
    with APISession(user_token) as users:
        users.url = rest.url
        assert users.api_key_access == "user"
        assert users.rget("/users/me")["email"] == EMAIL
    assert session.subdomain


def test_pdpyras_pages_through_incidents(rest, session):
    with EventsAPISession(KEY) as events:
        events.url = rest.url
        for number in range(130):
            events.trigger(f"Incident {number}", "db-1", dedup_key=f"k{number}")
    found = list(session.iter_all("incidents", params={"statuses[]": ["triggered"]}))
    assert [each["incident_key"] for each in found] == [f"k{number}" for number in range(130)]
    assert len(list(session.iter_all("incidents", page_size=7, total=True))) == 130
    assert len(session.list_all("log_entries")) == 260
    assert set(session.dict_all("incidents")) == {each["id"] for each in found}


def test_pdpyras_follows_the_cursor_of_audit_records(rest, session):
    path = audited(rest, 30)
    assert descriptions(session.iter_cursor(path)) == NEWEST_FIRST
    assert descriptions(session.iter_cursor(path, params={"limit": 1})) == NEWEST_FIRST
    assert len(list(session.iter_cursor("/audit/records", params={"limit": 7}))) == 30


def test_pdpyras_creates_notes_and_resolves(rest, session):
    service = session.find("services", rest.pagerduty.service(rest.service_id()).name)
    reference = {"id": service["id"], "type": "service_reference"}
    incident = session.rpost("incidents", json={"type": "incident", "title": "By hand", "service": reference})
    assert session.rpost(f"{incident['self']}/notes", json={"content": "On it"})["content"] == "On it"
    acknowledged = session.rput(incident, json={"type": "incident", "status": "acknowledged"})
    assert acknowledged["status"] == "acknowledged"
    many = [{"id": incident["id"], "type": "incident_reference", "status": "resolved"}]
    assert session.rput("incidents", json=many)[0]["status"] == "resolved"
    assert session.rget(incident)["status"] == "resolved"
    assert session.rget(f"incidents/{incident['id']}/notes")[0]["content"] == "On it"
    assert len(session.rget(f"incidents/{incident['id']}/log_entries")) == 5


def test_pdpyras_persists_and_finds(session):
    user = {"type": "user", "name": "Ada", "email": "ada@example.com"}
    made = session.persist("users", "email", user)
    assert session.persist("users", "email", user)["id"] == made["id"]
    changed = session.persist("users", "email", user | {"name": "Ada L."}, update=True)
    assert changed["id"] == made["id"]
    assert session.find("users", "ada@example.com", attribute="email")["name"] == "Ada L."
    session.rdelete(made)
    assert session.find("users", "ada@example.com", attribute="email") is None


def test_pdpyras_reads_a_refusal(rest, session):
    with pytest.raises(PDHTTPError, match="Not Found") as refused:
        session.rget("incidents/QNONE")
    assert refused.value.response.status_code == 404
    with serving(PagerDuty(), Access(account_tokens=frozenset())) as sandbox, APISession(TOKEN) as stranger:
        stranger.url = sandbox.url
        with pytest.raises(PDClientError, match="401"):
            stranger.get("users")


@pytest.fixture
def newer(monkeypatch):
    """PagerDuty's newer client, which takes https only, and the account that it reaches."""
    with running(PagerDuty(), tls=True) as sandbox:
        monkeypatch.setenv("SSL_CERT_FILE", str(sandbox.ca_file))
        with contextlib.closing(RestApiV2Client(TOKEN, default_from=EMAIL, base_url=sandbox.url)) as client:
            yield client, sandbox.pagerduty


def test_pagerdutys_newer_client_pages_creates_notes_and_resolves(newer):
    client, pagerduty = newer
    service = pagerduty.declare_key(KEY)
    payload = {"summary": "s", "source": "s", "severity": "error"}
    for number in range(30):
        event = {"event_action": "trigger", "dedup_key": str(number), "payload": payload}
        pagerduty.take_event(KEY, event)
    assert client.api_key_access == "account"
    assert len(list(client.iter_all("incidents", page_size=10))) == 30
    since = datetime.now(timezone.utc) - timedelta(hours=1)
    assert len(list(client.iter_history("/incidents", since, since + timedelta(hours=2)))) == 30
    reference = {"id": service.id, "type": "service_reference"}
    incident = client.rpost("incidents", json={"type": "incident", "title": "By hand", "service": reference})
    note = client.rpost(f"/incidents/{incident['id']}/notes", json={"content": "On it"})
    assert note["content"] == "On it"
    resolved = client.rput(incident, json={"type": "incident", "status": "resolved"})
    assert resolved["status"] == "resolved"
    assert client.find("users", EMAIL, attribute="email")["id"] == USER_ID
    assert client.rget("/users", params={"limit": 1})[0]["email"] == EMAIL


def test_pagerdutys_newer_client_follows_the_cursor_of_audit_records(newer):
    client, pagerduty = newer
    service = pagerduty.declare_key(KEY)
    for number in range(1, 30):
        pagerduty.update_service(service.id, {"description": str(number)})
    # Not by iter_all: of what has a cursor, this client's yields nothing, and the older one's fails, unasked.
    found = client.iter_cursor(f"/services/{service.id}/audit/records", page_size=7)
    assert descriptions(found) == NEWEST_FIRST


# Many incidents


def filled(count):
    """Return an account that has had an incident a second, some of them by another service or resolved."""
    pagerduty = PagerDuty(clock=Clock(), rest_limit=None)
    for number in range(count):
        key = OTHER_KEY if number % 4 == 0 else KEY
        severity = "info" if number % 5 == 0 else "error"
        payload = {"summary": "Disk full", "source": "db-1", "severity": severity}
        event = {"event_action": "trigger", "dedup_key": f"k{number % 50}", "payload": payload}
        pagerduty.take_event(key, event)
        for remainder, action in (3, "resolve"), (7, "acknowledge"):
            if number % remainder == 0:
                pagerduty.take_event(key, event | {"event_action": action})
        if number == 0:
            for service in pagerduty.services.values():
                rule = {"type": "constant", "urgency": "severity_based"}
                pagerduty.update_service(service.id, {"incident_urgency_rule": rule})
        pagerduty.clock.advance(seconds=1)
    return pagerduty


@pytest.fixture(scope="module")
def few():
    return filled(300)


@given(
    statuses=st.sets(st.sampled_from(["triggered", "acknowledged", "resolved"])),
    services=st.sets(st.sampled_from([0, 1, "PNONE"])),
    urgencies=st.sets(st.sampled_from(["high", "low"])),
    assignees=st.sets(st.sampled_from([USER_ID, "PNONE"])),
    key=st.none() | st.integers(0, 51).map("k{}".format),
    since=st.none() | st.integers(0, 320),
    until=st.none() | st.integers(0, 320),
    newest_first=st.booleans(),
    by_resolution=st.booleans(),
    offset=st.integers(0, 320),
    length=st.integers(1, 40),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_found_is_what_all_filters_let_through(
    few,
    statuses,
    services,
    urgencies,
    assignees,
    key,
    since,
    until,
    newest_first,
    by_resolution,
    offset,
    length,
):
    ids = list(few.services)
    service_ids = {each if isinstance(each, str) else ids[each] for each in services}
    start = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
    since, until = (None if each is None else start + timedelta(seconds=each) for each in (since, until))
    expected = [
        each
        for each in few.incidents
        if (not statuses or each.status in statuses)
        and (not service_ids or each.service.id in service_ids)
        and (not urgencies or each.urgency in urgencies)
        and (not assignees or assignees.intersection(user_id for user_id, _ in each.assigned_to))
        and (key is None or each.incident_key == key)
        and (since is None or each.created_at >= since)
        and (until is None or each.created_at < until)
    ]
    if by_resolution:
        expected.sort(key=lambda each: (each.resolved_at is None, each.resolved_at or start))
    if newest_first:
        expected.reverse()
    found = few.select_incidents(
        statuses=list(statuses),
        service_ids=list(service_ids),
        urgencies=list(urgencies),
        assignees=list(assignees),
        incident_key=key,
        since=since,
        until=until,
        newest_first=newest_first,
        by_resolution=by_resolution,
    )
    numbers = [each.number for each in expected]
    assert [each.number for each in found] == numbers
    assert found.count() == len(numbers)
    assert [each.number for each in found.slice(offset, length)] == numbers[offset : offset + length]


class Watched(list):
    """A list that counts how often something is taken out of it."""

    looked = 0

    def __getitem__(self, place):
        self.looked += 1
        return super().__getitem__(place)


def test_a_page_of_many_incidents_looks_at_no_more_of_them_than_a_page_of_few(contract):
    pagerduty = filled(12_000)
    watched = Watched(pagerduty.incidents)
    pagerduty._index.all = pagerduty.incidents = watched
    service_id = pagerduty.service_of(KEY).id
    pages = [
        {},
        {"limit": 100, "offset": 3000},
        {"statuses__": ["triggered", "acknowledged"], "sort_by": "incident_number:desc"},
        {"statuses__": "resolved", "service_ids__": service_id, "limit": 100, "offset": 1500},
        {"sort_by": "urgency:desc,created_at:desc"},
        {"sort_by": "resolved_at:desc"},
        {"user_ids__": USER_ID},
        {"incident_key": "k7"},
        {"incident_key": ""},
        {"since": "2026-03-01T13:00:00Z", "until": "2026-03-01T14:00:00Z"},
        {"total": "true"},
    ]
    with running(pagerduty) as sandbox:
        client = Rest(sandbox, contract)
        for params in pages:
            watched.looked = 0
            shown = client.get("/incidents", **params)["incidents"]
            assert shown
            # One more, to know whether there are more; and two bisections, for the window of time.
            assert watched.looked <= len(shown) + 1 + 2 * 14, params


def test_many_incidents_are_read_by_windows_of_time(contract):
    with running(filled(300)) as sandbox, APISession(TOKEN) as session:
        session.url = sandbox.url
        start, found = datetime(2026, 3, 1, 12, tzinfo=timezone.utc), []
        for minute in range(5):
            since, until = (start + timedelta(minutes=each) for each in (minute, minute + 1))
            params = {"since": since.isoformat(), "until": until.isoformat()}
            found += session.list_all("incidents", params=params)
    assert [each["incident_number"] for each in found] == [each.number for each in sandbox.pagerduty.incidents]


# What was made here, and what events say of it


@pytest.mark.parametrize(("action", "status"), [("acknowledge", "acknowledged"), ("resolve", "resolved")])
def test_an_event_stands_down_what_was_made_with_its_key(rest, action, status):
    incident = rest.create_incident(incident_key="zz")["incident"]
    rest.pagerduty.take_event(KEY, {"event_action": action, "dedup_key": "zz"})
    assert rest.get(f"/incidents/{incident['id']}")["incident"]["status"] == status


def test_a_trigger_adds_to_what_was_made_with_its_key(rest):
    incident = rest.create_incident(incident_key="zz")["incident"]
    payload = {"summary": "boom", "source": "db-1", "severity": "error"}
    rest.pagerduty.take_event(KEY, {"event_action": "trigger", "dedup_key": "zz", "payload": payload})
    assert [each["id"] for each in rest.get("/incidents")["incidents"]] == [incident["id"]]
    (alert,) = rest.get(f"/incidents/{incident['id']}/alerts")["alerts"]
    assert alert["alert_key"] == "zz"
    rest.pagerduty.take_event(KEY, {"event_action": "resolve", "dedup_key": "zz"})
    assert rest.get(f"/incidents/{incident['id']}")["incident"]["status"] == "resolved"


def test_a_plus_that_was_not_escaped_in_a_query_is_still_one(rest):
    rest.create_incident()
    at = rest.pagerduty.clock().isoformat().split(".")[0].removesuffix("+00:00")
    for since, count in ((f"{at}+00:00", 1), (f"{at}-01:00", 0)):
        response = rest.ask("GET", f"/incidents?since={since}")
        assert (response.status_code, len(response.json()["incidents"])) == (200, count)
