"""The outbox's database: its tables, made and migrated when they are needed, in SQLite or wherever a URL leads.

What is in the tables and when it changes is in ``store``. Each use opens a connection of its own and closes it,
as callbacks live in processes that are here one moment and gone the next.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

T = TypeVar("T")
log = logging.getLogger(__name__)

#: Of the tables. A later version brings the statements that lead from each version to the next.
VERSION = 1
MIGRATIONS: dict[int, tuple[str, ...]] = {}
#: Seconds to wait for a file that others write to, which they do for milliseconds.
BUSY_TIMEOUT = 5.0
#: Seconds to wait for a server, and for what it is asked.
SERVER_TIMEOUT = 3

metadata = sa.MetaData()
events = sa.Table(
    "pagerduty_outbox",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("conn_id", sa.String(250), nullable=False),
    sa.Column("dedup_key", sa.String(255), nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("event", sa.Text().with_variant(sa.Text(2**24 - 1), "mysql"), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    # Whether no other event of its key is to go out before it; and the key once more where so, which no two
    # rows can have: on a server two processes may each believe that there is no other.
    sa.Column("is_next", sa.Boolean(), nullable=False),
    sa.Column("next_of", sa.String(64), unique=True),
    # How many triggers it stands for.
    sa.Column("triggers", sa.Integer(), nullable=False),
    sa.Column("tries", sa.Integer(), nullable=False),
    sa.Column("last_error", sa.Text()),
    # Seconds since 1970, by the clock that the store was given.
    sa.Column("first_at", sa.Float(53), nullable=False),
    sa.Column("latest_at", sa.Float(53), nullable=False),
    sa.Column("due_at", sa.Float(53), nullable=False),
    sa.Column("finished_at", sa.Float(53)),
    sa.Column("lease", sa.String(32)),
    sa.Column("leased_until", sa.Float(53)),
    # What is asked most: what is due of a connection; what is before an event; what has ended when.
    sa.Index("pagerduty_outbox_due", "state", "conn_id", "is_next", "due_at"),
    sa.Index("pagerduty_outbox_key", "conn_id", "dedup_key", "state"),
    sa.Index("pagerduty_outbox_ended", "state", "conn_id", "finished_at"),
    sqlite_autoincrement=True,  # else the number of a row that was dropped would come again
)
#: One row a connection: when somebody may try it again while nothing gets through.
circuits = sa.Table(
    "pagerduty_outbox_circuit",
    metadata,
    sa.Column("conn_id", sa.String(250), primary_key=True),
    sa.Column("failures", sa.Integer(), nullable=False),
    sa.Column("try_again_at", sa.Float(53), nullable=False),
)
#: Facts about the store: its version, and when a relay last looked in.
facts = sa.Table(
    "pagerduty_outbox_fact",
    metadata,
    sa.Column("name", sa.String(50), primary_key=True),
    sa.Column("value", sa.Float(53), nullable=False),
)


#: How SQLite, Postgres and MySQL say that a table or a column is not there.
_SIGNS_OF_NO_TABLES = ("no such table", "no such column", "does not exist", "doesn't exist", "Unknown column")


class OutboxError(Exception):
    """The outbox cannot be used; the text says why and what to do, and shows no password."""


class Database:
    """Where the tables are.

    :param url: as SQLAlchemy writes it.
    :raises OutboxError: if it is no URL, or of a database for which no driver is installed.
    """

    def __init__(self, url: str) -> None:
        try:
            self._url = sa.engine.make_url(url)
        except sa.exc.ArgumentError:
            raise OutboxError(
                "[pagerduty] outbox is no database URL: write it like sqlite:////path/to/outbox.db or "
                "postgresql://user:password@host/database, or none to have no outbox."
            ) from None
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        self.path = Path(self._url.database or "") if self.is_sqlite else None
        if self.path is not None and not self.path.is_absolute():
            raise OutboxError(
                "[pagerduty] outbox must name SQLite's file by its absolute path, with four slashes: "
                "sqlite:////path/to/outbox.db."
            )
        self._engine: sa.engine.Engine | None = None
        self._is_ready = False

    def __str__(self) -> str:
        """Where it is, without its password."""
        if self.path:
            return str(self.path)
        where = self._url
        shown = sa.engine.URL.create(
            where.drivername, where.username, None, where.host, where.port, where.database
        )
        return shown.render_as_string()

    def exists(self) -> bool:
        """Say whether there can be anything in it, which of a server's database only that itself knows."""
        return self.path is None or self.path.exists()

    def run(self, work: Callable[[sa.engine.Connection], T], *, reads: bool = False) -> T:
        """Return ``work(connection)``, done in a transaction.

        Again, where a file had to be made anew, or where another process was quicker.

        :param reads: whether it only asks, for which it need not wait until nobody writes, nor be allowed to.
        :raises OutboxError: if the database cannot be used; nothing was changed then.
        """
        for prepare in (not reads, True, True, True):
            try:
                return self._run(work, reads=reads, prepare=prepare)
            except _Damaged:  # noqa: PERF203 (each turn is a transaction)
                self._set_aside()
            except _Missing:
                self._is_ready = False
            except sa.exc.IntegrityError:
                continue  # what it took for granted, another one has changed
        raise OutboxError(f"the outbox {self} cannot be used: others change the same alert all the time")

    def _run(
        self, work: Callable[[sa.engine.Connection], T], *, reads: bool = False, prepare: bool = True
    ) -> T:
        with self._translated():
            if prepare:
                self._prepare()
            with self._opened().connect().execution_options(only_reads=reads) as connection, connection.begin():
                return work(connection)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.IntegrityError:
            raise
        except (sa.exc.DBAPIError, sa.exc.NoSuchModuleError, ModuleNotFoundError, OSError) as error:
            text = str(getattr(error, "orig", None) or error)
            if self.is_sqlite and ("not a database" in text or "malformed" in text):
                raise _Damaged(f"the outbox {self} is damaged: {text}") from None
            if any(sign in text for sign in _SIGNS_OF_NO_TABLES):
                raise _Missing(f"the outbox {self} has lost its tables: {text}") from None
            # A driver's error may quote the URL.
            secret = self._url.password
            shown = text.replace(str(secret), "***") if secret else text
            raise OutboxError(f"the outbox {self} cannot be used: {' '.join(shown.split())}") from None

    def _opened(self) -> sa.engine.Engine:
        if self._engine is None:
            options: dict[str, Any] = {"poolclass": sa.pool.NullPool}
            options["connect_args"] = self._patience()
            self._engine = sa.create_engine(self._url, **options)
            if self.is_sqlite:
                sa.event.listen(self._engine, "connect", _set_up_sqlite)
                sa.event.listen(self._engine, "begin", _begin)
        return self._engine

    def _patience(self) -> dict[str, Any]:
        """Return what tells the driver how long to wait: a callback must not hang on a server that is away."""
        if self.is_sqlite:
            return {"timeout": BUSY_TIMEOUT, "check_same_thread": False}
        driver = self._url.get_driver_name()
        if driver in ("psycopg2", "psycopg"):
            own = {} if "options" in self._url.query else {"options": f"-c statement_timeout={SERVER_TIMEOUT}s"}
            return {"connect_timeout": SERVER_TIMEOUT, **own}
        return {"connect_timeout": SERVER_TIMEOUT} if driver in ("mysqldb", "pymysql") else {}

    def _prepare(self) -> None:
        if self._is_ready and self.exists():
            return
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite gives its companions (-wal, -shm) the mode of this file.
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        try:
            self._make_tables()
        except (sa.exc.OperationalError, sa.exc.ProgrammingError, sa.exc.IntegrityError):
            if self.is_sqlite:
                raise
            self._make_tables()  # on a server two may begin at once, and one of them finds the tables made
        self._is_ready = True

    def _make_tables(self) -> None:
        with self._opened().begin() as connection:
            self._migrate(connection)

    def _migrate(self, connection: sa.engine.Connection) -> None:
        metadata.create_all(connection)
        version = connection.execute(sa.select(facts.c.value).where(facts.c.name == "version")).scalar()
        if version is None:
            connection.execute(facts.insert().values(name="version", value=VERSION))
            return
        if version > VERSION:
            raise OutboxError(
                f"the outbox {self} was made by a newer version of airflow-provider-pagerduty (its tables are "
                f"of version {version:g}, this one knows {VERSION}): upgrade this installation too."
            )
        for step in range(int(version), VERSION):
            for statement in MIGRATIONS[step]:
                connection.execute(sa.text(statement))
        if version < VERSION:
            connection.execute(facts.update().where(facts.c.name == "version").values(value=VERSION))

    def _set_aside(self) -> None:
        """Move a damaged file away, for somebody to look at, and go on with a new one."""
        import fcntl

        assert self.path is not None
        self._is_ready = False
        with self.path.with_name(f"{self.path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                self._run(_check)
            except _Damaged as damage:
                kept = self.path.with_name(f"{self.path.name}.damaged-{time.time_ns()}")
                for suffix in ("", "-wal", "-shm"):
                    with contextlib.suppress(FileNotFoundError):
                        self.path.with_name(self.path.name + suffix).rename(kept.with_name(kept.name + suffix))
                log.error(  # noqa: TRY400 (the damage says it all)
                    "%s. It was moved to %s, and a new one begun: what was pending in it has not been sent.",
                    damage,
                    kept,
                )


class _Damaged(OutboxError):
    """The file is no database any more."""


class _Missing(OutboxError):
    """The file was taken away, or emptied, under our hands."""


def _check(connection: sa.engine.Connection) -> None:
    """Read every page: another process may have put a sound file there meanwhile."""
    found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if found != "ok":
        raise _Damaged(f"SQLite finds it damaged: {found}")


def _set_up_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the transactions are begun below, not by the driver
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")  # an event that is kept survives a power cut
    cursor.close()


def _begin(connection: sa.engine.Connection) -> None:
    # A transaction that reads first and writes then would be refused if another wrote in between.
    only_reads = connection.get_execution_options().get("only_reads")
    connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")
