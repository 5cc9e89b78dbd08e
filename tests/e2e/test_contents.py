"""What an alert says of extreme things: a secret in a huge exception, and names of all kinds."""

import json

from case import case
from local_airflow import INTEGRATION_KEYS, WAREHOUSE_PASSWORD


@case(
    "an exception of 100 kB with a connection's password in it, 4,900 times",
    "one incident at each level, the password masked",
    "secret",
    slow=True,
)
def test_a_connections_password_in_a_huge_exception_arrives_masked(play):
    play.run("failed")
    play.await_callbacks("run", "failure")
    play.await_callbacks("task", "failure")
    assert play.statuses() == {play.key("load"): ["triggered"], play.key(): ["triggered"]}
    page = next(event.body for event in play.events() if event.dedup_key == play.key("load"))
    assert page["payload"]["summary"].startswith("secret.load failed: ConnectionError: cannot log in with ***")
    assert "***" in page["payload"]["custom_details"]["exception"]
    arrived = json.dumps([event.body for event in play.events()])
    # Nor a part of it, as a cut may leave.
    parts = [WAREHOUSE_PASSWORD[start : start + 4] for start in range(len(WAREHOUSE_PASSWORD) - 3)]
    assert [part for part in parts if part in arrived] == []


@case(
    "Cyrillic, Hebrew and Japanese ids, emoji and RTL text",
    "one incident at each level",
    "загрузка_טעינה_データ",
    slow=True,
)
def test_names_of_every_script_arrive_as_they_are(play):
    play.run("failed")
    play.await_callbacks("run", "failure")
    play.await_callbacks("task", "failure")
    task = "טעינת_הזמנות_заказы_注文"
    assert play.actions() == {play.key(task): ["trigger"], play.key(): ["trigger"]}
    page = next(event.body for event in play.events() if event.dedup_key == play.key(task))
    summary = f"{play.dag_id}.{task} failed: ValueError: 🔥 אין קובץ: заказы.csv"
    assert page["payload"]["summary"].startswith(summary)
    details = page["payload"]["custom_details"]
    assert details["owner"] == "Łukasz 🧑‍🚀 דנה"
    assert details["tags"] == ", ".join(sorted(["🚚 грузы", "שילוח"]))
    assert all(link["href"].isascii() for link in page["links"])


@case("ids of 247 characters", "one incident at each level, resolved", ("long_dag_" * 40)[:247], slow=True)
def test_long_ids_page_and_resolve(play):
    play.service_key = INTEGRATION_KEYS["pagerduty_long"]
    play.run("failed")
    play.await_callbacks("run", "failure")
    play.await_callbacks("task", "failure")
    play.mend()
    play.run("success")
    play.await_callbacks("run", "success")
    play.await_callbacks("task", "success")
    assert [len(key) <= 255 for key in play.actions()] == [True, True]
    assert list(play.actions().values()) == [["trigger", "resolve"]] * 2
    assert list(play.statuses().values()) == [["resolved"]] * 2


@case(
    "ids of 250 characters, the most there can be",
    "one incident at each level",
    ("long_dag_" * 40)[:250],
    slow=True,
)
def test_the_longest_ids_page(play):
    play.service_key = INTEGRATION_KEYS["pagerduty_longest"]
    play.mend()
    play.run("failed")
    play.await_callbacks("run", "failure")
    play.await_callbacks("task", "failure")
    play.note("No such task can start, as a folder of logs cannot have so long a name")
    assert list(play.statuses().values()) == [["triggered"]] * 2
    assert sorted(play.actions().values()) == [["trigger"]] * 2
