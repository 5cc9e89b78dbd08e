"""One request as the endpoints see it: who asks, the parameters of the query, the JSON of the body."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.datastructures import QueryParams
from starlette.responses import Response

from airflow_provider_pagerduty.sandbox.account import PagerDuty
from airflow_provider_pagerduty.sandbox.rest.access import Caller
from airflow_provider_pagerduty.sandbox.rest.errors import invalid
from airflow_provider_pagerduty.sandbox.rest.moments import parsed_moment
from airflow_provider_pagerduty.sandbox.rest.render_incidents import IncidentRenderer


@dataclass(frozen=True)
class Call:
    """A request whose sender is known.

    :param actor: the id of the user who acts; the caller's own where no endpoint demands one, or "".
    """

    pagerduty: PagerDuty
    caller: Caller
    actor: str
    path: dict[str, str]
    query: QueryParams
    raw: bytes
    show: IncidentRenderer

    def list(self, name: str, allowed: tuple[str, ...] | None = None) -> list[str]:
        """Return the values of ``name[]``.

        :raises Problem: 400, if one is not among those allowed.
        """
        found = [value for key in (f"{name}[]", name) for value in self.query.getlist(key) if value]
        for value in found:
            if allowed is not None and value not in allowed:
                raise invalid(f"{name}[] {value!r} is not one of {', '.join(allowed)}")
        return found

    def choice(self, name: str, allowed: tuple[str, ...]) -> str | None:
        """Return a parameter that has one of some values, None if it is not given."""
        value = self.query.get(name) or None
        if value is not None and value not in allowed:
            raise invalid(f"{name} {value!r} is not one of {', '.join(allowed)}")
        return value

    def flag(self, name: str) -> bool:
        """Say whether a parameter is true."""
        return self.query.get(name, "").lower() in ("true", "1")

    def number(self, name: str, default: int, least: int) -> int:
        """Return a whole number."""
        value = self.query.get(name, "")
        if not value:
            return default
        if not re.fullmatch(r"\d{1,9}", value, re.ASCII) or int(value) < least:
            raise invalid(f"{name} {value!r} is not a whole number from {least} on")
        return int(value)

    def moment(self, name: str) -> datetime | None:
        """Return a time; one without a zone is in UTC."""
        value = self.query.get(name)
        return parsed_moment(value, name) if value else None

    def body(self, wrapper: str, kind: type[Any] = dict) -> Any:
        """Return what the body holds under a name.

        :raises Problem: 400, if the body is no JSON, or does not hold that.
        """
        try:
            found = json.loads(self.raw)
            # Python also reads NaN, which is no JSON, and half a surrogate pair, which could not be shown.
            json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
        except (ValueError, RecursionError):
            raise invalid("The request body is not valid JSON") from None
        if not isinstance(found, dict) or not isinstance(found.get(wrapper), kind):
            raise invalid(f"{wrapper} is missing from the request body, or is no {kind.__name__}")
        return found[wrapper]


#: What an endpoint does: a dictionary is the body of its answer.
Answering = Callable[[Call], "dict[str, Any] | Response"]


@dataclass(frozen=True)
class Endpoint:
    """One of PagerDuty's operations.

    :param status: of an answer that is no error.
    :param acts: PagerDuty wants to know who acts: ``From``, or a user's token.
    """

    method: str
    path: str
    answer: Answering
    status: int = 200
    acts: bool = False
