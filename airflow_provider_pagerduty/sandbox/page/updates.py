"""Tells a browser that the account has changed, as server-sent events; what changed, it asks the board.

https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from airflow_provider_pagerduty.sandbox.account import PagerDuty

#: Seconds between two events at least, however much happens.
GAP = 0.25
#: Seconds between two looks whether the server stops; a stream held open would hold it up.
TICK = 0.5
#: Seconds of quiet after which a comment is sent: a client that is gone is found out by it.
HEARTBEAT = 15.0
CHANGED = "data: changed\n\n"


class Updates(StreamingResponse):
    """A stream with one event now, and one whenever the account has changed.

    :param stopping: says whether the server is about to end.
    """

    def __init__(self, pagerduty: PagerDuty, stopping: Callable[[], bool]) -> None:
        super().__init__(self._stream(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})
        self._pagerduty = pagerduty
        self._stopping = stopping
        self._changed = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream, and listen to the account for as long as that lasts."""
        loop, changed = asyncio.get_running_loop(), self._changed

        def listen(*_command: Any) -> None:
            # Commands are given in any thread. One that is known to be untold already costs nothing more.
            if not changed.is_set():
                with suppress(RuntimeError):  # the loop has been closed meanwhile
                    loop.call_soon_threadsafe(changed.set)

        # New lists, as another thread may be going through the old one.
        self._pagerduty.listeners = [*self._pagerduty.listeners, listen]
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._pagerduty.listeners = [each for each in self._pagerduty.listeners if each is not listen]

    async def _stream(self) -> AsyncIterator[str]:
        # Milliseconds after which a browser that lost the connection comes back.
        yield f"retry: 1000\n{CHANGED}"
        sent = time.monotonic()
        while not self._stopping():
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), TICK)
            if self._changed.is_set():
                self._changed.clear()
                yield CHANGED
                await asyncio.sleep(GAP)
            elif time.monotonic() - sent < HEARTBEAT:
                continue
            else:
                yield ": still here\n\n"
            sent = time.monotonic()
