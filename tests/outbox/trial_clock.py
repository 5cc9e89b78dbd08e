"""The time of a trial, as all its processes have it: real time, which a test pushes about."""

import contextlib
import fcntl
import mmap
import time
from datetime import datetime, timezone

#: Seconds since 1970 at which monotonic time is 0.
START = 1_800_000_000.0


class Clock:
    """Tells seconds since 1970; all who open one file are told the same.

    There are two times in it: what it really is, by which PagerDuty goes, and what the machines think it is,
    which can be put back. Both go on by themselves, so whoever waits for them is never left waiting.

    :param path: a file; made if it is not there.
    """

    def __init__(self, path):
        self.path = path
        path.touch()
        self._file = path.open("r+b")
        if path.stat().st_size == 0:
            self._file.truncate(16)
        self._offsets = memoryview(mmap.mmap(self._file.fileno(), 16)).cast("d")

    def __call__(self):
        """Return what the machines think it is."""
        return self.true() + self._offsets[1]

    def true(self):
        """Return what it is."""
        return START + time.monotonic() + self._offsets[0]

    def datetime(self):
        """Return what it is, as PagerDuty's clock does."""
        return datetime.fromtimestamp(self.true(), timezone.utc)

    def advance(self, seconds):
        """Let time pass at once."""
        with self._locked():
            self._offsets[0] += seconds

    def be_at_least(self, moment):
        """Let time pass until a moment, if that lies ahead."""
        with self._locked():
            self._offsets[0] += max(0.0, moment - self.true())

    def put_back(self, seconds):
        """Put the machines' clock back."""
        self._offsets[1] -= seconds

    def close(self):
        self._offsets.release()
        self._file.close()

    @contextlib.contextmanager
    def _locked(self):
        # Each process has the file opened by itself, and of each only one thread moves the time.
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)
