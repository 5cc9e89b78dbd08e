"""Arguments in, Events API v2 JSON out: validation, cutting to length, and the whole body's size.

Pure: no Airflow, no HTTP, no clock. What a caller can put right is a :class:`ValueError` that names the
field; what can be mended is mended, with one warning in the log. How values become JSON is in ``jsonable``.

Fields and limits: https://developer.pagerduty.com/docs/send-alert-event and
https://developer.pagerduty.com/docs/send-change-event.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Literal, get_args

from airflow_provider_pagerduty.jsonable import MAX_SIZE, encode, is_text, to_jsonable, to_text

log = logging.getLogger(__name__)

Action = Literal["trigger", "acknowledge", "resolve"]
Severity = Literal["critical", "error", "warning", "info"]

#: Characters. https://developer.pagerduty.com/docs/send-alert-event, ``payload.summary``.
MAX_SUMMARY = 1024
#: Characters. https://developer.pagerduty.com/docs/send-alert-event, ``dedup_key``.
MAX_DEDUP_KEY = 255
#: Bytes of the whole body ("512 KB", of which we take the smaller reading).
#: https://developer.pagerduty.com/docs/events-api-v2-overview.
MAX_BODY = 512_000
#: Bytes kept free for what is added to the event later: the routing key and a generated dedup_key.
ENVELOPE = 1_024

LEFT_OUT = "left out"


def prepare_event_data(
    summary: str,
    severity: str,
    source: str = "airflow",
    custom_details: Any = None,
    component: str | None = None,
    group: str | None = None,
    class_type: str | None = None,
    action: str = "trigger",
    dedup_key: str | None = None,
    images: Sequence[Mapping[str, Any]] | None = None,
    links: Sequence[Mapping[str, Any]] | None = None,
    action_key_name: str = "action",
    *,
    timestamp: datetime | str | None = None,
    client: str | None = None,
    client_url: str | None = None,
) -> dict[str, Any]:
    """Build an alert event without its routing key. What the caller hands in is never changed.

    :param summary: what happened. Cut to 1,024 characters.
    :param severity: ``critical``, ``error``, ``warning`` or ``info``.
    :param source: the affected system, such as a host or a deployment.
    :param custom_details: a dictionary (PagerDuty shows a table) or a string (sent as it is). Values that
        JSON cannot hold become text. The largest give way where the body would be over 512,000 bytes.
    :param component: the part of the system that is affected.
    :param group: a cluster of sources.
    :param class_type: the kind of event, sent as ``class``.
    :param action: ``trigger``, ``acknowledge`` or ``resolve``.
    :param dedup_key: which alert this is about; required for acknowledge and resolve. One of over 255
        characters becomes its readable start and a hash, the same each time.
    :param images: ``[{"src": "https://…", "href": …, "alt": …}]``; ``src`` is required and https.
    :param links: ``[{"href": …, "text": …}]``; ``href`` is required.
    :param action_key_name: the name under which the action stands in the result.
    :param timestamp: when it happened, a datetime (one without a zone is UTC) or ISO 8601 text with date and
        time; the time of arrival where not given.
    :param client: what monitors the system. Goes with a trigger only.
    :param client_url: where to find that. Goes with a trigger only.
    :return: ``{action_key_name: …, "payload": {…}, "dedup_key": …, "images": […], "links": […], "client": …,
        "client_url": …}``, the last five only where given.
    :raises ValueError: for a value that PagerDuty would refuse and that cannot be mended.
    """
    action = _choice("action", action, get_args(Action))
    severity = _choice("severity", severity, get_args(Severity))
    mended: list[str] = []
    payload = {
        "summary": _summary(summary, mended),
        "severity": severity,
        "source": _text("source", source),
    }
    for key, name, value in (
        ("component", "component", component),
        ("group", "group", group),
        ("class", "class_type", class_type),
    ):
        if not _is_blank(value):
            payload[key] = _text(name, value)
    if not _is_blank(timestamp):
        payload["timestamp"] = _timestamp(timestamp)
    data: dict[str, Any] = {action_key_name: action, "payload": payload}
    for name, value in (("client", client), ("client_url", client_url)):
        if not _is_blank(value) and action == "trigger":  # PagerDuty knows them with no other action
            data[name] = _text(name, value)
    if not _is_blank(dedup_key):
        data["dedup_key"] = _dedup_key(dedup_key, mended)
    elif action != "trigger":
        raise ValueError(
            f"The dedup_key property is required for {action_key_name}={action} events, and it must be a "
            f"string. Give the dedup_key of the alert to {action}."
        )
    if images is not None:
        data["images"] = _items("images", images, "src", "https://", mended)
    if links is not None:
        data["links"] = _items("links", links, "href", "", mended)
    return _finish(data, custom_details, mended)


def prepare_change_event_data(
    summary: str,
    source: str = "airflow",
    custom_details: Any = None,
    timestamp: datetime | str | None = None,
    links: Sequence[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Build a change event without its routing key. What the caller hands in is never changed.

    :param summary: what changed. Cut to 1,024 characters.
    :param source: where it changed.
    :param custom_details: as for :func:`prepare_event_data`.
    :param timestamp: when it changed, a datetime (one without a zone is UTC) or ISO 8601 text with date and
        time; the time of arrival where not given.
    :param links: ``[{"href": …, "text": …}]``; ``href`` is required.
    :return: ``{"payload": {…}, "links": […]}``, the links only where given.
    :raises ValueError: for a value that PagerDuty would refuse and that cannot be mended.
    """
    mended: list[str] = []
    payload = {"summary": _summary(summary, mended), "source": _text("source", source)}
    if not _is_blank(timestamp):
        payload["timestamp"] = _timestamp(timestamp)
    data: dict[str, Any] = {"payload": payload}
    if links is not None:
        data["links"] = _items("links", links, "href", "", mended)
    return _finish(data, custom_details, mended)


