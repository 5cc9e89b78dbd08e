"""What becomes of values that JSON cannot hold: a text that says the same, whatever the value does."""

import json
import math
import time
from collections import OrderedDict, UserDict, deque
from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import NamedTuple
from unittest.mock import Mock
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_pagerduty.jsonable import MAX_DEPTH, MAX_SIZE, encode, is_text, to_jsonable, to_text

NOON = datetime(2026, 8, 1, 12, tzinfo=timezone.utc)
DAY = np.datetime64("2026-08-01T12:00:00.000000001", "ns")


class Team(str, Enum):
    DATA = "data"


class Level(IntEnum):
    HIGH = 3


class Share(float, Enum):
    HALF = 0.5


class Colour(Enum):
    RED = 1


class Unprintable:
    def __str__(self):
        raise KeyError("no text")

    __repr__ = __str__


class UnreadableMapping(Mapping):
    def __getitem__(self, key):
        raise OSError("gone")

    __iter__ = __len__ = items = __getitem__

    def __str__(self):
        return "a mapping that is gone"


class UnreadableList(list):
    def __iter__(self):
        raise OSError("gone")


class Secretive:
    """Like a lazy proxy of something that is not there: even its class cannot be asked for."""

    @property
    def __class__(self):
        raise RuntimeError("working outside of a context")

    def __str__(self):
        return "secretive"


class LoudText(str):
    __slots__ = ()

    def __str__(self):
        return "LOUD"


class LyingFloat(float):
    def __float__(self):
        return math.nan


class MuteError(Exception):
    def __str__(self):
        raise KeyError("no text")


class Point(NamedTuple):
    x: int
    y: int


def kind(value):
    """Return a name for a test's value, as not every value can be printed."""
    return type(value).__name__


def converted(value):
    """Return what the value became, and the names of the types that JSON does not have."""
    names = []
    result = to_jsonable(value, names)
    assert json.loads(encode(result), parse_constant=pytest.fail) == result
    return result, names


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_values)
def test_what_json_can_hold_stays_as_it_is(value):
    result, names = converted(value)
    assert (repr(result), names) == (repr(value), [])  # as for ==, True is 1


@given(json_values)
def test_what_was_converted_needs_no_converting(value):
    once, _ = converted([value, {1, 2}, b"x", {None: value}])
    assert converted(once) == (once, [])


def test_the_copy_shares_nothing_with_the_original():
    original = {"a": [{"b": [1]}]}
    copy, _ = converted(original)
    copy["a"][0]["b"].append(2)
    copy["a"].append(3)
    copy["c"] = 4
    assert original == {"a": [{"b": [1]}]}


