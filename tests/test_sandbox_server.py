"""How the sandbox runs: who may come, over what, and what it remembers of its last run."""

import contextlib
import dataclasses
import json
import re
import socket
import sqlite3
import tempfile
from datetime import datetime, timedelta, timezone
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from ssl import SSLCertVerificationError, create_default_context
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_pagerduty.sandbox.account import PagerDuty, Refused, Unknown
from airflow_provider_pagerduty.sandbox.directory import Directory
from airflow_provider_pagerduty.sandbox.guard import COOKIE, is_loopback, names_for
from airflow_provider_pagerduty.sandbox.incident_index import IncidentIndex
from airflow_provider_pagerduty.sandbox.journal import JournalError, kept
from airflow_provider_pagerduty.sandbox.seed import seed
from airflow_provider_pagerduty.sandbox.server import application, running

KEY = "0123456789abcdefghijklmnopqrstuv"
OTHER_KEY = "vutsrqponmlkjihgfedcba9876543210"
TOKEN = "a token; with, odd \\ signs"
TIMEOUT = 20


class Clock:
    def __init__(self):
        self.now = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)

    def __call__(self):
        return self.now


@pytest.fixture(scope="module")
def tokened():
    with running(PagerDuty(), token="the-token") as sandbox:
        yield sandbox


def ask(url, method="GET", path="/sandbox/incidents", *, host=None, **headers):
    """Return the answer to a request with exactly these headers, and no redirect followed."""
    address = urlsplit(url)
    client = HTTPConnection(address.hostname, address.port, timeout=TIMEOUT)
    with contextlib.closing(client):
        client.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        if host is not False:
            client.putheader("Host", address.netloc if host is None else host)
        for name, value in headers.items():
            client.putheader(name.replace("_", "-"), value)
        client.endheaders()
        answer = client.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()


# Host and Origin

OWN = ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"]
FOREIGN = [
    "evil.example",
    "evil.example:80",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil.example#localhost",
    "localhost@evil.example",
    "localhost/evil",
    "192.0.2.1",
    "10.0.0.1:8765",
    "",
    "[::1",
    "localhost:http",
]


@pytest.mark.parametrize("name", OWN)
def test_each_name_of_the_loopback_is_answered(sandbox, name):
    port = urlsplit(sandbox.url).port
    assert ask(sandbox.url, host=f"{name}:{port}")[0] == 200
    assert ask(sandbox.url, host=name)[0] == 200


@pytest.mark.parametrize("path", ["/", "/sandbox/incidents", "/v2/enqueue", "/incidents"])
@pytest.mark.parametrize("host", FOREIGN)
def test_a_foreign_host_is_refused_everywhere(sandbox, host, path):
    status, _, text = ask(sandbox.url, path=path, host=host)
    assert status == 421
    assert "ask for it as 127.0.0.1, ::1, localhost" in text


def test_a_request_without_a_host_is_refused(sandbox):
    assert ask(sandbox.url, host=False)[0] in (400, 421)


@pytest.mark.parametrize(("origin", "status"), [("", b"202"), ("Origin: http://evil.example\r\n", b"421")])
def test_http_1_0_needs_no_host_as_no_browser_speaks_it(sandbox, origin, status):
    payload = {"summary": "boom", "source": "old", "severity": "error"}
    body = json.dumps({"routing_key": "0" * 32, "event_action": "trigger", "payload": payload})
    parts = urlsplit(sandbox.url)
    with socket.create_connection((parts.hostname, parts.port), 20) as client:
        request = f"POST /v2/enqueue HTTP/1.0\r\n{origin}Content-Length: {len(body)}\r\n\r\n{body}"
        client.sendall(request.encode())
        assert client.recv(100).split()[1] == status


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:1", "http://localhost", "", "file://"]
)
def test_a_foreign_origin_is_refused_and_changes_nothing(sandbox, origin, method):
    sandbox.pagerduty.declare_key(KEY)
    status, headers, text = ask(sandbox.url, method, "/sandbox/reset", Origin=origin)
    assert status == 403
    assert "may not ask the sandbox" in text
    assert not [name for name in headers if name.lower().startswith("access-control")]
    assert sandbox.pagerduty.service_of(KEY)


def test_the_pages_own_origin_is_answered(sandbox):
    assert ask(sandbox.url, Origin=sandbox.url)[0] == 200
    host = f"localhost:{urlsplit(sandbox.url).port}"
    assert ask(sandbox.url, host=host, Origin=f"http://{host}")[0] == 200
    assert ask(sandbox.url, host=host, Origin=sandbox.url)[0] == 403


