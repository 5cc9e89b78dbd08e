"""Keeps an account in a file: the commands it was given, one row each, done again when it is opened.

A command is in the file before it is answered, so a killed sandbox loses nothing that a client was told of;
a power cut can take the last moments. What is kept holds integration keys, so the file is its owner's alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from airflow_provider_pagerduty.sandbox.account import PagerDuty

#: Says whose file it is. https://www.sqlite.org/pragma.html#pragma_application_id
APPLICATION_ID = 0x50445342
#: Of the rows' meaning; raise it when a command changes what it does with the same arguments.
VERSION = 1

_METADATA = sa.MetaData()
_COMMANDS = sa.Table(
    "commands",
    _METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    # 64 bits without a sign, which SQLite's integers have.
    sa.Column("seed", sa.Text, nullable=False),
    sa.Column("arguments", sa.Text, nullable=False),
)


class JournalError(Exception):
    """The file cannot be used; the text says why, and what to do."""


@contextmanager
def kept(pagerduty: PagerDuty, path: Path) -> Iterator[None]:
    """Bring an empty account to where a file left it, and keep what is done to it in there.

    :param path: an SQLite file, which is made if there is none. Its folder must be there.
    :raises JournalError: if it is no such file, of a newer version, or another sandbox has it open.
    """
    # Parameters hold integration keys, which no error may show.
    engine = sa.create_engine(
        sa.engine.URL.create("sqlite", database=str(path)),
        connect_args={"check_same_thread": False, "timeout": 1},
        future=True,
        hide_parameters=True,
    )
    try:
        try:
            _make(path)
            connection = engine.connect()
            _open(connection, path)
            _replay(connection, pagerduty, path)
        except OSError as error:
            raise JournalError(f"{path} cannot be opened ({error.strerror}): give --db another file") from error
        except sa.exc.DBAPIError as error:
            raise JournalError(f"{path} {_reason(error)}") from error

        def keep(name: str, at: datetime, seed: int, args: list[Any], kwargs: dict[str, Any]) -> None:
            if name == "clear":
                connection.execute(_COMMANDS.delete())  # nothing of before is left, so nothing need be kept
            else:
                row = {"name": name, "at": at.isoformat(), "seed": f"{seed:x}"}
                row["arguments"] = json.dumps([args, kwargs])
                connection.execute(_COMMANDS.insert(), row)
            connection.commit()

        pagerduty.listeners = [*pagerduty.listeners, keep]
        try:
            yield
        finally:
            pagerduty.listeners = [each for each in pagerduty.listeners if each is not keep]
            connection.close()
    finally:
        engine.dispose()


def _make(path: Path) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    if not path.is_file():
        raise JournalError(f"{path} is no file: give --db another")


def _open(connection: sa.engine.Connection, path: Path) -> None:
    def pragma(text: str) -> Any:
        answer = connection.exec_driver_sql(f"PRAGMA {text}")
        return answer.scalar() if answer.returns_rows else None

    # One sandbox at a time: two would each know only its own half. Said before the first read, which would
    # open the file for many; the lock itself comes with the first write, below.
    pragma("locking_mode = EXCLUSIVE")
    found = pragma("application_id")
    is_new = found == 0 and not sa.inspect(connection).get_table_names()
    if not is_new and found != APPLICATION_ID:
        raise JournalError(f"{path} is a database, and no sandbox's: give --db another file")
    if pragma("user_version") > VERSION:
        raise JournalError(f"{path} is of a newer version of this package: use that, or another file")
    # SQLite gives its companions, the -wal file above all, the mode of this one.
    path.chmod(0o600)
    pragma("journal_mode = WAL")
    pragma("synchronous = NORMAL")
    if is_new:
        _METADATA.create_all(connection)
        pragma(f"application_id = {APPLICATION_ID}")
    pragma(f"user_version = {VERSION}")
    connection.commit()


def _replay(connection: sa.engine.Connection, pagerduty: PagerDuty, path: Path) -> None:
    row = None
    try:
        for row in connection.execute(sa.select(_COMMANDS).order_by(_COMMANDS.c.number)):
            args, kwargs = json.loads(row.arguments)
            at = datetime.fromisoformat(row.at)
            pagerduty.replay(row.name, at, int(row.seed, 16), args, kwargs)
    except sa.exc.DBAPIError:
        raise
    except Exception as error:
        # Its arguments hold an integration key, so neither they nor the error's text are shown.
        why = f"its command {row and row.number} cannot be done again ({type(error).__name__})"
        raise JournalError(f"{path} is damaged, {why}: give --db another file") from None
    connection.commit()


def _reason(error: sa.exc.DBAPIError) -> str:
    text = str(error.orig)
    if "not a database" in text:
        return "is no SQLite file: give --db another file"
    if "locked" in text:
        return "is in use by another sandbox: end that, or give --db another file"
    return f"cannot be used ({text}): give --db another file"
