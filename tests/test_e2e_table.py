"""The table in docs/alerts.md is what the last run of all e2e cases showed."""

import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).with_name("e2e")))  # not done by pytest in importlib mode
import results
import table

INCIDENT = {
    "level": "task",
    "dedup_key": "e2e/orders/load",
    "status": "resolved",
    "severity": "error",
    "summary": "orders.load failed: a | b",
    "actions": ["trigger", "trigger", "resolve"],
}
SEEN = {"incidents": [INCIDENT], "callbacks": {}, "seconds": 1.5, "notes": ["Airflow 3 only"]}
ENTRY = {
    "case": "fails",
    "expected": "an incident",
    "airflow": "3.3.2",
    "commit": "abc1234",
    "date": "2026-01-01",
}


def test_the_docs_table_is_what_the_results_file_gives():
    text = table.PAGE.read_text()
    assert table.with_table(text, results.read()) == text


def test_every_case_was_tried_on_both_airflows_and_showed_what_it_should():
    entries = results.read()
    names = {entry["case"] for entry in entries}
    majors = [(entry["case"], entry["airflow"].partition(".")[0]) for entry in entries]
    assert sorted(majors) == sorted((name, major) for name in names for major in "23")
    assert [entry for entry in entries if entry.get("seen", "not there") is None] == []
    assert len({entry["airflow"] for entry in entries}) == 2


def test_the_table_has_a_row_for_each_case_and_a_column_for_each_airflow():
    other = {**ENTRY, "airflow": "2.11.2", "not_there": "no such callback"}
    head, _, row, *_, last = table.render([{**ENTRY, "seen": SEEN}, other]).strip().splitlines()
    assert head == "| case | should be seen | Airflow 3.3.2 | Airflow 2.11.2 | the first page says |"
    assert row == (
        "| fails | an incident | task: 2 triggers, resolve → **resolved** (paged 1.5 s after the run's end). "
        "Airflow 3 only | no such thing (no such callback) | `orders.load failed: a \\| b` |"
    )
    assert last == "Seen on: Airflow 3.3.2 on 2026-01-01 at abc1234; Airflow 2.11.2 on 2026-01-01 at abc1234."


def test_a_case_that_failed_or_was_not_run_is_not_shown_as_seen():
    other = {**ENTRY, "case": "recovers", "airflow": "2.11.2", "seen": SEEN}
    _, _, failed, not_run, *_ = table.render([{**ENTRY, "seen": None}, other]).splitlines()
    assert "**not as it should be** | not run" in failed
    assert "| not run | task:" in not_run


def test_a_page_without_the_marks_is_refused():
    with pytest.raises(ValueError, match="needs a line"):
        table.with_table("# Alerts\n", [])


def test_a_run_of_some_cases_replaces_their_entries_only(tmp_path, monkeypatch):
    rows = [
        {"name": "fails", "expected": "an incident", "only": None, "because": ""},
        {"name": "is late", "expected": "an incident", "only": 3, "because": "no deadlines"},
        {"name": "recovers", "expected": "a resolve", "only": None, "because": ""},
    ]
    old = [{**ENTRY, "airflow": airflow, "seen": SEEN} for airflow in ("2.11.1", "3.3.1")]
    file = tmp_path / "results.json"
    file.write_text(json.dumps([*old, {**old[0], "case": "is no longer there"}]))
    monkeypatch.setattr(results, "FILE", file)
    monkeypatch.setattr(results, "rows", rows)
    monkeypatch.setattr(results, "_seen", {"fails": None})
    monkeypatch.setattr(results, "commit", lambda: "def5678")
    monkeypatch.delenv("E2E_RESULTS", raising=False)
    assert not results.write("2.11.2")
    monkeypatch.setenv("E2E_RESULTS", "write")
    assert results.write("2.11.2")
    found = [(entry["case"], entry["airflow"], entry.get("seen")) for entry in results.read()]
    assert found == [("fails", "2.11.2", None), ("fails", "3.3.1", SEEN), ("is late", "2.11.2", None)]
    assert results.read()[2]["not_there"] == "no deadlines"
