"""Which successes stand an alert down, as Airflow's own history has it."""

import sys
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_provider_pagerduty import recovery
from airflow_provider_pagerduty.notifications.pagerduty import PagerdutyNotifier
from airflow_provider_pagerduty.occasion import read

sys.path.append(str(Path(__file__).parent))  # not done by pytest in importlib mode
from airflow_contexts import IS_AIRFLOW_2, NOON, make_dag, run_context, task_context

DAY = timedelta(days=1)
THIS = "scheduled__noon"
needs_airflow_3 = pytest.mark.skipif(IS_AIRFLOW_2, reason="of Airflow 3 only")


def task_recovers(scope="always", tasks=("load",), **context):
    dag = make_dag(tasks=tasks)
    return recovery.has_recovered(read(task_context(dag, **{"state": "success"} | context)), scope)


def run_recovers(scope="always", dag=None, **context):
    success = run_context(dag or make_dag(), "success", **{"state": "success"} | context)
    return recovery.has_recovered(read(success), scope)


@pytest.mark.parametrize("recovers", [task_recovers, run_recovers])
class TestTheRunBefore:
    def test_after_a_failed_run_it_is_a_recovery(self, past, recovers):
        past.add(NOON - DAY, "failed", load="failed")
        past.add(NOON, "success", run_id=THIS, load="success")
        assert recovers()

    def test_a_healthy_dag_sends_nothing(self, past, recovers):
        past.add(NOON - DAY, "success", load="success")
        past.add(NOON, "success", run_id=THIS, load="success")
        assert not recovers()

    def test_a_first_run_is_healthy(self, past, recovers):
        past.add(NOON, "success", run_id=THIS, load="success")
        assert not recovers()

    def test_only_the_latest_finished_one_counts(self, past, recovers):
        past.add(NOON - 3 * DAY, "failed", load="failed")
        past.add(NOON - 2 * DAY, "success", load="success")
        past.add(NOON - DAY, "running", load="running")
        past.add(NOON, "success", run_id=THIS, load="success")
        assert not recovers()

    def test_a_run_that_has_not_ended_is_passed_over(self, past, recovers):
        past.add(NOON - 2 * DAY, "failed", load="failed")
        past.add(NOON - DAY, "running", load="running")
        past.add(NOON, "success", run_id=THIS, load="success")
        assert recovers()

    def test_a_backfill_does_not_close_a_newer_runs_alert(self, past, recovers):
        past.add(NOON - DAY, "failed", load="failed")
        past.add(NOON, "success", run_id=THIS, load="success")
        past.add(NOON + DAY, "failed", load="failed")
        assert not recovers()

    def test_a_newer_run_that_is_well_does_not_hinder(self, past, recovers):
        past.add(NOON - DAY, "failed", load="failed")
        past.add(NOON, "success", run_id=THIS, load="success")
        past.add(NOON + DAY, "success", load="success")
        past.add(NOON + 2 * DAY, "running", load="running")
        assert recovers()

    def test_a_skip_is_no_recovery(self, past, recovers):
        past.add(NOON - DAY, "failed", load="failed")
        outcome = {"state": "skipped"} if recovers is task_recovers else {}
        assert recovers(**outcome) is (recovers is run_recovers)

    @needs_airflow_3
    def test_without_a_logical_date_it_cannot_be_known(self, past, recovers):
        past.add(NOON - DAY, "success", load="success")
        assert recovers(logical_date=None)

    def test_a_history_that_does_not_answer_cannot_be_known(self, past, recovers, monkeypatch, caplog):
        def fail(*_):
            raise ConnectionError("the database is away")

        monkeypatch.setattr("airflow_provider_pagerduty.history.History.latest_finished", fail)
        monkeypatch.setattr("airflow_provider_pagerduty.history.History.runs", fail)
        assert recovers()
        assert "the database is away" in caplog.text

    def test_with_an_alert_for_each_run_earlier_runs_do_not_matter(self, past, recovers):
        past.add(NOON - DAY, "failed", load="failed")
        past.add(NOON, "success", run_id=THIS, load="success")
        assert not recovers("run")


