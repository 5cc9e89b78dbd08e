"""Where the outbox is, and whether anything waits in it: all that a first try has to know.

Asked by each callback before it sends, so without SQLAlchemy where the outbox is a file.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_pagerduty.settings import option

if TYPE_CHECKING:
    from airflow_provider_pagerduty.outbox.store import Store

FILE_NAME = "pagerduty-outbox.db"
_SQLITE = "sqlite:///"
#: Seconds. A reader waits for nobody, but for a file that is just being made.
READ_TIMEOUT = 1.0


def url() -> str | None:
    """Return the outbox's URL: ``[pagerduty] outbox``, a file in Airflow's home by default; None for none."""
    given = option("outbox")
    if given is None:
        home = os.environ.get("AIRFLOW_HOME") or "~/airflow"
        return f"{_SQLITE}{Path(home).expanduser().absolute() / FILE_NAME}"
    return None if given.lower() == "none" else given


def open_outbox(clock: Callable[[], float] = time.time) -> Store | None:
    """Return the outbox; None where it is switched off.

    :param clock: returns seconds since 1970.
    :raises OutboxError: if ``[pagerduty] outbox`` cannot be one.
    """
    where = url()
    if where is None:
        return None
    from airflow_provider_pagerduty.outbox.database import Database
    from airflow_provider_pagerduty.outbox.store import Store

    return Store(Database(where), clock)


def is_surely_empty() -> bool:
    """Say whether nothing can be pending: there is no outbox, or its file says so."""
    where = url()
    if where is None:
        return True
    if not where.startswith(_SQLITE):
        return False
    path = Path(where.removeprefix(_SQLITE).partition("?")[0])
    if not path.exists():
        return True
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=READ_TIMEOUT)) as connection:
            pending = connection.execute("SELECT 1 FROM pagerduty_outbox WHERE state = 'pending' LIMIT 1")
            return pending.fetchone() is None
    except sqlite3.Error:  # damaged, or without its tables: the store knows what to do about it
        return False
