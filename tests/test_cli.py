"""The command as people run it: in a shell, and ended by Ctrl-C."""

import asyncio
import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import sysconfig
import warnings
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from airflow_provider_pagerduty.hooks.pagerduty_events import PagerdutyEventsHook
from airflow_provider_pagerduty.hooks.pagerduty_events_async import PagerdutyEventsAsyncHook

COMMAND = str(Path(sysconfig.get_path("scripts")) / "airflow-pagerduty")
CONNECTION = "AIRFLOW_CONN_PAGERDUTY_EVENTS_DEFAULT"
#: Seconds, for what takes a tenth of one on a machine that has time.
TIMEOUT = 20
#: Seconds in which a person does not reach for Ctrl-C again.
PROMPTLY = 5
#: The server answers "100 Continue" when it begins to wait for the rest, which never comes.
HALF_A_REQUEST = (
    b"POST /v2/enqueue HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
)


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
        self.url = re.search(r"https?://\S+:\d+", self.printed)[0]
        self.address = ("127.0.0.1", int(self.url.rpartition(":")[2]))

    def end(self, number):
        os.killpg(self.process.pid, number)
        printed, complained = self.process.communicate(timeout=PROMPTLY)
        return self.process.returncode, printed.decode(), complained.decode()


@pytest.fixture
def start():
    """Return a function that starts a sandbox on a free port; whatever happens, none outlives its test."""
    processes = []
    # Under `make test &`, SIGINT is ignored, and children would inherit that; what is handled they do not.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)

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
    signal.signal(signal.SIGINT, previous)
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=TIMEOUT)


def export(sandbox, monkeypatch):
    """Do what the printed lines say, as a shell understands them."""
    lines = [line.strip() for line in sandbox.printed.splitlines() if line.strip().startswith("export ")]
    names = re.findall(r"([A-Z_]+)=", " ".join(line.partition("'")[0] for line in lines))
    shell = ["sh", "-euc", "\n".join([*lines, *(f"printenv {name}" for name in names)])]
    exported = subprocess.run(shell, capture_output=True, text=True, timeout=TIMEOUT, check=True)
    assert exported.stderr == ""
    values = exported.stdout.splitlines()
    assert len(values) == len(names) > 0
    for name, value in zip(names, values, strict=True):
        monkeypatch.setenv(name, value)


def held(sandbox, **more):
    return requests.get(f"{sandbox.url}/sandbox/incidents", timeout=TIMEOUT, **more).json()["incidents"]


