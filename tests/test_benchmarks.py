"""The benchmark works, all of it, though a little of each; and its page has what it last measured."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import airflow
import pytest

# Half a minute on a machine that does nothing else.
pytestmark = pytest.mark.timeout(300)
HERE = Path(__file__).with_name("benchmarks")
ENTRY = {
    "row": "warm",
    "unit": "ms",
    "notes": {"bare": "`requests`"},
    "sides": {
        "ours": {"median": 0.5, "low": 0.4, "high": 0.6, "runs": 3},
        "apache": {"median": 4.0, "low": 4.0, "high": 4.0, "runs": 1},
        "bare": {"median": 0.4, "low": 0.4, "high": 0.4, "runs": 3},
    },
    "goals": [
        {"of": "apache", "at_most": 0.45, "is": 0.125, "met": True},
        {"of": "bare", "at_most": 1.2, "is": 1.25, "met": False},
    ],
    "because": "it does more",
}


@pytest.fixture(scope="module")
def table():
    # By its path, as the e2e suite has a module of this name too.
    spec = importlib.util.spec_from_file_location("benchmarks_table", HERE / "table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    if airflow.__version__.startswith("2."):
        pytest.skip("the benchmark is one of Airflow 3")
    file = tmp_path_factory.mktemp("smoke") / "results.json"
    command = [sys.executable, HERE, "--smoke", "--json", file]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(file.read_text())["rows"]


def test_every_row_can_be_measured(smoke, table):
    kept = json.loads(table.FILE.read_text())["rows"]
    assert [row["row"] for row in smoke] == [row["row"] for row in kept]
    for row in smoke:
        sides = row["sides"]
        assert "ours" in sides or list(sides) == ["10", "20"], row["row"]
        assert all(side["runs"] for side in sides.values())


def test_the_storms_failures_all_arrive_as_one_incident(smoke):
    ours = {
        row["row"].partition(": ")[2]: row["sides"]["ours"]["median"] for row in smoke if "storm" in row["row"]
    }
    assert (ours["incidents opened"], ours["lost, or not out"], ours["requests sent"]) == (1, 0, 4)


def test_apaches_side_can_be_measured_too(smoke):
    if importlib.util.find_spec("airflow.providers.pagerduty") is None:
        pytest.skip("Apache's package is not installed here: `make bench BENCH=smoke` has it")
    assert sum("apache" in row["sides"] for row in smoke) > len(smoke) / 2


def test_the_docs_table_is_what_the_results_file_gives(table):
    text = table.PAGE.read_text()
    assert table.with_table(text, json.loads(table.FILE.read_text())) == text


def test_a_missed_goal_stands_as_missed_with_its_reason(table):
    assert table.verdict(ENTRY) == (
        "0.12 of the Apache package; 1.25 of the bare client",
        "at most 0.45 of the Apache package; at most 1.20 of the bare client",
        "**missed**: it does more",
    )
    assert table.cell(ENTRY, "ours") == "0.50 (0.40 to 0.60) ms"
    assert table.cell(ENTRY, "bare") == "0.40 ms, `requests`"


def test_a_page_without_the_marks_is_refused(table):
    with pytest.raises(ValueError, match="needs a line"):
        table.with_table("# Benchmarks\n", {})
