"""Who answers in PagerDuty's place in somebody's tests: requests-mock and its like stand in requests.

Their tests must not page anybody, so what is sent goes to them where they are there, over requests. What only
watches requests, as tracing does, may look the same; so this goes the way that everything goes.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from airflow_provider_pagerduty.delivery import Answer
from airflow_provider_pagerduty.hooks.endpoint import route_to


def is_there() -> bool:
    """Say whether something stands in the place of what requests sends with."""
    requests = sys.modules.get("requests")
    # Another thread may be importing it just now; what is not there yet has nobody in its place.
    owners = (
        getattr(requests, "Session", None),
        getattr(getattr(requests, "adapters", None), "HTTPAdapter", None),
    )
    return any(owner is not None and not owner.send.__module__.startswith("requests.") for owner in owners)


def request(method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float) -> Answer:
    """Send one request over requests."""
    import requests

    route = route_to(url)
    with requests.Session() as session:
        session.trust_env = False  # the route says it all; .netrc must not
        answer = session.request(
            method,
            url,
            headers=dict(headers),
            data=body,
            timeout=seconds,
            allow_redirects=False,
            proxies=route.proxies,
            verify=route.verify,
        )
    return Answer(answer.status_code, answer.headers, answer.content)
