"""The judge of the trials sees what is wrong, and the table on the page is the one of the results."""

from types import SimpleNamespace

import pytest
import trial_results
import trial_table
from trial_events import Said, conversation, deal, judge

SAID = [Said("a", number, action) for number, action in enumerate(("trigger", "trigger", "resolve", "trigger"))]


def account(arrived, alerts):
    """Return what a PagerDuty shows: events by their numbers, alerts by status and summary."""
    events = [
        SimpleNamespace(
            dedup_key="a",
            action=SAID[number].action,
            body={"payload": {"custom_details": {"number": number}}},
        )
        for number in arrived
    ]
    incidents = [
        SimpleNamespace(alerts=[SimpleNamespace(dedup_key="a", status=status, summary=summary)])
        for status, summary in alerts
    ]
    return SimpleNamespace(events=events, incidents=incidents)


RIGHT = [("resolved", "a #1"), ("triggered", "a #3")]


def faults(arrived, alerts, said=SAID, excused=()):
    found = judge(said, account(arrived, alerts), excused)
    return {name for name in ("wrong", "lost", "doubled", "disordered") if getattr(found, name)}


@pytest.mark.parametrize("arrived", [(0, 1, 2, 3), (1, 2, 3), (0, 1, 1, 2, 2, 3, 3)])
def test_all_folded_or_repeated_is_right(arrived):
    assert faults(arrived, RIGHT) == set()


@pytest.mark.parametrize(
    ("arrived", "alerts", "found"),
    [
        ((0, 2, 3), RIGHT, {"lost"}),
        ((1, 3), [("triggered", "a #3")], {"lost"}),
        ((1, 2), [("resolved", "a #1")], {"lost", "wrong"}),
        ((), [], {"lost", "wrong"}),
        ((1, 3, 2), [("resolved", "a #3")], {"disordered", "wrong"}),
        ((1, 2, 1, 3), [("resolved", "a #1"), ("triggered", "a #3")], {"disordered"}),
        ((1, 2, 3), [*RIGHT, ("resolved", "a #3")], {"doubled"}),
        ((1, 2, 3), [("resolved", "a #1"), ("triggered", "a #1")], {"wrong"}),
        ((1, 2, 3), [("triggered", "a #1"), ("triggered", "a #3")], {"wrong"}),
    ],
)
def test_what_is_wrong_is_seen(arrived, alerts, found):
    assert faults(arrived, alerts) == found


def test_an_alert_of_which_nothing_was_said_is_doubled():
    assert faults((0,), [], said=[]) == {"doubled"}


def test_what_is_known_to_be_gone_is_missed_by_nobody():
    assert faults((0, 1, 3), [("triggered", "a #3")], excused=[SAID[2]]) == set()


def test_a_conversation_is_the_same_each_time_and_each_key_has_one_speaker():
    said = conversation(20, 10, seed=7)
    assert said == conversation(20, 10, seed=7)
    parts = deal(said, 8)
    assert sorted(repr(each) for part in parts for each in part) == sorted(map(repr, said))
    for part in parts:
        keys = {each.key for each in part}
        assert [each for each in said if each.key in keys] == part
    assert {each.action for each in said} == {"trigger", "resolve"}


def test_the_page_shows_the_results():
    page = trial_table.PAGE.read_text()
    assert trial_table.with_tables(page, trial_results.read()) == page


def test_in_the_results_nothing_was_lost():
    found = trial_results.read()["trials"]
    assert found
    for entry in found:
        counted = {name: entry[name] for name in ("wrong", "lost", "doubled", "disordered")}
        assert set(counted.values()) == {0}, entry["name"]
