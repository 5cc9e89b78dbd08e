"""Cuts what takes too long, from a thread that lives only while there is something to watch."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator


class Watch:
    """Calls what it is told to, unless it is called off in time."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._watched: dict[object, tuple[float, Callable[[], None]]] = {}
        self._thread: threading.Thread | None = None
        self._wakes_at = 0.0

    @contextlib.contextmanager
    def over(self, cut: Callable[[], None], seconds: float) -> Iterator[None]:
        """Call ``cut`` if what is inside takes longer than ``seconds``."""
        mark, until = object(), time.monotonic() + seconds
        if self._process != os.getpid():
            # Airflow forks for each task: the thread is not here then, and it may have held the lock.
            self._begin()
        with self._changed:
            self._watched[mark] = until, cut
            if self._thread is None:
                self._start(until)
            elif until < self._wakes_at:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._watched.pop(mark, None)

    def _start(self, until: float) -> None:
        thread = threading.Thread(target=self._run, name="pagerduty-watch", daemon=True)
        with contextlib.suppress(RuntimeError):  # Python starts no thread while it shuts down
            thread.start()
            self._thread, self._wakes_at = thread, until

    def _run(self) -> None:
        with self._changed:
            while self._watched:
                now = time.monotonic()
                for mark, (until, cut) in list(self._watched.items()):
                    if until <= now:
                        del self._watched[mark]
                        cut()
                if self._watched:
                    self._wakes_at = min(until for until, _ in self._watched.values())
                    self._changed.wait(max(0.0, self._wakes_at - time.monotonic()))
            self._thread = None