class TestThisRunItself:
    def test_a_second_try_stands_down_what_the_first_opened(self, past):
        assert task_recovers(try_number=2)
        assert task_recovers("run", try_number=2)

    def test_a_cleared_run_stands_down_what_it_opened_before(self, past):
        assert run_recovers(clear_number=1)
        assert run_recovers("run", clear_number=1)

    @pytest.mark.parametrize("recovers", [task_recovers, run_recovers])
    def test_but_not_if_a_newer_run_has_failed_since(self, past, recovers):
        past.add(NOON + DAY, "failed", load="failed")
        assert not recovers(try_number=2, clear_number=1)
        assert recovers("run", try_number=2, clear_number=1)

    def test_of_which_the_context_has_but_the_id_is_found_in_the_history(self, past):
        """On Airflow 3 a run in which all was skipped is such a one."""
        occasion = read({"dag": make_dag(), "run_id": THIS, "reason": "success"})
        past.add(NOON, "success", run_id=THIS, load="skipped")
        assert not recovery.has_recovered(occasion)
        assert recovery.has_recovered(occasion, "run")
        past.add(NOON - DAY, "failed", load="failed")
        assert recovery.has_recovered(occasion)

    def test_that_is_nowhere_in_the_history_cannot_be_known(self, past):
        past.add(NOON, "success", run_id="another", load="success")
        assert recovery.has_recovered(read({"dag": make_dag(), "run_id": THIS, "reason": "success"}))


class TestATaskThatDidNotRun:
    @pytest.mark.parametrize("state", ["upstream_failed", "skipped", None])
    def test_leaves_its_alert_as_an_earlier_run_left_it(self, past, state):
        past.add(NOON - 2 * DAY, "failed", load="failed")
        past.add(NOON - DAY, "failed", load=state)
        assert task_recovers()
        past.add(NOON - DAY / 2, "success", load="success")
        assert not task_recovers()

    def test_for_longer_than_anybody_looks_back_cannot_be_known(self, past):
        for days in range(1, recovery.FURTHEST + 5):
            past.add(NOON - days * DAY, "success", load="skipped")
        assert task_recovers()

    def test_another_tasks_failure_is_not_this_ones(self, past):
        past.add(NOON - DAY, "failed", load="success", check="failed")
        assert not task_recovers()
        assert run_recovers()


#: Airflow 3 records an index's success before it calls back; on Airflow 2 all that call back still run.
ENDED_WELL = "running" if IS_AIRFLOW_2 else "success"


class TestAMappedTask:
    def test_recovers_if_any_index_had_failed(self, past):
        past.add(NOON - DAY, "failed", load=["success", "failed", "success"])
        past.add(NOON, "running", run_id=THIS, load=[ENDED_WELL, ENDED_WELL])
        assert task_recovers(map_index=0)

    @pytest.mark.parametrize("state", ["failed", "up_for_retry"])
    def test_does_not_while_another_index_is_unwell(self, past, state):
        past.add(NOON - DAY, "failed", load=["failed", "failed"])
        past.add(NOON, "running", run_id=THIS, load=["success", state])
        assert not task_recovers(map_index=0)
        assert not task_recovers(map_index=0, try_number=2)
        assert not task_recovers("run", map_index=0, try_number=2)

    def test_its_own_recorded_state_is_not_anothers(self, past):
        past.add(NOON - DAY, "failed", load=["failed", "success"])
        past.add(NOON, "running", run_id=THIS, load=["failed", ENDED_WELL])
        assert task_recovers(map_index=0, try_number=2)

    @pytest.mark.parametrize("others", ["upstream_failed", "removed", "skipped"])
    def test_an_index_that_will_not_run_is_not_waited_for(self, past, others):
        past.add(NOON - DAY, "failed", load=["failed", "failed"])
        past.add(NOON, "running", run_id=THIS, load=["success", others])
        assert task_recovers(map_index=0)

    @needs_airflow_3
    @pytest.mark.parametrize("state", ["running", "queued", "scheduled", None])
    def test_the_last_index_stands_down_as_one_under_way_may_be_failing(self, past, state):
        past.add(NOON - DAY, "failed", load=["failed", "failed"])
        past.add(NOON, "running", run_id=THIS, load=["success", state])
        assert not task_recovers(map_index=0)
        assert not task_recovers(map_index=0, try_number=2)

    @needs_airflow_3
    def test_one_that_was_paged_for_itself_does_not_wait_as_the_last_may_know_nothing_of_it(self, past):
        past.add(NOON, "running", run_id=THIS, load=["success", "running"])
        assert task_recovers(map_index=0, try_number=2, clear_number=1)
        dag = make_dag()
        dag.get_task("load").on_retry_callback = [print]
        success = read(task_context(dag, state="success", map_index=0, try_number=2))
        assert recovery.has_recovered(success)

    @pytest.mark.skipif(not IS_AIRFLOW_2, reason="Airflow 3 records a success before it calls back")
    def test_on_airflow_2_the_first_index_stands_down_as_none_knows_to_be_the_last(self, past):
        past.add(NOON - DAY, "failed", load=["failed", "failed", "failed"])
        past.add(NOON, "running", run_id=THIS, load=["running", "success", "running"])
        assert not task_recovers(map_index=0)
        assert task_recovers(map_index=0, try_number=2)

    def test_the_run_before_has_not_ended_while_an_index_has_not(self, past):
        past.add(NOON - 2 * DAY, "failed", load=["failed", "success"])
        past.add(NOON - DAY, "running", load=["success", "running"])
        past.add(NOON, "running", run_id=THIS, load=[ENDED_WELL, ENDED_WELL])
        assert task_recovers(map_index=0)

    @needs_airflow_3
    def test_recovers_also_if_its_last_index_skips_itself(self, past):
        past.add(NOON - DAY, "failed", load=["failed", "failed"])
        past.add(NOON, "running", run_id=THIS, load=["success", "running"])
        assert task_recovers(map_index=1, state="skipped")
        past.runs[-1] = (THIS, NOON, "running", {"load": ["skipped", "running"]})
        assert not task_recovers(map_index=1, state="skipped")


