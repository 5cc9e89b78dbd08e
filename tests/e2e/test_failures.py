"""The ways in which a task or a run fails, and whether that pages."""

import pytest
from case import IS_AIRFLOW_2, case


@case("a task with two retries fails", "one page at each level, after the last try", "retries")
def test_a_task_with_retries_pages_once_after_the_last_try(play):
    play.run("failed")
    play.await_callbacks("run", "failure")
    play.await_callbacks("task", "failure")
    assert [call["try"] for call in play.callbacks("task")] == [3]
    assert play.actions() == {play.key("load"): ["trigger"], play.key(): ["trigger"]}
    page, _ = play.events()
    assert page.body["payload"]["summary"] == "retries.load failed: ValueError: orders.csv is not there yet"
    assert page.body["payload"]["custom_details"]["try"] == "3 of 3"


@case(
    "the task's process is SIGKILLed", "one incident, at task level too where Airflow calls back", "task_killed"
)
def test_a_killed_task_pages(play):
    play.run("failed")
    play.await_callbacks("run", "failure")
    expected = {play.key(): ["triggered"]}
    if IS_AIRFLOW_2:
        # From the dag-processor, and again at each look for the dead until the first call has been made.
        play.await_callbacks("task", "failure")
        expected[play.key("load")] = ["triggered"]
    else:
        assert play.callbacks("task") == []
        play.note("Airflow makes no callback at task level; the run-level one catches it")
    assert play.statuses() == expected
    summaries = {each.alert.dedup_key: each.summary for each in play.incidents()}
    assert summaries[play.key()] == "task_killed failed: load"


@case("the task's supervisor is SIGKILLed", "one incident at each level", "supervisor_killed", slow=True)
def test_a_task_whose_supervisor_is_killed_is_one_incident(play):
    play.run("failed")
    play.await_callbacks("run", "failure")
    play.await_callbacks("task", "failure")
    play.note(f"Airflow calls the task back {'twice' if len(play.callbacks('task')) == 2 else 'once'}")
    assert play.statuses() == {play.key("load"): ["triggered"], play.key(): ["triggered"]}


@pytest.mark.parametrize(
    "play",
    [
        pytest.param(10, marks=case("ten mapped tasks fail", "one incident at each level", "mapped_10")),
        pytest.param(
            100,
            marks=case("a hundred mapped tasks fail", "one incident at each level", "mapped_100", slow=True),
        ),
    ],
    indirect=True,
)
def test_mapped_tasks_that_all_fail_are_one_incident(play):
    count = int(play.dag_id.partition("_")[2])
    play.run("failed")
    play.await_callbacks("run", "failure")
    play.await_callbacks("task", "failure", count)
    assert play.actions() == {play.key("load"): ["trigger"] * count, play.key(): ["trigger"]}
    assert play.statuses() == {play.key("load"): ["triggered"], play.key(): ["triggered"]}
    (run,) = [each for each in play.incidents() if each.alert.dedup_key == play.key()]
    assert run.summary.startswith(f"{play.dag_id} failed: load[")
    assert run.summary.endswith(f" and {count - 3} more")


@case("a task is not reached (upstream_failed)", "one incident at run level, none for the task", "upstream")
def test_a_task_that_is_not_reached_pages_at_run_level(play):
    run_id = play.run("failed")
    play.await_callbacks("run", "failure")
    play.await_callbacks("task", "failure")
    assert play.task_states(run_id) == {"extract": "failed", "load": "upstream_failed"}
    assert [call["task"] for call in play.callbacks("task")] == ["extract"]
    play.note("Airflow makes no callback for the task that is not reached; the run-level one catches it")
    assert play.actions() == {play.key("extract"): ["trigger"], play.key(): ["trigger"]}


@case("a task skips itself", "nothing", "skipped")
def test_a_skipped_task_sends_nothing(play):
    run_id = play.run("success")
    play.await_callbacks("run", "success")
    assert play.task_states(run_id) == {"check": "success", "load": "skipped"}
    if IS_AIRFLOW_2:
        play.await_callbacks("task", "success", 2)
        play.note("Airflow calls on_success for it too")
    assert play.actions() == {}


@case("every task of a run is skipped", "nothing", "all_skipped", slow=True)
def test_a_run_of_skipped_tasks_sends_nothing(play):
    run_id = play.run("success")
    play.await_callbacks("run", "success")
    assert play.task_states(run_id) == {"load": "skipped"}
    assert play.actions() == {}


@case("dagrun_timeout", "one incident at run level", "times_out", slow=True)
def test_a_run_that_times_out_pages(play):
    play.run("failed")
    play.await_callbacks("run", "failure")
    assert [call["reason"] for call in play.callbacks("run")] == ["timed_out"]
    assert play.actions()[play.key()] == ["trigger"]
    assert play.incidents()[0].summary == "times_out timed out after 4 s"


@case("another callback, before ours, raises", "one incident at each level", "raising", slow=3)
def test_somebody_elses_broken_callback_does_not_lose_the_page(play):
    play.run("failed")
    play.await_callbacks("run", "failure")
    play.await_callbacks("task", "failure")
    assert play.actions() == {play.key("load"): ["trigger"], play.key(): ["trigger"]}
