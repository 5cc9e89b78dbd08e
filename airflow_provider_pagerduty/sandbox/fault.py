"""One fault: what goes wrong, for which requests, and until when; ill-made ones are refused.

Which are in force is in ``faults``, how they happen in ``injection``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

Kind = Literal["refuse", "status", "slow", "rate_limit"]
When = Literal["before", "during", "after"]
Api = Literal["events", "rest", "all"]

#: Which fields say how each kind goes wrong; the others say for which requests, and for how long.
_OWN_FIELDS: dict[str, tuple[str, ...]] = {
    "refuse": ("when",),
    "status": ("status", "body", "headers"),
    "slow": ("delay",),
    "rate_limit": ("per_minute", "headers"),
}
_WHOSE = {name: kind for kind, names in _OWN_FIELDS.items() for name in names if name != "headers"}
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_TEXT = re.compile(r"[\t\x20-\x7e]*")
#: The server itself says these.
_FRAMING = ("connection", "content-length", "transfer-encoding")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong, for which requests, and until when: for ever, unless ``times`` or ``seconds`` is given.

    :param kind: ``refuse`` closes the connection without an answer; ``status`` answers in PagerDuty's place;
        ``slow`` stores and lets the answer wait; ``rate_limit`` answers 429 as PagerDuty does.
    :param when: for ``refuse``: ``before`` the body is read (the default), ``during`` it, or ``after`` it was
        read and stored.
    :param status: for ``status``: 200 to 599.
    :param body: for ``status``: text, or anything that JSON knows; nothing by default.
    :param headers: for ``status`` and ``rate_limit``: more headers, such as ``Retry-After``.
    :param delay: for ``slow``: seconds before the answer.
    :param per_minute: for ``rate_limit``: requests a minute that are let through; none by default.
    :param times: how many requests it happens to.
    :param seconds: how long it lasts.
    :param key: the integration key whose events it happens to; all by default.
    :param api: the API that it happens to: ``events``, ``rest`` or ``all``, the default.
    :param path: what the path begins with.
    :raises ValueError: naming the field, its value and what it may be.
    """

    kind: Kind
    when: When | None = None
    status: int | None = None
    body: Any = None
    headers: Mapping[str, str] | None = None
    delay: float | None = None
    per_minute: int | None = None
    times: int | None = None
    seconds: float | None = None
    key: str | None = field(default=None, repr=False)
    api: Api | None = None
    path: str | None = None

    def __post_init__(self) -> None:
        _one_of("kind", self.kind, get_args(Kind))
        for name, kind in _WHOSE.items():
            if kind != self.kind and getattr(self, name) is not None:
                raise ValueError(f"{name!r} is of kind {kind!r}, and this is {self.kind!r}: leave it out")
        for name, allowed in (("when", get_args(When)), ("api", get_args(Api))):
            if getattr(self, name) is not None:
                _one_of(name, getattr(self, name), allowed)
        if self.headers is not None:
            _check_headers(self.kind, self.headers)
        self._check_numbers()
        self._check_body()
        self._check_key_and_path()

    def _check_numbers(self) -> None:
        if self.kind == "status":
            _number("status", self.status, whole=True, least=200, most=599)
        if self.kind == "slow":
            _number("delay", self.delay, least=0, most=3600, unit="seconds")
        if self.per_minute is not None:
            _number("per_minute", self.per_minute, whole=True, least=0)
        if self.times is not None:
            _number("times", self.times, whole=True, least=1)
        if self.seconds is not None:
            _number("seconds", self.seconds, least=0, most=366 * 86400, unit="seconds")

    def _check_body(self) -> None:
        if self.body is None:
            return
        if self.status in (204, 304):
            raise ValueError(f"'body' cannot go with status {self.status}, which has none: leave it out")
        try:
            json.dumps(self.body, allow_nan=False, ensure_ascii=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"'body' must be text or JSON, and is not ({error})") from None

    def _check_key_and_path(self) -> None:
        key: Any = self.key
        if key is not None:
            # A key is a secret, so its value is not said.
            if not isinstance(key, str) or not re.fullmatch(r"[0-9A-Za-z]{32}", key):
                raise ValueError("'key' must be an integration key: 32 letters and digits")
            if self.api == "rest":
                raise ValueError(
                    "'api' must be 'events' where 'key' is given, got 'rest': REST has no such key"
                )
        path: Any = self.path
        if path is not None and not (isinstance(path, str) and path.startswith("/") and path.isprintable()):
            raise ValueError(f"'path' must begin with '/', as '/v2/enqueue' does, got {self.path!r}")

    @classmethod
    def from_json(cls, given: Any) -> Fault:
        """Return the fault that a JSON object describes.

        :raises ValueError: naming the field, its value and what it may be.
        """
        if not isinstance(given, dict):
            raise ValueError('a fault must be a JSON object, such as {"kind": "status", "status": 503}')
        known = [each.name for each in fields(cls)]
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no field of a fault: it has {', '.join(known)}")
        return cls(**{"kind": None, **given})


def _one_of(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name!r} must be one of {', '.join(map(repr, allowed))}, got {value!r}")


def _number(
    name: str, value: Any, *, least: float, most: float = math.inf, whole: bool = False, unit: str = ""
) -> None:
    right = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not right or not least <= value <= most:
        bounds = f"{least} or more" if most == math.inf else f"from {least} to {most}"
        kind = "a whole number" if whole else "a number"
        raise ValueError(f"{name!r} must be {kind} {'of ' + unit + ' ' if unit else ''}{bounds}, got {value!r}")


def _check_headers(kind: str, headers: Any) -> None:
    if "headers" not in _OWN_FIELDS[kind]:
        raise ValueError(f"'headers' are of kind 'status' and 'rate_limit', and this is {kind!r}: leave it out")
    if not isinstance(headers, Mapping):
        raise ValueError(f"'headers' must be an object of names and texts, got {headers!r}")
    for name, text in headers.items():
        right = isinstance(name, str) and _HEADER_NAME.fullmatch(name) and name.lower() not in _FRAMING
        if not right or not isinstance(text, str) or not _HEADER_TEXT.fullmatch(text):
            raise ValueError(
                f"'headers' must be names and texts in ASCII, and not {', '.join(_FRAMING)}, "
                f"got {name!r}: {text!r}"
            )
