"""What clients send to make or change a thing: which fields it has, what they may hold, and how it is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_provider_pagerduty.sandbox.account import PagerDuty
from airflow_provider_pagerduty.sandbox.rest.call import Call
from airflow_provider_pagerduty.sandbox.rest.errors import Problem, invalid
from airflow_provider_pagerduty.sandbox.rest.moments import parsed_moment
from airflow_provider_pagerduty.sandbox.rest.render import PATHS

#: Takes what was sent, returns what is kept of it.
#: :raises ValueError: saying what it must be, after the field's name.
Check = Callable[[PagerDuty, Any], Any]


@dataclass(frozen=True)
class Field:
    """A field of a body.

    :param kept_as: its name in the account, where that is another one.
    :param required: it must be there when the thing is made.
    :param nullable: null empties it; elsewhere null counts as not sent.
    """

    name: str
    check: Check
    kept_as: str = ""
    required: bool = False
    nullable: bool = False


def read(call: Call, sent: dict[str, Any], *fields: Field, creating: bool = False) -> dict[str, Any]:
    """Return what is kept of a thing that was sent; fields that it does not have are left out.

    :raises Problem: 400, naming every field that cannot be.
    """
    kept: dict[str, Any] = {}
    problems: list[str] = []
    for field in fields:
        value = sent.get(field.name)
        if value is None:
            if creating and field.required:
                problems.append(f"{field.name} cannot be blank")
            elif field.nullable and field.name in sent:
                kept[field.kept_as or field.name] = None
            continue
        try:
            kept[field.kept_as or field.name] = field.check(call.pagerduty, value)
        except ValueError as problem:
            problems.append(f"{field.name} {problem}")
    if problems:
        raise invalid(*problems)
    return kept


def text(shortest: int = 1, longest: int | None = None) -> Check:
    """Take a text of so many characters."""

    def check(pagerduty: PagerDuty, value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError("must be a string")
        if shortest and not value.strip():
            raise ValueError("cannot be blank")
        if len(value) < shortest:
            raise ValueError(f"is too short (minimum is {shortest} characters)")
        if longest is not None and len(value) > longest:
            raise ValueError(f"is too long (maximum is {longest} characters)")
        return value

    return check


def number(least: int, most: int | None = None) -> Check:
    """Take a whole number."""

    def check(pagerduty: PagerDuty, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError("must be a whole number")
        if value < least or (most is not None and value > most):
            raise ValueError(f"must be from {least}{'' if most is None else f' to {most}'}")
        return value

    return check


def one_of(*allowed: str) -> Check:
    """Take one of some texts."""

    def check(pagerduty: PagerDuty, value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return str(value)

    return check


def exactly(kind: type[Any]) -> Check:
    """Take anything of a type of JSON, as it is."""

    def check(pagerduty: PagerDuty, value: Any) -> Any:
        if not isinstance(value, kind):
            raise ValueError(f"must be a JSON {kind.__name__}")
        return value

    return check


def time() -> Check:
    """Take a time."""

    def check(pagerduty: PagerDuty, value: Any) -> str:
        try:
            return parsed_moment(value, "time").isoformat()
        except Problem:
            raise ValueError(f"has {value!r} where a time is wanted, like 2026-03-01T12:00:00Z") from None

    return check


def reference(kind: str) -> Check:
    """Take a reference, keep its id."""

    def check(pagerduty: PagerDuty, value: Any) -> str:
        found = value.get("id") if isinstance(value, dict) else value
        things = pagerduty.services if kind == "service" else pagerduty.directory.entries[PATHS[kind]]
        if not isinstance(found, str) or found not in things:
            raise ValueError(f"is no reference to a {kind} of this account")
        return found

    return check


def references(kind: str) -> Check:
    """Take a list of references, keep their ids."""
    one = reference(kind)

    def check(pagerduty: PagerDuty, value: Any) -> list[str]:
        if not isinstance(value, list):
            raise ValueError("must be an array")
        return [one(pagerduty, each) for each in value]

    return check