def _finish(data: dict[str, Any], details: Any, mended: list[str]) -> dict[str, Any]:
    if details is not None:
        converted: list[str] = []
        jsonable = to_jsonable(details, converted)
        if isinstance(jsonable, (bool, int, float)):  # alone, PagerDuty takes no such thing
            converted.append(type(jsonable).__name__)
            jsonable = encode(jsonable).decode()
        data["payload"]["custom_details"] = jsonable
        if converted:
            mended.append(f"custom_details: made JSON of {', '.join(sorted(set(converted)))}")
    _fit(data, mended)
    if mended:
        log.warning("PagerDuty would not take this event as it was given; changed %s.", "; ".join(mended))
    return data


def _is_blank(value: Any) -> bool:
    return value is None or (is_text(value) and not to_text(value).strip())


def _shown(value: Any) -> str:
    """Show a faulty value in an error, short."""
    try:
        text = repr(value)
    except Exception:  # the value is the caller's, and so is its repr
        text = f"an unprintable {type(value).__name__}"
    return text if len(text) <= 100 else f"{text[:99]}…"


def _choice(field: str, value: Any, allowed: tuple[str, ...]) -> str:
    text = to_text(value) if is_text(value) else ""
    if text in allowed:
        return text
    hint = f" Write it as {text.strip().lower()!r}." if text.strip().lower() in allowed else ""
    raise ValueError(f"Event {field} must be one of: {', '.join(allowed)}; got {_shown(value)}.{hint}")


def _text(field: str, value: Any) -> str:
    if not is_text(value):
        raise ValueError(f"{field} must be a string, got {_shown(value)}. Write str(…) around it.")
    if _is_blank(value):
        raise ValueError(f"{field} is blank ({_shown(value)}): PagerDuty needs some text there.")
    return to_text(value)


