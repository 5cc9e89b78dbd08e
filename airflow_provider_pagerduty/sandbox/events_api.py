"""Events API v2: ``/v2/enqueue`` and ``/v2/change/enqueue``, with PagerDuty's answers.

https://developer.pagerduty.com/docs/events-api-v2-overview. Error texts marked "seen" are PagerDuty's own as
users reported them, their spelling included; the others follow their pattern, as nothing documents them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_provider_pagerduty.sandbox.account import PagerDuty

#: Bytes. https://developer.pagerduty.com/docs/events-api-v2-overview ("512 KB").
MAX_BODY = 512_000
ACTIONS = ("trigger", "acknowledge", "resolve")
SEVERITIES = ("critical", "error", "warning", "info")
_TIMESTAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):?[0-5]\d)?", re.ASCII
)


def routes(pagerduty: PagerDuty) -> list[Route]:
    """Return the two endpoints over one account."""

    async def enqueue(request: Request) -> Response:
        return await _take(request, pagerduty, alert_errors, _accept_alert)

    async def enqueue_change(request: Request) -> Response:
        return await _take(request, pagerduty, change_errors, _accept_change)

    return [
        Route("/v2/enqueue", enqueue, methods=["POST"]),
        Route("/v2/change/enqueue", enqueue_change, methods=["POST"]),
    ]


async def _take(
    request: Request,
    pagerduty: PagerDuty,
    errors_in: Callable[[dict[str, Any]], list[str]],
    accept: Callable[[PagerDuty, dict[str, Any]], Response],
) -> Response:
    raw = await request.body()
    if len(raw) > MAX_BODY:
        # What PagerDuty itself answers here is documented nowhere; this is HTTP's own word for it.
        return _refusal(413, "invalid event", "Event object is invalid", [f"Body is over {MAX_BODY} bytes"])
    try:
        body = json.loads(raw)
        # Python also reads NaN, which is no JSON, and half a surrogate pair, which could not be read back.
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        return _refusal(400, "Unrecognized object", "Event object format is unrecognized", ["JSON parse error"])
    errors = errors_in(body)
    if errors:
        return _refusal(400, "invalid event", "Event object is invalid", errors)
    return accept(pagerduty, body)


def _accept_alert(pagerduty: PagerDuty, body: dict[str, Any]) -> Response:
    key = body.pop("routing_key")
    if pagerduty.strict and pagerduty.service_of(key) is None:
        return _unknown_key()
    if not pagerduty.admits(key):
        return _throttled()
    event = pagerduty.take_event(key, body)
    return _accepted(dedup_key=event.dedup_key)


def _accept_change(pagerduty: PagerDuty, body: dict[str, Any]) -> Response:
    key = body.pop("routing_key")
    if pagerduty.strict and pagerduty.service_of(key) is None:
        return _unknown_key()
    if not pagerduty.admits(key):
        return _throttled()
    pagerduty.take_change(key, body)
    return _accepted()


def _accepted(**more: str) -> Response:
    return JSONResponse({"status": "success", "message": "Event processed", **more}, 202)


def _refusal(code: int, status: str, message: str, errors: list[str]) -> Response:
    return JSONResponse({"status": status, "message": message, "errors": errors}, code)


def _unknown_key() -> Response:
    # Seen; elsewhere a 202 was seen for a well-formed key that is nobody's. What is lost should be noticed.
    return _refusal(400, "invalid event", "Event object is invalid", ["Invalid routing key"])


def _throttled() -> Response:
    # Seen, all three.
    message = "Requests for this service are arriving too quickly.  Please retry later."
    return _refusal(429, "throttle exceeded", message, ["Enhance Your Calm."])


def alert_errors(body: dict[str, Any]) -> list[str]:
    """Return why PagerDuty would refuse an alert event; empty if it would not."""
    errors = _key_errors(body.get("routing_key"))
    action = body.get("event_action")
    if _blank(action):
        errors.append("'event_action' is missing or blank")
    elif action not in ACTIONS:
        errors.append(f"'event_action' is invalid (must be one of the following: {_choices(ACTIONS)})")
    dedup_key = body.get("dedup_key")
    if dedup_key is not None and not isinstance(dedup_key, str):
        errors.append("'dedup_key' must be a string")
    elif dedup_key and len(dedup_key) > 255:
        errors.append("'dedup_key' is too long (maximum is 255 characters)")
    elif not dedup_key and action in ("acknowledge", "resolve"):
        errors.append("'dedup_key' is missing or blank")
    payload = body.get("payload")
    if payload is not None and not isinstance(payload, dict):
        errors.append("'payload' must be an object")
    elif action == "trigger":
        errors += _payload_errors(payload or {}, required=("summary", "source", "severity"))
        severity = (payload or {}).get("severity")
        if not _blank(severity) and severity not in SEVERITIES:
            errors.append(
                f"'payload.severity' is invalid (must be one of the following: {_choices(SEVERITIES)})"
            )
    errors += _list_errors(body.get("links"), "links", "href")
    errors += _list_errors(body.get("images"), "images", "src", "https://")
    return errors


def change_errors(body: dict[str, Any]) -> list[str]:
    """Return why PagerDuty would refuse a change event; empty if it would not."""
    key = body.get("routing_key")
    errors = _key_errors(key)
    if not errors and str(key).startswith("R"):
        errors.append("Change events are not supported for ruleset keys")
    payload = body.get("payload")
    if payload is not None and not isinstance(payload, dict):
        errors.append("'payload' must be an object")
    else:
        errors += _payload_errors(payload or {}, required=("summary",))
    errors += _list_errors(body.get("links"), "links", "href")
    errors += _list_errors(body.get("images"), "images", "src", "https://")
    return errors


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _choices(allowed: tuple[str, ...]) -> str:
    return ", ".join(f"'{each}'" for each in allowed)


def _key_errors(key: Any) -> list[str]:
    if _blank(key):
        return ["'routing_key' is missing or blank"]
    if not isinstance(key, str):
        return ["'routing_key' must be a string"]
    errors = []
    if len(key) != 32:
        errors.append("Length of 'routing_key' is incorrect (should be 32 characters)")  # seen
    if not (key.isascii() and key.isalnum()):
        errors.append("'routing_key' cannot contain non-alphanumeric characters.")  # seen
    return errors


def _payload_errors(payload: dict[str, Any], required: tuple[str, ...]) -> list[str]:
    errors = [f"'payload.{name}' is missing or blank" for name in required if _blank(payload.get(name))]  # seen
    texts = ("summary", "source", "severity", "component", "group", "class")
    errors += [
        f"'payload.{name}' must be a string" for name in texts if not isinstance(payload.get(name), str | None)
    ]
    summary = payload.get("summary")
    if isinstance(summary, str) and len(summary) > 1024:
        errors.append("'summary' is too long (maiximum is 1024 characters)")  # seen, with this spelling
    if not isinstance(payload.get("custom_details"), dict | str | list | None):
        errors.append("'payload.custom_details' must be an object")
    timestamp = payload.get("timestamp")
    if timestamp is not None and not _is_timestamp(timestamp):
        errors.append("'payload.timestamp' is invalid (must be in ISO 8601 format)")
    return errors


def _is_timestamp(value: Any) -> bool:
    match = _TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
    try:
        return match is not None and bool(datetime.fromisoformat(f"{match[1]}T{match[2]}"))
    except ValueError:
        return False


def _list_errors(items: Any, name: str, required: str, prefix: str = "") -> list[str]:
    if items is None:
        return []
    if not isinstance(items, list):
        return [f"'{name}' must be an array"]
    errors = []
    for index, item in enumerate(items):
        address = item.get(required) if isinstance(item, dict) else None
        if _blank(address) or not isinstance(address, str):
            errors.append(f"'{name}[{index}].{required}' is missing or blank")
        elif not address.lower().startswith(prefix):
            errors.append(f"'{name}[{index}].{required}' must begin with {prefix}")
    return errors
