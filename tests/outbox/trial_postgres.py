"""A real Postgres for the trials: Debian's, in a folder of its own, on a socket in that folder, and no port."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa

#: Seconds.
START_TIMEOUT = 30


def bin_folder():
    """Return where its programs are, of the newest version there is; None if there is none."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: int(each.parent.name))
    return next((each for each in reversed(folders) if (each / "initdb").exists()), None)


def why_not():
    """Say why there can be no Postgres here; None if there can."""
    if bin_folder() is None:
        return "no Postgres in /usr/lib/postgresql: apt-get install postgresql"
    if os.geteuid() == 0 and _somebody_else() is None:
        return "Postgres does not run as root, and there is no user postgres to run it as"
    try:
        import psycopg2  # noqa: F401
    except ImportError:
        return "no driver for Postgres: pip install psycopg2-binary"
    return None


def _somebody_else():
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return None


class Postgres:
    """A server that is up.

    :param folder: where its socket is.
    """

    def __init__(self, folder):
        self._folder = folder
        self._made = 0

    def new_database(self):
        """Make an empty database and return its URL."""
        self._made += 1
        name = f"trial{self._made}"
        engine = sa.create_engine(self._url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return self._url(name)

    def _url(self, name):
        return f"postgresql+psycopg2://postgres@/{name}?host={self._folder}"


@contextlib.contextmanager
def running():
    """Run a server for as long as the block lasts."""
    folder = Path(tempfile.mkdtemp(prefix="outbox-trial-"))
    programs, who = bin_folder(), {}
    if os.geteuid() == 0:
        user = _somebody_else()
        os.chown(folder, user.pw_uid, user.pw_gid)
        who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": ()}
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    options = {"cwd": folder, "env": environment, "stdin": subprocess.DEVNULL, **who}
    server = None
    try:
        with (folder / "log").open("wb") as log:
            initdb = [programs / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "-N"]
            subprocess.run(initdb, check=True, stdout=log, stderr=log, timeout=60, **options)
            # Processes are killed in the trials, and no power is cut: nobody need wait for the disk.
            settings = ("listen_addresses=", "fsync=off", f"unix_socket_directories={folder}")
            start = [programs / "postgres", "-D", folder / "data", *(f"--{each}" for each in settings)]
            server = subprocess.Popen(start, stdout=log, stderr=log, start_new_session=True, **options)
            _await(server, programs, folder)
        yield Postgres(folder)
    finally:
        if server is not None:
            # At once: what it would still write is thrown away.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGQUIT)
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _await(server, programs, folder):
    deadline = time.monotonic() + START_TIMEOUT
    ask = [programs / "pg_isready", "-q", "-h", folder]
    while subprocess.run(ask, check=False, timeout=10).returncode:
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Postgres did not start: {(folder / 'log').read_text()[-2000:]}")
        time.sleep(0.05)
