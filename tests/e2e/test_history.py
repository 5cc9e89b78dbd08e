"""Runs after runs: one incident while a DAG fails, and a resolve on recovery only."""

from case import case


@case("fails, then succeeds", "one incident at each level, resolved", "recovers")
def test_a_run_that_succeeds_after_one_that_failed_resolves(play):
    play.run("failed")
    play.await_events(2)
    assert play.statuses() == {play.key("load"): ["triggered"], play.key(): ["triggered"]}
    play.mend()
    play.run("success")
    play.await_events(4)
    assert play.actions() == {key: ["trigger", "resolve"] for key in (play.key("load"), play.key())}
    assert play.statuses() == {play.key("load"): ["resolved"], play.key(): ["resolved"]}
    severities = {each.alert.dedup_key: each.alert.severity for each in play.incidents()}
    assert severities == {play.key("load"): "error", play.key(): "critical"}


@case("fails three runs in a row", "one incident at each level, three events", "keeps_failing")
def test_three_failures_in_a_row_are_one_incident(play):
    for number in (1, 2, 3):
        play.run("failed")
        play.await_callbacks("run", "failure", number)
    play.await_callbacks("task", "failure", 3)
    assert play.actions() == dict.fromkeys((play.key("load"), play.key()), ["trigger"] * 3)
    assert play.statuses() == {play.key("load"): ["triggered"], play.key(): ["triggered"]}


@case("a healthy DAG runs twice", "nothing, not even a resolve", "healthy")
def test_a_healthy_dag_sends_nothing(play):
    for number in (1, 2):
        play.run("success")
        play.await_callbacks("run", "success", number)
    play.await_callbacks("task", "success", 2)
    assert play.actions() == {}


@case(
    "manual runs without a logical date: one fails, the next succeeds",
    "one incident at each level, resolved",
    "no_date",
    only=3,
    because="Airflow 2 gives every run a logical date",
)
def test_runs_without_a_logical_date_page_and_resolve(play):
    play.run("failed", dated=False)
    play.await_callbacks("run", "failure")
    play.await_callbacks("task", "failure")
    play.mend()
    play.run("success", dated=False)
    play.await_callbacks("run", "success")
    play.await_callbacks("task", "success")
    assert play.actions() == {key: ["trigger", "resolve"] for key in (play.key("load"), play.key())}
    assert play.statuses() == {play.key("load"): ["resolved"], play.key(): ["resolved"]}


@case("a failed run is cleared and succeeds", "one incident at each level, resolved", "cleared")
def test_a_cleared_run_that_succeeds_resolves(play):
    run_id = play.run("failed")
    play.await_callbacks("run", "failure")
    play.await_callbacks("task", "failure")
    play.mend()
    play.clear(run_id, "success")
    play.await_callbacks("run", "success")
    play.await_callbacks("task", "success")
    assert play.actions() == {key: ["trigger", "resolve"] for key in (play.key("load"), play.key())}
    assert play.statuses() == {play.key("load"): ["resolved"], play.key(): ["resolved"]}


@case(
    "one of three mapped tasks fails; in the next run all succeed",
    "one incident at each level, open until the next run's last",
    "mapped_recovers",
    slow=True,
)
def test_a_mapped_task_is_resolved_once_no_index_fails(play):
    play.run("failed")
    play.await_callbacks("run", "failure")
    play.await_callbacks("task", "failure")
    play.await_callbacks("task", "success", 2)
    assert play.statuses() == {play.key("load"): ["triggered"], play.key(): ["triggered"]}
    play.mend()
    play.run("success")
    play.await_callbacks("run", "success")
    play.await_callbacks("task", "success", 5)
    assert play.statuses() == {play.key("load"): ["resolved"], play.key(): ["resolved"]}


@case(
    "the newest scheduled run fails; a backfill of an older day succeeds",
    "nothing is resolved",
    "backfilled",
    slow=True,
)
def test_a_backfill_leaves_a_newer_runs_alert_open(play):
    play.airflow.pause(play.dag_id, False)
    play.await_another_run("failed")
    play.await_callbacks("run", "failure")
    play.await_callbacks("task", "failure")
    play.mend()
    play.airflow.backfill(play.dag_id, "2026-01-05")
    older = play.await_another_run("success")
    assert "2026-01-05" in older
    play.await_callbacks("run", "success")
    play.await_callbacks("task", "success")
    assert play.actions() == {play.key("load"): ["trigger"], play.key(): ["trigger"]}
    assert play.statuses() == {play.key("load"): ["triggered"], play.key(): ["triggered"]}


@case(
    'dedup_scope="run": two runs fail, one is cleared and succeeds',
    "two incidents at each level, one of them resolved",
    "run_scope",
    slow=True,
)
def test_with_a_scope_of_the_run_each_run_has_its_own_incident(play):
    first, second = play.run("failed"), play.run("failed")
    play.await_callbacks("run", "failure", 2)
    play.await_callbacks("task", "failure", 2)
    keys = {run_id: [f"{play.key('load')}@{run_id}", f"{play.key()}@{run_id}"] for run_id in (first, second)}
    assert play.statuses() == {key: ["triggered"] for key in keys[first] + keys[second]}
    play.mend()
    play.clear(first, "success")
    play.await_callbacks("run", "success")
    play.await_callbacks("task", "success")
    opened = {key: ["triggered"] for key in keys[second]}
    assert play.statuses() == {key: ["resolved"] for key in keys[first]} | opened