# The token


def test_page_and_control_demand_the_token_and_pagerdutys_apis_do_not(tokened):
    for path in ("/", "/sandbox/incidents", "/sandbox/faults", "/sandbox/updates"):
        status, _, text = ask(tokened.url, path=path)
        assert status == 401
        assert "X-Sandbox-Token" in text
        assert "the-token" not in text
    assert ask(tokened.url, "POST", "/v2/enqueue")[0] == 400
    assert ask(tokened.url, path="/abilities", Authorization="Token token=any")[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Sandbox_Token": "the-token"},
        {"Authorization": "Bearer the-token"},
        {"Cookie": f"a=b; {COOKIE}=the-token"},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_the_token_is_taken_from_a_header_or_a_cookie(tokened, headers):
    assert ask(tokened.url, **headers)[0] == 200
    wrong = {name: value.replace("the-token", "the-tokem") for name, value in headers.items()}
    assert ask(tokened.url, **wrong)[0] == 401


def test_a_token_in_the_address_becomes_a_cookie_and_leaves_the_address(tokened):
    status, headers, text = ask(tokened.url, path="/sandbox/incidents?status=triggered&token=the-token")
    assert (status, headers["location"], text) == (303, "/sandbox/incidents?status=triggered", "")
    cookie = headers["set-cookie"]
    assert {"HttpOnly", "Path=/", "SameSite=strict"} <= set(cookie.split("; "))
    assert "the-token" not in headers["location"]
    assert ask(tokened.url, path=headers["location"], Cookie=cookie.partition(";")[0])[0] == 200
    for path in ("/?token=wrong", "/?token=", "/?token=the-token&token=wrong"):
        assert ask(tokened.url, path=path)[0] == 401
    assert ask(tokened.url, "POST", "/sandbox/reset?token=the-token")[0] == 401


def test_the_cookie_is_for_https_alone_there_and_takes_any_token():
    with running(tls=True, token=TOKEN) as sandbox:
        session = requests.Session()
        session.verify = str(sandbox.ca_file)
        answer = session.get(f"{sandbox.url}/", params={"token": TOKEN}, timeout=TIMEOUT)
        assert (answer.status_code, answer.url) == (200, f"{sandbox.url}/")
        assert answer.history[0].headers["set-cookie"].endswith("; Secure")
        assert session.get(f"{sandbox.url}/sandbox/incidents", timeout=TIMEOUT).status_code == 200
        session.close()


def test_no_repr_shows_a_token(tokened):
    assert "the-token" not in repr(tokened)
    assert tokened.user_token not in repr(tokened)


# Addresses and certificates


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_the_loopback_is_known(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com", "localhost.example.com"])
def test_what_others_reach_is_not_taken_for_the_loopback(host):
    assert not is_loopback(host)


def test_a_wildcard_stands_for_this_machines_names():
    assert "0.0.0.0" not in names_for("0.0.0.0")
    assert {"localhost", socket.gethostname(), "more"} <= set(names_for("0.0.0.0", ["more"]))


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_the_certificate_is_good_for_those_who_trust_its_authority_alone(name):
    with running(tls=True) as sandbox:
        port = urlsplit(sandbox.url).port
        trusting = create_default_context(cafile=sandbox.ca_file)
        client = HTTPSConnection(name, port, timeout=TIMEOUT, context=trusting)
        with contextlib.closing(client):
            client.request("GET", "/sandbox/incidents")
            assert client.getresponse().status == 200
        stranger = HTTPSConnection(name, port, timeout=TIMEOUT, context=create_default_context())
        with contextlib.closing(stranger), pytest.raises(SSLCertVerificationError):
            stranger.request("GET", "/sandbox/incidents")
        ca_file = sandbox.ca_file
    assert not ca_file.exists()


def test_the_authoritys_file_holds_no_key_and_each_sandbox_has_its_own():
    with running(tls=True) as one, running(tls=True) as other:
        text = one.ca_file.read_text()
        assert re.findall(r"BEGIN [A-Z ]+", text) == ["BEGIN CERTIFICATE"]
        assert text != other.ca_file.read_text()


def test_an_application_can_be_made_without_its_surroundings():
    assert application(PagerDuty()).routes


# The journal


def body(action="trigger", dedup_key="k", summary="Disk full"):
    payload = {"summary": summary, "source": "db-1", "severity": "error"}
    return {"event_action": action, "dedup_key": dedup_key, "payload": payload}


#: What is counted for a minute only, and what is not of the account.
PASSING = {"_arrivals", "_requests", "_lock", "_seeds", "_random", "_at", "clock", "listeners"}
PASSING |= {"rate_limit", "rest_limit", "strict"}


def picture(thing, seen=None):
    """Return all that can be reached from a thing, in a form that compares; what recurs is named by number."""
    seen = {} if seen is None else seen
    if isinstance(thing, dict):
        return [(picture(key, seen), picture(value, seen)) for key, value in thing.items()]
    if isinstance(thing, list | tuple):
        return [picture(each, seen) for each in thing]
    if isinstance(thing, str | int | float | bool | datetime | None):
        return thing
    if id(thing) in seen:
        return f"#{seen[id(thing)]}"
    seen[id(thing)] = len(seen)
    if dataclasses.is_dataclass(thing):
        fields = [(field.name, getattr(thing, field.name)) for field in dataclasses.fields(thing)]
    else:
        assert isinstance(thing, PagerDuty | Directory | IncidentIndex), type(thing)
        fields = [(name, value) for name, value in vars(thing).items() if name not in PASSING]
    return [type(thing).__name__, *((name, picture(value, seen)) for name, value in fields)]


def reopened(path):
    """Return what a file brings back."""
    account = PagerDuty(clock=Clock())
    with kept(account, path):
        pass
    return account


keys = st.sampled_from([KEY, OTHER_KEY])
dedup_keys = st.sampled_from(["a", "A", "b"])
which = st.integers(0, 5)
texts = st.sampled_from(["", "first", "Zweite Störung", "\x00'\"\\", "\U0001f525"])
steps = st.one_of(
    st.tuples(
        st.just("event"), keys, st.sampled_from(["trigger", "acknowledge", "resolve"]), dedup_keys, texts
    ),
    st.tuples(st.just("change"), keys, texts),
    st.tuples(st.just("update"), which, st.sampled_from(["triggered", "acknowledged", "resolved"])),
    st.tuples(st.just("note"), which, texts),
    st.tuples(st.just("snooze"), which, st.integers(1, 7200)),
    st.tuples(st.just("merge"), which, which),
    st.tuples(st.just("create"), which, texts),
    st.tuples(st.just("window"), which, st.integers(1, 90)),
    st.tuples(st.just("entry"), st.sampled_from(["users", "teams", "priorities"]), texts),
    st.tuples(st.just("integration"), which),
    st.tuples(st.just("wait"), st.integers(0, 7200)),
    st.tuples(st.just("clear")),
)


class Doer:
    """Does steps to an account; what they name by number may be nothing, which is refused."""

    def __init__(self, account):
        self.account = account
        self.user = account.directory.default_user_id

    def incident(self, index):
        ids = [each.id for each in self.account.incidents] or ["none"]
        return ids[index % len(ids)]

    def service(self, index):
        ids = list(self.account.services) or ["none"]
        return ids[index % len(ids)]

    def event(self, key, action, dedup_key, text):
        self.account.take_event(key, body(action, dedup_key, text))

    def change(self, key, text):
        self.account.take_change(key, {"payload": {"summary": text}})

    def update(self, index, status):
        self.account.update_incident(self.incident(index), {"status": status}, self.user)

    def note(self, index, text):
        self.account.add_note(self.incident(index), text, by=self.user)

    def snooze(self, index, seconds):
        self.account.snooze(self.incident(index), seconds, self.user)

    def merge(self, index, other):
        self.account.merge(self.incident(index), [self.incident(other)], self.user)

    def create(self, index, text):
        self.account.create_incident({"title": text, "service_id": self.service(index)}, self.user)

    def window(self, index, minutes):
        start, end = self.account.clock(), self.account.clock() + timedelta(minutes=minutes)
        times = {"start_time": start.isoformat(), "end_time": end.isoformat()}
        self.account.put_window(None, times | {"service_ids": [self.service(index)]}, self.user)

    def entry(self, kind, text):
        self.account.put_entry(kind, None, {"name": text})

    def integration(self, index):
        self.account.add_integration(self.service(index), {})

    def wait(self, seconds):
        self.account.clock.now += timedelta(seconds=seconds)

    def clear(self):
        self.account.clear()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(steps, max_size=12), min_size=1, max_size=3))
