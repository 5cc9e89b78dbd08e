"""Runs the sandbox: for a person, in the foreground; for the demo and for tests, in a thread.

It binds the loopback, unless a person says otherwise; see ``guard`` for who may come then.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_provider_pagerduty.sandbox import events_api, faults, page, readback, rest
from airflow_provider_pagerduty.sandbox.account import PagerDuty
from airflow_provider_pagerduty.sandbox.faults import Faults
from airflow_provider_pagerduty.sandbox.guard import Guard, is_loopback, is_wildcard, names_for
from airflow_provider_pagerduty.sandbox.injection import FaultInjection
from airflow_provider_pagerduty.sandbox.rest.access import Access
from airflow_provider_pagerduty.sandbox.seed import seed

HOST = "127.0.0.1"
#: Seconds. Binding and starting take a few hundredths; a machine under load takes longer.
START_TIMEOUT = 20.0


def application(
    pagerduty: PagerDuty, in_force: Faults | None = None, access: Access | None = None
) -> Starlette:
    """Return the web application over one account.

    :param in_force: what its control endpoint adds faults to.
    :param access: the tokens that its REST API takes.
    """

    async def unimplemented(request: Request) -> Response:
        message = f"The sandbox does not implement {request.method} {request.url.path}"
        return JSONResponse({"error": {"message": message, "code": 501}}, 501)

    everything_else = Route(
        "/{path:path}", unimplemented, methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    )
    return Starlette(
        routes=[
            *events_api.routes(pagerduty),
            *readback.routes(pagerduty),
            *faults.routes(Faults(pagerduty) if in_force is None else in_force),
            *page.routes(pagerduty),
            *rest.routes(pagerduty, access),
            everything_else,
        ]
    )


def bind(port: int, host: str = HOST) -> socket.socket:
    """Return a socket on the loopback, or on another host's address.

    :param port: the port, or 0 for any free one.
    :raises OSError: if the port is taken, or the host is not this machine's.
    """
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    # Named, because asyncio turns Nagle's 40 ms of delay off only for sockets that say they are TCP.
    bound = socket.socket(family, kind, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def url_of(bound: socket.socket, scheme: str = "http", name: str | None = None) -> str:
    """Return the base URL under which a bound socket is reached.

    :param name: the host in it; by default the address that is bound, or this machine's name for all of them.
    """
    host, port = bound.getsockname()[:2]
    name = name or (socket.gethostname() if is_wildcard(host) else host)
    return f"{scheme}://{f'[{name}]' if ':' in name else name}:{port}"


class _Server(uvicorn.Server):
    """Says when it takes connections and signals, and ends without waiting for those who only listen."""

    def __init__(self, config: uvicorn.Config, closing: asyncio.Event) -> None:
        super().__init__(config)
        self.announce: Callable[[], None] = lambda: None
        self._closing = closing

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # Not before: a Ctrl-C that comes earlier leaves a warning behind.
        self.announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._closing.set()
        # One that is kept and idle is hung up on: over TLS, its client would be waited for to say goodbye.
        self._hang_up(
            [each for each in self._connections() if each.cycle is None or each.cycle.response_complete]
        )
        await super().shutdown(sockets)
        self._hang_up(self._connections())
        await asyncio.sleep(0)

    def _connections(self) -> list[Any]:
        return list(self.server_state.connections)

    @staticmethod
    def _hang_up(connections: list[Any]) -> None:
        for each in connections:
            each.transport.abort()


class BadOptions(ValueError):
    """Options that cannot be had; the text says which, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What one can ask of a sandbox in the foreground.

    :param host: the address to bind.
    :param names: more names under which it is asked for.
    :param tls: whether to speak https, with a certificate of its own authority.
    :param db: the file to keep the account in; None for memory.
    :param seeded: whether an empty account starts with incidents to look at.
    :param strict: take only the integration keys and tokens that are declared here or through the APIs.
    :param rate_limit: events per key and minute; None for no limit.
    :param token: what the page and the control endpoints demand; one is made for an address that others reach.
    """

    host: str = HOST
    port: int = 8765
    names: Sequence[str] = ()
    tls: bool = False
    db: Path | None = None
    seeded: bool = False
    strict: bool = False
    rate_limit: int | None = None
    keys: Sequence[str] = field(default=(), repr=False)
    account_tokens: Sequence[str] = field(default=(), repr=False)
    user_token: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A sandbox that is up: where, what it holds, and what goes wrong.

    :param ca_file: who vouches for its certificate, if it speaks https.
    :param user_token: a token of the user's who is on call, for the REST API.
    :param token: what its page and its control endpoints demand, if they do.
    """

    url: str
    pagerduty: PagerDuty
    faults: Faults
    ca_file: Path | None = None
    user_token: str = field(default="", repr=False)
    token: str | None = field(default=None, repr=False)


