"""The oldest of everything that pyproject.toml takes, together with the oldest Airflow: do they do?"""

import json
import re
import shlex
import shutil
from importlib.metadata import PathDistribution
from zipfile import Path as PathInZip

import airflow
import pytest
from installation import find_uv, make_clean_environment

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not airflow.__version__.startswith("2."), reason="the oldest Airflow is a 2"),
    pytest.mark.skipif(find_uv() is None, reason="pip cannot look for what is oldest"),
]

#: Uses everything that is asked for: Airflow's parts, both ways of sending, both clients.
USE = """
import asyncio, json
from airflow_provider_pagerduty.hooks.pagerduty import PagerdutyHook
from airflow_provider_pagerduty.hooks.pagerduty_events import PagerdutyEventsAsyncHook, PagerdutyEventsHook
from airflow_provider_pagerduty.notifications.pagerduty import PagerdutyNotifier

async def send():
    async with PagerdutyEventsAsyncHook() as hook:
        return await hook.create_event("sent without waiting", "error")

PagerdutyEventsHook().create_event("sent", "error")
asyncio.run(send())
PagerdutyNotifier()({})
clients = PagerdutyHook().get_session(), PagerdutyHook().client()
assert not [each.url for each in clients if "api.pagerduty" in each.url]
print(json.dumps([sorted(each["title"] for each in client.list_all("incidents")) for client in clients]))
"""


@pytest.fixture(scope="module")
def oldest(wheel, tmp_path_factory):
    (dist_info,) = (path for path in PathInZip(wheel).iterdir() if path.name.endswith(".dist-info"))
    asked = PathDistribution(dist_info).metadata.get_all("Requires-Dist")
    requirements = [line.partition(";")[0].strip() for line in asked]
    folder = tmp_path_factory.mktemp("oldest") / "environment"
    yield make_clean_environment(folder, "--resolution", "lowest-direct", *requirements, str(wheel))
    shutil.rmtree(folder, ignore_errors=True)


def test_the_oldest_of_everything_does(oldest):
    assert oldest.versions()["apache-airflow"] == "2.11.0"
    oldest.airflow("db", "migrate")
    with oldest.started("airflow-pagerduty", "sandbox", "--tls", "--port", "0") as sandbox:
        announced = ""
        while "/sandbox/incidents" not in announced:
            line = sandbox.stdout.readline()
            assert line, announced
            announced += line
        exported = shlex.split(" ".join(re.findall(r"(?m)^  export (.*)$", announced)))
        variables = dict(each.split("=", 1) for each in exported)
        seen = oldest.run("python", "-c", USE, **variables).stdout.splitlines()[-1]
        assert json.loads(seen) == [["A DAG failed", "sent", "sent without waiting"]] * 2
        assert "PagerDuty" in oldest.run("airflow-pagerduty", "doctor", check=False, **variables).stdout