def test_an_account_comes_back_as_it_was_after_any_runs(runs):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "account.db")
        clock = Clock()
        for run in runs:
            account = PagerDuty(clock=clock)
            with kept(account, path):
                for name, *values in run:
                    with contextlib.suppress(Refused, Unknown):
                        getattr(Doer(account), name)(*values)
            assert picture(reopened(path)) == picture(account)


def test_the_picture_tells_accounts_apart():
    one, other = PagerDuty(clock=Clock()), PagerDuty(clock=Clock())
    assert picture(one) == picture(other)
    for account in (one, other):
        account.take_event(KEY, body())
    assert picture(one) != picture(other)  # by their ids


def test_the_file_is_its_owners_alone_and_so_are_its_companions(tmp_path):
    path = tmp_path / "account.db"
    path.touch(mode=0o644)
    account = PagerDuty()
    with kept(account, path):
        account.take_event(KEY, body())
        files = {each.name: each.stat().st_mode & 0o777 for each in tmp_path.iterdir()}
    assert files == {"account.db": 0o600, "account.db-wal": 0o600}


def test_a_cleared_account_leaves_nothing_in_its_file(tmp_path):
    path = tmp_path / "account.db"
    account = PagerDuty()
    with kept(account, path):
        account.take_event(KEY, body())
        account.clear()
    with contextlib.closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT count(*) FROM commands").fetchone() == (0,)
    assert reopened(path).events == []