class TestFarAhead:
    def test_a_newer_run_that_nobody_can_see_may_have_failed(self, past):
        past.add(NOON - DAY, "failed", load="failed")
        past.add(NOON + DAY, "failed", load="failed")
        for days in range(2, recovery.FURTHEST + 4):
            past.add(NOON + days * DAY, "running", load="queued")
        assert not task_recovers()

    def test_a_newer_mapped_run_that_is_under_way_says_nothing_yet(self, past):
        past.add(NOON - DAY, "failed", load=["failed", "failed"])
        past.add(NOON, "success", run_id=THIS, load=[ENDED_WELL, ENDED_WELL])
        past.add(NOON + DAY, "failed", load=["failed", "failed"])
        past.add(NOON + 2 * DAY, "running", load=["success", "running"])
        assert not task_recovers(map_index=0)


@needs_airflow_3
class TestALateRun:
    @pytest.fixture
    def dag(self):
        from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference

        def dag(reference, notifier=PagerdutyNotifier, interval=timedelta(minutes=5)):
            deadline = DeadlineAlert(
                reference=getattr(DeadlineReference, reference)(*((NOON,) if "FIXED" in reference else ()))
                if reference in ("AVERAGE_RUNTIME", "FIXED_DATETIME")
                else getattr(DeadlineReference, reference),
                interval=interval,
                callback=AsyncCallback(notifier),
            )
            return make_dag(deadline=deadline)

        return dag

    REFERENCES = ("DAGRUN_LOGICAL_DATE", "DAGRUN_QUEUED_AT", "FIXED_DATETIME")

    @pytest.mark.parametrize("reference", REFERENCES)
    def test_stands_down_the_deadline_that_it_missed(self, past, dag, reference):
        assert run_recovers(dag=dag(reference), end_date=NOON + timedelta(minutes=6))
        assert not run_recovers(dag=dag(reference), end_date=NOON + timedelta(minutes=4))

    def test_of_a_deadline_by_averages_it_cannot_be_known(self, past, dag):
        assert run_recovers(dag=dag("AVERAGE_RUNTIME"))

    def test_it_does_so_also_where_each_run_has_an_alert_and_whoever_pages(self, past, dag):
        late = NOON + timedelta(days=1)
        for notifier in ("somewhere.else.Notifier", PagerdutyNotifier):
            assert run_recovers("run", dag=dag("DAGRUN_LOGICAL_DATE", notifier), end_date=late)

    def test_when_it_was_queued_counts_from_when_it_could_run(self, past, dag):
        late = {"run_after": NOON + timedelta(hours=2), "end_date": NOON + timedelta(hours=2, minutes=4)}
        assert not run_recovers(dag=dag("DAGRUN_QUEUED_AT"), **late)
        assert run_recovers(dag=dag("DAGRUN_LOGICAL_DATE"), **late)

    def test_of_a_run_whose_end_is_not_told_it_cannot_be_known(self, past, dag):
        assert run_recovers(dag=dag("DAGRUN_LOGICAL_DATE"), end_date=None)


@needs_airflow_3
class TestWhatItCosts:
    def test_a_healthy_success_asks_airflow_twice(self, past):
        past.add(NOON - DAY, "success", load="success")
        past.add(NOON, "success", run_id=THIS, load="success")
        for recovers in (task_recovers, run_recovers):
            past.asked.clear()
            assert not recovers()
            assert len(past.asked) == 2


@pytest.mark.skipif(not IS_AIRFLOW_2, reason="of Airflow 2 only")
class TestAMissedSla:
    def test_is_stood_down_by_the_runs_success(self, past):
        from airflow.models import SlaMiss
        from airflow.utils.session import create_session

        dag = make_dag(sla_miss_callback=lambda *_: None)
        assert not run_recovers(dag=dag)
        with create_session() as session:
            session.add(SlaMiss(task_id="load", dag_id="orders", execution_date=NOON))
        try:
            assert run_recovers(dag=dag)
        finally:
            with create_session() as session:
                session.query(SlaMiss).delete()
