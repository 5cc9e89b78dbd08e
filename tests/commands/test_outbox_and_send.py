"""`airflow-pagerduty outbox list|show|retry|drop` and `send`: what people see, and what they do."""

import json
import os
import pty
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from airflow_provider_pagerduty.cli import main
from airflow_provider_pagerduty.commands import run as room
from airflow_provider_pagerduty.hooks.once import send_once
from airflow_provider_pagerduty.outbox.database import Database
from airflow_provider_pagerduty.outbox.relay import Relay
from airflow_provider_pagerduty.outbox.store import Store
from airflow_provider_pagerduty.sandbox.fault import Fault

KEY = "0123456789abcdefghijklmnopqrstuv"
CONN_ID = "pagerduty_events_default"
HOUR = 3600.0
#: Seconds, for what takes two on a machine that has time.
TIMEOUT = 60


def event(key, action="trigger", summary="orders.load failed"):
    payload = {"summary": summary, "severity": "error", "source": "production"}
    return {"event_action": action, "dedup_key": key, "payload": payload}


# list


def test_list_without_an_outbox_says_that_nothing_was_ever_kept_and_makes_none(command, path):
    status, printed, complained = command("outbox", "list")
    assert (status, complained) == (0, "")
    assert printed == f"Nothing was ever kept: there is no outbox at {path} yet.\n"
    assert not path.exists()


@pytest.mark.parametrize(
    "arguments",
    [["list"], ["show", 1], ["retry", 1], ["drop", 1, "--yes"], ["relay"]],
    ids=lambda each: each[0],
)
def test_an_outbox_that_is_switched_off_is_said_to_be(command, configure, arguments):
    configure(outbox="none")
    status, printed, _ = command("outbox", *arguments)
    assert status == 0
    assert printed.startswith("The outbox is switched off: [pagerduty] outbox = none.")


@pytest.mark.parametrize(
    "arguments",
    [["list"], ["show", 1], ["retry", 1], ["drop", 1, "--yes"], ["relay"]],
    ids=lambda each: each[0],
)
@pytest.mark.parametrize("outbox", ["none", "no file"])
def test_json_stays_json_without_an_outbox(command, configure, tmp_path, arguments, outbox):
    configure(outbox="none" if outbox == "none" else f"sqlite:///{tmp_path / 'no.db'}")
    status, printed, _ = command("outbox", *arguments, "--format", "json")
    assert status == 0
    json.loads(printed)


def test_list_shows_the_latest_first_with_what_went_wrong_and_counts_each_state(command, store, path):
    store.keep("mine", event("a"), error="HTTP 503")
    store.keep("mine", event("a"))
    store.reject("other", event("b"), "wrong key")
    status, printed, complained = command("outbox", "list")
    assert (status, complained) == (0, "")
    rows = [line for line in printed.splitlines() if line.startswith("│")]
    assert ["rejected" in row and "wrong key" in row for row in rows] == [True, False]
    assert "HTTP 503" in rows[1]
    assert "orders.load failed (2 times)" in rows[1]
    assert printed.endswith(f"{path}: 1 pending, 0 delivered, 1 rejected, 0 expired.\n")


def test_list_in_json_says_all_there_is_to_know_but_the_event(command, store, path):
    number = store.keep("mine", event("a"), error="HTTP 503").id
    _, printed, _ = command("outbox", "list", "--format", "json")
    listed = json.loads(printed)
    (row,) = listed["events"]
    assert (listed["outbox"], listed["counts"]["pending"]) == (str(path), 1)
    assert row["first_at"].endswith("Z")
    expected = {"id": number, "state": "pending", "conn_id": "mine", "dedup_key": "a", "tries": 1}
    assert expected.items() <= row.items()


def test_list_can_be_narrowed_by_state_connection_and_number(command, store):
    for name in "abc":
        store.keep("mine", event(name))
    store.keep("other", event("d"))
    store.reject("mine", event("e"), "wrong key")

    def keys(*arguments):
        listed = json.loads(command("outbox", "list", "--format", "json", *arguments)[1])
        return "".join(each["dedup_key"] for each in listed["events"])

    assert keys() == "edcba"
    assert keys("--state", "rejected") == "e"
    assert keys("--state", "rejected", "--state", "pending", "--conn-id", "mine") == "ecba"
    assert keys("--limit", "2") == "ed"
    assert "These are the latest 2 of 5: --limit shows more." in command("outbox", "list", "--limit", "2")[1]


def test_what_an_event_says_cannot_steer_the_terminal_or_the_table(command, store):
    store.keep("mine", event("a", summary="\x1b[2J[bold]red[/] \x07"), error="x\x1b]0;title\x07")
    for arguments in (["list"], ["show", 1]):
        printed = command("outbox", *arguments)[1]
        assert "\x1b" not in printed
        assert "\x07" not in printed
        assert "[bold]red[/]" in printed


# show


