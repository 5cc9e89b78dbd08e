"""What Airflow wrote while the cases were played."""

from pathlib import Path

import pytest

import airflow_provider_pagerduty

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


def test_nothing_of_ours_raised_in_a_callback(played_airflow):
    # A traceback, in either Airflow's way of writing it down, names the file.
    ours = f"{Path(airflow_provider_pagerduty.__file__).parent}/"
    logs = played_airflow.logs()
    assert any("ValueError" in text for text in logs.values())
    raised = [f"{path}: {line}" for path, text in logs.items() for line in text.splitlines() if ours in line]
    assert raised == []
