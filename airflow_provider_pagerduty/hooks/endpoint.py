"""Where PagerDuty is: a service region, or a base URL of one's own; and the way there (proxy, certificates).

Regions: https://support.pagerduty.com/main/docs/service-regions.
"""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The two addresses of one PagerDuty, without a slash at the end.

    :param region: ``us`` or ``eu``; None where a base URL serves both.
    """

    rest: str
    events: str
    region: str | None = None


REGIONS = {
    "us": Endpoint("https://api.pagerduty.com", "https://events.pagerduty.com", "us"),
    "eu": Endpoint("https://api.eu.pagerduty.com", "https://events.eu.pagerduty.com", "eu"),
}


def of_region(name: str, field: str) -> Endpoint:
    """Return a service region's endpoint.

    :param name: ``us`` or ``eu``, in any case.
    :param field: where the name stood, for the error.
    :raises ValueError: if there is no such region.
    """
    endpoint = REGIONS.get(name.strip().lower())
    if endpoint is None:
        raise ValueError(f"{field} must be one of: {', '.join(REGIONS)}; got {name!r}.")
    return endpoint


def of_base_url(url: str, field: str, port: int | None = None) -> Endpoint:
    """Return the endpoint behind a base URL, which serves REST and events alike.

    :param url: https, or http to this machine itself (``localhost``, 127/8 or ::1). A bare host means https.
    :param field: where the URL stood, for the error.
    :param port: the port, where the URL names none.
    :raises ValueError: for anything else, without showing what might be a password.
    """
    text = url.strip()
    if "://" not in text:
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        host, own_port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"{field} is no URL: write it like https://pagerduty-proxy.example.com.") from None
    if "@" in parts.netloc:
        raise ValueError(
            f"{field} holds a user name or password, which would show up in logs: leave out all before the @."
        )
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(f"{field} must begin with https:// and name a host; got {url!r}.")
    if parts.query or parts.fragment:
        raise ValueError(f"{field} must end with its path: leave out the ? or #, and all behind it.")
    if not _is_host(host):
        raise ValueError(f"{field} must name a host that can be one; got {host!r}.")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError(
            f"{field} is plain http to another machine, which would show the key to the network; "
            f"use https://{parts.netloc}{parts.path} (http goes to localhost, 127.0.0.1 or [::1] only)."
        )
    if port and own_port is None:
        parts = parts._replace(netloc=f"{parts.netloc}:{port}")
    base = parts.geturl().rstrip("/")
    return Endpoint(base, base)


def _is_host(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        try:
            name = host.encode("idna").decode()
        except UnicodeError:  # an empty label, as in a..b, or one that is too long
            return False
        return re.fullmatch(r"[A-Za-z0-9._-]+", name) is not None
    return True


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine by its very name: no look-up is asked, none could be trusted."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback if address.version == 4 else address == ipaddress.ip_address("::1")


@dataclass(frozen=True, slots=True)
class Route:
    """The way to a URL, as requests takes it from the environment; both senders go by it.

    :param proxies: by scheme, as requests wants them.
    :param proxy: the one of them that this URL takes, with its scheme, as httpx wants it.
    :param verify: a file or folder of trusted authorities, or True for certifi's.
    """

    proxies: dict[str, str]
    proxy: str | None
    verify: str | bool


def route_to(url: str) -> Route:
    """Return the proxies (none to the loopback, ever) and the certificates to trust for a URL.

    Senders ask this and not requests' ``trust_env``, because that also reads ``.netrc``, which would replace
    the token.
    """
    verify: str | bool = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
    if is_loopback(urlsplit(url).hostname or "") or not getproxies():
        return Route({}, None, verify)
    from requests.utils import get_environ_proxies, select_proxy

    proxies = dict(get_environ_proxies(url))
    proxy = select_proxy(url, proxies)
    return Route(proxies, f"http://{proxy}" if proxy and "://" not in proxy else proxy, verify)
