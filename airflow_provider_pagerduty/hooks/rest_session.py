"""The REST API v2 clients that ``PagerdutyHook`` hands out. pdpyras is imported here and nowhere else."""

from __future__ import annotations

import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow_provider_pagerduty.hooks.endpoint import Endpoint, route_to

if TYPE_CHECKING:
    import pagerduty
    import pdpyras

#: How often a 429 is tried again; pdpyras by itself never stops. With the waits below, 12 to 44 seconds.
#: https://developer.pagerduty.com/docs/rest-api-rate-limits
RATE_LIMIT_RETRIES = 4
#: Seconds; each wait is the last one times 1.5 to 2.25.
FIRST_WAIT = 1.0
WAIT_FACTOR = 1.5
WAIT_JITTER = 0.5


def pdpyras_session(token: str, endpoint: Endpoint, from_email: str | None) -> pdpyras.APISession:
    """Return a session for an endpoint that retries a 429 a bounded number of times, with jitter."""
    session = _session_class()(token, default_from=from_email)
    route = route_to(endpoint.rest)
    session.url = endpoint.rest
    session.trust_env = False  # the route says it all; .netrc would replace the token
    session.proxies = dict(route.proxies)
    session.verify = route.verify
    session.retry[429] = RATE_LIMIT_RETRIES
    session.sleep_timer = FIRST_WAIT
    session.sleep_timer_base = WAIT_FACTOR
    session.stagger_cooldown = WAIT_JITTER
    return session


@cache
def _session_class() -> type[pdpyras.APISession]:
    with warnings.catch_warnings():
        # It says on import that its successor is "pagerduty"; that is not for our users to act on.
        warnings.simplefilter("ignore")
        import pdpyras

    class Session(pdpyras.APISession):  # type: ignore[misc, unused-ignore]
        """pdpyras's session, less two of its surprises."""

        @property
        def trunc_key(self) -> str:
            """What a 401's message shows of the token: nothing."""
            return "hidden"

        def resolve_redirects(self, response: Any, *_: Any, **__: Any) -> Any:
            """Refuse a redirect, which would turn a POST into a GET and call that a success."""
            if self.get_redirect_target(response):
                raise pdpyras.PDClientError(
                    f"HTTP {response.status_code} from {response.url}: a redirect, which is not followed. "
                    "Is the base URL right?",
                    response,
                )
            return iter(())

    return Session


def pagerduty_client(token: str, endpoint: Endpoint, from_email: str | None) -> pagerduty.RestApiV2Client:
    """Return PagerDuty's newer client for an endpoint.

    :raises ImportError: if the package is not installed, or is older than 6.2; names the extra that brings it.
    """
    try:
        import pagerduty
    except ImportError as missing:
        raise ImportError(
            "PagerdutyHook.client() needs the package 'pagerduty': "
            "pip install 'airflow-provider-pagerduty[pagerduty]'. get_session() works without it."
        ) from missing
    from airflow_provider_pagerduty.hooks.async_sender import trust

    class Client(pagerduty.RestApiV2Client):  # type: ignore[misc, unused-ignore]
        """PagerDuty's client, less one of its surprises."""

        @property
        def trunc_key(self) -> str:
            """What a 401's message shows of the token: nothing."""
            return "hidden"

    route = route_to(endpoint.rest)
    # The route says it all here too: no proxy to the loopback.
    client = Client(
        token,
        default_from=from_email,
        base_url=endpoint.rest,
        trust_env=False,
        proxy=route.proxy,
        verify=trust(route.verify),
    )
    if client.url.rstrip("/") != endpoint.rest:
        # Before 6.2 it asks the US, whatever it is told, and would hand the token to it.
        raise ImportError(
            "PagerdutyHook.client() needs the package 'pagerduty' in version 6.2 or later: "
            "pip install 'airflow-provider-pagerduty[pagerduty]'. get_session() works without it."
        )
    client.retry[429] = RATE_LIMIT_RETRIES
    client.sleep_timer = FIRST_WAIT
    client.sleep_timer_base = WAIT_FACTOR  # type: ignore[assignment, unused-ignore]
    client.stagger_cooldown = WAIT_JITTER
    return client