@pytest.mark.parametrize("options", [[], ["--tls"]], ids=["http", "https"])
def test_the_printed_lines_let_airflow_page_the_sandbox(start, monkeypatch, options):
    sandbox = start(*options)
    export(sandbox, monkeypatch)
    PagerdutyEventsHook().create_event("Disk full", "error", dedup_key="k")
    asyncio.run(PagerdutyEventsAsyncHook().create_event("Disk full", "error", dedup_key="k"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pdpyras
    with pdpyras.EventsAPISession("0" * 32) as session:
        session.url = sandbox.url
        session.trigger("Disk full", "db-1", dedup_key="k")
    [incident] = held(sandbox)
    assert (incident["title"], incident["status"]) == ("Disk full", "triggered")
    assert len(incident["alert"]["events"]) == 3


def test_the_printed_user_token_is_the_users_own(start, monkeypatch):
    sandbox = start()
    export(sandbox, monkeypatch)
    connection = json.loads(os.environ["AIRFLOW_CONN_PAGERDUTY_DEFAULT"])
    headers = {"Authorization": f"Token token={connection['password']}"}
    answer = requests.get(f"{connection['host']}/users/me", headers=headers, timeout=TIMEOUT)
    assert answer.status_code == 200
    assert answer.json()["user"]["email"] == "on-call@example.com"


def test_the_authority_goes_when_the_sandbox_ends(start, monkeypatch):
    sandbox = start("--tls")
    export(sandbox, monkeypatch)
    path = Path(os.environ["SSL_CERT_FILE"])
    assert path.read_text().count("BEGIN") == 1  # the certificate, and no key
    session = keeps_its_connection(sandbox)
    assert sandbox.end(signal.SIGTERM) == (-signal.SIGTERM, "", "")
    assert not path.exists()
    session.close()


def post(sandbox, dedup_key, key="0" * 32, action="trigger"):
    payload = {"summary": f"About {dedup_key}", "source": "db-1", "severity": "error"}
    event = {"routing_key": key, "event_action": action, "dedup_key": dedup_key, "payload": payload}
    return requests.post(f"{sandbox.url}/v2/enqueue", json=event, timeout=TIMEOUT)


def test_a_killed_sandbox_goes_on_from_its_file_with_all_that_it_answered(start, tmp_path):
    path = tmp_path / "account.db"
    first = start("--db", str(path), "--seed")
    for number in range(50):
        assert post(first, f"k{number}").status_code == 202
    assert post(first, "k7", action="resolve").status_code == 202
    before = held(first)
    assert len(before) > 52
    first.end(signal.SIGKILL)
    assert path.stat().st_mode & 0o777 == 0o600
    second = start("--db", str(path), "--seed")
    assert held(second) == before
    post(second, "k7")
    assert len(held(second)) == len(before) + 1


@pytest.mark.parametrize("used_before", [False, True])
def test_a_file_in_use_by_another_sandbox_is_a_clear_error(start, tmp_path, used_before):
    path = tmp_path / "account.db"
    if used_before:
        before = start("--db", str(path))
        post(before, "k")
        before.end(signal.SIGKILL)
    first = start("--db", str(path))
    second = run("sandbox", "--port", "0", "--db", str(path))
    assert (second.returncode, second.stdout) == (1, "")
    reason = "is in use by another sandbox: end that, or give --db another file"
    assert second.stderr == f"airflow-pagerduty: {path} {reason}\n"
    assert post(first, "another").status_code == 202


def test_a_strict_sandbox_takes_declared_keys_and_tokens_alone(start):
    sandbox = start("--strict", "--key", "a" * 32, "--key", "b" * 32, "--account-token", "mine")
    assert [post(sandbox, "k", each * 32).status_code for each in "abc"] == [202, 202, 400]
    answers = [
        requests.get(
            f"{sandbox.url}/abilities", headers={"Authorization": f"Token token={each}"}, timeout=TIMEOUT
        )
        for each in ("mine", "yours")
    ]
    assert [each.status_code for each in answers] == [200, 401]
    requests.post(f"{sandbox.url}/sandbox/reset", timeout=TIMEOUT).raise_for_status()
    assert [post(sandbox, "k", each * 32).status_code for each in "abc"] == [202, 202, 400]
    assert "a" * 32 not in sandbox.printed
    assert "mine" not in sandbox.printed


def test_another_address_demands_tls():
    done = run("sandbox", "--port", "0", "--host", "0.0.0.0")
    assert (done.returncode, done.stdout) == (1, "")
    complaint = "--host 0.0.0.0 is reached from elsewhere: give --tls too, or leave it out"
    assert done.stderr == f"airflow-pagerduty: {complaint}\n"


def test_another_address_demands_the_printed_token_for_page_and_control(start, monkeypatch):
    sandbox = start("--host", "0.0.0.0", "--tls", "--name", "pagerduty.test")
    export(sandbox, monkeypatch)
    sandbox.url = f"https://127.0.0.1:{sandbox.address[1]}"
    assert requests.get(f"{sandbox.url}/sandbox/incidents", timeout=TIMEOUT).status_code == 401
    assert requests.get(f"{sandbox.url}/", timeout=TIMEOUT).status_code == 401
    [token] = re.findall(r"X-Sandbox-Token: (\S+)", sandbox.printed)
    assert post(sandbox, "k").status_code == 202
    assert len(held(sandbox, headers={"X-Sandbox-Token": token})) == 1
    named = {"X-Sandbox-Token": token, "Host": "pagerduty.test"}
    assert len(held(sandbox, headers=named)) == 1


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


def listens_for_updates(sandbox):
    answer = requests.get(f"{sandbox.url}/sandbox/updates", stream=True, timeout=TIMEOUT)
    assert next(answer.iter_content(1))
    return answer


def waits_for_a_slow_answer(sandbox):
    fault = {"kind": "slow", "delay": 3600}
    requests.post(f"{sandbox.url}/sandbox/faults", json=fault, timeout=TIMEOUT).raise_for_status()
    client = socket.create_connection(sandbox.address, TIMEOUT)
    client.sendall(b"GET /abilities HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return client


CLIENTS = [idle, keeps_its_connection, stopped_halfway, listens_for_updates, waits_for_a_slow_answer]


@pytest.mark.parametrize("client", CLIENTS)
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
        (["sandbox", "--key", "0" * 31], 1, "--key must be 32 letters and digits; number 1 has 31 characters"),
        (["sandbox", "--host", ""], 1, "--host must not be empty: give a value, or leave it out"),
        (["sandbox", "--control-token", ""], 1, "--control-token must not be empty"),
        (["sandbox", "--host", "192.0.2.1"], 1, "port 8765 on 192.0.2.1 cannot be used"),
        (
            ["sandbox", "--host", "nowhere.invalid"],
            1,
            "--host nowhere.invalid cannot be found: give a name or an address of this",
        ),
        (
            ["sandbox", "--port", "0", "--db", "/nowhere/a.db"],
            1,
            "/nowhere/a.db cannot be opened (No such file",
        ),
        (["sandbox", "--port", "0", "--db", "/dev/null"], 1, "/dev/null is no file: give --db another"),
        (["sandbox", "--port", "0", "--db", __file__], 1, f"{__file__} is no SQLite file: give --db another"),
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
    for option in ("--host", "--tls", "--db", "--seed", "--strict", "--key", "--rate-limit"):
        assert option in done.stdout


@pytest.mark.parametrize("missing", ["starlette", "uvicorn", "trustme", "sqlalchemy"])
def test_without_its_extra_the_sandbox_says_what_to_install(missing, tmp_path):
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from airflow_provider_pagerduty.cli import main\n"
        f"sys.exit(main(['sandbox', '--port', '0', '--tls', '--db', {str(tmp_path / 'db')!r}]))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("airflow-pagerduty: ")
    assert missing in done.stderr
    assert done.stderr.endswith("The sandbox needs: pip install 'airflow-provider-pagerduty[sandbox]'\n")