def serve(options: Options, announce: Callable[[RunningSandbox], None]) -> None:
    """Serve until interrupted; a SIGTERM ends the process as by itself, once all is put away.

    :param announce: is told where it is, once connections are taken.
    :raises BadOptions: if they do not go together, or the file cannot be used.
    :raises OSError: if the host or port cannot be bound.
    """
    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        with ExitStack() as stack:
            pagerduty = PagerDuty(options.rate_limit, strict=options.strict)
            bound = stack.enter_context(bind(options.port, options.host))
            # Before the file is opened: who asked for a port that is taken may have meant another file too.
            bound.listen()
            if options.db is not None:
                stack.enter_context(_kept(pagerduty, options.db))
            if options.seeded:
                seed(pagerduty)
            _declare(pagerduty, options.keys)
            server, sandbox = stack.enter_context(_prepared(pagerduty, bound, options))
            server.announce = lambda: announce(sandbox)
            server.run(sockets=[bound])
    except _Terminated:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, previous)


def _declare(pagerduty: PagerDuty, keys: Sequence[str]) -> None:
    """Make sure of these keys' services, now and whenever the account is cleared."""

    def declare(name: str = "clear", *_: object) -> None:
        for key in keys if name == "clear" else ():
            if pagerduty.service_of(key) is None:
                pagerduty.declare_key(key)

    declare()
    pagerduty.listeners = [*pagerduty.listeners, declare]


@contextmanager
def _kept(pagerduty: PagerDuty, path: Path) -> Iterator[None]:
    from airflow_provider_pagerduty.sandbox import journal  # brings SQLAlchemy

    with ExitStack() as stack:
        try:
            stack.enter_context(journal.kept(pagerduty, path))
        except journal.JournalError as error:
            raise BadOptions(str(error)) from error
        yield


class _Terminated(BaseException):
    """A SIGTERM came."""


def _terminate(*_: object) -> None:
    raise _Terminated


@contextmanager
def running(
    pagerduty: PagerDuty | None = None, port: int = 0, *, tls: bool = False, token: str | None = None
) -> Iterator[RunningSandbox]:
    """Run a sandbox in a thread for as long as the ``with`` block lasts.

    :param tls: whether to speak https, with a certificate of its own authority.
    :param token: what the page and the control endpoints demand.
    :raises RuntimeError: if it does not start within 20 seconds.
    """
    options = Options(port=port, tls=tls, token=token)
    account = PagerDuty() if pagerduty is None else pagerduty
    with bind(port) as bound, _prepared(account, bound, options) as (server, sandbox):
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        try:
            deadline = time.monotonic() + START_TIMEOUT
            while not server.started:
                if time.monotonic() > deadline or not thread.is_alive():
                    raise RuntimeError(f"the sandbox did not start within {START_TIMEOUT:g} s")
                time.sleep(0.01)
            yield sandbox
        finally:
            server.should_exit = True
            server.force_exit = True
            thread.join(START_TIMEOUT)


@contextmanager
def _prepared(
    pagerduty: PagerDuty, bound: socket.socket, options: Options
) -> Iterator[tuple[_Server, RunningSandbox]]:
    """Put the server together around an account; what it wrote is away when the block ends."""
    host = bound.getsockname()[0]
    token = options.token
    if not is_loopback(host):
        if not options.tls:
            raise BadOptions(
                f"--host {options.host} is reached from elsewhere: give --tls too, or leave it out"
            )
        token = token or secrets.token_urlsafe(24)
    names = names_for(host, options.names)
    in_force = Faults(pagerduty)
    user_token = options.user_token or f"u+{secrets.token_urlsafe(14)}"
    access = Access(
        user_tokens={user_token: pagerduty.directory.default_user_id},
        account_tokens=frozenset(options.account_tokens) if pagerduty.strict else None,
    )
    closing = asyncio.Event()
    app = application(pagerduty, in_force, access)
    app.state.stopping = closing.is_set
    guarded = Guard(FaultInjection(app, in_force, closing), names, any_address=is_wildcard(host), token=token)
    with ExitStack() as stack:
        config = uvicorn.Config(
            guarded,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            # Seconds. Without it, Ctrl-C waits for a client that never sends the rest of its request.
            timeout_graceful_shutdown=1,
        )
        ca_file = None
        if options.tls:
            from airflow_provider_pagerduty.sandbox.certificates import make_context  # brings trustme

            if options.db is None:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pagerduty-sandbox-")))
                ca_file = folder / "authority.pem"
            else:
                # The same place at each start, so that what was told to trust it goes on.
                ca_file = options.db.with_name(f"{options.db.name}.authority.pem").absolute()
            config.load()
            # So, and not by uvicorn's options, the certificate's private key is in no file.
            config.ssl = make_context(names, ca_file)
        url = url_of(bound, "https" if options.tls else "http")
        yield (
            _Server(config, closing),
            RunningSandbox(url, pagerduty, in_force, ca_file, user_token, token),
        )
