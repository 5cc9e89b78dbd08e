"""The commands in a real Airflow: connections in its database alone, and `airflow pagerduty …`."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import airflow
import pytest

from airflow_provider_pagerduty.commands.tree import COMMANDS, Group
from airflow_provider_pagerduty.get_provider_info import get_provider_info

IS_AIRFLOW_2 = airflow.__version__.startswith("2.")
TAKES_COMMANDS = tuple(int(part) for part in airflow.__version__.split(".")[:2]) >= (3, 2)
AIRFLOW = str(Path(sysconfig.get_path("scripts")) / "airflow")
KEY = "0123456789abcdefghijklmnopqrstuv"
TOKEN = "u+a-token-that-nobody-may-see"
#: Seconds, for what takes a few on a machine that has time.
TIMEOUT = 120


CONNECTIONS = """
import sys
from airflow.models.connection import Connection
from airflow.utils.session import create_session
key, token, host = sys.argv[1:]
with create_session() as session:
    session.add(Connection("mine", "pagerduty_events", password=key, host=host))
    session.add(Connection("token", "pagerduty", password=token, host=host, extra={"routing_key_secret": key}))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory, _running_sandbox):
    """An Airflow whose connections to the sandbox are in its database, and nowhere else."""
    home = tmp_path_factory.mktemp("airflow")
    run(home, "db", "migrate", by=[AIRFLOW]).check_returncode()
    run(home, CONNECTIONS, KEY, TOKEN, _running_sandbox.url, by=[sys.executable, "-c"]).check_returncode()
    return home


@pytest.fixture
def stored(home, sandbox):
    """That Airflow, with nothing in its outbox and its sandbox."""
    yield home
    (home / "pagerduty-outbox.db").unlink(missing_ok=True)