def test_show_prints_the_event_as_json_and_its_history(command, store):
    number = store.keep("mine", event("a"), error="HTTP 503").id
    store.keep("mine", event("a", summary="again"))
    status, printed, _ = command("outbox", "show", number)
    assert status == 0
    before, _, shown = printed.partition("with the connection's key:\n")
    assert json.loads(shown) == event("a", summary="again")
    assert "it stands for 2 triggers" in before
    assert "tried 1 time" in before
    assert "last error: HTTP 503" in before


def test_show_in_json_holds_the_event(command, store):
    number = store.keep("mine", event("a")).id
    shown = json.loads(command("outbox", "show", number, "--format", "json")[1])
    assert (shown["event"], shown["state"]) == (event("a"), "pending")


def test_an_event_that_is_not_there_is_a_clear_error(command, store, path):
    store.keep("mine", event("a"))
    status, printed, complained = command("outbox", "show", 7)
    assert (status, printed) == (1, "")
    assert complained == (
        f"airflow-pagerduty: there is no event 7 in {path}: outbox list shows what there is\n"
    )


# retry


def test_retry_of_a_rejected_event_lets_the_relay_send_it(command, store, connections):
    store.reject(CONN_ID, event("a"), "wrong key")
    status, printed, _ = command("outbox", "retry", 1)
    assert (status, printed) == (0, "1 event pending and due now. Deliver: airflow-pagerduty outbox relay\n")
    assert command("outbox", "relay")[0] == 0
    assert [each.dedup_key for each in connections.pagerduty.incidents[0].alerts] == ["a"]


def test_retry_of_all_that_expired_lets_the_relay_send_them_in_their_order(command, path, connections):
    then = time.time() - 100 * HOUR
    store = Store(Database(f"sqlite:///{path}"), clock=lambda: then)
    for name in ("first", "second"):
        store.keep(CONN_ID, event(name))
    later = Store(Database(f"sqlite:///{path}"))
    assert Relay(later, send_once).drain().expired == 2
    assert connections.pagerduty.incidents == []
    assert command("outbox", "retry", "--all-expired")[0] == 0
    assert command("outbox", "relay")[0] == 0
    assert [each.alerts[0].dedup_key for each in connections.pagerduty.incidents] == ["first", "second"]


def test_retry_of_all_that_was_rejected_leaves_the_others(command, store):
    store.reject("mine", event("a"), "wrong key")
    store.reject("mine", event("b"), "wrong key")
    store.keep("mine", event("c"))
    retried = json.loads(command("outbox", "retry", "--all-rejected", "--format", "json")[1])
    assert retried == {"retried": [1, 2], "refused": {}}
    assert store.counts() == {"pending": 3, "delivered": 0, "rejected": 0, "expired": 0}


def test_retry_says_which_it_could_not_and_does_the_others(command, store):
    kept = store.keep("mine", event("a"), error="HTTP 503", hold=True)
    store.delivered(kept)
    store.reject("mine", event("b"), "wrong key")
    status, printed, complained = command("outbox", "retry", 1, 2, 99)
    assert status == 1
    assert printed.startswith("1 event pending")
    assert complained.splitlines() == [
        "airflow-pagerduty: event 1 is delivered already",
        "airflow-pagerduty: there is no event 99 in the outbox",
    ]


def test_retry_of_nothing_asks_which(command, path):
    status, _, complained = command("outbox", "retry")
    assert status == 1
    assert "say which" in complained


# drop


def test_drop_takes_an_event_away_and_lets_the_next_of_its_key_go(command, store):
    store.keep("mine", event("a"))
    store.keep("mine", event("a", "resolve"))
    assert command("outbox", "drop", 1, "--yes")[:2] == (0, "1 event dropped.\n")
    assert store.claim("mine").action == "resolve"


def test_drop_of_what_is_not_there_says_so(command, store):
    store.keep("mine", event("a"))
    status, printed, complained = command("outbox", "drop", 9, "--yes")
    assert (status, printed) == (1, "0 events dropped.\n")
    assert complained == "airflow-pagerduty: there is no event 9 in the outbox\n"


def test_drop_without_yes_and_without_a_terminal_drops_nothing(command, store, monkeypatch):
    store.keep("mine", event("a"))
    with Path(os.devnull).open() as nobody:
        monkeypatch.setattr(sys, "stdin", nobody)
        status, _, complained = command("outbox", "drop", 1)
    assert status == 1
    assert "give --yes" in complained
    assert store.counts()["pending"] == 1


