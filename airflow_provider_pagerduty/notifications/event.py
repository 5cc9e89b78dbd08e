"""What a notifier sends: what its user gave, over what ``alert`` says by itself.

Whatever is wrong with what the user gave is left out, and the alert's details say so: a page at three in the
morning is never lost to its own decoration.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, get_args

from airflow_provider_pagerduty import alert, deployment, settings
from airflow_provider_pagerduty.jsonable import to_jsonable
from airflow_provider_pagerduty.masking import redact
from airflow_provider_pagerduty.occasion import DedupScope, Occasion, read
from airflow_provider_pagerduty.payload import Action, prepare_event_data

log = logging.getLogger(__name__)

#: The name in the details under which the alert says what was left out of it.
LEFT_OUT = "left out of this alert"
#: Characters that one fault may take there.
MAX_FAULT = 300
_LISTS = ("links", "images")


@dataclass(slots=True)
class Faults:
    """What could not be sent as it was given, and why."""

    found: list[str] = field(default_factory=list)

    def add(self, what: str, error: Exception) -> None:
        """Note that a part is left out."""
        try:
            text = f"{what}: {type(error).__name__}: {error}"
        except Exception:  # the error is the user's, and so is its __str__
            text = f"{what}: {type(error).__name__}"
        text = str(redact(text))
        self.found.append(text if len(text) <= MAX_FAULT else f"{text[: MAX_FAULT - 1]}…")


@dataclass(frozen=True, slots=True)
class Given:
    """What the notifier was given, its templates rendered; None where it was given nothing.

    :param fields: arguments of ``create_event``, and ``runbook_url``.
    :param conn_id: the connection that the alert goes out with.
    :param only_on_recovery: send a resolve only if there was something to recover from; with None, where the
        alert is the default one.
    """

    fields: Mapping[str, Any]
    conn_id: str
    dedup_scope: DedupScope
    only_on_recovery: bool | None
    faults: Faults


def compose(given: Given, context: Mapping[str, Any], now: datetime) -> dict[str, Any] | None:
    """Return the event as PagerDuty wants it, without its key; or None if nothing is to be sent.

    :param context: what Airflow called back with.
    :param now: the time.
    """
    occasion = read(context)
    has_ended_well = occasion.outcome in ("succeeded", "skipped")
    action = _action(given, otherwise="resolve" if has_ended_well else "trigger")
    if action == "resolve" and has_ended_well:
        own_alert = _is_blank(given.fields["dedup_key"])
        only = own_alert if given.only_on_recovery is None else given.only_on_recovery
        if only:
            from airflow_provider_pagerduty.recovery import has_recovered

            if not has_recovered(occasion, given.dedup_scope):
                return None
    defaults = _defaults(occasion, given, now) | {"action": action}
    event = dict(defaults)
    try:
        event |= _given(given, defaults, occasion)
        _redact(event)
        return _built(event, given.faults)
    except ValueError:
        event = _without_what_is_faulty(event, defaults, given.faults)
    except Exception as error:  # values that break however they are touched
        given.faults.add("all that was given", error)
        event = dict(defaults)
    return _built(event, given.faults)


def _built(event: dict[str, Any], faults: Faults) -> dict[str, Any]:
    """Return the event as it is sent, with a word on what was left out of it.

    :raises ValueError: if PagerDuty would refuse it.
    """
    if faults.found:
        details = event["custom_details"]
        details = details if isinstance(details, dict) else {"details": details}
        event = event | {"custom_details": {LEFT_OUT: faults.found} | details}
    data = prepare_event_data(**event, action_key_name="event_action")
    if faults.found:
        log.warning("Left out of the PagerDuty alert: %s", "; ".join(faults.found))
    return data


def _action(given: Given, otherwise: str) -> str:
    """Return what to do; where that is none, what the occasion calls for, so that no success opens an alert."""
    text = _text("action", given)
    if text is None:
        return otherwise
    action = text.strip().lower()
    if action in get_args(Action):
        return action
    given.faults.add("action", ValueError(f"must be one of: {', '.join(get_args(Action))}; got {text!r}"))
    return otherwise


def _defaults(occasion: Occasion, given: Given, now: datetime) -> dict[str, Any]:
    try:
        said = alert.describe(occasion, now)
    except Exception as error:  # a context of a shape that nobody has seen yet
        given.faults.add("all that this alert says by itself", error)
        said = {
            "summary": f"{occasion.dag_id or 'A DAG'} {occasion.outcome}",
            "custom_details": {},
            "links": [],
        }
    return said | {
        "severity": settings.severity(),
        "source": deployment.name() or "airflow",
        "dedup_key": occasion.dedup_key(deployment.origin(given.conn_id), given.dedup_scope),
        "images": [],
    }


def _given(given: Given, defaults: Mapping[str, Any], occasion: Occasion) -> dict[str, Any]:
    """Return what the user gave, over and beside the defaults."""
    names = ("summary", "severity", "source", "group", "component", "class_type", "dedup_key", "runbook_url")
    event: dict[str, Any] = {name: text for name in names if (text := _text(name, given)) is not None}
    if "severity" in event:
        event["severity"] = event["severity"].strip().lower()
    if "dedup_key" in event and given.dedup_scope == "run" and occasion.run_id:
        event["dedup_key"] += f"@{occasion.run_id}"
    runbook = event.pop("runbook_url", None)
    links = [{"href": runbook, "text": "Runbook"}] if runbook else []
    event["links"] = [*_items("links", given), *links, *defaults["links"]]
    event["images"] = _items("images", given)
    details = given.fields["custom_details"]
    if isinstance(details, Mapping):
        event["custom_details"] = {**defaults["custom_details"], **details}
    elif isinstance(details, str) and details.strip():
        event["custom_details"] = details
    elif not _is_blank(details):
        event["custom_details"] = {**defaults["custom_details"], "details": details}
    return event


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _text(name: str, given: Given) -> str | None:
    """Return a field as PagerDuty wants it, as text; native rendering may have made it anything."""
    value = given.fields[name]
    if value is None:
        return None
    try:
        text = str(value)
    except Exception as error:  # the value is the user's, and so is its __str__
        given.faults.add(name, error)
        return None
    return text if text.strip() else None


def _items(name: str, given: Given) -> list[Any]:
    items = given.fields[name]
    if items is None:
        return []
    if not isinstance(items, (list, tuple)):
        given.faults.add(name, ValueError(f"must be a list, is a {type(items).__name__}"))
        return []
    return list(items)


def _without_what_is_faulty(
    event: dict[str, Any], defaults: Mapping[str, Any], faults: Faults
) -> dict[str, Any]:
    """Take back what PagerDuty would refuse; ``payload``, which knows that, is asked part by part."""
    sound = {"summary": "sound", "severity": "error", "dedup_key": "sound"}
    for name in [name for name in event if name not in _LISTS]:
        if error := _error_of(sound | {name: event[name]}):
            faults.add(name, error)
            event[name] = defaults.get(name)
    for name in _LISTS:
        kept = []
        for item in event[name]:
            if error := _error_of(sound | {name: [item]}):
                faults.add(name, error)
            else:
                kept.append(item)
        event[name] = kept
    error = _error_of(event)
    if error is None:
        return event
    faults.add("all that was given", error)  # each part is sound, and together they are too large
    return dict(defaults)


def _error_of(fields: Mapping[str, Any]) -> Exception | None:
    build: Callable[..., Any] = prepare_event_data
    try:
        build(**fields)
    except ValueError as error:
        return error
    return None


def _redact(event: dict[str, Any]) -> None:
    """Hide the secrets that Airflow knows of, in values that were no text when they were rendered."""
    # As JSON first: what would print itself only later could still say a secret then.
    event["custom_details"] = redact(to_jsonable(event["custom_details"], []))