def _summary(value: Any, mended: list[str]) -> str:
    text = _text("summary", value)
    if len(text) > MAX_SUMMARY:
        mended.append(f"summary: cut from {len(text)} to {MAX_SUMMARY} characters")
        text = f"{text[: MAX_SUMMARY - 1]}…"
    return text


def _dedup_key(value: Any, mended: list[str]) -> str:
    text = _text("dedup_key", value)
    if len(text) > MAX_DEDUP_KEY:
        mended.append(f"dedup_key: {len(text)} characters made {MAX_DEDUP_KEY} (its start and a hash)")
    return shorten_dedup_key(text)


def shorten_dedup_key(key: str) -> str:
    """Return a key of at most 255 characters: a longer one's readable start and a hash of all of it."""
    if len(key) <= MAX_DEDUP_KEY:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"{key[: MAX_DEDUP_KEY - len(digest) - 1]}-{digest}"


#: ISO 8601 with a date, a time and (optionally) a zone, in the spellings that PagerDuty's examples use.
_ISO_8601 = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})[Tt ](?P<time>\d{2}:\d{2}(:\d{2})?)(?P<fraction>[.,]\d{1,9})?"
    r"(?P<zone>[Zz]|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)?",
    re.ASCII,
)


def _timestamp(value: Any) -> str:
    match = _ISO_8601.fullmatch(to_text(value).strip() if is_text(value) else _isoformat(value))
    if match is None or not _is_on_the_calendar(match):
        raise ValueError(
            f"timestamp must be a datetime or ISO 8601 text such as '2026-08-01T09:30:00+00:00', "
            f"got {_shown(value)}."
        )
    zone = match["zone"] or "+00:00"
    if len(zone) == len("+02"):
        zone = f"{zone}:00"
    return f"{match['date']}T{match['time']}{(match['fraction'] or '').replace(',', '.')}{zone.upper()}"


def _isoformat(value: Any) -> str:
    try:
        if not isinstance(value, datetime):
            return ""
        offset = value.utcoffset()
        if offset is not None and offset % timedelta(minutes=1):
            # Local mean time, as of old dates, is some seconds off, which ISO 8601 cannot write.
            value = value.astimezone(timezone.utc)
        return str(value.isoformat())
    except Exception:  # the zone may be the caller's own, and UTC may be beyond the calendar's end
        return ""


def _is_on_the_calendar(match: re.Match[str]) -> bool:
    try:
        datetime.fromisoformat(f"{match['date']}T{match['time']}")
    except ValueError:
        return False
    return True


def _items(field: str, items: Any, required: str, prefix: str, mended: list[str]) -> list[dict[str, Any]]:
    """Check links or images: each a dictionary with an address under the key that PagerDuty requires."""
    form = f'[{{"{required}": "{prefix or "https://"}…"}}]'
    try:
        listed = list(items) if isinstance(items, Sequence) and not isinstance(items, (str, bytes)) else None
    except Exception:  # a list of the caller's own that cannot be read
        listed = None
    if listed is None:
        raise ValueError(f"{field} must be a list like {form}, got {_shown(items)}.")
    checked: list[dict[str, Any]] = []
    for index, item in enumerate(listed):
        given = _dictionary(item)
        address = to_text(given[required]).strip() if is_text(given.get(required)) else ""
        if len(address) <= len(prefix) or not address.lower().startswith(prefix):
            what = f"an address that begins with {prefix}" if prefix else "an address"
            raise ValueError(
                f"{field}[{index}] must be a dictionary with {what} under {required!r}, got {_shown(item)}."
            )
        converted: list[str] = []
        checked.append({**to_jsonable(given, converted), required: address})
        if converted:
            mended.append(f"{field}[{index}]: made JSON of {', '.join(sorted(set(converted)))}")
    return checked


def _dictionary(item: Any) -> dict[Any, Any]:
    try:
        return dict(item) if isinstance(item, Mapping) else {}
    except Exception:  # a mapping of the caller's own that cannot be read
        return {}


