"""The faults that are in force, and the control endpoint ``/sandbox/faults`` that adds and takes them back.

A fault never meets the sandbox's own addresses (``/`` and ``/sandbox/…``), so it can always be taken back.
What one is, is in ``fault``; how it happens, in ``injection``.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections import deque
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_provider_pagerduty.sandbox.account import RATE_WINDOW, PagerDuty
from airflow_provider_pagerduty.sandbox.fault import Api, Fault


@dataclass(slots=True)
class _Active:
    """A fault that is in force, and what is left of it."""

    number: int
    fault: Fault
    until: datetime | None
    left: int | None
    let_through: dict[str | None, deque[datetime]] = field(default_factory=dict)


class Faults:
    """The faults that are in force. Safe to use from several threads.

    Of several that a request meets, the one that was added first happens. An account that is cleared has none.
    """

    def __init__(self, pagerduty: PagerDuty) -> None:
        self._pagerduty = pagerduty
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._active: list[_Active] = []
        pagerduty.listeners = [*pagerduty.listeners, self._hear]

    def _hear(self, name: str, *_: object) -> None:
        if name == "clear":
            self.clear()

    def __bool__(self) -> bool:
        return bool(self._active)

    def add(self, fault: Fault) -> int:
        """Put a fault into force and return its number."""
        lasts = None if fault.seconds is None else timedelta(seconds=fault.seconds)
        with self._lock:
            until = None if lasts is None else self._pagerduty.clock() + lasts
            active = _Active(next(self._numbers), fault, until, fault.times)
            self._active.append(active)
        return active.number

    def remove(self, number: int) -> bool:
        """Take a fault back; say whether it was in force."""
        with self._lock:
            before = self._in_force()
            self._active = [each for each in before if each.number != number]
            return len(self._active) < len(before)

    def clear(self) -> None:
        """Take all faults back."""
        with self._lock:
            self._active = []

    def listed(self) -> list[dict[str, Any]]:
        """Return the faults that are in force, for people: a service's name stands for its key."""
        with self._lock:
            return [self._shown(each) for each in self._in_force()]

    def needs_key(self) -> bool:
        """Say whether one must know a request's integration key to know its fault."""
        kinds = [(each.fault.key, each.fault.per_minute) for each in self._active]
        return any(key is not None or per_minute is not None for key, per_minute in kinds)

    def next_for(self, path: str, key: str | None) -> Fault | None:
        """Return what goes wrong with a request, and count it."""
        with self._lock:
            for each in self._in_force():
                if self._meets(each, path, key):
                    if each.left is not None:
                        each.left -= 1
                    return each.fault
        return None

    def _in_force(self) -> list[_Active]:
        present = self._pagerduty.clock()
        self._active = [
            each for each in self._active if each.left != 0 and (each.until is None or present < each.until)
        ]
        return self._active

    def _meets(self, active: _Active, path: str, key: str | None) -> bool:
        fault = active.fault
        if fault.api not in (None, "all", api_of(path)) or (fault.key is not None and fault.key != key):
            return False
        if fault.path is not None and not path.startswith(fault.path):
            return False
        if fault.per_minute is None:
            return True
        present = self._pagerduty.clock()
        recent = active.let_through.setdefault(key, deque())
        while recent and recent[0] <= present - RATE_WINDOW:
            recent.popleft()
        if len(recent) >= fault.per_minute:
            return True
        recent.append(present)
        return False

    def _shown(self, active: _Active) -> dict[str, Any]:
        shown = {each.name: getattr(active.fault, each.name) for each in fields(Fault) if each.name != "key"}
        shown = {name: value for name, value in shown.items() if value is not None}
        if active.fault.key is not None:
            service = self._pagerduty.service_of(active.fault.key)
            shown["service"] = service.name if service else "one that has sent nothing yet"
        if active.left is not None:
            shown["times"] = active.left
        if active.until is not None:
            shown["seconds"] = (active.until - self._pagerduty.clock()).total_seconds()
        return {"id": active.number} | shown


def is_own(path: str) -> bool:
    """Say whether a path is the sandbox's own, which PagerDuty has no like of."""
    return path in ("/", "/favicon.ico", "/sandbox") or path.startswith("/sandbox/")


def api_of(path: str) -> Api:
    """Return the API of PagerDuty's that a path is of."""
    return "events" if path.startswith("/v2/") else "rest"


def routes(faults: Faults) -> list[Route]:
    """Return the control endpoint ``/sandbox/faults``."""

    async def add(request: Request) -> Response:
        try:
            given = json.loads(await request.body())
        except (ValueError, RecursionError) as error:
            return _refused(400, f"the body must be a JSON object, and is no JSON: {error}")
        try:
            number = faults.add(Fault.from_json(given))
        except ValueError as error:
            return _refused(400, str(error))
        return JSONResponse({"fault": {"id": number}}, 201, {"Location": f"/sandbox/faults/{number}"})

    async def listed(request: Request) -> Response:
        return JSONResponse({"faults": faults.listed()})

    async def clear(request: Request) -> Response:
        faults.clear()
        return Response(status_code=204)

    async def remove(request: Request) -> Response:
        number = request.path_params["number"]
        if not faults.remove(number):
            return _refused(404, f"no fault {number} is in force: GET /sandbox/faults lists those that are")
        return Response(status_code=204)

    return [
        Route("/sandbox/faults", add, methods=["POST"]),
        Route("/sandbox/faults", listed, methods=["GET"]),
        Route("/sandbox/faults", clear, methods=["DELETE"]),
        Route("/sandbox/faults/{number:int}", remove, methods=["DELETE"]),
    ]


def _refused(status: int, message: str) -> Response:
    return JSONResponse({"error": {"message": message, "code": status}}, status)