def environment(home, **more):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "_AIRFLOW"))}
    settings = {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    return clean | settings | {"AIRFLOW__PAGERDUTY__DEPLOYMENT": "production"} | more


def run(home, *arguments, by=None, **more):
    words = by or [sys.executable, "-m", "airflow_provider_pagerduty.cli"]
    return subprocess.run(
        [*words, *arguments],
        env=environment(home, **more),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


KEEP = """
from airflow_provider_pagerduty.outbox.location import open_outbox
payload = {"summary": "x", "severity": "error", "source": "y"}
for conn_id in ("mine", "token"):
    open_outbox().keep(conn_id, {"event_action": "trigger", "dedup_key": conn_id, "payload": payload})
"""


def test_connections_in_the_database_alone_serve_every_command(stored, sandbox):
    done = run(stored, "send", "--conn-id", "mine", "--dedup-key", "sent")
    assert (done.returncode, done.stderr) == (0, "")
    run(stored, KEEP, by=[sys.executable, "-c"]).check_returncode()
    done = run(stored, "outbox", "relay")
    assert (done.returncode, done.stderr) == (0, "")
    assert " 2 delivered; nothing is left." in done.stdout
    assert {each.alerts[0].dedup_key for each in sandbox.pagerduty.incidents} == {"sent", "mine", "token"}
    done = run(stored, "doctor", "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    assert KEY not in done.stdout
    assert TOKEN not in done.stdout
    findings = [each["found"] for each in json.loads(done.stdout)["findings"] if each["status"] == "ok"]
    assert f"mine: an integration key, base URL {sandbox.url}." in findings
    assert f"token: an API token and an integration key, base URL {sandbox.url}." in findings
    assert len([each for each in findings if each.startswith(("mine: PagerDuty", "token: PagerDuty"))]) == 3


JOBS = """
from datetime import datetime, timedelta, timezone
from airflow.jobs.job import Job
from airflow.utils.session import create_session
now = datetime.now(timezone.utc)
with create_session() as session:
    jobs = [("a", "running", 0), ("b", "running", 1), ("gone", "running", 99), ("ended", "success", 0)]
    for host, state, minutes in jobs:
        job = Job()
        job.hostname, job.state, job.latest_heartbeat = host, state, now - timedelta(minutes=minutes)
        session.add(job)
"""


def test_the_components_hosts_are_read_from_airflows_database(home, tmp_path):
    other = shutil.copytree(home, tmp_path / "other")
    database = f"sqlite:///{other / 'airflow.db'}"
    settings = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database}
    run(other, JOBS, by=[sys.executable, "-c"], **settings).check_returncode()
    done = run(other, "doctor", "--format", "json", **settings)
    said = [each["found"] for each in json.loads(done.stdout)["findings"] if each["check"] == "machines"]
    assert [each.rpartition("run on ")[2] for each in said] == ["2: a, b."]


def test_a_database_that_is_not_there_is_said_and_the_rest_is_checked(tmp_path, sandbox):
    connection = json.dumps({"conn_type": "pagerduty_events", "password": KEY, "host": sandbox.url})
    done = run(tmp_path, "doctor", "--format", "json", AIRFLOW_CONN_PAGERDUTY_EVENTS_DEFAULT=connection)
    findings = json.loads(done.stdout)["findings"]
    assert [each["found"].partition(":")[0] for each in findings if each["status"] == "warning"] == [
        "Airflow's database cannot be asked for its connections"
    ]
    assert [each for each in findings if each["check"] == "credentials" and each["status"] == "ok"]


def test_what_others_print_and_log_stays_out_of_the_output(home, tmp_path):
    settings = tmp_path / "airflow_local_settings.py"
    settings.write_text("import logging\nprint('printed')\nlogging.getLogger('airflow.x').error('logged')\n")
    done = run(
        home, "outbox", "list", "--format", "json", PYTHONPATH=f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"
    )
    assert done.returncode == 0
    assert "printed" in done.stderr
    json.loads(done.stdout)


# airflow pagerduty …

takes_commands = pytest.mark.skipif(not TAKES_COMMANDS, reason="this Airflow lets no provider add commands")


@takes_commands
def test_airflow_pagerduty_is_the_same_command(stored):
    by = [AIRFLOW, "pagerduty"]
    run(stored, KEEP, by=[sys.executable, "-c"]).check_returncode()
    for arguments in (
        ["outbox", "list"],
        ["outbox", "list", "--format", "json"],
        ["outbox", "show", "9"],
    ):
        ours, airflows = run(stored, *arguments), run(stored, *arguments, by=by)
        # How long ago something happened is another matter a second later.
        printed = [re.sub(r"\d+ s ago *", "", each.stdout) for each in (airflows, ours)]
        assert (airflows.returncode, printed[0]) == (ours.returncode, printed[1])
    assert airflows.returncode == 1
    assert airflows.stderr == ours.stderr.replace("airflow-pagerduty:", "airflow pagerduty:")
    done = run(stored, "outbox", "relay", by=by)
    assert (done.returncode, done.stderr) == (0, "")
    assert " 2 delivered" in done.stdout


@takes_commands
def test_airflows_help_shows_every_command_with_its_examples_as_they_are_written(home):
    paths = [
        [*([each.name] if isinstance(each, Group) else []), one.name]
        for each in COMMANDS
        for one in (each.commands if isinstance(each, Group) else [each])
    ]
    code = (
        "import contextlib, json, sys\n"
        "from airflow.cli import cli_parser\n"
        "for path in json.loads(sys.argv[1]):\n"
        "    with contextlib.suppress(SystemExit):\n"
        "        cli_parser.get_parser().parse_args(['pagerduty', *path, '--help'])\n"
    )
    done = run(home, code, json.dumps(paths), by=[sys.executable, "-c"])
    assert done.returncode == 0, done.stderr
    for each in COMMANDS:
        for one in each.commands if isinstance(each, Group) else [each]:
            assert one.examples.replace("{prog}", "airflow pagerduty") in done.stdout
            assert one.description in done.stdout


@takes_commands
def test_other_airflow_commands_load_only_the_list_of_ours(home):
    code = (
        "import sys, time\n"
        "import airflow.cli.cli_config\n"
        "before, began = set(sys.modules), time.process_time()\n"
        "from airflow_provider_pagerduty.commands.airflow_cli import get_cli_commands\n"
        "get_cli_commands()\n"
        "print(time.process_time() - began, *set(sys.modules) - before)\n"
    )
    seconds, *added = run(home, code, by=[sys.executable, "-c"]).stdout.split()
    room = "airflow_provider_pagerduty.commands"
    assert set(added) <= {room, f"{room}.airflow_cli", f"{room}.tree", "airflow_provider_pagerduty"}
    assert float(seconds) < 0.05


def test_provider_info_names_a_function_that_is_there():
    (name,) = get_provider_info()["cli"]
    module, _, function = name.rpartition(".")
    assert callable(getattr(__import__(module, fromlist=[function]), function))


def test_airflows_own_commands_go_on_working(home):
    done = run(home, "providers", "list", by=[AIRFLOW])
    assert done.returncode == 0
    assert "airflow-provider-pagerduty" in done.stdout
    assert "Failed to load CLI commands" not in done.stdout + done.stderr


def test_the_command_itself_loads_no_airflow_until_one_needs_it():
    listing = "print([name for name in sys.modules if name.startswith('airflow.')])"
    code = f"import sys, airflow_provider_pagerduty.cli\n{listing}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=TIMEOUT, check=True
    )
    assert done.stdout.strip() == "[]"
