"""Any Python value as JSON that says the same: the part of ``payload`` that looks at values, not at fields."""

from __future__ import annotations

import json
import math
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any, TypeVar

#: How deep details may be nested; deeper ones become text. Far above what PagerDuty's table can show.
MAX_DEPTH = 50
#: Characters and values of one detail that are looked at: about twice what the largest event can hold, so
#: nothing that could be sent is missed, and lists that share lists do not grow without end.
MAX_SIZE = 1_000_000

T = TypeVar("T")


def encode(value: Any) -> bytes:
    """Return compact UTF-8 JSON: the bytes that are really sent, so the only ones worth counting."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def to_text(text: str) -> str:
    """Return the text with its lone surrogates, which UTF-8 cannot hold, written as escapes."""
    # A str subclass (a str enum, Jinja's Markup) may print differently from what it is.
    plain = str.__str__(text)
    return plain.encode("utf-8", "backslashreplace").decode() if not plain.isascii() else plain


def is_text(value: Any) -> bool:
    """Say whether the value really is a string: a lazy proxy or a mock only says so."""
    return issubclass(type(value), str)


def to_jsonable(value: Any, converted: list[str]) -> Any:
    """Return a copy of ``value`` that JSON can hold, with a faithful text where JSON has no such type.

    :param converted: gets the name of each type that JSON does not have.
    """
    return _convert(value, _Walk(converted, whole=True), ())


@dataclass(slots=True)
class _Walk:
    """What was converted on the way through all details, or through one, and how much was seen of it."""

    converted: list[str]
    whole: bool = False
    seen: int = 0

    def into(self) -> _Walk:
        """Return the walk for an item: each detail has its own, so that a huge one takes no other's place."""
        return _Walk(self.converted) if self.whole else self

    def through(self, items: Iterable[T]) -> Iterator[T]:
        """Yield the items, those of a single detail until more was seen than any event can hold."""
        for item in items:
            if self.seen > MAX_SIZE and not self.whole:
                return
            self.seen += 1
            yield item

    def text(self, text: str) -> str:
        """Count a text, and return it as UTF-8 can hold it."""
        plain = to_text(text)
        self.seen += len(plain)
        return plain

    def text_of(self, value: Any) -> str:
        """Note that the value is no JSON, and return a text in its place."""
        self.converted.append(type(value).__name__)
        return self.text(_describe(value))


def _convert(value: Any, walk: _Walk, parents: tuple[int, ...]) -> Any:
    try:
        return _as_json(value, walk, parents)
    except Exception:  # the value is the caller's, and so are its items, its keys and its __class__
        return walk.text_of(value)


def _as_json(value: Any, walk: _Walk, parents: tuple[int, ...]) -> Any:  # noqa: PLR0911 (a case each)
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return walk.text(value)
    if isinstance(value, int):
        return _integer(value, walk)
    if isinstance(value, float):
        return _float(float(value), walk)
    if isinstance(value, (Mapping, list, tuple, set, frozenset)):
        if id(value) in parents or len(parents) >= MAX_DEPTH:
            walk.converted.append("nesting")
            return "<the same again>" if id(value) in parents else f"<nested deeper than {MAX_DEPTH}>"
        return _container(value, walk, (*parents, id(value)))
    as_python = _from_numpy(value)
    if as_python is not value:
        walk.converted.append(type(value).__name__)
        return _convert(as_python, walk, parents)
    return walk.text_of(value)


def _integer(value: int, walk: _Walk) -> int | str:
    try:
        walk.seen += len(int.__repr__(value))
    except ValueError:  # Python writes no decimals of over 4,300 digits
        walk.converted.append("int")
        return walk.text(hex(value))
    return int(value)


def _float(value: float, walk: _Walk) -> float | str:
    if math.isfinite(value):
        return value
    walk.converted.append("float")
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _container(value: Any, walk: _Walk, parents: tuple[int, ...]) -> Any:
    if isinstance(value, Mapping):
        result: dict[str, Any] = {}
        for key, item in walk.through(value.items()):
            result[_free_key(key, result, walk)] = _convert(item, walk.into(), parents)
        return result
    if isinstance(value, (set, frozenset)):
        walk.converted.append(type(value).__name__)
        # Sorted, so that the same set is the same text in each event.
        return sorted((_convert(item, walk.into(), parents) for item in walk.through(value)), key=encode)
    return [_convert(item, walk.into(), parents) for item in walk.through(value)]


def _free_key(key: Any, taken: Mapping[str, Any], walk: _Walk) -> str:
    if is_text(key):
        text = walk.text(key)
    else:
        walk.converted.append(f"{type(key).__name__} keys")
        text = walk.text(_describe(key))
    if text in taken:  # as 1 and "1" are two keys for Python and one for JSON
        text = f"{text} ({type(key).__name__})"
    while text in taken:
        text = f"{text} {len(taken)}"
    return text


def _from_numpy(value: Any) -> Any:
    """Return numpy's and pandas' scalars, arrays and series as Python's own values, without importing them."""
    if type(value).__module__.partition(".")[0] not in ("numpy", "pandas"):
        return value
    if not hasattr(value, "dtype"):  # a time stamp, a generator of random numbers, a table
        return value
    if value.dtype.kind in "mM":  # dates: as Python's own values, nanoseconds would be bare numbers
        return list(value) if value.ndim else str(value)
    plain = value.tolist()
    return plain if type(plain) is not type(value) else value  # a longdouble's own value is a longdouble


def _describe(value: Any) -> str:
    try:
        if isinstance(value, BaseException):
            return "".join(traceback.format_exception_only(type(value), value)).strip()
        if isinstance(value, (bytes, bytearray, memoryview)):
            return bytes(value).decode("utf-8", "backslashreplace")
        if isinstance(value, (date, time)):
            return str(value.isoformat())
        return str(value)
    except Exception:  # the value is the caller's, and so is its __str__
        return f"<a {type(value).__name__} that cannot be printed>"
