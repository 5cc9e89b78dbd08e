"""Any Python value as JSON that says the same: the part of ``payload`` that looks at values, not at fields."""

from __future__ import annotations

import json
import math
import traceback
from collections.abc import Mapping
from datetime import date, time
from enum import Enum
from typing import Any

#: How deep details may be nested; deeper ones become text. Far above what PagerDuty's table can show.
MAX_DEPTH = 50


def encode(value: Any) -> bytes:
    """Return compact UTF-8 JSON: the bytes that are really sent, so the only ones worth counting."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def to_text(text: str) -> str:
    """Return the text without lone surrogates, which UTF-8 cannot hold."""
    # A str subclass (a str enum, Jinja's Markup) may print differently from what it is.
    plain = str.__str__(text)
    return plain.encode("utf-8", "replace").decode() if not plain.isascii() else plain


def to_jsonable(value: Any, converted: list[str]) -> Any:
    """Return a copy of ``value`` that JSON can hold, with a faithful text where JSON has no such type.

    :param converted: gets the name of each type that became text.
    """
    return _convert(value, converted, ())


def _convert(value: Any, converted: list[str], parents: tuple[int, ...]) -> Any:  # noqa: PLR0911 (a case each)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum) and not isinstance(value, (str, int)):
        converted.append(type(value).__name__)
        return to_text(str(value))
    if isinstance(value, str):
        return to_text(value)
    if isinstance(value, int):
        return _integer(value, converted)
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        converted.append("float")
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, (Mapping, list, tuple, set, frozenset)):
        if id(value) in parents or len(parents) >= MAX_DEPTH:
            converted.append("nesting")
            return "<the same again>" if id(value) in parents else f"<nested deeper than {MAX_DEPTH}>"
        return _container(value, converted, (*parents, id(value)))
    as_python = _from_numpy(value)
    if as_python is not value:
        return _convert(as_python, converted, parents)
    converted.append(type(value).__name__)
    return to_text(_describe(value))


def _integer(value: int, converted: list[str]) -> int | str:
    try:
        int.__repr__(value)
    except ValueError:  # Python writes no decimals of over 4,300 digits
        converted.append("int")
        return hex(value)
    return int(value)


def _container(value: Any, converted: list[str], parents: tuple[int, ...]) -> Any:
    if isinstance(value, Mapping):
        result: dict[str, Any] = {}
        for key, item in value.items():
            result[_free_key(key, result, converted)] = _convert(item, converted, parents)
        return result
    if isinstance(value, (set, frozenset)):
        converted.append(type(value).__name__)
        # Sorted, so that the same set is the same text in each event.
        return sorted((_convert(item, converted, parents) for item in value), key=encode)
    return [_convert(item, converted, parents) for item in value]


def _free_key(key: Any, taken: Mapping[str, Any], converted: list[str]) -> str:
    if isinstance(key, str):
        text = to_text(key)
    else:
        converted.append(f"{type(key).__name__} keys")
        text = to_text(_describe(key))
    if text in taken:  # as 1 and "1" are two keys for Python and one for JSON
        text = f"{text} ({type(key).__name__})"
    while text in taken:
        text += "'"
    return text


def _from_numpy(value: Any) -> Any:
    """Return numpy's and pandas' scalars, arrays and series as Python's own values, without importing them."""
    if type(value).__module__.partition(".")[0] not in ("numpy", "pandas"):
        return value
    if type(value).__name__ in ("datetime64", "timedelta64"):
        return str(value)  # as a Python value, nanoseconds would be a bare number
    try:
        return value.tolist()
    except Exception:
        return value


def _describe(value: Any) -> str:
    try:
        if isinstance(value, BaseException):
            return "".join(traceback.format_exception_only(type(value), value)).strip()
        if isinstance(value, (bytes, bytearray, memoryview)):
            return bytes(value).decode("utf-8", "backslashreplace")
        if isinstance(value, (date, time)):
            return value.isoformat()
        return str(value)
    except Exception:  # the value is the caller's, and so is its __str__
        return f"<a {type(value).__name__} that cannot be printed>"
