"""One Airflow for all cases, which are played at once: each test's body runs in a thread of its own.

An Airflow takes seconds for a run and has room for several, so a case mostly waits. Tests are written as if
they were alone: they take ``play``, and each has a DAG to itself.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # not done by pytest in importlib mode
import results
import table
from case import IS_AIRFLOW_2
from local_airflow import INTEGRATION_KEYS
from play import Play

from airflow_provider_pagerduty.sandbox.account import PagerDuty
from airflow_provider_pagerduty.sandbox.server import running
from airflow_provider_pagerduty.sandbox.testing import PagerdutySandbox

if IS_AIRFLOW_2:
    from airflow2 import Airflow2 as ThisAirflow
else:
    from airflow3 import Airflow3 as ThisAirflow

#: Cases that are played at the same time: more than Airflow has room for tasks, since most wait for something.
AT_ONCE = 16
#: The table's.
ORDER = ("test_failures", "test_history", "test_deadlines", "test_contents", "test_outbox")


class Stage:
    """Airflow and the sandbox, up until closed, and each case's future.

    :param home: an empty folder for Airflow.
    :param items: the tests that will be run.
    """

    def __init__(self, home, items):
        self._stack = ExitStack()
        try:
            self._set_up(home, items)
        except BaseException:
            self.close()
            raise

    def _set_up(self, home, items):
        enter = self._stack.enter_context
        server = enter(running(PagerDuty()))
        for key in INTEGRATION_KEYS.values():
            server.pagerduty.declare_key(key)
        self.airflow = ThisAirflow(home, server.url)
        self._stack.callback(self._check_that_nothing_is_left)
        pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="case")
        self._stack.callback(pool.shutdown)
        # Ended before the threads, whose waits end with it.
        enter(self.airflow.started())
        self._stack.callback(pool.shutdown, wait=False, cancel_futures=True)
        sandbox = PagerdutySandbox(server)
        self.futures = {item.nodeid: pool.submit(self._play, item, sandbox) for item in items}

    def _play(self, item, sandbox):
        """Run a test's body with a ``Play`` of its own; return what was seen."""
        play = Play(self.airflow, sandbox, item.get_closest_marker("case").kwargs["dag_id"])
        item.obj(play)
        return play.seen()

    def _check_that_nothing_is_left(self):
        assert self.airflow.processes() == [], "Airflow left processes behind"

    def close(self):
        """End everything; again, it does nothing."""
        self._stack.close()


STAGE = pytest.StashKey[Stage]()


@pytest.fixture(scope="session")
def stage(tmp_path_factory, request):
    """Give the stage, on which every selected case is played from now on."""
    items = [item for item in request.session.items if "play" in getattr(item, "fixturenames", ())]
    home = tmp_path_factory.mktemp("airflow") / "home"
    request.config.stash[STAGE] = stage = Stage(home, [item for item in items if not _is_skipped(item)])
    yield stage
    stage.close()


def _is_skipped(item):
    return any(mark.args[0] for mark in item.iter_markers("skipif"))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    """End Airflow after the last case: the other tests can do without it beside them."""
    stage = item.config.stash.get(STAGE, None)
    if stage and (nextitem is None or "e2e" not in nextitem.keywords):
        stage.close()


@pytest.fixture
def play(stage, request):
    """Stand in the test's signature for the ``Play`` that its thread got."""
    return stage.futures[request.node.nodeid]


@pytest.fixture
def played_airflow(stage):
    """Give the Airflow, once all cases are over."""
    for future in stage.futures.values():
        future.exception()
    return stage.airflow


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Wait for the test's thread instead of running its body again."""
    if "play" not in pyfuncitem.fixturenames:
        return None
    case = pyfuncitem.get_closest_marker("case").kwargs
    try:
        results.keep(case, pyfuncitem.funcargs["play"].result())
    except Exception:
        results.keep(case, None)
        raise
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Note all rows there are, before any are deselected."""
    found = [(item.path.stem, mark.kwargs) for item in items if (mark := item.get_closest_marker("case"))]
    results.rows[:] = [row for _, row in sorted(found, key=lambda each: ORDER.index(each[0]))]


def pytest_sessionfinish():
    if results.write(ThisAirflow.version):
        table.update()
