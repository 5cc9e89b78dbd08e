"""What all tests share: an Airflow home of their own, a sandbox, and connections to it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

# Airflow reads its home when it is imported, so before anything else.
HOME = Path(tempfile.mkdtemp(prefix="airflow-provider-pagerduty-tests-"))
for name in [name for name in os.environ if name.startswith(("AIRFLOW_", "_AIRFLOW"))]:
    del os.environ[name]
os.environ["AIRFLOW_HOME"] = str(HOME)
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "True"
for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
    os.environ.pop(name, None)
    os.environ.pop(name.upper(), None)

import json  # noqa: E402

import pytest  # noqa: E402

from airflow_provider_pagerduty.sandbox.account import PagerDuty  # noqa: E402
from airflow_provider_pagerduty.sandbox.server import RunningSandbox, running  # noqa: E402

KEY = "0123456789abcdefghijklmnopqrstuv"
OTHER_KEY = "vutsrqponmlkjihgfedcba9876543210"
TOKEN = "u+a-token-that-nobody-may-see"


def pytest_sessionstart():
    # A plain TERM, as of a CI that has waited enough, would skip all that ends databases and Airflows.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", returncode=143))


def pytest_unconfigure():
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def _airflow_database():
    """Airflow 2 looks for a connection in its database, and an empty one must be there to find nothing in."""
    from airflow import __version__

    if __version__.startswith("2."):
        migrate = [sys.executable, "-m", "airflow", "db", "migrate"]
        subprocess.run(migrate, check=True, capture_output=True, timeout=120)


@pytest.fixture(scope="session")
def _running_sandbox():
    with running(PagerDuty()) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_running_sandbox) -> RunningSandbox:
    """A PagerDuty that is empty."""
    _running_sandbox.pagerduty.clear()
    _running_sandbox.pagerduty.rate_limit = None
    return _running_sandbox


@pytest.fixture(autouse=True)
def outbox_file(tmp_path, monkeypatch):
    """Give each test an outbox of its own; the file is not there until something is kept."""
    path = tmp_path / "pagerduty-outbox.db"
    monkeypatch.setenv("AIRFLOW__PAGERDUTY__OUTBOX", f"sqlite:///{path}")
    return path


@pytest.fixture
def connect(monkeypatch):
    """Return a function that puts a connection into the environment."""

    def connect(conn_id, **fields):
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))

    return connect


@pytest.fixture
def connections(connect, sandbox):
    """Both default connections, to the sandbox."""
    connect("pagerduty_events_default", conn_type="pagerduty_events", password=KEY, host=sandbox.url)
    connect(
        "pagerduty_default",
        conn_type="pagerduty",
        password=TOKEN,
        host=sandbox.url,
        extra={"routing_key": OTHER_KEY},
    )
    return sandbox


@pytest.fixture
def configure(monkeypatch):
    """Return a function that sets an option of [pagerduty]."""

    def configure(**options):
        for name, value in options.items():
            monkeypatch.setenv(f"AIRFLOW__PAGERDUTY__{name.upper()}", str(value))

    return configure


CHROMIUM = Path("/usr/bin/chromium")
#: Of a browser that is used by nobody, and asks nobody at home.
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
]


@pytest.fixture(scope="session")
def chromium():
    """Return a context manager that runs a real browser; while one runs, its thread has an event loop.

    Without one the test is skipped, but not where nobody would read that.
    """

    def missing(message):
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)

    @contextmanager
    def chromium(patience):
        try:
            from playwright.sync_api import expect, sync_playwright
        except ImportError:
            missing("NOT TESTED IN A BROWSER: Playwright is missing (pip install playwright)")
        if not CHROMIUM.exists():
            missing(f"NOT TESTED IN A BROWSER: {CHROMIUM} is missing (apt-get install chromium)")
        expect.set_options(timeout=patience)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
            yield browser
            browser.close()

    return chromium


@pytest.fixture
def past(monkeypatch):
    """What Airflow remembers of the DAG ``orders``: nothing yet."""
    sys.path.append(str(Path(__file__).parent))  # not done by pytest in importlib mode
    from airflow_contexts import IS_AIRFLOW_2, Past

    past = Past()
    if not IS_AIRFLOW_2:
        from airflow.sdk.execution_time import task_runner

        monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", past, raising=False)
    yield past
    if IS_AIRFLOW_2:
        past.forget()
