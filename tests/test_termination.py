"""A run of the tests that is told to end (TERM) ends what it has started."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ENDLESS = """
import time
from pathlib import Path

import pytest


@pytest.fixture
def server():
    Path("started").touch()
    yield
    Path("ended").touch()


def test_that_waits(server):
    time.sleep(60)
"""


def test_what_fixtures_have_started_is_ended(tmp_path):
    (tmp_path / "test_endless.py").write_text(ENDLESS)
    command = [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider", "-k", "waits"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "started").exists():
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        output = process.communicate(timeout=30)[0]
    finally:
        process.kill()
    assert (tmp_path / "ended").exists(), output
    assert process.returncode == 143