@pytest.mark.parametrize(
    ("value", "text", "name"),
    [
        (NOON, "2026-08-01T12:00:00+00:00", "datetime"),
        (date(2026, 8, 1), "2026-08-01", "date"),
        (NOON.time(), "12:00:00", "time"),
        (timedelta(hours=30), "1 day, 6:00:00", "timedelta"),
        (Decimal("1.10"), "1.10", "Decimal"),
        (Decimal("NaN"), "NaN", "Decimal"),
        (math.nan, "NaN", "float"),
        (math.inf, "Infinity", "float"),
        (-math.inf, "-Infinity", "float"),
        (LyingFloat(1), "NaN", "float"),
        (1j, "1j", "complex"),
        (10**5000, hex(10**5000), "int"),
        (-(10**5000), hex(-(10**5000)), "int"),
        (b"caf\xc3\xa9", "café", "bytes"),
        (b"\xff\x00a", "\\xff\x00a", "bytes"),
        (bytearray(b"abc"), "abc", "bytearray"),
        (memoryview(b"abc"), "abc", "memoryview"),
        (ValueError("bad row", 7), "ValueError: ('bad row', 7)", "ValueError"),
        (KeyError("row"), "KeyError: 'row'", "KeyError"),
        (ValueError(), "ValueError", "ValueError"),
        (Colour.RED, "Colour.RED", "Colour"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001", "UUID"),
        (PurePosixPath("/data/in"), "/data/in", "PurePosixPath"),
        (deque([1, 2]), "deque([1, 2])", "deque"),
        (range(3), "range(0, 3)", "range"),
    ],
    ids=kind,
)
def test_a_value_without_a_json_type_becomes_its_text(value, text, name):
    assert converted(value) == (text, [name])
    assert converted({"a": [value]}) == ({"a": [text]}, [name])


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Team.DATA, "data"),
        (LoudText("quiet"), "quiet"),
        (Level.HIGH, 3),
        (Share.HALF, 0.5),
        (np.float64(0.5), 0.5),
        (np.str_("x"), "x"),
        ((1, 2), [1, 2]),
        (Point(1, 2), [1, 2]),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (UserDict(a=1), {"a": 1}),
        (MappingProxyType({"a": 1}), {"a": 1}),
    ],
)
def test_another_kind_of_text_number_or_container_becomes_the_plain_one(value, plain):
    result, names = converted(value)
    assert (result, type(result), names) == (plain, type(plain), [])


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.int64(7), 7),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.float32("nan"), "NaN"),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array([1.5, np.nan]), [1.5, "NaN"]),
        (np.array(5), 5),
        (np.array([{1}, b"x", None], dtype=object), [[1], "x", None]),
        (np.array([(1, "a")], dtype=[("n", "i8"), ("t", "U1")]), [[1, "a"]]),
        (np.complex64(1j), "1j"),
        (np.longdouble("1.5"), "1.5"),
        (np.array([1.5], dtype=np.longdouble), ["1.5"]),
        (DAY, "2026-08-01T12:00:00.000000001"),
        (np.array([DAY, "NaT"], dtype="datetime64[ns]"), ["2026-08-01T12:00:00.000000001", "NaT"]),
        (np.array(DAY), "2026-08-01T12:00:00.000000001"),
        (np.array([[3]], dtype="timedelta64[ns]"), [["3 nanoseconds"]]),
        (np.random.default_rng(1), "Generator(PCG64)"),
        (np.dtype("i8"), "int64"),
        (np.ma.masked, None),
        (np.ma.array([1, 2], mask=[False, True]), [1, None]),
    ],
    ids=kind,
)
def test_numpys_values_become_pythons(value, plain):
    result, names = converted({"a": value})
    assert (repr(result["a"]), names[0]) == (repr(plain), type(value).__name__)
    assert len(names) < 5


def test_a_series_of_pandas_is_a_list_and_its_look_alikes_are_texts():
    members = {"dtype": np.dtype("f8"), "tolist": lambda _: [0.5], "__str__": lambda _: "a look-alike"}
    series = type("Series", (), {"__module__": "pandas.core.series"} | members)
    assert converted(series()) == ([0.5], ["Series"])
    assert converted(type("Tensor", (), members)()) == ("a look-alike", ["Tensor"])


def test_a_set_is_the_same_list_each_time():
    words = [f"word {number}" for number in range(50)]
    assert converted(set(words)) == (sorted(words), ["set"])
    assert converted(frozenset(reversed(words))) == (sorted(words), ["frozenset"])
    mixed, _ = converted({1, "a", None, NOON, (1, 2)})
    assert mixed == ["2026-08-01T12:00:00+00:00", "a", 1, [1, 2], None]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Unprintable(), "<a Unprintable that cannot be printed>"),
        (MuteError(), f"{__name__}.MuteError: <exception str() failed>"),
        (UnreadableMapping(), "a mapping that is gone"),
        (UnreadableList([1]), "[1]"),
        (Secretive(), "<a Secretive that cannot be printed>"),
        (Mock(spec=datetime, **{"isoformat.return_value": 5}), "5"),
        (Mock(spec=str, __str__=lambda _: "a lazy text"), "a lazy text"),
        (Mock(spec=bool, __str__=lambda _: "a lazy bool"), "a lazy bool"),
        (Mock(spec=int, __str__=lambda _: "a lazy int"), "a lazy int"),
    ],
    ids=kind,
)
def test_a_value_that_breaks_when_it_is_read_costs_no_more_than_itself(value, text):
    result, names = converted({"before": 1, "broken": value, "after": 2})
    assert result == {"before": 1, "broken": text, "after": 2}
    assert names == [type(value).__name__]


