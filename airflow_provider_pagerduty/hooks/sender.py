"""Sends over urllib3, inside a budget that holds for name look-up, dripping answers and all.

One POST is an *attempt*. It goes over a connection that was kept, where there is one; to make one it gets a
thread of its own, because nothing else bounds ``getaddrinfo``. An attempt that is given up is cut: its
connection is shut down, also under a server that sends a byte a second, and one that was still looking up the
name or connecting sends nothing afterwards. So a page that was reported as failed cannot arrive later, out of
order.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import tenacity
import urllib3
from urllib3.exceptions import HTTPError

from airflow_provider_pagerduty import __version__, delivery
from airflow_provider_pagerduty.hooks import pools, stand_in
from airflow_provider_pagerduty.hooks.watch import Watch

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
        self._pools: urllib3.PoolManager | None = None
        self._watch = Watch()

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
            except Exception as failure:  # urllib3 passes on what sockets and codecs raise
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

        :raises OSError, urllib3.exceptions.HTTPError: if the network failed.
        :raises ValueError, ImportError: for an address or a proxy that cannot be one.
        :raises AttemptTimeout: if the time was up before there was a status.
        """
        url = f"{self._base_url}{path}"
        if stand_in.is_there():
            return stand_in.request(method, url, headers, body, seconds)
        may_be_kept = self._pools is not None
        if self._pools is None:
            self._pools = pools.pools_to(self._base_url)
        attempt = _Attempt(self._pools, method, url, headers, body, seconds)
        return attempt.run(self._watch if may_be_kept else None)


class _Attempt:
    """One request, which can be cut."""

    def __init__(
        self,
        kept: urllib3.PoolManager,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        seconds: float,
    ) -> None:
        self._pools = kept
        self._request: dict[str, Any] = {"method": method, "url": url, "headers": headers, "body": body}
        self._seconds = seconds
        self._answer: Answer | None = None
        self._failure: BaseException | None = None
        self._lock = threading.Lock()
        self._cut = False
        self._connection: Any = None
        self.may_connect = False

    def run(self, watch: Watch | None) -> Answer:
        """Return the answer, or raise.

        :param watch: who cuts it on a kept connection; None where there can be none yet.
        """
        if watch is not None:
            with watch.over(self.cut_off, self._seconds):
                self._work()
        if watch is None or isinstance(self._failure, pools.NotConnectedError):
            self._failure, self.may_connect = None, True
            self._run_in_thread()
        if self._failure is not None and not isinstance(self._failure, Exception):
            raise self._failure  # Airflow's task timeout, or Ctrl-C
        # A status without its whole body is an answer too: at 202 PagerDuty has the event.
        if self._answer is not None:
            return self._answer
        if self._failure is not None and not self._cut:
            raise self._failure
        raise AttemptTimeout(f"no answer within {self._seconds:.1f} s")

    def _run_in_thread(self) -> None:
        """Run it in a thread that its caller can walk away from."""
        thread = threading.Thread(target=self._work, name="pagerduty-attempt", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # Python starts no thread while it shuts down
            self._work()
        else:
            try:
                thread.join(self._seconds)
            except BaseException:  # Airflow's task timeout, or Ctrl-C
                self.cut_off()
                raise
        if thread.is_alive():
            self.cut_off()

    def _work(self) -> None:
        pools.current.attempt = self
        timeout = urllib3.Timeout(connect=min(CONNECT_TIMEOUT, self._seconds), read=self._seconds)
        try:
            response = self._pools.urlopen(
                **self._request, timeout=timeout, retries=False, redirect=False, preload_content=False
            )
            try:
                self._note(delivery.Answer(response.status, response.headers))
                self._note(delivery.Answer(response.status, response.headers, _start_of(response)))
            finally:
                response.close()  # one that was read to its end has given its connection back
        except BaseException as failure:  # carried over to the caller's thread
            self._failure = failure
        finally:
            pools.current.attempt = None

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

    def cut_off(self) -> None:
        """Stop it: nothing is sent any more, and nothing that comes counts."""
        with self._lock:
            self._cut = True
            sock = getattr(self._connection, "sock", None)
        if sock is not None:
            with suppress(OSError):  # it was closed already
                sock.shutdown(socket.SHUT_RDWR)


def _start_of(response: urllib3.BaseHTTPResponse) -> bytes:
    body = b""
    with suppress(OSError, HTTPError):  # the status is known, and it alone decides
        for chunk in response.stream(MAX_ANSWER, decode_content=True):
            body += chunk
            if len(body) >= MAX_ANSWER:
                break
    return body[:MAX_ANSWER]