@pytest.mark.parametrize(("answer", "left"), [("y", 0), ("n", 1), ("", 1)])
def test_drop_asks_at_a_terminal(store, answer, left):
    store.keep("mine", event("a"))
    ours, theirs = pty.openpty()
    arguments = [sys.executable, "-m", "airflow_provider_pagerduty.cli", "outbox", "drop", "1"]
    with subprocess.Popen(arguments, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        os.write(ours, f"{answer}\n".encode())
        _, complained = process.communicate(timeout=TIMEOUT)
    os.close(ours)
    os.close(theirs)
    assert b"trigger of 'a': orders.load failed" in complained
    assert b"Drop 1 event for good? [y/N]" in complained
    assert store.counts()["pending"] == left
    assert process.returncode == left


# send


def test_send_opens_an_alert_and_says_how_to_resolve_it(command, connections):
    status, printed, complained = command("send")
    assert (status, complained) == (0, "")
    (incident,) = connections.pagerduty.incidents
    (alert,) = incident.alerts
    assert f"dedup_key: {alert.dedup_key}\n" in printed
    _, _, resolve = printed.partition("Resolve it: airflow-pagerduty ")
    assert command(*resolve.split())[0] == 0
    assert connections.pagerduty.incidents[0].status == "resolved"


def test_send_takes_what_it_is_given(command, connections):
    given = ["--summary", "Only a test", "--severity", "warning", "--dedup-key", "only a test"]
    status, printed, _ = command("send", *given, "--conn-id", "pagerduty_default", "--format", "json")
    assert (status, json.loads(printed)["dedup_key"]) == (0, "only a test")
    (incident,) = connections.pagerduty.incidents
    assert (incident.alerts[0].dedup_key, incident.alerts[0].severity) == ("only a test", "warning")
    _, printed, _ = command("send", *given, "--conn-id", "pagerduty_default")
    assert "--action resolve --dedup-key 'only a test' --conn-id pagerduty_default\n" in printed


def test_send_keeps_nothing_and_says_why_in_a_line(command, connections, path, configure):
    configure(send_timeout=0.5)
    connections.faults.add(Fault(kind="status", status=503))
    try:
        status, printed, complained = command("send")
    finally:
        connections.faults.clear()
    assert (status, printed) == (1, "")
    assert complained.count("\n") == 1
    assert complained.startswith("airflow-pagerduty: PagerDuty did not take the event")
    assert "503" in complained
    assert KEY not in complained
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--action", "resolve"], "dedup_key"),
        (
            ["--conn-id", "nowhere"],
            "there is no connection 'nowhere': add it, or name another one with --conn-id.",
        ),
    ],
)
def test_send_says_what_is_missing_in_a_line(command, connections, arguments, complaint):
    status, printed, complained = command("send", *arguments)
    assert (status, printed, complained.count("\n")) == (1, "", 1)
    assert complaint in complained


# all of them


@pytest.mark.parametrize(
    ("outbox", "complaint"),
    [
        ("nonsense", "[pagerduty] outbox is no database URL"),
        ("sqlite:///relative.db", "must name SQLite's file by its absolute path"),
        ("nosuchbase://user:hidden-password@host/x", "the outbox nosuchbase://user@host/x cannot be used"),
    ],
)
def test_an_outbox_that_cannot_be_used_is_an_error_in_a_line_without_its_password(
    command, configure, outbox, complaint
):
    configure(outbox=outbox)
    for arguments in (["list"], ["relay"], ["retry", "--all-expired"]):
        status, printed, complained = command("outbox", *arguments)
        assert (status, printed, complained.count("\n")) == (1, "", 1)
        assert complaint in complained
        assert "hidden-password" not in complained


@pytest.mark.parametrize("shown", ["table", "json"])
def test_a_reader_that_has_seen_enough_is_no_error(store, monkeypatch, shown):
    monkeypatch.delenv("AIRFLOW__CORE__UNIT_TEST_MODE")  # in which Airflow 3 logs
    store.keep("mine", event("a"))
    arguments = [sys.executable, "-m", "airflow_provider_pagerduty.cli", "outbox", "list"]
    with subprocess.Popen(
        [*arguments, "--format", shown], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        complained = process.stderr.read()
    assert (process.returncode, complained) == (141, b"")


def test_an_error_that_nobody_thought_of_is_a_line_too_with_its_type(command, path, capsys):
    path.parent.mkdir(exist_ok=True)
    Database(f"sqlite:///{path}").run(lambda _: None)
    with sqlite3.connect(path) as connection:
        row = "1, 'mine', 'a', 'trigger', 'no JSON', 'pending', 1, 'x', 1, 0, null, 0, 0, 0, null, null, null"
        connection.execute(f"INSERT INTO pagerduty_outbox VALUES ({row})")
    connection.close()
    status, printed, complained = command("outbox", "list")
    assert (status, printed, complained.count("\n")) == (1, "", 1)
    assert complained.startswith("airflow-pagerduty: JSONDecodeError: ")


def test_an_error_shows_no_secret_that_airflow_knows():
    from airflow_provider_pagerduty.masking import mask

    mask("a-secret-that-nobody-may-see")
    assert (
        room.one_line(RuntimeError("with a-secret-that-nobody-may-see\nin it"))
        == "RuntimeError: with *** in it"
    )


def test_help_of_every_command_teaches(capsys):
    for words in (
        ["outbox", "list"],
        ["outbox", "show"],
        ["outbox", "retry"],
        ["outbox", "drop"],
        ["outbox", "relay"],
        ["doctor"],
        ["send"],
    ):
        with pytest.raises(SystemExit) as ended:
            main([*words, "--help"])
        printed = capsys.readouterr().out
        assert ended.value.code == 0
        assert f"examples:\n  airflow-pagerduty {' '.join(words)}" in printed
        assert len(printed.splitlines()) > 8
        assert "{prog}" not in printed
