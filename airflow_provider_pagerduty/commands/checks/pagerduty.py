"""Whether PagerDuty is reached, agrees about the time, and takes each connection's key and token."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from airflow_provider_pagerduty import delivery
from airflow_provider_pagerduty.commands.checks.finding import Finding
from airflow_provider_pagerduty.commands.checks.found import Found
from airflow_provider_pagerduty.commands.output import span
from airflow_provider_pagerduty.commands.run import one_line
from airflow_provider_pagerduty.hooks.endpoint import is_loopback
from airflow_provider_pagerduty.hooks.event import ALERT_PATH
from airflow_provider_pagerduty.hooks.pagerduty import PagerdutyHook
from airflow_provider_pagerduty.hooks.pagerduty_events import PagerdutyEventsHook
from airflow_provider_pagerduty.hooks.sender import USER_AGENT, Sender

#: Seconds that reaching PagerDuty may take; a key or token may take `[pagerduty] send_timeout`.
SECONDS = 5.0
#: Requests at the same time.
AT_ONCE = 8
#: Seconds by which this machine's clock may differ: less is of no consequence, more makes alerts' times wrong,
#: and much more lets certificates be refused.
CLOCK_WARNING, CLOCK_FAILURE = 30.0, 300.0


@dataclass(frozen=True, slots=True)
class _Reached:
    findings: list[Finding]
    is_there: bool


def check_pagerduty(found: Sequence[Found]) -> Iterator[Finding]:
    """Ask each PagerDuty that the connections lead to, and then whether it takes what they hold."""
    urls = dict.fromkeys(url for each in found for url in _urls(each))
    with ThreadPoolExecutor(AT_ONCE, "pagerduty-doctor") as pool:
        reached = dict(zip(urls, pool.map(_reach, urls), strict=True))
        yield from _once(reached)
        tests: list[tuple[str, Callable[[str], tuple[bool, str]]]] = []
        for each in found:
            if each.has_key and reached[f"{each.endpoint.events}{ALERT_PATH}"].is_there:
                tests.append((each.conn_id, _test_key))
            if each.has_token and reached[f"{each.endpoint.rest}/abilities"].is_there:
                tests.append((each.conn_id, _test_token))
        yield from pool.map(_test, tests)


def _once(reached: Mapping[str, _Reached]) -> Iterator[Finding]:
    """Yield what was found; of the clock and the loopback once for each host, which may serve both APIs."""
    hosts = set()
    for url, each in reached.items():
        host = urlsplit(url).netloc
        yield from (finding for finding in each.findings if finding.status == "failure" or host not in hosts)
        hosts.add(host)


def _urls(found: Found) -> Iterator[str]:
    if found.has_key:
        yield f"{found.endpoint.events}{ALERT_PATH}"
    if found.has_token:
        yield f"{found.endpoint.rest}/abilities"


def _reach(url: str) -> _Reached:
    """Ask for an answer, whatever it is: a GET changes nothing, and carries no credential here."""
    parts = urlsplit(url)
    base = f"{parts.scheme}://{parts.netloc}"
    began = time.time()
    try:
        answer = Sender(base).request("GET", url.removeprefix(base), {"User-Agent": USER_AGENT}, None, SECONDS)
    except Exception as failure:
        cause = delivery.judge_failure(failure, base).cause
        return _unreached(f"{cause}", "Check the network, the proxy (HTTPS_PROXY) and the firewall between.")
    ended = time.time()
    if 300 <= answer.status < 400 or answer.status == 407:
        what = (
            "wants a password for the proxy"
            if answer.status == 407
            else "sends elsewhere, which is not followed"
        )
        return _unreached(
            f"{base} {what} (HTTP {answer.status}).", "Check the base URL, and the proxy in between."
        )
    if (
        answer.status >= 500 and answer.status != 501
    ):  # which is what some say to a method that they do not know
        return _unreached(
            f"{base} answers HTTP {answer.status}.",
            "See https://status.pagerduty.com, or the proxy in between.",
        )
    findings = [Finding("reachability", "ok", f"{base} answers, in {(ended - began) * 1000:.0f} ms.")]
    if is_loopback(parts.hostname or ""):
        findings.append(
            Finding(
                "reachability",
                "note",
                f"{base} is this machine itself: a sandbox or a proxy. A sandbox pages nobody.",
            )
        )
    findings.append(_clock(base, answer, (began + ended) / 2))
    return _Reached(findings, is_there=True)


def _unreached(found: str, cure: str) -> _Reached:
    return _Reached([Finding("reachability", "failure", found, cure)], is_there=False)


def _clock(base: str, answer: delivery.Answer, now: float) -> Finding:
    """Compare this machine's clock with the ``Date`` of an answer, which knows whole seconds."""
    try:
        theirs = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return Finding("clock", "note", f"{base} does not say what time it is.")
    off = now - theirs
    if abs(off) <= CLOCK_WARNING:
        return Finding(
            "clock", "ok", f"This machine's clock agrees with that of {base} within {abs(off):.0f} s."
        )
    where = "ahead of" if off > 0 else "behind"
    return Finding(
        "clock",
        "warning" if abs(off) <= CLOCK_FAILURE else "failure",
        f"This machine's clock is {span(off)} {where} that of {base}.",
        "Let NTP set it: alerts would carry wrong times, and the outbox would wait or expire wrongly.",
    )


def _test(test: tuple[str, Callable[[str], tuple[bool, str]]]) -> Finding:
    conn_id, ask = test
    try:
        is_good, text = ask(conn_id)
    except Exception as error:
        is_good, text = False, one_line(error)
    if is_good:
        return Finding("credentials", "ok", f"{conn_id}: {text}")
    return Finding(
        "credentials",
        "failure",
        f"{conn_id}: {text}",
        f"Correct the connection {conn_id!r}, and run this again.",
    )


def _test_key(conn_id: str) -> tuple[bool, str]:
    return PagerdutyEventsHook(pagerduty_events_conn_id=conn_id).test_connection()


def _test_token(conn_id: str) -> tuple[bool, str]:
    return PagerdutyHook(pagerduty_conn_id=conn_id).test_connection()
