"""A real Airflow runs the example DAG: its task fails, pages the sandbox, is mended, stands down."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import airflow
import pytest

from airflow_provider_pagerduty import demo, example_dags

IS_AIRFLOW_2 = airflow.__version__.startswith("2.")
COMMAND = [str(Path(sys.executable).with_name("airflow-pagerduty")), "demo"]


def processes_in(folder):
    """Return the processes whose Airflow home is a folder below the given one."""
    wanted = f"AIRFLOW_HOME={folder}/pagerduty-demo-".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:
            pass  # it ended meanwhile, or is somebody else's
    return found


@pytest.fixture
def started_demo(tmp_path):
    """Return a function that starts the demo; its process group is ended whatever happens."""
    processes = []

    def start(*arguments):
        environment = {**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "200"}
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()
    for left in processes_in(tmp_path):
        os.kill(left, signal.SIGKILL)


def read_until(process, text, seconds):
    """Return the demo's output up to a text; the process is ended if it takes too long."""
    lines = []
    alarm = threading.Timer(seconds, process.kill)
    alarm.start()
    try:
        for line in process.stdout:
            lines.append(line)
            if text in line:
                return "".join(lines)
    finally:
        alarm.cancel()
    raise AssertionError(f"{text!r} never came:\n{''.join(lines)}")


@pytest.mark.skipif(IS_AIRFLOW_2, reason="the demo shows Airflow 3")
@pytest.mark.timeout(300)
def test_the_demo_shows_an_incident_open_and_its_resolution_and_leaves_nothing_behind(started_demo, tmp_path):
    process = started_demo()
    output = read_until(process, "Two alerts, opened once and resolved by themselves", 240)
    assert process.wait(60) == 0
    first, _, second = output.partition("2. The input file arrives")
    assert "load_orders: failed" in first
    assert len(re.findall(r"│ triggered +│", first)) == 2
    assert "example_pagerduty.load_orders failed: FileNotFoundError: orders.csv is not there yet" in first
    assert "demo/example_pagerduty/load_orders" in first
    assert "load_orders: success" in second
    assert len(re.findall(r"│ resolved +│", second)) == 2
    assert second.count("trigger, resolve") == 2
    assert processes_in(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(IS_AIRFLOW_2, reason="the demo shows Airflow 3")
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_demo_ends_everything_it_started(started_demo, tmp_path, number, status):
    process = started_demo()
    deadline = time.monotonic() + 60
    while len(processes_in(tmp_path)) < 3:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(number)
    assert process.wait(60) == status
    assert processes_in(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not IS_AIRFLOW_2, reason="on Airflow 3 the demo runs the same DAG")
@pytest.mark.timeout(300)
def test_the_example_dag_pages_and_stands_down_on_airflow_2(connections, tmp_path):
    orders = tmp_path / "orders.csv"
    environment = {
        **os.environ,
        "AIRFLOW__CORE__DAGS_FOLDER": str(Path(example_dags.__file__).parent),
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "EXAMPLE_ORDERS_FILE": str(orders),
    }

    def run(*arguments, status=0):
        command = [sys.executable, "-m", "airflow", *arguments]
        result = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert result.returncode == status, result.stderr

    def incidents():
        return {each.alert.dedup_key: each.status for each in connections.pagerduty.incidents}

    run("db", "migrate")
    run("dags", "test", demo.DAG_ID, "2026-01-01", status=1)
    own_key = "pagerduty_events_default/example_pagerduty/load_orders"
    opened = {"example_pagerduty/orders-file": "triggered", own_key: "triggered"}
    assert incidents() == opened
    summaries = {each.alert.summary for each in connections.pagerduty.incidents}
    assert summaries == {
        "orders.csv is missing",
        "example_pagerduty.load_orders failed: FileNotFoundError: orders.csv is not there yet",
    }
    orders.write_text("order,amount\n1,9.90\n")
    run("dags", "test", demo.DAG_ID, "2026-01-02")
    assert incidents() == dict.fromkeys(opened, "resolved")
    assert len(connections.pagerduty.incidents) == 2
