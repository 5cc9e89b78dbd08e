"""`airflow-pagerduty doctor`: each thing that costs alerts is found, and said with its cure."""

import json
import re
import shutil
import time
from contextlib import contextmanager
from datetime import datetime, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from airflow_provider_pagerduty.cli import main
from airflow_provider_pagerduty.commands.checks import installation
from airflow_provider_pagerduty.commands.checks import store as store_check
from airflow_provider_pagerduty.commands.checks.installation import executors_of
from airflow_provider_pagerduty.outbox.database import Database
from airflow_provider_pagerduty.outbox.store import Store
from airflow_provider_pagerduty.sandbox.fault import Fault

KEY = "0123456789abcdefghijklmnopqrstuv"
OTHER_KEY = "vutsrqponmlkjihgfedcba9876543210"
TOKEN = "u+a-token-that-nobody-may-see"
CONN_ID = "pagerduty_events_default"


@pytest.fixture
def path(path, configure, monkeypatch):
    configure(outbox=f"sqlite:///{path}", deployment="production")
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "LocalExecutor")
    return path


@pytest.fixture
def store(store):
    """An outbox into which a relay has just looked."""
    store.look_in()
    return store


@pytest.fixture
def doctor(command):
    """Return a function that runs the doctor: its status, and what it found, by status."""

    def doctor():
        status, printed, _ = command("doctor", "--format", "json")
        assert not [each for each in (KEY, OTHER_KEY, TOKEN) if each in printed]
        report = json.loads(printed)
        assert report["ok"] == (status == 0)
        found = {"ok": [], "note": [], "warning": [], "failure": []}
        for each in report["findings"]:
            found[each["status"]].append(f"{each['check']}: {each['found']}")
            assert each["status"] != "failure" or each["cure"], each
        return status, found

    return doctor


def the_only_failure(report):
    status, found = report
    assert status == 1
    (failure,) = found["failure"]
    return failure


def event(key="a"):
    payload = {"summary": "orders.load failed", "severity": "error", "source": "production"}
    return {"event_action": "trigger", "dedup_key": key, "payload": payload}


def test_a_sound_deployment_passes_and_nobody_is_paged(doctor, connections, store):
    status, found = doctor()
    assert (status, found["failure"]) == (0, [])
    said = "\n".join(found["ok"])
    assert f"connections: {CONN_ID}: an integration key, base URL {connections.url}." in said
    assert f"pagerduty_default: an API token and an integration key, base URL {connections.url}." in said
    assert f"reachability: {connections.url} answers" in said
    assert "clock: This machine's clock agrees" in said
    assert said.count("took an event with this integration key") == 2
    assert "pagerduty_default: PagerDuty at " in said
    assert " takes this token: " in said
    assert "name: This deployment is 'production' ([pagerduty] deployment)." in said
    assert re.search(r"relay: A relay looked into the outbox \d s ago\.", said)
    assert connections.pagerduty.incidents == []


def test_the_table_says_what_was_found_and_what_to_do(connections, store, configure, capsys, monkeypatch):
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "")
    configure(deployment="")
    assert main(["doctor"]) == 1
    printed, _ = capsys.readouterr()
    assert "This deployment has no name of its own" in printed
    assert "AIRFLOW__PAGERDUTY__DEPLOYMENT" in printed
    assert "1 failure, " in printed.splitlines()[-1]


def test_nothing_is_changed_in_the_outbox(doctor, connections, store, path):
    store.keep(CONN_ID, event())
    seen = store.last_look_in()
    doctor()
    assert store.last_look_in() == seen
    (kept,) = store.find()
    assert (kept.state, kept.tries, kept.lease) == ("pending", 0, None)


def test_no_outbox_is_made(doctor, connections, path):
    assert "No relay has ever looked into the outbox" in the_only_failure(doctor())
    assert not path.exists()


@pytest.mark.parametrize(
    "executor",
    [
        "CeleryExecutor",
        "LocalExecutor,KubernetesExecutor",
        "LocalExecutor,pods:airflow.providers.cncf.kubernetes.executors.kubernetes_executor.KubernetesExecutor",
        "LocalExecutor;team=CeleryExecutor",
        "LocalKubernetesExecutor",
        "my.own.Executor",
    ],
)
def test_a_file_under_an_executor_of_many_machines_fails(doctor, connections, store, monkeypatch, executor):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    failure = the_only_failure(doctor())
    assert failure.startswith("machines: The outbox is a file of one machine")
    assert "LocalExecutor," not in failure


