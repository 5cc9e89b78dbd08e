"""Who may come: no web page of another origin, and on an address that others reach, nobody without the token.

A page elsewhere can make a browser send requests to the loopback, also under a name of its own that it has
turned to point there (DNS rebinding); the ``Host`` and ``Origin`` that browsers send tell these apart.
PagerDuty's APIs ask for keys and tokens of their own, so the token here is for ``/`` and ``/sandbox`` alone.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Iterable, Sequence
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from airflow_provider_pagerduty.sandbox.faults import is_own

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
HEADER = "X-Sandbox-Token"
COOKIE = "pagerduty_sandbox_token"


class Guard:
    """An application that only those who may come reach.

    :param names: the hosts under which the sandbox is asked for, beside the loopback's.
    :param any_address: whether it is also asked for by any IP address, which no DNS can turn.
    :param token: what ``/`` and ``/sandbox`` demand; None for nothing.
    """

    def __init__(
        self,
        app: ASGIApp,
        names: Iterable[str] = (),
        *,
        any_address: bool = False,
        token: str | None = None,
    ) -> None:
        self._app = app
        self._names = {*LOOPBACK_NAMES, *(name.lower() for name in names)}
        self._any_address = any_address
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, or say why not."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if not hosts and scope.get("http_version") == "1.0" and "origin" not in headers:
            # HTTP/1.0 has no Host, and no browser speaks it.
            hosts = [min(self._names)]
        if len(hosts) != 1 or not self._is_own_host(_name_of(hosts[0])):
            known = ", ".join(sorted(self._names))
            return _no(421, f"The sandbox is not {', '.join(hosts)!r}: ask for it as {known}.")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != hosts[0].lower():
            return _no(403, f"A page of {origin!r} may not ask the sandbox: only its own page may.")
        if self._token is not None and is_own(scope["path"]):
            return self._token_refusal(scope, headers, self._token)
        return None

    def _is_own_host(self, name: str | None) -> bool:
        if name is None:
            return False
        return name in self._names or (self._any_address and _is_address(name))

    def _token_refusal(self, scope: Scope, headers: Headers, token: str) -> Response | None:
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        asked = [value for name, value in query if name == "token"]
        if asked and _same(asked[-1], token) and scope["method"] == "GET":
            rest = urlencode([(name, value) for name, value in query if name != "token"])
            # Away from an address with a secret in it, which a browser would remember.
            answer = RedirectResponse(scope["path"] + (f"?{rest}" if rest else ""), 303)
            answer.set_cookie(
                COOKIE, token, httponly=True, samesite="strict", secure=scope["scheme"] == "https"
            )
            answer.headers["Cache-Control"] = "no-store"
            answer.headers["Referrer-Policy"] = "no-referrer"
            return answer
        given = [headers.get(HEADER), _bearer(headers.get("authorization")), _cookie(headers)]
        if any(each is not None and _same(each, token) for each in given):
            return None
        return _no(
            401,
            "The sandbox's page and control need its token, which it printed when it started: send it as the "
            f"header '{HEADER}', or open the page once with ?token=….",
        )


def _name_of(host: str) -> str | None:
    try:
        parts = urlsplit(f"//{host}")
        is_plain = parts.port != 0 and parts.netloc == host and "@" not in host
    except ValueError:
        return None
    return parts.hostname if is_plain else None


def names_for(host: str, more: Sequence[str] = ()) -> list[str]:
    """Return the names and addresses under which a server on a host is reached.

    :param host: what it binds; every address for ``0.0.0.0`` and ``::``.
    """
    names = [*LOOPBACK_NAMES, host, *more]
    if is_wildcard(host):
        names.remove(host)
        names += [socket.gethostname(), *_own_addresses()]
    return list(dict.fromkeys(names))


def is_wildcard(host: str) -> bool:
    """Say whether binding a host means binding every address."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _own_addresses() -> list[str]:
    try:
        found = socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [str(each[4][0]).partition("%")[0] for each in found]


def is_loopback(name: str) -> bool:
    """Say whether a host is this machine itself, and nobody else reaches it."""
    return name.lower() == "localhost" or (_is_address(name) and ipaddress.ip_address(name).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())


def _bearer(authorization: str | None) -> str | None:
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _cookie(headers: Headers) -> str | None:
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return cookie.value if cookie else None


def _no(status: int, why: str) -> Response:
    return PlainTextResponse(f"{why}\n", status, {"Cache-Control": "no-store"})
