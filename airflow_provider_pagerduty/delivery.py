"""An answer or an exception in, a verdict out; and how often, how long and how patiently to try.

Pure: what is sent and how is in ``hooks``, where a synchronous and an asynchronous sender run this one
policy. https://developer.pagerduty.com/docs/events-api-v2-overview says what may be retried: 429, 5xx and
network errors; nothing else.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import tenacity

#: Seconds. The longest waits are random(0, 0.5), (0, 1), (0, 2), …, (0, 8): about five tries in ten seconds.
FIRST_WAIT = 0.5
LONGEST_WAIT = 8.0
#: Of a budget, what must be left for another attempt to be worth its start: a tenth, and at most these seconds.
SHORTEST_ATTEMPT = 0.5
#: Seconds. What an attempt may always take, if they are left.
LONG_ENOUGH = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, with whatever of its body arrived in time."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Delivered:
    """PagerDuty has the event; ``response`` is its answer as a dictionary, empty where it was unreadable."""

    response: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Retry:
    """Not now: ``after`` are the seconds that PagerDuty asked for, if it did."""

    cause: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """PagerDuty will never take this event, for these reasons of its own."""

    errors: list[str]


@dataclass(frozen=True, slots=True)
class Unexpected:
    """Something answered that is not PagerDuty's Events API: trying again at once would not help."""

    cause: str


Verdict = Delivered | Retry | Rejected | Unexpected


def judge(answer: Answer, url: str) -> Verdict:
    """Say what an answer means for the event.

    :param url: where it came from, for the words of the cause.
    """
    status = answer.status
    response = _json_object(answer.body)
    if status == 202:
        return Delivered(response or {})
    if 200 <= status < 300 and response is not None and response.get("status") in (None, "success"):
        # PagerDuty says 202; a stand-in may say 200, but a portal's or proxy's HTML page is no delivery.
        return Delivered(response)
    if status == 429 or status >= 500:
        reason = _reasons(answer.body, response)
        return Retry(f"HTTP {status} from {url}: {'; '.join(reason)}", _retry_after(answer.headers))
    if status == 400:
        return Rejected(_reasons(answer.body, response))
    if 300 <= status < 400:
        # Following it would turn the POST into a GET, or hand the key to whoever is named there.
        return Unexpected(
            f"HTTP {status} from {url}: a redirect, which is not followed. Is the base URL right?"
        )
    return Unexpected(
        f"HTTP {status} from {url}: {'; '.join(_reasons(answer.body, response))} "
        "Is that PagerDuty's Events API, or a proxy in between?"
    )


def judge_failure(failure: BaseException, url: str) -> Retry | Unexpected:
    """Say what an error means for the event.

    After a network error or a timeout it may have arrived, and is sent again. An address or a proxy that
    cannot be one (a ValueError or ImportError to every client) is not tried again.
    """
    cause = f"no answer from {url}: {_innermost(failure)}"
    return Unexpected(cause) if isinstance(failure, (ValueError, ImportError)) else Retry(cause)


def _innermost(failure: BaseException) -> str:
    root = failure
    for _ in range(10):  # libraries wrap the operating system's error, which says it best, some five deep
        several = getattr(root, "exceptions", ())  # one for each of a name's addresses
        wrapped = (getattr(root, "reason", None), *several[:1], root.__cause__, *root.args)
        # No BaseException: that something was cancelled is how a timeout is done, not why.
        root = next((inner for inner in wrapped if isinstance(inner, Exception)), root)
    return f"{type(root).__name__}: {root}" if str(root) else type(root).__name__


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _reasons(body: bytes, response: dict[str, Any] | None) -> list[str]:
    """Return PagerDuty's ``errors``, else its message, else the answer's own text."""
    if response is not None:
        errors = response.get("errors")
        if isinstance(errors, list) and errors:
            return [str(error) for error in errors]
        message = response.get("message") or response.get("status")
        if message:
            return [str(message)]
    text = " ".join(body.decode("utf-8", "replace").split())
    return [text or "no reason given."]


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds asked for; a date is read against the answer's own ``Date``, if it has one."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    then = _http_date(value)
    if then is None:
        return None
    now = _http_date(headers.get("Date", "")) or datetime.now(timezone.utc)
    return max(0.0, (then - now).total_seconds())


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (OverflowError, TypeError, ValueError):  # a year of twenty digits; and what older Pythons raise
        return None
    return moment if moment.tzinfo is not None else None


@dataclass(slots=True)
class Budget:
    """The wall-clock seconds that one event may cost in all, from now on."""

    seconds: float
    clock: Callable[[], float] = time.monotonic
    started: float = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.clock()

    def spent(self) -> float:
        """Return the seconds used so far."""
        return self.clock() - self.started

    def left(self) -> float:
        """Return the seconds that remain, never less than 0."""
        return max(0.0, self.seconds - self.spent())

    def close(self) -> None:
        """Leave nothing of it, so that there is no further attempt."""
        self.seconds = 0.0

    def for_one_attempt(self) -> float:
        """Return the seconds that the next attempt may take.

        Half of what is left, so that a connection that has gone silent leaves time for another one; but a
        second, if it is left, because answers take some time.
        """
        return min(self.left(), max(LONG_ENOUGH, self.left() / 2))


def retrying(budget: Budget) -> dict[str, Any]:
    """Return what tenacity's ``Retrying`` and ``AsyncRetrying`` both take, for a call that returns a verdict.

    Full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), or as long as
    PagerDuty asks for and a little more, so that a thousand workers do not come back in the same instant. A
    wait of our own is made shorter where it would use the budget up. The last verdict is returned, whatever
    it is.
    """
    backoff = tenacity.wait_random_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT)
    worth_a_start = min(SHORTEST_ATTEMPT, 0.1 * budget.seconds)
    # A wait that was made shorter leaves half as much again, so that the moments until the attempt are there.
    last_start = 1.5 * worth_a_start

    def wait(state: tenacity.RetryCallState) -> float:
        verdict = state.outcome.result() if state.outcome else None
        after = verdict.after if isinstance(verdict, Retry) else None
        if not after:  # also where 0 was asked for, which would be as many tries as the network carries
            return min(backoff(state), max(0.0, budget.left() - last_start))
        return after + random.uniform(0, min(1.0, 0.1 * after))  # noqa: S311 (no secret)

    def stop(state: tenacity.RetryCallState) -> bool:
        left = budget.left()
        return left <= last_start + 1e-6 or state.upcoming_sleep + worth_a_start > left

    def last_verdict(state: tenacity.RetryCallState) -> Verdict:
        assert state.outcome is not None  # it stops after an attempt, never before
        verdict: Verdict = state.outcome.result()
        return verdict

    return {
        "retry": tenacity.retry_if_result(lambda verdict: isinstance(verdict, Retry)),
        "wait": wait,
        "stop": stop,
        "retry_error_callback": last_verdict,
    }
