"""urllib3's pools of connections to one PagerDuty: the way there, whom to trust, and how a send is stopped.

urllib3 alone: requests, which stands on it, costs half as much again at a cold process's first page, and twice
the memory.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import certifi
import urllib3

from airflow_provider_pagerduty.hooks.endpoint import route_to

#: Connections that are kept, for as many threads with one hook.
MOST_CONNECTIONS = 10
#: Its ``attempt`` is the one that this thread works for.
current = threading.local()


def pools_to(base_url: str) -> urllib3.PoolManager:
    """Return pools whose connections ask their attempt before they send.

    :raises ValueError, ImportError: for a proxy that cannot be one.
    """
    route = route_to(base_url)
    trusted = certifi.where() if route.verify is True else str(route.verify)
    options: dict[str, Any] = {"cert_reqs": "CERT_REQUIRED", "maxsize": MOST_CONNECTIONS}
    options["ca_cert_dir" if Path(trusted).is_dir() else "ca_certs"] = trusted
    manager = _through(route.proxy, options) if route.proxy else urllib3.PoolManager(**options)
    manager.pool_classes_by_scheme = {
        scheme: _cuttable_pool(pool) for scheme, pool in manager.pool_classes_by_scheme.items()
    }
    return manager


def _through(proxy: str, options: dict[str, Any]) -> urllib3.PoolManager:
    if proxy.lower().startswith("socks"):
        from urllib3.contrib.socks import SOCKSProxyManager

        return SOCKSProxyManager(proxy, **options)
    parts = urlsplit(proxy)
    if not parts.username:
        return urllib3.ProxyManager(proxy, **options)
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return urllib3.ProxyManager(proxy, proxy_headers=urllib3.make_headers(proxy_basic_auth=login), **options)


def _cuttable_pool(pool: Any) -> Any:
    connection = type(f"Cuttable{pool.ConnectionCls.__name__}", (_Cuttable, pool.ConnectionCls), {})
    return type(pool.__name__, (pool,), {"ConnectionCls": connection})


class NotConnectedError(Exception):
    """No kept connection is there, and the attempt may not make one."""


class _Cuttable:
    """A urllib3 connection that sends nothing for an attempt that was given up."""

    def connect(self) -> None:
        attempt = getattr(current, "attempt", None)
        if attempt is not None and not attempt.may_connect:
            raise NotConnectedError
        super().connect()  # type: ignore[misc]

    def send(self, data: Any) -> None:
        attempt = getattr(current, "attempt", None)
        if attempt is not None:
            if getattr(self, "sock", None) is None:
                self.connect()
            attempt.hold(self)
        super().send(data)  # type: ignore[misc]