@pytest.mark.parametrize(
    ("given_keys", "keys"),
    [
        ([1, 1.5, None, True], ["1", "1.5", "None"]),
        ([NOON, b"b", (1, 2), Colour.RED], ["2026-08-01T12:00:00+00:00", "b", "(1, 2)", "Colour.RED"]),
        ([Team.DATA, LoudText("quiet"), Level.HIGH], ["data", "quiet", "3"]),
        ([Unprintable()], ["<a Unprintable that cannot be printed>"]),
        ([1, "1"], ["1", "1 (str)"]),
        (["1", 1, b"1"], ["1", "1 (int)", "1 (bytes)"]),
        (["1", "1 (int)", 1], ["1", "1 (int)", "1 (int) 2"]),
        (["a\udc80"], ["a\\udc80"]),
    ],
)
def test_every_key_becomes_a_text_of_its_own(given_keys, keys):
    result, _ = converted(dict.fromkeys(given_keys, 0))
    assert list(result) == keys
    assert all(type(key) is str for key in result)


def test_keys_of_another_type_are_noted_and_texts_are_not():
    assert converted({1: 0, None: 0, "a": 0})[1] == ["int keys", "NoneType keys"]


def test_ten_thousand_keys_with_one_text_stay_apart_in_moderate_time():
    started = time.process_time()
    result, _ = converted({float("nan"): number for number in range(10_000)})
    assert list(result.values()) == list(range(10_000))
    assert time.process_time() - started < 5


def test_a_structure_that_holds_itself_ends():
    circle = {"name": "circle"}
    circle["self"] = [circle]
    assert converted(circle) == ({"name": "circle", "self": ["<the same again>"]}, ["nesting"])


def test_what_stands_in_two_places_is_no_circle():
    shared = [1]
    assert converted({"a": shared, "b": shared}) == ({"a": [1], "b": [1]}, [])


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"a": inner}, lambda inner: (inner,)])
def test_nesting_ends_at_the_greatest_depth(wrap):
    def nested(depth):
        value = wrap("core")
        for _ in range(depth - 1):
            value = wrap(value)
        return value

    assert "core" in str(converted(nested(MAX_DEPTH))[0])
    result, names = converted(nested(MAX_DEPTH + 1))
    assert f"<nested deeper than {MAX_DEPTH}>" in str(result)
    assert names == ["nesting"]
    assert converted(nested(20_000))[0] == result


def test_lists_that_share_lists_do_not_grow_without_end():
    doubling = ["x" * 100]
    for _ in range(40):  # 2 to the power of 40 texts
        doubling = [doubling, doubling]
    result = to_jsonable({"doubling": doubling, "after": [1, {"a": 2}]}, [])
    assert MAX_SIZE < len(encode(result["doubling"])) < 10 * MAX_SIZE
    assert result["after"] == [1, {"a": 2}]


@pytest.mark.parametrize("item", ["x" * 10_000, {"x" * 10_000: 1}, 10**4_000, b"x" * 10_000], ids=kind)
def test_one_long_value_repeated_is_looked_at_no_longer_than_any_event_is(item):
    result, _ = converted([[item] * 10_000])
    assert MAX_SIZE < len(encode(result)) < 2 * MAX_SIZE


def test_what_is_over_the_greatest_size_is_not_looked_at():
    assert len(to_jsonable([[None] * (MAX_SIZE + 9)], [])[0]) == MAX_SIZE + 1


def test_details_themselves_are_looked_at_to_the_last_one():
    assert converted({"x" * 2 * MAX_SIZE: 1, "after": [2]})[0]["after"] == [2]
    assert converted(["x" * 2 * MAX_SIZE, [3]])[0][1] == [3]


@given(st.text(st.characters() | st.characters(categories=["Cs"])))
def test_any_text_can_be_sent_and_only_surrogates_change(text):
    plain = to_text(text)
    assert json.loads(encode(plain)) == plain
    assert plain == "".join(f"\\u{ord(c):04x}" if "\ud800" <= c <= "\udfff" else c for c in text)


def test_texts_that_differ_in_a_surrogate_stay_different():
    assert to_text("a\udc80") != to_text("a\udc81")


def test_only_a_real_string_is_a_text():
    assert is_text("a")
    assert is_text(Team.DATA)
    assert not is_text(Mock(spec=str))
    assert not is_text(Secretive())
    assert not is_text(b"a")


def test_what_is_encoded_is_compact_utf_8():
    assert encode({"a": ["é", 1.0, None]}) == '{"a":["é",1.0,null]}'.encode()


def test_encoding_refuses_what_is_no_strict_json():
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode({"a": math.nan})