def test_executors_are_read_as_airflow_reads_them():
    assert executors_of("LocalExecutor") == ["LocalExecutor"]
    assert (
        executors_of(" LocalExecutor, a:airflow.executors.local_executor.LocalExecutor")
        == ["LocalExecutor"] * 2
    )
    assert executors_of("LocalExecutor;one=CeleryExecutor,x.Y;=Z") == [
        "LocalExecutor",
        "CeleryExecutor",
        "Y",
        "Z",
    ]
    assert executors_of("") == []


def test_a_file_where_components_run_on_several_machines_fails(doctor, connections, store, monkeypatch):
    # What the look into Airflow's database answers; that it looks is tried in test_in_airflow.py.
    monkeypatch.setattr(installation, "hosts_of_components", lambda: ["dag-processor-1", "scheduler-1"])
    assert "components run on 2: dag-processor-1, scheduler-1" in the_only_failure(doctor())


def test_a_server_serves_many_machines(connections, configure, monkeypatch, path):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")

    class Server:
        class store:  # noqa: N801 (as the outbox has it)
            is_of_one_machine = False

    (finding,) = installation.check_machines(Server)
    assert finding.status == "ok"


@pytest.mark.parametrize(("minutes", "status"), [(14, 0), (16, 1), (-16, 1)])
def test_a_relay_that_did_not_look_in_for_a_quarter_of_an_hour_fails(
    doctor, connections, path, minutes, status
):
    Store(Database(f"sqlite:///{path}"), clock=lambda: time.time() - 60 * minutes).look_in()
    returned, found = doctor()
    assert returned == status
    assert len(found["failure"]) == status
    if status:
        assert "relay: A relay last looked into the outbox 16 min " in found["failure"][0]


def test_a_deployment_without_a_name_of_its_own_fails(doctor, connections, store, configure):
    configure(deployment="")
    assert the_only_failure(doctor()).startswith("name: This deployment has no name of its own")


def test_no_outbox_is_a_warning_and_needs_no_relay(doctor, connections, path, configure):
    configure(outbox="none")
    status, found = doctor()
    assert status == 0
    assert "outbox: The outbox is switched off" in "".join(found["warning"])


@pytest.mark.parametrize("outbox", ["nonsense", "nosuchbase://user:hidden-password@host/x"])
def test_an_outbox_that_cannot_be_used_fails(doctor, connections, path, configure, outbox):
    configure(outbox=outbox)
    failure = the_only_failure(doctor())
    assert failure.startswith("outbox: ")
    assert "hidden-password" not in failure


def test_what_waits_and_what_was_given_up_is_said(doctor, connections, store, path):
    then = time.time() - 7200
    Store(Database(f"sqlite:///{path}"), clock=lambda: then).keep(CONN_ID, event())
    store.keep(CONN_ID, event("b"))
    store.reject(CONN_ID, event("c"), "wrong key")
    status, found = doctor()
    assert status == 0
    said = "\n".join(found["warning"])
    assert "outbox: 2 events pending, the oldest for 2 h; one expires after 3 days." in said
    assert "outbox: 1 event rejected: nobody was paged." in said


def test_a_damaged_outbox_that_was_moved_aside_is_said(doctor, connections, store, path):
    path.with_name("outbox.db.damaged-17").touch()
    path.with_name("outbox.db.damaged-17-wal").touch()
    warnings = "\n".join(doctor()[1]["warning"])
    assert f"A damaged outbox was moved aside: outbox.db.damaged-17 in {path.parent}." in warnings


