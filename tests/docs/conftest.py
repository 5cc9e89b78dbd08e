"""The pages are played side by side, three at a time, and each test waits for its own.

What a page finds: an empty folder that is its HOME, with an Airflow's database in it; `airflow`,
`airflow-pagerduty` and `python` of this test run, but once it installs something, those of its own environment;
a `pip` that knows the wheel of this checkout and no network; PagerDuty's own addresses, where a sandbox answers
(`docs_stand_in`), and no others; and what `SETUPS` gives it.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

# Not done by pytest in importlib mode.
sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "packaging")]
from distribution import build
from docs_page import Page
from docs_player import Player
from docs_setups import SETUPS
from docs_stand_in import standing_in
from docs_terminal import Terminal

#: More than there are cores, as a play also waits.
AT_ONCE = 3
#: These take longest, so they begin first.
LONGEST = ("docs/start.md", "docs/rest.md", "docs/outbox.md", "docs/testing.md", "docs/commands.md")
_FOREIGN = ("AIRFLOW_", "_AIRFLOW", "MAKE", "PIP_", "PYTEST_", "PYTHON", "UV_", "VIRTUAL_ENV", "MFLAGS")


class Stage:
    """What all plays share: an Airflow's database, the wheel, and PagerDuty's stand-in.

    :param folder: an empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "dist").mkdir()
        self._stack = ExitStack()
        try:
            self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="page")
            self._stack.callback(self._pool.shutdown, cancel_futures=True)
            self._stand_in = self._stack.enter_context(standing_in())
            self._wheel = self._pool.submit(build, "wheel", folder / "dist")
            self._database = self._pool.submit(self._make_database)
        except BaseException:
            self.close()
            raise

    def _variables(self, home: Path) -> dict[str, str]:
        """Return the environment of somebody who has just opened a terminal."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        return (
            inherited
            | self._stand_in
            | {
                "HOME": str(home),
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "COLUMNS": "120",
                "PIP_DISABLE_PIP_VERSION_CHECK": "1",
                "PIP_FIND_LINKS": str(self.folder / "dist"),
                "PIP_NO_INDEX": "1",
            }
        )

    def _make_database(self) -> Path:
        home = self.folder / "template"
        home.mkdir()
        migrate = ["airflow", "db", "migrate"]
        subprocess.run(migrate, env=self._variables(home), check=True, capture_output=True, timeout=120)
        return home / "airflow" / "airflow.db"

    def play(self, page: Page) -> "Future[None]":
        """Begin to play a page, as soon as there is room."""
        return self._pool.submit(self._play, page)

    def _play(self, page: Page) -> None:
        name = page.name.replace("/", "-")
        home = self.folder / name
        (home / "airflow").mkdir(parents=True)
        shutil.copy(self._database.result(), home / "airflow" / "airflow.db")
        self._wheel.result()
        setup = SETUPS.get(page.name)
        with Terminal(home, self._variables(home)) as terminal:
            if setup:
                setup(terminal)
            with _port() as port:
                Player(page, terminal, self.folder / f"{name}.environment", port).play()

    def close(self) -> None:
        """End everything."""
        self._stack.close()


@contextmanager
def _port() -> Iterator[int]:
    """Give a port where nobody listens until the page's sandbox does, and which nobody else gets meanwhile."""
    with socket.socket() as held:
        held.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as the sandbox does: so it may have the port
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture(scope="session")
def plays(request, tmp_path_factory):
    """Every page that is asked for, being played."""
    wanted = [item.callspec.params["page"] for item in request.session.items if "plays" in item.fixturenames]
    stage = Stage(tmp_path_factory.mktemp("docs"))
    try:
        wanted.sort(key=lambda page: LONGEST.index(page.name) if page.name in LONGEST else len(LONGEST))
        yield {page.name: stage.play(page) for page in wanted}
    finally:
        stage.close()
