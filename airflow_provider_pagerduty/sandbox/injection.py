"""Makes faults happen: stands before the application and answers, waits or hangs up in its place.

Written for uvicorn, whose connection it closes where HTTP itself has no way to say nothing.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_pagerduty.sandbox.fault import Fault
from airflow_provider_pagerduty.sandbox.faults import Faults, api_of, is_own

#: Requests a minute. https://developer.pagerduty.com/docs/rest-api-rate-limits
REST_PER_MINUTE = 960


class FaultInjection:
    """An application in whose place things go wrong.

    :param closing: is set when the server ends; nobody is made to wait any longer then.
    """

    def __init__(self, app: ASGIApp, faults: Faults, closing: asyncio.Event) -> None:
        self._app = app
        self._faults = faults
        self._closing = closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or let the fault happen that it meets."""
        if not self._faults or scope["type"] != "http" or is_own(scope["path"]):
            await self._app(scope, receive, send)
            return
        body = None
        if self._faults.needs_key():
            body = await _read(receive)
            if body is None:
                return
        path = scope["path"]
        fault = self._faults.next_for(path, _key_in(body) if body else None)
        if body is not None:
            receive = _again(body, receive)
        if fault is None:
            await self._app(scope, receive, send)
        elif fault.kind == "refuse":
            await self._refuse(fault, scope, receive)
        elif fault.kind == "slow":
            await self._app(scope, receive, self._delayed(fault, send))
        elif await _read(receive) is not None:
            # Read to its end, or the connection could not be kept.
            answer = _status(fault) if fault.kind == "status" else _rate_limit(fault, path)
            await answer(scope, receive, send)

    async def _refuse(self, fault: Fault, scope: Scope, receive: Receive) -> None:
        if fault.when == "during":
            await receive()
        elif fault.when == "after":
            await self._app(scope, receive, _unheard)
        await _hang_up(receive)

    def _delayed(self, fault: Fault, send: Send) -> Send:
        async def delayed(message: Message) -> None:
            if message["type"] == "http.response.start":
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), fault.delay)
            await send(message)

        return delayed


async def _unheard(message: Message) -> None:
    """Take an answer, and tell nobody."""


class _Again:
    """A request's body, to be read a second time; then what the connection has to say."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self.connection = receive

    async def receive(self) -> Message:
        if self._body is None:
            return await self.connection()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


def _again(body: bytes, receive: Receive) -> Receive:
    return _Again(body, receive).receive


async def _read(receive: Receive) -> bytes | None:
    """Return a request's whole body; None if the client has gone."""
    read = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        read += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return read


def _key_in(body: bytes) -> str | None:
    try:
        key = json.loads(body)["routing_key"]
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
    return key if isinstance(key, str) else None


async def _hang_up(receive: Receive) -> None:
    connection: Any = getattr(receive, "__self__", None)
    if isinstance(connection, _Again):
        receive = connection.connection
        connection = getattr(receive, "__self__", None)
    # uvicorn gives the connection's own method to read with, whether h11 or httptools does the parsing.
    connection.transport.abort()
    # If we came back before it noticed, it would answer 500.
    while (await receive())["type"] != "http.disconnect":
        pass


def _status(fault: Fault) -> Response:
    assert fault.status is not None
    headers = _headers(fault)
    if fault.body is None or isinstance(fault.body, str):
        return Response(
            fault.body, fault.status, headers, media_type=None if fault.body is None else "text/plain"
        )
    return JSONResponse(fault.body, fault.status, headers)


def _headers(fault: Fault) -> dict[str, str]:
    return {name.lower(): text for name, text in (fault.headers or {}).items()}


def _rate_limit(fault: Fault, path: str) -> Response:
    headers = _headers(fault)
    if api_of(path) == "events":
        # Seen, all three; see ``events_api``.
        message = "Requests for this service are arriving too quickly.  Please retry later."
        body: dict[str, Any] = {
            "status": "throttle exceeded",
            "message": message,
            "errors": ["Enhance Your Calm."],
        }
        return JSONResponse(body, 429, headers)
    limit = REST_PER_MINUTE if fault.per_minute is None else fault.per_minute
    said = {"ratelimit-limit": str(limit), "ratelimit-remaining": "0", "ratelimit-reset": "60"}
    body = {"error": {"message": "Rate Limit Exceeded", "code": 2020}}
    return JSONResponse(body, 429, said | headers)
