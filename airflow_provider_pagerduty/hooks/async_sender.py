"""Sends over httpx, by the same policy and within the same budget as ``sender``."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import certifi
import httpx
import tenacity

from airflow_provider_pagerduty import delivery
from airflow_provider_pagerduty.hooks.endpoint import route_to
from airflow_provider_pagerduty.hooks.sender import CONNECT_TIMEOUT, EVENT_HEADERS, MAX_ANSWER, AttemptTimeout

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from airflow_provider_pagerduty.delivery import Answer, Verdict


#: Connections, all kept for the next events. httpx keeps 20 by itself, and with more events at once it makes a
#: new one for each of the others.
MOST_CONNECTIONS = 100


class AsyncSender:
    """Kept connections to one PagerDuty, for as long as ``async with`` holds them.

    :param base_url: an endpoint's events address.
    :param clock: seconds, never going back.
    :param sleep: waits that many seconds between attempts.
    """

    def __init__(
        self,
        base_url: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._base_url = base_url
        self._clock = clock
        self._sleep = sleep
        self._route = route_to(base_url)
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def post_event(
        self, path: str, body: bytes, seconds: float, goes_on: Callable[[str], bool] = lambda _: True
    ) -> tuple[Verdict, int, float]:
        """Send an event until there is a verdict, or the budget is spent; see ``Sender.post_event``."""
        budget = delivery.Budget(seconds, self._clock)
        url = f"{self._base_url}{path}"

        async def attempt() -> Verdict:
            try:
                answer = await self._post(url, body, budget.for_one_attempt())
            except Exception as failure:  # httpx passes on what its parts raise
                verdict: Verdict = delivery.judge_failure(failure, url)
            else:
                verdict = delivery.judge(answer, url)
            # In a thread, as what is told may be written down first.
            if isinstance(verdict, delivery.Retry) and not await asyncio.to_thread(goes_on, verdict.cause):
                budget.close()
            return verdict

        policy = tenacity.AsyncRetrying(sleep=self._sleep, **delivery.retrying(budget))
        last: Verdict = await policy(attempt)
        return last, policy.statistics["attempt_number"], budget.spent()

    async def _post(self, url: str, body: bytes, seconds: float) -> Answer:
        answers: list[Answer] = []
        try:
            await asyncio.wait_for(self._exchange(url, body, seconds, answers), seconds)
        except (httpx.HTTPError, asyncio.TimeoutError) as failure:
            # A status without its whole body is an answer too: at 202 PagerDuty has the event.
            if not answers:
                if isinstance(failure, (httpx.TimeoutException, asyncio.TimeoutError)):
                    raise AttemptTimeout(f"no answer within {seconds:.1f} s") from None
                raise
        return answers[-1]

    async def _exchange(self, url: str, body: bytes, seconds: float, answers: list[Answer]) -> None:
        if self._client is None:
            self._client = httpx.AsyncClient(
                proxy=self._route.proxy,
                verify=trust(self._route.verify),
                trust_env=False,
                follow_redirects=False,
                limits=httpx.Limits(
                    max_connections=MOST_CONNECTIONS, max_keepalive_connections=MOST_CONNECTIONS
                ),
            )
        timeout = httpx.Timeout(seconds, connect=min(CONNECT_TIMEOUT, seconds))
        request = self._client.build_request(
            "POST", url, content=body, headers=EVENT_HEADERS, timeout=timeout, extensions={"trace": _trace}
        )
        response = await self._client.send(request, stream=True)
        try:
            answers.append(delivery.Answer(response.status_code, response.headers))
            start = b""
            async for chunk in response.aiter_bytes():
                start += chunk
                if len(start) >= MAX_ANSWER:
                    break
            answers.append(delivery.Answer(response.status_code, response.headers, start[:MAX_ANSWER]))
        finally:
            await response.aclose()


def trust(verify: str | bool) -> ssl.SSLContext:
    """Return a context that trusts what requests would: a file or folder of authorities, else certifi's."""
    if isinstance(verify, str):
        is_folder = Path(verify).is_dir()
        return ssl.create_default_context(
            cafile=None if is_folder else verify, capath=verify if is_folder else None
        )
    return ssl.create_default_context(cafile=certifi.where())


async def _trace(event: str, info: dict[str, Any]) -> None:
    """Look a host up before httpx does, at each new connection. https://www.encode.io/httpcore/extensions/#trace."""
    if event == "connection.connect_tcp.started":
        await _look_up(info["host"], info["port"])


async def _look_up(host: str, port: int) -> None:
    """Wait until a name can be looked up.

    httpx asks in the event loop's thread pool, which a resolver that never answers would fill, and which
    ``asyncio.run`` waits for at its end. A daemon thread is waited for by nobody. What the look-up says does
    not matter here: httpx meets the same answer, and reports it.
    """
    loop = asyncio.get_running_loop()
    answered = loop.create_future()

    def settle() -> None:
        if not answered.done():
            answered.set_result(None)

    def ask() -> None:
        with suppress(Exception):
            socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(settle)

    threading.Thread(target=ask, name="pagerduty-look-up", daemon=True).start()
    await answered
