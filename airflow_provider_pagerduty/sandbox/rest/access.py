"""Who asks: tokens, the ``From`` header, and how many requests a token may make.

https://developer.pagerduty.com/docs/authentication and https://developer.pagerduty.com/docs/rest-api-rate-limits
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.datastructures import Headers

from airflow_provider_pagerduty.sandbox.account import Allowance, PagerDuty
from airflow_provider_pagerduty.sandbox.rest import errors

_AUTHORIZATION = re.compile(r'(?:Token\s+token="?([^\s"]+)"?|Bearer\s+([^\s"]+))\s*', re.IGNORECASE)


@dataclass(frozen=True)
class Access:
    """The tokens that open an account.

    :param user_tokens: a user's id by their token.
    :param account_tokens: the account's own; None for any token that is no user's.
    """

    user_tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    account_tokens: frozenset[str] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Caller:
    """Who sent a request.

    :param user_id: whose token it is; None for the account's.
    """

    token: str = field(repr=False)
    user_id: str | None


def caller_of(headers: Headers, access: Access, pagerduty: PagerDuty) -> Caller:
    """Return who sent these headers.

    :raises Problem: 401, if there is no token, or none that is known.
    """
    match = _AUTHORIZATION.fullmatch(headers.get("authorization", "").strip())
    if match is None:
        raise errors.unauthorized()
    token = match[1] or match[2]
    if token in access.user_tokens:
        user_id = access.user_tokens[token]
        if user_id not in pagerduty.directory.entries["users"]:
            raise errors.unauthorized()
        return Caller(token, user_id)
    if access.account_tokens is not None and token not in access.account_tokens:
        raise errors.unauthorized()
    return Caller(token, None)


def actor_of(caller: Caller, headers: Headers, pagerduty: PagerDuty) -> str:
    """Return the id of the user who acts: the token's own, else whom ``From`` names.

    :raises Problem: 400, if that is nobody.
    """
    if caller.user_id is not None:
        return caller.user_id
    address = headers.get("from", "")
    if not address.strip():
        raise errors.from_is_missing()
    user_id = pagerduty.directory.user_of_email(address)
    if user_id is None:
        raise errors.from_is_unknown()
    return user_id


def limit_headers(allowance: Allowance | None) -> dict[str, str]:
    """Return the headers that tell a client what is left to it."""
    if allowance is None:
        return {}
    return {
        "ratelimit-limit": str(allowance.limit),
        "ratelimit-remaining": str(allowance.remaining),
        "ratelimit-reset": str(allowance.reset),
    }
