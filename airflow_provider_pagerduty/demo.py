"""`make demo`: a real Airflow 3 and the sandbox side by side; a task fails, pages, is mended, stands down.

Everything runs in a temporary folder and on free ports, and is ended when the demo ends, however it ends.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import requests
from rich.console import Console
from rich.table import Table

from airflow_provider_pagerduty.sandbox import readback
from airflow_provider_pagerduty.sandbox.account import PagerDuty
from airflow_provider_pagerduty.sandbox.server import RunningSandbox, running

DAG_ID = "example_pagerduty"
EXAMPLE_DAGS = Path(__file__).with_name("example_dags")
#: Seconds that each step may take; on two cores Airflow needs about 15 to start and 10 for a run.
STEP_TIMEOUT = 180.0
#: A made-up integration key of the right form.
INTEGRATION_KEY = "0123456789abcdef0123456789abcdef"
_COLOURS = {"triggered": "bold red", "acknowledged": "yellow", "resolved": "green"}


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


def run_demo(*, keep: bool = False) -> int:
    """Run the demo and return its exit status.

    :param keep: leave Airflow and the sandbox up at the end, until interrupted.
    """
    console = Console()
    # A plain TERM would skip all that ends the processes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with ExitStack() as stack:
            home = Path(tempfile.mkdtemp(prefix="pagerduty-demo-"))
            stack.callback(shutil.rmtree, home, ignore_errors=True)
            sandbox = stack.enter_context(running(PagerDuty()))
            airflow = stack.enter_context(LocalAirflow(home, sandbox.url).started(console))
            _tell(console, airflow, sandbox)
            if keep:
                _wait_for_interrupt(console, airflow, sandbox)
    except DemoError as error:
        console.print(f"[bold red]The demo stopped:[/] {error}", highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted; everything was ended.")
        return 130
    return 0


def _tell(console: Console, airflow: LocalAirflow, sandbox: RunningSandbox) -> None:
    console.rule("1. The input file is missing")
    airflow.run_dag(console, "failed")
    _show(console, airflow, sandbox, "What PagerDuty got", expected="triggered")
    console.rule("2. The input file arrives")
    airflow.orders_file.write_text("order,amount\n1,9.90\n2,19.80\n")
    airflow.run_dag(console, "success")
    _show(console, airflow, sandbox, "The same two incidents", expected="resolved")
    console.print(
        "Two alerts, opened once and resolved by themselves: one by a task's own "
        "[cyan]PagerdutyEventsHook().create_event[/], one by [cyan]pagerduty_callbacks()[/]."
    )


def _show(console: Console, airflow: LocalAirflow, sandbox: RunningSandbox, title: str, expected: str) -> None:
    # Airflow ends the run before it has called back, so the page may come a moment later.
    airflow.wait(
        console,
        "The incidents are on their way",
        lambda: [each.status for each in sandbox.pagerduty.incidents] == [expected, expected],
        seconds=30,
    )
    incidents = [readback.incident_json(each) for each in sandbox.pagerduty.incidents]
    table = Table(title=title, title_justify="left", expand=True)
    for column in ("#", "status", "severity", "summary", "dedup_key", "events"):
        table.add_column(column, overflow="fold")
    for each in incidents:
        alert = each["alert"]
        status = f"[{_COLOURS[each['status']]}]{each['status']}[/]"
        events = ", ".join(event["event_action"] for event in alert["events"])
        table.add_row(
            str(each["number"]), status, alert["severity"], alert["summary"], alert["dedup_key"], events
        )
    console.print(table)


def _wait_for_interrupt(console: Console, airflow: LocalAirflow, sandbox: RunningSandbox) -> None:
    console.print(f"Airflow: {airflow.url}/dags/{DAG_ID}", soft_wrap=True)
    console.print(f"PagerDuty sandbox: {sandbox.url}/", soft_wrap=True)
    console.print("Both stay up until Ctrl-C.")
    while True:
        time.sleep(3600)


class LocalAirflow:
    """`airflow standalone` in a home of its own, with the example DAG and a connection to the sandbox.

    :param home: an empty folder.
    :param pagerduty_url: the sandbox's base URL.
    """

    def __init__(self, home: Path, pagerduty_url: str) -> None:
        self.orders_file = home / "orders.csv"
        self._log = home / "airflow.log"
        ports = _free_ports(3)
        self.url = f"http://localhost:{ports[0]}"
        connection = {"conn_type": "pagerduty_events", "host": pagerduty_url, "password": INTEGRATION_KEY}
        settings = {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW_CONN_PAGERDUTY_EVENTS_DEFAULT": json.dumps(connection),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__PORT": str(ports[0]),
            "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLE_DAGS),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "2",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__PAGERDUTY__DEPLOYMENT": "demo",
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(ports[1]),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(ports[2]),
            "EXAMPLE_ORDERS_FILE": str(self.orders_file),
            # `standalone` starts its parts by name; this Airflow's own must be found first.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        }
        inherited = {
            name: value
            for name, value in os.environ.items()
            # Somebody's own Airflow must not leak in; and without bytecode, Airflow starts half as fast.
            if not name.startswith(("AIRFLOW_", "_AIRFLOW")) and name != "PYTHONDONTWRITEBYTECODE"
        }
        self._environment = inherited | settings
        self._token = ""
        self._process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def started(self, console: Console) -> Iterator[LocalAirflow]:
        """Start Airflow, wait until it is healthy, and end all of its processes afterwards."""
        with self._log.open("wb") as log:
            self._process = process = subprocess.Popen(
                [sys.executable, "-m", "airflow", "standalone"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self.wait(console, "Airflow is starting", self._is_healthy)
            console.print(f"Airflow is up at {self.url}")
            self._token = requests.get(f"{self.url}/auth/token", timeout=10).json()["access_token"]
            self.wait(console, "Airflow is reading the DAG", self._knows_dag)
            self._api("PATCH", f"/dags/{DAG_ID}", json={"is_paused": False})
            yield self
        finally:
            _end_group(process)

    def run_dag(self, console: Console, expected: str) -> None:
        """Trigger the DAG and wait for its end.

        :raises DemoError: if it ends in another state than ``expected``.
        """
        run = self._api("POST", f"/dags/{DAG_ID}/dagRuns", json={"logical_date": None}).json()
        path = f"/dags/{DAG_ID}/dagRuns/{run['dag_run_id']}"
        state = ""

        def has_ended() -> bool:
            nonlocal state
            state = self._api("GET", path).json()["state"]
            return state in ("success", "failed")

        self.wait(console, f"{DAG_ID} is running", has_ended)
        tasks = self._api("GET", f"{path}/taskInstances").json()["task_instances"]
        states = ", ".join(f"{task['task_id']}: {task['state']}" for task in tasks)
        console.print(f"The run ended: [bold]{state}[/] ({states})")
        if state != expected:
            raise DemoError(f"the run was expected to end as {expected}, and ended as {state}.\n{self._tail()}")

    def wait(
        self, console: Console, what: str, is_done: Callable[[], bool], seconds: float = STEP_TIMEOUT
    ) -> None:
        """Wait until something is done, showing for how long already.

        :raises DemoError: if it takes over ``seconds``, or Airflow ends meanwhile.
        """
        started = time.monotonic()
        if not console.is_terminal:
            console.print(f"{what} …", style="dim")
        with console.status(f"{what} …") as status:
            while not is_done():
                waited = time.monotonic() - started
                if self._process is not None and self._process.poll() is not None:
                    raise DemoError(f"Airflow ended by itself.\n{self._tail()}")
                if waited > seconds:
                    raise DemoError(f"{what}: not done after {seconds:g} s.\n{self._tail()}")
                status.update(f"{what} … {waited:.0f} s")
                time.sleep(0.2)
        console.print(f"{what}: done after {time.monotonic() - started:.0f} s", style="dim")

    def _is_healthy(self) -> bool:
        try:
            health = requests.get(f"{self.url}/api/v2/monitor/health", timeout=5).json()
        except (requests.RequestException, ValueError):
            return False
        parts = ("metadatabase", "scheduler", "dag_processor")
        return all(health.get(part, {}).get("status") == "healthy" for part in parts)

    def _knows_dag(self) -> bool:
        return self._api("GET", f"/dags/{DAG_ID}", check=False).ok

    def _api(self, method: str, path: str, *, check: bool = True, **kwargs: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._token}"}
        response = requests.request(method, f"{self.url}/api/v2{path}", headers=headers, timeout=30, **kwargs)
        if check and not response.ok:
            raise DemoError(f"Airflow's API answered {response.status_code} to {method} {path}.")
        return response

    def _tail(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-15:]
        return "The end of Airflow's log:\n" + "\n".join(lines)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        bound = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in bound:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in bound]


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started: ending `standalone` alone leaves its children alive."""
    for number, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            process.poll()
            try:
                os.killpg(process.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.1)
