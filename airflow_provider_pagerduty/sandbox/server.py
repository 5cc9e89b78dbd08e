"""Runs the sandbox: for a person, in the foreground; for the demo and for tests, in a thread.

It binds the loopback and nothing else.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_provider_pagerduty.sandbox import events_api, readback
from airflow_provider_pagerduty.sandbox.account import PagerDuty

HOST = "127.0.0.1"
#: Seconds. Binding and starting take a few hundredths; a machine under load takes longer.
START_TIMEOUT = 20.0


def application(pagerduty: PagerDuty) -> Starlette:
    """Return the web application over one account."""

    async def unimplemented(request: Request) -> Response:
        message = f"The sandbox does not implement {request.method} {request.url.path}"
        return JSONResponse({"error": {"message": message, "code": 501}}, 501)

    everything_else = Route(
        "/{path:path}", unimplemented, methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    )
    return Starlette(routes=[*events_api.routes(pagerduty), *readback.routes(pagerduty), everything_else])


def bind(port: int) -> socket.socket:
    """Return a socket on the loopback.

    :param port: the port, or 0 for any free one.
    :raises OSError: if the port is taken.
    """
    # Named, because asyncio turns Nagle's 40 ms of delay off only for sockets that say they are TCP.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((HOST, port))
    except OSError:
        bound.close()
        raise
    return bound


def url_of(bound: socket.socket) -> str:
    """Return the base URL under which a bound socket is reached."""
    return f"http://{HOST}:{bound.getsockname()[1]}"


def _server(pagerduty: PagerDuty) -> uvicorn.Server:
    config = uvicorn.Config(
        application(pagerduty),
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        # Seconds. Without it, Ctrl-C waits for a client that never sends the rest of its request.
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)


def serve(port: int, rate_limit: int | None, announce: Callable[[str], None]) -> None:
    """Serve until interrupted.

    :param announce: is told the base URL, once connections are taken.
    """
    bound = bind(port)
    bound.listen()
    announce(url_of(bound))
    _server(PagerDuty(rate_limit)).run(sockets=[bound])


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A sandbox that is up: where, and what it holds."""

    url: str
    pagerduty: PagerDuty


@contextmanager
def running(pagerduty: PagerDuty | None = None, port: int = 0) -> Iterator[RunningSandbox]:
    """Run a sandbox in a thread for as long as the ``with`` block lasts.

    :raises RuntimeError: if it does not start within 20 seconds.
    """
    account = pagerduty or PagerDuty()
    with bind(port) as bound:
        server = _server(account)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        try:
            deadline = time.monotonic() + START_TIMEOUT
            while not server.started:
                if time.monotonic() > deadline or not thread.is_alive():
                    raise RuntimeError(f"the sandbox did not start within {START_TIMEOUT:g} s")
                time.sleep(0.01)
            yield RunningSandbox(url_of(bound), account)
        finally:
            server.should_exit = True
            server.force_exit = True
            thread.join(START_TIMEOUT)
