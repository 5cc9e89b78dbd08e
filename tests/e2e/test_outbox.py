"""PagerDuty is away while a run fails, and back when the relay's DAG runs."""

from case import case
from local_airflow import INTEGRATION_KEYS
from play import FIRST_DATE

from airflow_provider_pagerduty.sandbox.fault import Fault


@case(
    "PagerDuty is away while a run fails; back again, the relay's DAG runs",
    "one incident at each level, late",
    "away",
    slow=True,
)
def test_what_pagerduty_did_not_take_the_relay_delivers(play):
    play.service_key = INTEGRATION_KEYS["pagerduty_away"]
    with play.fault(Fault(kind="status", status=503, key=play.service_key)):
        play.run("failed")
        play.await_callbacks("run", "failure")
        play.await_callbacks("task", "failure")
        assert play.events() == []

    def relayed():
        number = len(runs) + 1
        run_id = f"relay-{number}"
        runs.append(run_id)
        play.airflow.trigger("away_relay", run_id, FIRST_DATE.replace(day=number).isoformat())
        assert play.airflow.run_end("away_relay", run_id).state == "success"
        return len(play.events()) == 2

    runs = []
    # The first passes may come before the connection's next turn.
    play.airflow.wait("the relay to deliver", relayed)
    assert play.actions() == {play.key("load"): ["trigger"], play.key(): ["trigger"]}
    assert all("delivered late" in each.body["payload"]["custom_details"] for each in play.events())
    play.note("Both were kept in the outbox, and said how late they came")
