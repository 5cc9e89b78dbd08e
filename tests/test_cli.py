"""The command as people run it: in a shell, and ended by Ctrl-C."""

import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import sysconfig
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from airflow_provider_pagerduty.hooks.pagerduty_events import PagerdutyEventsHook

COMMAND = str(Path(sysconfig.get_path("scripts")) / "airflow-pagerduty")
CONNECTION = "AIRFLOW_CONN_PAGERDUTY_EVENTS_DEFAULT"
#: Seconds, for what takes a tenth of one on a machine that has time.
TIMEOUT = 20
#: Seconds in which a person does not reach for Ctrl-C again.
PROMPTLY = 5
#: The server answers "100 Continue" when it begins to wait for the rest, which never comes.
HALF_A_REQUEST = b"POST /v2/enqueue HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"


def run(*arguments):
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, timeout=TIMEOUT, check=False)


class Sandbox:
    """A running `airflow-pagerduty sandbox`, and what it has printed so far."""

    def __init__(self, process):
        self.process = process
        self.printed = ""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not self.printed.endswith("/sandbox/incidents\n"):
                assert selector.select(TIMEOUT), f"it printed only {self.printed!r}"
                read = os.read(process.stdout.fileno(), 4096).decode()
                assert read, process.communicate(timeout=TIMEOUT)
                self.printed += read
        self.url = re.search(r"http://127\.0\.0\.1:\d+", self.printed)[0]
        self.address = ("127.0.0.1", int(self.url.rpartition(":")[2]))

    def end(self, number):
        os.killpg(self.process.pid, number)
        printed, complained = self.process.communicate(timeout=PROMPTLY)
        return self.process.returncode, printed.decode(), complained.decode()


@pytest.fixture
def start():
    """Return a function that starts a sandbox on a free port; whatever happens, none outlives its test."""
    processes = []

    def start(*arguments):
        process = subprocess.Popen(
            [COMMAND, "sandbox", "--port", "0", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        processes.append(process)
        return Sandbox(process)

    yield start
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=TIMEOUT)


def test_the_printed_line_lets_airflow_page_the_sandbox(start, monkeypatch):
    sandbox = start()
    [line] = [line for line in sandbox.printed.splitlines() if line.strip().startswith("export ")]
    shell = ["sh", "-euc", f"{line}\nprintenv {CONNECTION}"]
    exported = subprocess.run(shell, capture_output=True, text=True, timeout=TIMEOUT, check=True)
    assert exported.stderr == ""
    monkeypatch.setenv(CONNECTION, exported.stdout.removesuffix("\n"))
    PagerdutyEventsHook().create_event("Disk full", "error", dedup_key="k")
    [address] = [word for word in sandbox.printed.split() if word.endswith("/sandbox/incidents")]
    [incident] = requests.get(address, timeout=TIMEOUT).json()["incidents"]
    assert (incident["title"], incident["status"]) == ("Disk full", "triggered")


def idle(_):
    return None


def keeps_its_connection(sandbox):
    session = requests.Session()
    session.get(f"{sandbox.url}/sandbox/incidents", timeout=TIMEOUT).raise_for_status()
    return session


def stopped_halfway(sandbox):
    client = socket.create_connection(sandbox.address, TIMEOUT)
    client.sendall(HALF_A_REQUEST)
    assert client.recv(99).startswith(b"HTTP/1.1 100")
    return client


@pytest.mark.parametrize("client", [idle, keeps_its_connection, stopped_halfway])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_a_signal_ends_it_promptly(start, number, status, client):
    sandbox = start()
    connected = client(sandbox)
    try:
        returned, printed, complained = sandbox.end(number)
    finally:
        if connected:
            connected.close()
    assert (returned, printed) == (status, "")
    if client is not stopped_halfway:
        assert complained == ""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(sandbox.address, TIMEOUT)


def test_a_rate_limit_is_kept(start):
    sandbox = start("--rate-limit", "2")
    event = {"routing_key": "0" * 32, "event_action": "resolve", "dedup_key": "k"}
    answers = [requests.post(f"{sandbox.url}/v2/enqueue", json=event, timeout=TIMEOUT) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]


def test_a_port_that_is_taken_is_a_clear_error(start):
    port = start().address[1]
    second = run("sandbox", "--port", str(port))
    assert (second.returncode, second.stdout) == (1, "")
    reason = "cannot be used (Address already in use): try --port 0"
    assert second.stderr == f"airflow-pagerduty: port {port} on the loopback {reason}\n"


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        (["sandbox", "--port", "65536"], 1, "--port must be from 0 to 65535, got 65536"),
        (["sandbox", "--port", "-1"], 1, "--port must be from 0 to 65535, got -1"),
        (["sandbox", "--port", "0", "--rate-limit", "-1"], 1, "--rate-limit must be 0 or more, got -1"),
        (["sandbox", "--port", "http"], 2, "argument --port: invalid int value: 'http'"),
        (["sandbox", "--rate-limit", "1.5"], 2, "argument --rate-limit: invalid int value: '1.5'"),
        (["sandbox", "elsewhere"], 2, "unrecognized arguments: elsewhere"),
        (["sandpit"], 2, "invalid choice: 'sandpit'"),
        ([], 2, "the following arguments are required: COMMAND"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_arguments_are_refused_with_a_reason_and_no_traceback(arguments, status, complaint):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert complaint in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_help_names_the_commands_and_their_options():
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^ +sandbox +\S", done.stdout, re.MULTILINE)
    assert re.search(r"^ +demo +\S", done.stdout, re.MULTILINE)
    done = run("sandbox", "--help")
    assert "8765" in done.stdout
    assert "--rate-limit" in done.stdout


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_without_its_extra_the_sandbox_says_what_to_install(missing):
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from airflow_provider_pagerduty.cli import main\n"
        "sys.exit(main(['sandbox', '--port', '0']))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("airflow-pagerduty: ")
    assert missing in done.stderr
    assert done.stderr.endswith("The sandbox needs: pip install 'airflow-provider-pagerduty[sandbox]'\n")