def test_a_disk_that_is_nearly_full_fails(doctor, connections, store, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(store_check.shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    assert "has 1 MB left" in the_only_failure(doctor())


def test_events_that_wait_for_a_connection_that_is_gone_fail(doctor, connections, store):
    store.keep("gone", event())
    assert "Events in the outbox wait for the connection 'gone'" in the_only_failure(doctor())


def test_every_pagerduty_connection_in_the_environment_is_looked_at(doctor, connections, store, monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW_CONN_BY_URI", f"pagerduty-events://:{KEY}@nowhere?__extra__=%7B%22region%22%3A%22mars%22%7D"
    )
    monkeypatch.setenv("AIRFLOW_CONN_SOMEBODY_ELSES", "http://:password@nowhere")
    monkeypatch.setenv("AIRFLOW_CONN_NO_JSON", "{")
    _, found = doctor()
    said = "\n".join(each for part in found.values() for each in part)
    assert "by_uri" in said
    assert "somebody_elses" not in said


@pytest.mark.parametrize(
    ("fields", "failure"),
    [
        (
            {"password": KEY, "extra": {"region": "mars"}},
            "extra field 'region' must be one of: us, eu; got 'mars'.",
        ),
        ({"password": KEY, "host": "http://elsewhere.example.com"}, "is plain http to another machine"),
        ({}, "has neither an integration key nor an API token"),
    ],
)
def test_a_connection_that_cannot_be_used_fails_by_its_name(
    doctor, connections, store, connect, fields, failure
):
    connect("mine", conn_type="pagerduty_events", **fields)
    said = the_only_failure(doctor())
    assert "'mine'" in said
    assert failure in said


def test_no_connection_at_all_fails(doctor, store):
    assert "nobody can be paged" in the_only_failure(doctor())


def test_regions_are_said(connect, configure, path, monkeypatch):
    from airflow_provider_pagerduty.commands.checks.found import find_connections

    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    connect(CONN_ID, conn_type="pagerduty_events", password=KEY)
    connect("mine", conn_type="pagerduty_events", password=KEY, extra={"region": "EU"})
    configure(region="us")
    said = "\n".join(each.found for each in find_connections(None)[1])
    assert f"{CONN_ID}: an integration key, region us, from [pagerduty]." in said
    assert "mine: an integration key, region eu." in said


def test_a_key_that_pagerduty_refuses_fails(doctor, connections, store):
    connections.faults.add(
        Fault(
            kind="status",
            status=400,
            body={"errors": ["Invalid routing key"]},
            api="events",
            path="/v2/enqueue",
            key=KEY,
        )
    )
    try:
        failure = the_only_failure(doctor())
    finally:
        connections.faults.clear()
    assert failure.startswith(f"credentials: {CONN_ID}: PagerDuty refuses this integration key")


def test_a_pagerduty_that_is_down_fails_once_and_no_key_is_tried(doctor, connections, store):
    connections.faults.add(Fault(kind="status", status=503))
    try:
        began = time.monotonic()
        status, found = doctor()
    finally:
        connections.faults.clear()
    assert status == 1
    assert found["failure"] == [f"reachability: {connections.url} answers HTTP 503."] * 2  # events, and REST
    assert not [each for each in found["ok"] if each.startswith("credentials")]
    assert time.monotonic() - began < 5


def test_a_host_that_nobody_answers_at_fails(doctor, connect, store):
    connect(CONN_ID, conn_type="pagerduty_events", password=KEY, host="http://127.0.0.1:9")
    assert the_only_failure(doctor()).startswith("reachability: ")


@contextmanager
def answering(status=202, **headers):
    """A server that gives this answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET  # noqa: N815 (http.server's name)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("off", "level", "said"),
    [
        (3600, "failure", "is 60 min behind"),
        (-3600, "failure", "is 60 min ahead of"),
        (60, "warning", "is 60 s behind"),
        (10, "ok", "agrees"),
    ],
)
def test_a_clock_that_is_off_is_found(doctor, connect, store, off, level, said):
    date = format_datetime(datetime.fromtimestamp(time.time() + off, timezone.utc), usegmt=True)
    with answering(Date=date) as url:
        connect(CONN_ID, conn_type="pagerduty_events", password=KEY, host=url)
        status, found = doctor()
    (clock,) = [each for part in found.values() for each in part if each.startswith("clock")]
    assert clock in found[level]
    # A minute may have begun meanwhile.
    assert said in clock.replace("59 s", "60 s").replace("61 s", "60 s")
    assert status == (level == "failure")


@pytest.mark.parametrize("headers", [{}, {"Date": "yesterday"}])
def test_an_answer_without_a_date_is_a_note(doctor, connect, store, headers):
    with answering(**headers) as url:
        connect(CONN_ID, conn_type="pagerduty_events", password=KEY, host=url)
        status, found = doctor()
    assert status == 0
    assert f"clock: {url} does not say what time it is." in found["note"]


def test_a_redirect_fails_and_no_key_is_sent_after_it(doctor, connect, store):
    with answering(302, Location="https://login.example.com/") as url:
        connect(CONN_ID, conn_type="pagerduty_events", password=KEY, host=url)
        assert "sends elsewhere, which is not followed (HTTP 302)" in the_only_failure(doctor())
