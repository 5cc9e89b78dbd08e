"""Whose API token is it, and if nobody's, why: what the connection form's Test button shows.

``GET /abilities`` answers every valid token; ``GET /users/me`` answers 400 to an account's, which tells it
from a user's. https://developer.pagerduty.com/api-reference/
"""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_pagerduty.delivery import Answer, Budget, judge_failure
from airflow_provider_pagerduty.hooks.endpoint import REGIONS, Endpoint
from airflow_provider_pagerduty.hooks.sender import USER_AGENT, Sender


def check_token(token: str, endpoint: Endpoint, seconds: float) -> tuple[bool, str]:
    """Return whether PagerDuty takes the token there, and a sentence that says what was found.

    :param seconds: how long all of it may take.
    """
    budget = Budget(seconds)
    try:
        answer = _get(endpoint, "/abilities", token, budget)
        if answer.status == 200 and "abilities" in _json(answer):
            return True, f"PagerDuty at {endpoint.rest} takes this token: {_whose(token, endpoint, budget)}."
        if answer.status == 401:
            return False, _why_refused(token, endpoint, budget)
    except Exception as failure:  # whatever it is, the page is to show it
        return False, f"PagerDuty could not be reached: {judge_failure(failure, endpoint.rest).cause}"
    if answer.status == 429:
        return False, f"PagerDuty at {endpoint.rest} answers 429: too many requests with this token, try later."
    return False, (
        f"HTTP {answer.status} from {endpoint.rest}/abilities. Is that PagerDuty's REST API, or a proxy in "
        "between? Check the base URL."
    )


def _whose(token: str, endpoint: Endpoint, budget: Budget) -> str:
    answer = _get(endpoint, "/users/me", token, budget)
    if answer.status == 200:
        user = _json(answer).get("user") or {}
        return f"a user's token ({user.get('email') or user.get('name') or 'no name given'})"
    if answer.status == 400:
        return "an account's token (creating or changing incidents needs the sender's e-mail address too)"
    return f"whose it is could not be told (HTTP {answer.status} from /users/me)"


def _why_refused(token: str, endpoint: Endpoint, budget: Budget) -> str:
    """Tell a wrong token from a wrong region, by asking the other region; behind a base URL there is none."""
    for region, other in REGIONS.items():
        if endpoint.region in (None, region):
            continue
        try:
            if _get(other, "/abilities", token, budget).status == 200:
                return (
                    f"The token is right, the region is not: it belongs to the region {region!r} and is "
                    f"refused by {endpoint.region!r}. Set the connection's region to {region}."
                )
        except Exception:  # noqa: S110
            pass  # only the answer of the region that was asked for counts then
    return (
        f"PagerDuty at {endpoint.rest} refuses this token (HTTP 401): it is wrong, expired or was deleted. "
        "An integration key is no API token."
    )


def _get(endpoint: Endpoint, path: str, token: str, budget: Budget) -> Answer:
    headers = {
        "Authorization": f"Token token={token}",
        "Accept": "application/vnd.pagerduty+json;version=2",
        "User-Agent": USER_AGENT,
    }
    return Sender(endpoint.rest).request("GET", path, headers, None, budget.left())


def _json(answer: Answer) -> dict[str, Any]:
    try:
        value = json.loads(answer.body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
