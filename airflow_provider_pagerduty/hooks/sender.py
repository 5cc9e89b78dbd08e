"""Sends over requests, inside a budget that holds for name look-up, dripping answers and all.

One POST is an *attempt* in a thread of its own, because nothing else bounds ``getaddrinfo`` and a server
that sends a byte a second. An attempt that is given up is cut: its connection is shut down, and one that
was still looking up the name or connecting sends nothing afterwards. So a page that was reported as failed
cannot arrive later, out of order.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import requests
import tenacity
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from airflow_provider_pagerduty import __version__, delivery
from airflow_provider_pagerduty.hooks.endpoint import route_to

if TYPE_CHECKING:
    from airflow_provider_pagerduty.delivery import Answer, Verdict

USER_AGENT = f"airflow-provider-pagerduty/{__version__}"
EVENT_HEADERS = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": USER_AGENT}
#: Seconds. A first packet that nobody answers is better sent again than waited for.
CONNECT_TIMEOUT = 3.0
#: Bytes. PagerDuty's answers are under 1 kB; of anybody else's, the start is enough for an error.
MAX_ANSWER = 65_536


class AttemptTimeout(Exception):
    """An attempt took longer than it was given."""


class Sender:
    """A kept connection to one PagerDuty.

    :param base_url: an endpoint's address, REST or events.
    :param clock: seconds, never going back.
    :param sleep: waits that many seconds between attempts.
    """

    def __init__(
        self,
        base_url: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._base_url = base_url
        self._clock = clock
        self._sleep = sleep
        self._session = _session(base_url)

    def post_event(
        self, path: str, body: bytes, seconds: float, goes_on: Callable[[str], bool] = lambda _: True
    ) -> tuple[Verdict, int, float]:
        """Send an event until there is a verdict, or the budget is spent.

        :param seconds: the budget.
        :param goes_on: is told why an attempt failed, before the next wait, and says whether to go on.
        :return: the last verdict, the number of attempts, and the seconds it all took.
        """
        budget = delivery.Budget(seconds, self._clock)
        url = f"{self._base_url}{path}"

        def attempt() -> Verdict:
            try:
                answer = self.request("POST", path, EVENT_HEADERS, body, budget.for_one_attempt())
            except Exception as failure:  # requests passes on what urllib3 and codecs raise
                verdict: Verdict = delivery.judge_failure(failure, url)
            else:
                verdict = delivery.judge(answer, url)
            if isinstance(verdict, delivery.Retry) and not goes_on(verdict.cause):
                budget.close()
            return verdict

        policy = tenacity.Retrying(sleep=self._sleep, **delivery.retrying(budget))
        last = policy(attempt)
        return last, policy.statistics["attempt_number"], budget.spent()

    def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Answer:
        """Send one request and return its answer, or raise, within ``seconds``.

        :raises OSError: (requests' errors are ones) if the network failed.
        :raises urllib3.exceptions.HTTPError: likewise, where requests passes it on as it is.
        :raises AttemptTimeout: if the time was up before there was a status.
        """
        return _Attempt(self._session, method, f"{self._base_url}{path}", headers, body, seconds).run()


class _Attempt:
    """One request, in a thread that its caller can walk away from."""

    def __init__(
        self,
        session: requests.Session,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        seconds: float,
    ) -> None:
        self._session = session
        self._request = {"method": method, "url": url, "headers": dict(headers), "data": body}
        self._seconds = seconds
        self._answer: Answer | None = None
        self._failure: BaseException | None = None
        self._lock = threading.Lock()
        self._cut = False
        self._connection: Any = None

    def run(self) -> Answer:
        thread = threading.Thread(target=self._work, name="pagerduty-attempt", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # Python starts no thread while it shuts down
            self._work()
        else:
            try:
                thread.join(self._seconds)
            except BaseException:  # Airflow's task timeout, or Ctrl-C
                self._cut_off()
                raise
        if thread.is_alive():
            self._cut_off()
        # A status without its whole body is an answer too: at 202 PagerDuty has the event.
        if self._answer is not None:
            return self._answer
        if self._failure is not None and not self._cut:
            raise self._failure
        raise AttemptTimeout(f"no answer within {self._seconds:.1f} s")

    def _work(self) -> None:
        _current.attempt = self
        try:
            with self._session.request(
                **self._request,  # type: ignore[arg-type]
                timeout=(min(CONNECT_TIMEOUT, self._seconds), self._seconds),
                allow_redirects=False,
                stream=True,
            ) as response:
                self._note(delivery.Answer(response.status_code, response.headers))
                self._note(delivery.Answer(response.status_code, response.headers, _start_of(response)))
        except BaseException as failure:  # carried over to the caller's thread
            self._failure = failure

    def _note(self, answer: Answer) -> None:
        # Not after the cut: headers that it ended halfway look like whole ones.
        with self._lock:
            if not self._cut:
                self._answer = answer

    def hold(self, connection: Any) -> None:
        """Note the connection that is about to carry the request, or stop it if nobody waits any more."""
        with self._lock:
            if self._cut:
                raise ConnectionAbortedError("given up before anything was sent")
            self._connection = connection

    def _cut_off(self) -> None:
        with self._lock:
            self._cut = True
            sock = getattr(self._connection, "sock", None)
        if sock is not None:
            with suppress(OSError):  # it was closed already
                sock.shutdown(socket.SHUT_RDWR)


_current = threading.local()


def _start_of(response: requests.Response) -> bytes:
    body = b""
    with suppress(OSError, HTTPError):  # the status is known, and it alone decides
        for chunk in response.iter_content(MAX_ANSWER):
            body += chunk
            if len(body) >= MAX_ANSWER:
                break
    return body[:MAX_ANSWER]


def _session(base_url: str) -> requests.Session:
    session = requests.Session()
    route = route_to(base_url)
    session.trust_env = False  # the route says it all; .netrc must not
    session.proxies = dict(route.proxies)
    session.verify = route.verify
    adapter = _CutAdapter()
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


class _CutAdapter(HTTPAdapter):
    """Makes every connection ask its attempt before it sends."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _make_cuttable(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        _make_cuttable(manager)
        return manager


def _make_cuttable(manager: Any) -> None:
    manager.pool_classes_by_scheme = {
        scheme: _cuttable_pool(pool) for scheme, pool in manager.pool_classes_by_scheme.items()
    }


def _cuttable_pool(pool: Any) -> Any:
    if issubclass(pool.ConnectionCls, _Cuttable):
        return pool
    connection = type(f"Cuttable{pool.ConnectionCls.__name__}", (_Cuttable, pool.ConnectionCls), {})
    return type(pool.__name__, (pool,), {"ConnectionCls": connection})


class _Cuttable:
    """A urllib3 connection that sends nothing for an attempt that was given up."""

    def send(self, data: Any) -> None:
        attempt = getattr(_current, "attempt", None)
        if attempt is not None:
            if getattr(self, "sock", None) is None:
                self.connect()  # type: ignore[attr-defined]
            attempt.hold(self)
        super().send(data)  # type: ignore[misc]