def _fit(data: dict[str, Any], mended: list[str]) -> None:
    """Bring the body under PagerDuty's size; the largest details give way first, and a note says which."""
    limit = MAX_BODY - ENVELOPE
    size = len(encode(data))
    if size <= limit:
        return
    payload = data["payload"]
    details = payload.pop("custom_details", None)
    room = limit - len(encode(data)) - len(b',"custom_details":')
    if room < ENVELOPE:
        fields = {**{k: v for k, v in data.items() if k != "payload"}, **payload}
        field, largest = max(((k, len(encode(v))) for k, v in fields.items()), key=lambda pair: pair[1])
        raise ValueError(
            f"{field} is {largest} bytes: with it the event is over the {MAX_BODY} bytes that PagerDuty "
            "takes. Make it shorter, or put it into custom_details, which is cut to fit."
        )
    if isinstance(details, dict):
        payload["custom_details"] = _fit_details(details, room)
    elif isinstance(details, str):
        payload["custom_details"] = _cut(details, room)
    else:
        payload["custom_details"] = _fit_list(details, room)
    mended.append(f"custom_details: left out the largest, as the body had {_bytes(size)} of {MAX_BODY} allowed")


def _bytes(size: int) -> str:
    # to_jsonable looks no further into one detail.
    return f"{size} bytes" if size <= MAX_SIZE else f"over {MAX_SIZE} bytes"


def _fit_details(details: dict[str, Any], room: int) -> dict[str, Any]:
    """Shorten the largest values until all fit into ``room`` bytes: texts keep their start, others go."""
    sizes = {key: len(encode({key: value})) for key, value in details.items()}
    note_room = min(4_096, room)
    over = sum(sizes.values()) - (room - note_room)
    kept = dict(details)
    notes = []
    for key in sorted(sizes, key=lambda key: sizes[key], reverse=True):
        if over <= 0:
            break
        value = details[key]
        spare = sizes[key] - over - len(encode({key: ""}))
        if isinstance(value, str) and spare > 1_000:
            kept[key] = _cut(value, spare)
            over -= sizes[key] - len(encode({key: kept[key]}))
        else:
            del kept[key]
            over -= sizes[key]
        notes.append(f"{key if len(key) <= 100 else key[:99] + '…'} ({_bytes(sizes[key])})")
    shown = notes[:20] + ([f"and {len(notes) - 20} more"] if len(notes) > 20 else [])
    kept[LEFT_OUT if LEFT_OUT not in kept else f"{LEFT_OUT} by size"] = _cut(", ".join(shown), note_room - 100)
    return kept


def _fit_list(details: list[Any], room: int) -> list[Any]:
    """Leave the largest items out until the others fit into ``room`` bytes; the last one says how many."""
    sizes = [len(encode(item)) + len(b",") for item in details]
    left_out: set[int] = set()
    over = sum(sizes) + 200 - room
    for index in sorted(range(len(sizes)), key=lambda index: sizes[index], reverse=True):
        if over <= 0:
            break
        left_out.add(index)
        over -= sizes[index]
    kept = [item for index, item in enumerate(details) if index not in left_out]
    return [*kept, {LEFT_OUT: f"the largest {len(left_out)} of {len(details)} items"}]


def _cut(text: str, room: int) -> str:
    """Cut a text so that its JSON takes at most ``room`` bytes, and say how much there was."""
    if len(encode(text)) <= room:
        return text
    note = f"… [cut: {len(text)} characters in all]"
    # A character takes up to six bytes in JSON, so the longest start that fits is searched, not computed.
    low, high = 0, min(len(text), room)
    while low < high:
        middle = (low + high + 1) // 2
        if len(encode(text[:middle] + note)) <= room:
            low = middle
        else:
            high = middle - 1
    return text[:low] + note
