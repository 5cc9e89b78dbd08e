"""What the tests of the commands share: an outbox in a file, and the command in this process."""

import pytest

from airflow_provider_pagerduty.cli import main
from airflow_provider_pagerduty.outbox.database import Database
from airflow_provider_pagerduty.outbox.store import Store


@pytest.fixture
def path(tmp_path, configure):
    path = tmp_path / "outbox.db"
    configure(outbox=f"sqlite:///{path}")
    return path


@pytest.fixture
def store(path):
    return Store(Database(f"sqlite:///{path}"))


@pytest.fixture
def command(capsys, monkeypatch):
    """Return a function that runs the command in this process: its status, output and complaints."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "")  # which the command sets, is taken back

    def command(*arguments):
        status = main([str(each) for each in arguments])
        printed, complained = capsys.readouterr()
        return status, printed, complained

    return command