def test_what_the_account_refused_is_not_kept(tmp_path):
    account = PagerDuty()
    with kept(account, tmp_path / "account.db"):
        with pytest.raises(Unknown):
            account.add_note("QNONE", "text", "PUSER")
        account.take_event(KEY, body())
    assert picture(reopened(tmp_path / "account.db")) == picture(account)


def alter(path, statement):
    with contextlib.closing(sqlite3.connect(path)) as file, file:
        file.execute(statement)


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("PRAGMA user_version = 2", "is of a newer version of this package: use that, or another file"),
        ("PRAGMA application_id = 7", "is a database, and no sandbox's: give --db another file"),
        ("UPDATE commands SET name = 'take_nothing'", "is damaged, its command 1 cannot be done again"),
        ("UPDATE commands SET name = 'replay'", "is damaged, its command 1 cannot be done again"),
        ("UPDATE commands SET arguments = '[['", "is damaged, its command 1 cannot be done again"),
        ("UPDATE commands SET at = 'today'", "is damaged, its command 1 cannot be done again"),
        ("DROP TABLE commands", "cannot be used (no such table: commands): give --db another file"),
    ],
)
def test_a_file_that_cannot_be_gone_on_from_is_a_clear_error_without_keys(tmp_path, statement, complaint):
    path = tmp_path / "account.db"
    account = PagerDuty()
    with kept(account, path):
        account.take_event(KEY, body())
    alter(path, statement)
    with pytest.raises(JournalError) as refused, kept(PagerDuty(), path):
        pass
    assert str(refused.value).startswith(f"{path} {complaint}")
    assert KEY not in str(refused.value)


def test_somebody_elses_database_is_left_as_it_is(tmp_path):
    path = tmp_path / "airflow.db"
    alter(path, "CREATE TABLE dag (id TEXT)")
    path.chmod(0o644)
    before = path.read_bytes()
    with pytest.raises(JournalError, match="no sandbox's"), kept(PagerDuty(), path):
        pass
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (before, 0o644)


# The seed


def test_the_seed_tells_of_every_status_with_details_links_and_several_events():
    account = PagerDuty(clock=Clock())
    seed(account)
    assert {each.status for each in account.incidents} == {"triggered", "acknowledged", "resolved"}
    assert max(len(each.alert.events) for each in account.incidents) > 1
    assert any(each.notes for each in account.incidents)
    bodies = [each.body for each in account.events]
    assert any("links" in each for each in bodies)
    assert any(each.get("payload", {}).get("custom_details") for each in bodies)
    assert account.changes
    moments = [each.created_at for each in account.incidents]
    assert moments == sorted(moments)
    assert moments[-1] < account.clock() == Clock()()


def test_the_seed_leaves_an_account_that_holds_something_alone(tmp_path):
    account = PagerDuty(clock=Clock())
    with kept(account, tmp_path / "account.db"):
        seed(account)
        before = picture(account)
        seed(account)
        assert picture(account) == before
    assert picture(reopened(tmp_path / "account.db")) == before


def test_seeded_incidents_are_shown_without_their_keys():
    account = PagerDuty(clock=Clock())
    seed(account)
    with running(account) as sandbox:
        shown = requests.get(f"{sandbox.url}/sandbox/incidents", timeout=TIMEOUT).json()["incidents"]
    assert len(shown) == len(account.incidents)
    assert [key for key in account.integrations if key in json.dumps(shown)] == []
