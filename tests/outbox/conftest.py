"""Where each trial is played, on SQLite and on a real Postgres; and the results, where they were asked for."""

import sys
import tempfile
from pathlib import Path

import pytest
import sqlalchemy

sys.path.append(str(Path(__file__).parent))  # not done by pytest in importlib mode
import trial_postgres
import trial_results
import trial_table
from trial_world import world


@pytest.fixture(scope="session")
def postgres():
    reason = trial_postgres.why_not()
    if reason is not None:
        pytest.skip(reason)
    with trial_postgres.running() as server:
        yield server


@pytest.fixture
def quick_folder():
    """A folder in memory: processes are killed here, and no power is cut, so nobody need wait for a disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="outbox-trial-", dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def on_sqlite(quick_folder):
    """A world with its outbox in a file."""
    with world(quick_folder, f"sqlite:///{quick_folder / 'outbox' / 'outbox.db'}") as made:
        yield made


@pytest.fixture
def on_disk(tmp_path):
    """A world with its outbox in a file on a disk, as it is for people."""
    with world(tmp_path, f"sqlite:///{tmp_path / 'outbox.db'}") as made:
        yield made


@pytest.fixture
def on_postgres(tmp_path, postgres):
    """A world with its outbox in Postgres."""
    with world(tmp_path, postgres.new_database()) as made:
        yield made


@pytest.fixture(params=["SQLite", "Postgres"])
def on_each(request):
    """A world with its outbox in the one, then in the other."""
    return request.getfixturevalue(f"on_{request.param.lower()}")


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    """Keep what a trial showed, also if that was wrong."""
    try:
        return (yield)
    finally:
        mark = pyfuncitem.get_closest_marker("trial")
        worlds = [each for name, each in pyfuncitem.funcargs.items() if name.startswith("on_")]
        for each in worlds:
            database = "Postgres" if each.is_postgres else "SQLite"
            trial_results.keep_figures(database, each.figures)
            if mark is not None and each.shown is not None:
                trial_results.keep(mark.args[0], database, each.shown)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Note all trials there are, in their order, before any are deselected."""
    for item in sorted(items, key=lambda item: item.path.stem != "test_no_page_is_lost"):
        mark = item.get_closest_marker("trial")
        if mark is not None and mark.args[0] not in trial_results.trials:
            trial_results.trials.append(mark.args[0])
        # Where SQLAlchemy is the older one, most of them on Postgres are for `make test-all`: they take long.
        if sqlalchemy.__version__.startswith("1.") and "[Postgres]" in item.name and "side_by" not in item.name:
            item.add_marker(pytest.mark.slow)


def pytest_sessionfinish():
    if trial_results.write():
        trial_table.update()
