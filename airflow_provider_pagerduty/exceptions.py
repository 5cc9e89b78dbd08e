"""What can go wrong between Airflow and PagerDuty.

::

    AirflowException
    └── PagerdutyError
        ├── MissingCredentials   neither an argument nor a connection gave a token or key
        ├── EventRejected        PagerDuty answered 400: sending the same event again cannot help
        └── DeliveryFailed       the event did not arrive within its budget: later may help

A wrong argument or setting is a plain :class:`ValueError` that names the field and the value. No message
here ever holds a token or a key.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import AirflowException


class PagerdutyError(AirflowException):  # type: ignore[misc, unused-ignore]
    """The root of this package's errors."""


class MissingCredentials(PagerdutyError):
    """Neither an argument nor a connection gave the token or key that the call needs."""


class EventRejected(PagerdutyError):
    """PagerDuty answered 400.

    :param errors: PagerDuty's own reasons, as it words them.
    """

    def __init__(self, errors: list[str]) -> None:
        super().__init__(f"PagerDuty rejected the event: {'; '.join(errors)}")
        self.errors = errors

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.errors,)


class DeliveryFailed(PagerdutyError):
    """PagerDuty did not take the event within the budget, or something else answered in its place.

    :param last_cause: what went wrong in the last attempt, in a sentence.
    :param attempts: how often it was tried.
    :param seconds: how long all of it took.
    :param retry_after: the seconds that PagerDuty asked to be left alone for, if it did.
    """

    def __init__(
        self, last_cause: str, attempts: int, seconds: float, retry_after: float | None = None
    ) -> None:
        tries = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        super().__init__(
            f"PagerDuty did not take the event ({tries} in {seconds:.1f} s). Last cause: {last_cause}"
        )
        self.last_cause = last_cause
        self.attempts = attempts
        self.seconds = seconds
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.last_cause, self.attempts, self.seconds, self.retry_after)
