"""How an account is changed: by commands, whose arguments are plain JSON.

A command's time and ids come from its moment and its seed alone, so that a journal of commands, replayed, is
the same account again (see ``journal``). What the commands are is in the modules that use this one.
"""

from __future__ import annotations

import functools
import random
import string
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Any, Concatenate, ParamSpec, TypeVar

S = TypeVar("S", bound="Commanded")
P = ParamSpec("P")
R = TypeVar("R")


def now() -> datetime:
    """Return the present, in UTC."""
    return datetime.now(timezone.utc)


class Refused(ValueError):
    """The account does not take that: PagerDuty answers 400 with these errors."""

    def __init__(self, *errors: str) -> None:
        super().__init__("; ".join(errors))
        self.errors = list(errors)


def command(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Mark a method that changes the account; one called by another is part of it."""

    @functools.wraps(method)
    def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self._lock:
            if self._at is not None:
                return method(self, *args, **kwargs)
            if method.__name__ != "wake":
                self.refresh()
            at, seed = self.clock(), self._seeds.getrandbits(64)
            result = self._perform(method, at, seed, args, kwargs)
            for listen in self.listeners:
                listen(method.__name__, at, seed, list(args), dict(kwargs))
            return result

    return run


class Commanded:
    """What commands are done to, one after the other. Safe to use from several threads.

    :param clock: returns the present, with its time zone.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        #: Called with each command after it was done: name, moment, seed, arguments.
        self.listeners: list[Callable[[str, datetime, int, list[Any], dict[str, Any]], None]] = []
        self._lock = threading.RLock()
        self._seeds = random.SystemRandom()
        self._at: datetime | None = None
        self._random = random.Random(0)  # noqa: S311 (ids, no secrets)

    def refresh(self) -> None:
        """Do what the mere passing of time brings about; every command does so first."""

    def _perform(
        self, method: Callable[..., R], at: datetime, seed: int, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> R:
        self._at, self._random = at, random.Random(seed)  # noqa: S311
        try:
            return method(self, *args, **kwargs)
        finally:
            self._at = None

    def replay(self, name: str, at: datetime, seed: int, args: list[Any], kwargs: dict[str, Any]) -> None:
        """Do a command of the past again, without telling the listeners."""
        method = getattr(type(self), name).__wrapped__
        with self._lock:
            self._perform(method, at, seed, args, kwargs)

    def new_id(self, start: str = "Q") -> str:
        """Return an id in PagerDuty's style: 14 capitals and digits."""
        letters = string.ascii_uppercase + string.digits
        return start + "".join(self._random.choices(letters, k=13))

    @property
    def at(self) -> datetime:
        """The moment of the command that is being done, else the present."""
        return self._at or self.clock()
