"""`airflow-pagerduty outbox relay`: what it delivers and says, and how it ends."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

from airflow_provider_pagerduty.outbox.relay import PER_MINUTE
from airflow_provider_pagerduty.sandbox.fault import Fault

CONN_ID = "pagerduty_events_default"
RELAY = [sys.executable, "-m", "airflow_provider_pagerduty.cli", "outbox", "relay"]
#: Seconds, for what takes a few on a machine that has time.
TIMEOUT = 60
#: Seconds in which a person does not reach for Ctrl-C again.
PROMPTLY = 10


@pytest.fixture
def relay(command):
    """Return a function that runs the relay in this process: its status, output and complaints."""
    return partial(command, "outbox", "relay")


@pytest.fixture
def follow(monkeypatch):
    """Return a function that starts a relay in a process of its own; none outlives its test."""
    monkeypatch.delenv("AIRFLOW__CORE__UNIT_TEST_MODE")  # in which Airflow 3 logs
    processes = []
    # Under `make test &`, SIGINT is ignored, and children would inherit that; what is handled they do not.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)

    def follow(*arguments, **options):
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        processes.append(subprocess.Popen([*RELAY, *arguments], **pipes))
        return processes[-1]

    yield follow
    signal.signal(signal.SIGINT, previous)
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=TIMEOUT)


def event(key, action="trigger"):
    payload = {"summary": f"About {key}", "severity": "error", "source": "production"}
    return {"event_action": action, "dedup_key": key, "payload": payload}


def wait_until(condition):
    until = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.05)


def end(process, number):
    process.send_signal(number)
    printed, complained = process.communicate(timeout=PROMPTLY)
    return process.returncode, printed.decode(), complained.decode()


def test_it_delivers_in_order_what_is_pending_and_says_so(relay, store, connections):
    for action in ("trigger", "resolve"):
        store.keep(CONN_ID, event("a", action))
    store.keep("pagerduty_default", event("b"))
    status, printed, complained = relay()
    assert (status, complained) == (0, "")
    assert printed.endswith(" 3 delivered; nothing is left.\n")
    assert sorted(each.status for each in connections.pagerduty.incidents) == ["resolved", "triggered"]
    assert store.counts()["delivered"] == 3


def test_it_looks_in_also_where_nothing_was_ever_kept(relay, store, path):
    began = time.time()
    status, printed, _ = relay()
    assert status == 0
    assert printed.splitlines()[0] == f"Nothing was ever kept: there is no outbox at {path} yet."
    assert printed.endswith(" nothing was due; nothing is left.\n")
    assert store.last_look_in() >= began


def test_what_did_not_arrive_is_said_with_what_is_left_and_fails(relay, store, connections):
    store.keep(CONN_ID, event("a"))
    connections.faults.add(Fault(kind="status", status=503))
    try:
        status, printed, _ = relay()
    finally:
        connections.faults.clear()
    first, second = printed.splitlines()
    assert status == 1
    assert " 1 failed; 1 event left, the next try in " in first
    assert "HTTP 503" in second


def test_json_says_the_same_in_one_object(relay, store, connections):
    store.keep(CONN_ID, event("a"))
    store.keep("nowhere", event("b"))
    status, printed, complained = relay("--format", "json")
    said = json.loads(printed)
    assert (status, complained) == (1, "")
    assert said.pop("next_try") > "2026"
    (error,) = said.pop("errors")
    assert "nowhere" in error
    assert said == {"delivered": 1, "rejected": 0, "expired": 0, "failed": 1, "pending": 1}


def test_what_pagerduty_rejects_fails_and_is_left_for_somebody_to_look_at(relay, store, connections):
    store.keep(CONN_ID, event("a") | {"payload": {"summary": "no source", "severity": "error"}})
    status, printed, complained = relay()
    assert status == 1
    assert " 1 rejected; nothing is left." in printed
    assert "source" in printed
    assert "PagerDuty rejected an event out of the outbox, number 1" in complained
    assert store.counts()["rejected"] == 1


def test_follow_delivers_what_comes_later(follow, store, connections):
    process = follow("--follow", "--format", "json")
    wait_until(lambda: store.last_look_in() is not None)
    store.keep(CONN_ID, event("a"))
    wait_until(lambda: store.counts()["delivered"] == 1)
    store.keep(CONN_ID, event("a", "resolve"))
    wait_until(lambda: store.counts()["delivered"] == 2)
    wait_until(lambda: select.select([process.stdout], [], [], 0)[0])
    _, printed, complained = end(process, signal.SIGTERM)
    assert complained == ""
    lines = [json.loads(line) for line in printed.splitlines()]
    assert sum(each["delivered"] for each in lines) == 2
    assert connections.pagerduty.incidents[0].status == "resolved"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_follow_promptly_and_quietly(follow, store, number, status):
    process = follow("--follow")
    wait_until(lambda: store.last_look_in() is not None)
    returned, printed, complained = end(process, number)
    assert (returned, complained) == (status, "")
    assert "until Ctrl-C" in printed


@pytest.mark.parametrize("arguments", [[], ["--follow"]])
def test_a_signal_ends_it_between_two_events_and_leaves_nothing_claimed(follow, store, connections, arguments):
    for number in range(PER_MINUTE + 2):
        store.keep(CONN_ID, event(f"key-{number}"))
    process = follow(*arguments)
    # Now it waits for the pace, of which it would have enough for the rest of a minute.
    wait_until(lambda: store.counts()["delivered"] == PER_MINUTE)
    returned, printed, complained = end(process, signal.SIGTERM)
    assert (returned, complained) == (143, "")
    assert f" {PER_MINUTE} delivered; 2 events left, the next try now.\n" in printed
    assert [store.claim(CONN_ID) is None for _ in range(3)] == [False, False, True]


def test_a_signal_ends_it_after_the_event_that_is_being_sent(follow, store, connections):
    for number in range(50):
        store.keep(CONN_ID, event(f"key-{number}"))
    connections.faults.add(Fault(kind="slow", delay=0.3))
    try:
        process = follow()
        wait_until(lambda: store.counts()["delivered"])
        returned, printed, complained = end(process, signal.SIGINT)
    finally:
        connections.faults.clear()
    assert (returned, complained) == (130, "")
    counts = store.counts()
    assert 0 < counts["delivered"] < 40
    assert f" {counts['delivered']} delivered; {counts['pending']} events left" in printed
    assert len(connections.pagerduty.incidents) == counts["delivered"]


def test_follow_says_once_that_the_outbox_cannot_be_used_and_goes_on_when_it_can(
    follow, store, path, connections
):
    path.mkdir()
    process = follow("--follow")
    assert select.select([process.stderr], [], [], TIMEOUT)[0]
    complained = os.read(process.stderr.fileno(), 4096).decode()
    assert complained.startswith(f"airflow-pagerduty: the outbox {path} cannot be used: ")
    assert complained.count("\n") == 1
    path.rmdir()
    store.keep(CONN_ID, event("a"))
    wait_until(lambda: store.counts()["delivered"] == 1)
    assert end(process, signal.SIGTERM)[2] == ""


def on_a_terminal(follow, *arguments):
    ours, theirs = pty.openpty()
    process = follow(*arguments, stdout=theirs, stderr=theirs)
    os.close(theirs)
    printed = b""
    until = time.monotonic() + TIMEOUT
    while time.monotonic() < until:
        try:
            printed += os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
    os.close(ours)
    assert process.wait(TIMEOUT) == 0
    return printed.decode()


def test_a_terminal_shows_a_bar_while_it_drains(follow, store, connections):
    for number in range(20):
        store.keep(CONN_ID, event(f"key-{number}"))
    printed = on_a_terminal(follow)
    assert "Delivering" in printed
    assert "/20" in printed
    assert "20 delivered; nothing is left." in printed


def test_json_on_a_terminal_shows_no_bar(follow, store, connections):
    store.keep(CONN_ID, event("a"))
    printed = on_a_terminal(follow, "--format", "json")
    assert json.loads(printed)["delivered"] == 1
