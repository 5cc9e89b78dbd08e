"""Runs that take too long: deadlines on Airflow 3, SLAs on Airflow 2."""

import pytest
from case import case

NO_DEADLINES = "Airflow 2 has no deadlines"


@pytest.mark.parametrize(
    "play",
    [
        pytest.param(
            None,
            marks=case(
                f"a deadline is missed, {kind}; then the run succeeds",
                "one incident, resolved",
                dag_id,
                slow=True,
                only=3,
                because=NO_DEADLINES,
            ),
            id=dag_id,
        )
        for kind, dag_id in (
            ("AsyncCallback", "deadline_async"),
            ("SyncCallback with the connection in the environment", "deadline_sync"),
        )
    ],
    indirect=True,
)
def test_a_missed_deadline_pages_and_the_runs_success_resolves(play):
    run_id = play.trigger()
    (page,) = play.await_events(1)
    assert page.dedup_key == play.key()
    assert page.body["payload"]["summary"].startswith(f"{play.dag_id} missed its deadline by ")
    assert page.body["payload"]["severity"] == "warning"
    play.mend()
    play.await_end(run_id, "success")
    play.await_callbacks("run", "success")
    assert play.actions() == {play.key(): ["trigger", "resolve"]}
    assert play.statuses() == {play.key(): ["resolved"]}


@case(
    "an SLA is missed", "one incident", "sla", slow=True, only=2, because="Airflow 3 has deadlines in its place"
)
def test_a_missed_sla_pages(play):
    play.airflow.pause("sla", False)
    page, *_ = play.await_events(1)
    play.airflow.pause("sla", True)
    assert page.dedup_key == play.key()
    assert page.body["payload"]["summary"] == "sla missed its SLA: load"
    assert play.statuses() == {play.key(): ["triggered"]}
