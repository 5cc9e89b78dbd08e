"""``outbox relay``: delivers what is due, shows how it goes on, and ends between two events."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from airflow_provider_pagerduty.commands.opened import SWITCHED_OFF, Opened, nothing_ever, open_outbox
from airflow_provider_pagerduty.commands.output import moment, number, out, print_json, say, span
from airflow_provider_pagerduty.commands.run import one_line
from airflow_provider_pagerduty.hooks.once import send_once
from airflow_provider_pagerduty.outbox.database import OutboxError
from airflow_provider_pagerduty.outbox.relay import Relay, Report

#: Seconds of one pass: longer than the minute for which PagerDuty's pace may make it wait, so that a pass that
#: delivers nothing has nothing to deliver; shorter than what callbacks take as a sign that no relay is there.
PASS = 90.0
#: Seconds of one with `--follow`: a connection that waits for its pace must not keep new ones from being seen.
PASS_OF_MANY = 30.0
#: Seconds between two looks into the outbox with `--follow`; and where it cannot be used, at most.
PAUSE, LONGEST_PAUSE = 3.0, 60.0
NAMES = ("delivered", "rejected", "expired", "failed")


class _Ended(Exception):
    """A signal asks for the end."""


class _Ending:
    """A wish to end, which a signal utters and the relay follows between two events."""

    def __init__(self) -> None:
        self.status = 0
        self._uttered = threading.Event()

    @contextlib.contextmanager
    def awaited(self) -> Iterator[None]:
        """Have the signals noted in this block."""
        before = {each: signal.signal(each, self._note) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def _note(self, number: int, _: object) -> None:
        if self._uttered.is_set():  # once more: at once, then; its lease runs out
            raise KeyboardInterrupt
        self.status = 128 + number
        self._uttered.set()

    def wait(self, seconds: float) -> None:
        """Wait, but not beyond the wish to end."""
        if self._uttered.wait(seconds):
            raise _Ended

    def check(self) -> None:
        """Raise if there is a wish to end."""
        if self._uttered.is_set():
            raise _Ended


class _Runner:
    """A relay, and the sum of what it came to, also where it was ended on the way."""

    def __init__(self, opened: Opened, ending: _Ending) -> None:
        self._relay = Relay(opened.store, send_once, sleep=ending.wait)
        self._ending = ending

    def drain(self, total: Report, on_progress: Callable[[Report], None], seconds: float = PASS) -> bool:
        """Make one pass; say whether it got anything out of the way."""
        current = Report()

        def note(report: Report) -> None:
            nonlocal current
            current = report
            on_progress(report)
            self._ending.check()

        self._ending.check()
        try:
            self._relay.drain(seconds=seconds, on_progress=note)
        finally:
            total.add(current)
        return bool(current.delivered or current.rejected or current.expired)


def relay(arguments: argparse.Namespace) -> int:
    """Deliver what is due, once or until a signal."""
    opened = open_outbox()
    is_json = arguments.format == "json"
    if opened is None:
        (print_json({"outbox": None}) if is_json else say(SWITCHED_OFF))
        return 0
    if not opened.database.exists() and not is_json:
        say(nothing_ever(opened))
    ending = _Ending()
    runner = _Runner(opened, ending)
    with ending.awaited():
        try:
            if arguments.follow:
                _follow(opened, runner, ending, arguments)
            total = Report()
            try:
                with _shown(opened, is_json=is_json) as show:
                    while runner.drain(total, show):
                        pass
            finally:
                _say(opened, total, is_json=is_json)
        except _Ended:
            return ending.status
    return 1 if total.failed or total.rejected or total.expired else 0


def _follow(opened: Opened, runner: _Runner, ending: _Ending, arguments: argparse.Namespace) -> NoReturn:
    """Go on until there is a wish to end; an outbox that cannot be used is said once, and may come back."""
    is_json = arguments.format == "json"
    if not is_json:
        say(f"Looking into {opened.store} every {PAUSE:.0f} s, until Ctrl-C.")
        out().flush()
    pause, trouble = PAUSE, ""
    while True:
        total = Report()
        try:
            try:
                with _shown(opened, is_json=is_json) as show:
                    runner.drain(total, show, PASS_OF_MANY)
            finally:
                if any(getattr(total, name) for name in NAMES):
                    _say(opened, total, is_json=is_json, in_a_line=True)
            pause, trouble = PAUSE, ""
        except OutboxError as error:
            if one_line(error) != trouble:
                trouble = one_line(error)
                sys.stderr.write(f"{arguments.prog}: {trouble}\n")
            pause = min(2 * pause, LONGEST_PAUSE)
        ending.wait(pause)


@contextlib.contextmanager
def _shown(opened: Opened, *, is_json: bool) -> Iterator[Callable[[Report], None]]:
    """Show a progress bar while the block runs, to people."""
    pending = opened.store.counts()["pending"]
    if is_json or not pending or not (out().isatty() and sys.stderr.isatty()):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Delivering", total=pending, failed="")
        before = Report()  # of the passes that are over
        last = Report()

        def show(report: Report) -> None:
            nonlocal before, last
            if report is not last:
                before.add(last)
                last = report
            done = sum(getattr(before, name) + getattr(report, name) for name in NAMES[:3])
            failed = before.failed + report.failed
            progress.update(task, completed=done, failed=f"{failed} failed" if failed else "")

        yield show


def _say(opened: Opened, total: Report, *, is_json: bool, in_a_line: bool = False) -> None:
    """Say what it came to, and what is left."""
    now = time.time()
    counts: dict[str, Any] = {name: getattr(total, name) for name in NAMES}
    pending = opened.store.counts()["pending"]
    then = opened.next_try(now)
    if is_json:
        errors = list(dict.fromkeys(total.errors))
        value = counts | {"errors": errors, "pending": pending, "next_try": moment(then)}
        print_json(value, in_a_line=in_a_line)
    else:
        parts = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing was due"
        left = f"{number(pending, 'event')} left" if pending else "nothing is left"
        if then is not None:
            left += f", the next try {f'in {span(then - now)}' if then > now else 'now'}"
        say(f"{moment(now)} {parts}; {left}.")
        for error, times in Counter(total.errors).most_common(5):
            say(f"  {error}" + (f" ({times} times)" if times > 1 else ""))
    out().flush()
