"""What an event is before it is sent: what is refused, what is mended, and that nothing else happens."""

import inspect
import json
import logging
import math
import re
from collections import UserDict, UserList, deque
from collections.abc import Mapping
from contextlib import contextmanager
from copy import deepcopy
from datetime import datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum, IntEnum
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from airflow_provider_pagerduty import payload
from airflow_provider_pagerduty.jsonable import encode, is_text, to_text
from airflow_provider_pagerduty.payload import prepare_change_event_data, prepare_event_data

KEY = "0123456789abcdefghijklmnopqrstuv"
LINK = {"href": "https://airflow.example.com/dags/etl", "text": "the run"}
IMAGE = {
    "src": "https://graphs.example.com/1.png",
    "href": "https://graphs.example.com",
    "alt": "rows a minute",
}
NOON = datetime(2026, 8, 1, 12, tzinfo=timezone.utc)


@contextmanager
def what_is_logged():
    """Collect what the module logs, at any level."""
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    payload.log.addHandler(handler)
    level = payload.log.level
    payload.log.setLevel(logging.DEBUG)
    try:
        yield records
    finally:
        payload.log.setLevel(level)
        payload.log.removeHandler(handler)


def alert(**changes):
    """Build an event, and insist that nothing is said about it."""
    with what_is_logged() as records:
        data = prepare_event_data(**({"summary": "disk full", "severity": "error"} | changes))
    assert not records
    return data


def mended(build=prepare_event_data, **changes):
    """Build an event, and insist on one warning; return both."""
    required = {"summary": "disk full"} | ({"severity": "error"} if build is prepare_event_data else {})
    with what_is_logged() as records:
        data = build(**(required | changes))
    assert [record.levelname for record in records] == ["WARNING"]
    return data, records[0].getMessage()


def body_of(data):
    """Return the bytes that leave, checked to be strict JSON that says what the event said."""
    body = encode({"routing_key": KEY, **data})
    assert json.loads(body, parse_constant=pytest.fail) == {"routing_key": KEY, **data}
    return body


class TestAlertEvent:
    def test_the_least_event_has_the_action_and_a_payload(self):
        assert prepare_event_data("disk full", "error") == {
            "action": "trigger",
            "payload": {"summary": "disk full", "severity": "error", "source": "airflow"},
        }

    def test_every_field_has_its_place_by_position_too(self):
        fields = (
            *("disk full", "critical", "db-1", {"rows": 3}, "postgres", "prod", "disk", "acknowledge", "key-1"),
            *([IMAGE], [LINK], "event_action"),
        )
        assert prepare_event_data(*fields) == {
            "event_action": "acknowledge",
            "payload": {
                "summary": "disk full",
                "severity": "critical",
                "source": "db-1",
                "component": "postgres",
                "group": "prod",
                "class": "disk",
                "custom_details": {"rows": 3},
            },
            "dedup_key": "key-1",
            "images": [IMAGE],
            "links": [LINK],
        }

    def test_what_happened_when_and_who_says_so_have_their_places(self):
        data = alert(timestamp=NOON, client="Apache Airflow", client_url="https://airflow.example.com/dags/a")
        assert data["payload"]["timestamp"] == "2026-08-01T12:00:00+00:00"
        assert (data["client"], data["client_url"]) == (
            "Apache Airflow",
            "https://airflow.example.com/dags/a",
        )

    def test_a_client_goes_with_a_trigger_only(self):
        data = alert(action="resolve", dedup_key="key-1", client="Apache Airflow", client_url="https://x")
        assert data == alert(action="resolve", dedup_key="key-1")

    @pytest.mark.parametrize(
        "field", ["component", "group", "class_type", "dedup_key", "timestamp", "client", "client_url"]
    )
    @pytest.mark.parametrize("blank", [None, "", " \n"])
    def test_an_optional_text_that_is_blank_is_left_away(self, field, blank):
        assert alert(**{field: blank}) == alert()

    @pytest.mark.parametrize("severity", ["critical", "error", "warning", "info"])
    @pytest.mark.parametrize("action", ["trigger", "acknowledge", "resolve"])
    def test_every_action_and_severity_of_pagerduty_is_taken(self, action, severity):
        data = alert(action=action, severity=severity, dedup_key="key-1")
        assert (data["action"], data["payload"]["severity"]) == (action, severity)

    @pytest.mark.parametrize("details", [{}, "", "three rows", {"a": {"b": [1, None, 0.5, True]}}])
    def test_details_that_are_json_are_sent_as_they_are(self, details):
        assert alert(custom_details=details)["payload"]["custom_details"] == details

    def test_no_links_are_left_away_and_an_empty_list_is_sent(self):
        assert "links" not in alert(links=None)
        assert alert(links=[], images=())["links"] == alert(links=[], images=())["images"] == []

    def test_a_text_enum_is_sent_as_its_value(self):
        class Severity(str, Enum):
            ERROR = "error"

        data = alert(severity=Severity.ERROR, summary=Severity.ERROR, dedup_key=Severity.ERROR)
        assert data["payload"]["severity"] == data["payload"]["summary"] == data["dedup_key"] == "error"
        sent = (data["payload"]["severity"], data["payload"]["summary"], data["dedup_key"])
        assert {type(text) for text in sent} == {str}


class TestChangeEvent:
    def test_the_least_event_is_a_payload_alone(self):
        assert prepare_change_event_data("deployed") == {
            "payload": {"summary": "deployed", "source": "airflow"}
        }

    def test_every_field_has_its_place_by_position_too(self):
        assert prepare_change_event_data("deployed", "ci", {"rev": "a1"}, NOON, [LINK]) == {
            "payload": {
                "summary": "deployed",
                "source": "ci",
                "timestamp": "2026-08-01T12:00:00+00:00",
                "custom_details": {"rev": "a1"},
            },
            "links": [LINK],
        }

    @pytest.mark.parametrize(
        ("given", "sent"),
        [
            (datetime(2026, 8, 1, 12), "2026-08-01T12:00:00+00:00"),  # noqa: DTZ001 (that is the point)
            (datetime(2026, 8, 1, 12, 0, 0, 5, timezone.utc), "2026-08-01T12:00:00.000005+00:00"),
            (NOON.astimezone(timezone(timedelta(hours=-3, minutes=-30))), "2026-08-01T08:30:00-03:30"),
            (NOON.astimezone(timezone(timedelta(minutes=19))), "2026-08-01T12:19:00+00:19"),
            (NOON.astimezone(timezone(timedelta(minutes=19, seconds=32))), "2026-08-01T12:00:00+00:00"),
            ("2026-08-01T12:00:00Z", "2026-08-01T12:00:00Z"),
            ("2026-08-01T12:00:00.315+0200", "2026-08-01T12:00:00.315+0200"),
            ("2026-08-01T12:00:00", "2026-08-01T12:00:00+00:00"),
            ("2026-08-01T12:00", "2026-08-01T12:00+00:00"),
            ("2026-08-01 12:00:00,5z", "2026-08-01T12:00:00.5Z"),
            ("2026-08-01t12:00:00+02", "2026-08-01T12:00:00+02:00"),
            (" 2026-08-01T12:00:00+00:00\n", "2026-08-01T12:00:00+00:00"),
        ],
    )
    def test_a_moment_is_sent_as_iso_8601_with_a_zone(self, given, sent):
        assert prepare_change_event_data("deployed", timestamp=given)["payload"]["timestamp"] == sent

    @pytest.mark.parametrize("blank", [None, "", " "])
    def test_no_timestamp_is_left_to_the_time_of_arrival(self, blank):
        assert "timestamp" not in prepare_change_event_data("deployed", timestamp=blank)["payload"]

    @given(st.datetimes(timezones=st.none() | st.timezones()))
    @settings(deadline=None)
    def test_any_datetime_is_sent_as_the_same_moment(self, moment):
        aware = moment.replace(tzinfo=moment.tzinfo or timezone.utc)
        assume(1 < moment.year < 9999)  # where UTC might be off the calendar
        sent = prepare_change_event_data("deployed", timestamp=moment)["payload"]["timestamp"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?[+-]\d\d:\d\d", sent)
        assert datetime.fromisoformat(sent).astimezone(timezone.utc) == aware.astimezone(timezone.utc)


class TestRefusal:
    @pytest.mark.parametrize("bad", ["down", "", None, 1, ["error"], "error\0"])
    def test_a_wrong_severity_is_named_with_what_is_allowed(self, bad):
        allowed = "Event severity must be one of: critical, error, warning, info; got "
        with pytest.raises(ValueError, match=f"^{allowed}{re.escape(repr(bad))}.$"):
            alert(severity=bad)

    @pytest.mark.parametrize("bad", ["open", "", None, 1, ["trigger"]])
    def test_a_wrong_action_is_named_with_what_is_allowed(self, bad):
        allowed = "Event action must be one of: trigger, acknowledge, resolve; got "
        with pytest.raises(ValueError, match=f"^{allowed}{re.escape(repr(bad))}.$"):
            alert(action=bad, dedup_key="key-1")

    @pytest.mark.parametrize(
        ("field", "bad", "right"),
        [
            ("severity", "CRITICAL", "critical"),
            ("severity", " Info ", "info"),
            ("action", "Trigger", "trigger"),
            ("action", "RESOLVE", "resolve"),
        ],
    )
    def test_another_spelling_is_refused_with_the_right_one(self, field, bad, right):
        with pytest.raises(ValueError, match=f"Event {field} .* got '{bad}'. Write it as '{right}'.$"):
            alert(**{field: bad})

    @pytest.mark.parametrize("action", ["acknowledge", "resolve"])
    @pytest.mark.parametrize("blank", [None, "", "  "])
    @pytest.mark.parametrize("name", ["action", "event_action"])
    def test_acknowledge_and_resolve_without_a_dedup_key_are_refused(self, action, blank, name):
        with pytest.raises(ValueError, match=f"^The dedup_key property is required for {name}={action} events"):
            alert(action=action, dedup_key=blank, action_key_name=name)

    @pytest.mark.parametrize("field", ["summary", "source"])
    @pytest.mark.parametrize("build", [alert, prepare_change_event_data])
    @pytest.mark.parametrize("blank", ["", " ", "\n\t\u2003"])
    def test_a_blank_text_that_is_required_is_refused(self, build, field, blank):
        with pytest.raises(ValueError, match=f"^{field} is blank ") as refusal:
            build(**({"summary": "deployed"} | {field: blank}))
        assert repr(blank) in str(refusal.value)

    @pytest.mark.parametrize("field", ["summary", "source", "component", "group", "class_type", "dedup_key"])
    @pytest.mark.parametrize("bad", [5, 0, b"text", ["text"], {"a": 1}, Mock(spec=str)], ids=repr)
    def test_what_is_no_text_is_refused_where_a_text_belongs(self, field, bad):
        with pytest.raises(ValueError, match=f"^{field} must be a string, got ") as refusal:
            alert(**{field: bad})
        assert repr(bad) in str(refusal.value)

    @pytest.mark.parametrize("field", ["summary", "source"])
    def test_none_is_refused_where_a_text_is_required(self, field):
        with pytest.raises(ValueError, match=f"^{field} must be a string, got None"):
            alert(**{field: None})

    @pytest.mark.parametrize("build", [alert, prepare_change_event_data])
    @pytest.mark.parametrize(
        "link",
        [
            *({}, {"text": "the run"}, {"href": ""}, {"href": " "}, {"href": None}, {"href": 5}),
            *(
                {"href": b"https://x"},
                {"HREF": "https://x"},
                ["href"],
                [("href", "https://x")],
                "https://x",
                None,
            ),
        ],
    )
    def test_a_link_without_an_address_is_refused_by_its_index(self, build, link):
        with pytest.raises(ValueError, match=r"^links\[1\] must be .* an address under 'href'") as refusal:
            build(summary="deployed", links=[LINK, link])
        assert repr(link) in str(refusal.value)

    @pytest.mark.parametrize(
        "image",
        [
            *({}, {"href": "https://x"}, {"src": ""}, {"src": None}, {"src": "http://x/1.png"}),
            *({"src": "https"}, {"src": "//x/1.png"}, {"src": "data:image/png;base64,AA"}),
            *({"src": b"https://x"}, {"src": "see https://x"}, {"src": "HTTPS://"}, "https://x", None),
        ],
    )
    def test_an_image_without_an_https_address_is_refused_by_its_index(self, image):
        problem = r"^images\[1\] must be .* an address that begins with https:// under 'src'"
        with pytest.raises(ValueError, match=problem) as refusal:
            alert(images=[IMAGE, image])
        assert repr(image) in str(refusal.value)

    @pytest.mark.parametrize(("field", "key"), [("links", "href"), ("images", "src")])
    @pytest.mark.parametrize("bad", ["https://x", b"x", LINK, {}, 5, {1}, iter([LINK])])
    def test_links_and_images_that_are_no_list_are_refused(self, field, key, bad):
        with pytest.raises(ValueError, match="must be a list") as refusal:
            alert(**{field: bad})
        assert str(refusal.value) == f'{field} must be a list like [{{"{key}": "https://…"}}], got {bad!r}.'

    @pytest.mark.parametrize(
        "bad",
        [
            *("now", "1754049600", 1754049600, "2026-08-01", "2026-08-01T12", "2026-13-01T12:00:00Z"),
            *("2026-02-30T12:00:00Z", "2026-08-01T25:00:00Z", "2026-08-01T12:00:00+25:00", "12:00:00"),
            *("2026-08-01T12:00:00 UTC", "2026-08-01T12:00:00Z and so on", "\u0662026-08-01T12:00:00Z"),
            *(NOON.date(), NOON.time(), b"2026-08-01T12:00:00Z", True, ["2026-08-01T12:00:00Z"]),
        ],
    )
    def test_a_timestamp_that_is_none_is_refused(self, bad):
        with pytest.raises(ValueError, match="timestamp must be a datetime or ISO 8601 text") as refusal:
            prepare_change_event_data("deployed", timestamp=bad)
        assert repr(bad) in str(refusal.value)

    def test_a_datetime_whose_zone_fails_is_refused(self):
        class Nowhere(tzinfo):
            def utcoffset(self, _):
                raise LookupError("no such place")

        with pytest.raises(ValueError, match="timestamp must be a datetime"):
            prepare_change_event_data("deployed", timestamp=NOON.replace(tzinfo=Nowhere()))

    def test_a_faulty_value_is_shown_shortened(self):
        with pytest.raises(ValueError, match="got 'xxx") as refusal:
            alert(severity="x" * 1_000_000)
        assert len(str(refusal.value)) < 250

    @pytest.mark.parametrize("field", ["source", "component", "group"])
    def test_a_field_that_no_cutting_of_details_could_make_room_for_is_refused(self, field):
        with pytest.raises(ValueError, match=f"^{field} is 600002 bytes: .* 512000 bytes"):
            alert(**{field: "x" * 600_000}, custom_details={"a": 1})

    def test_links_that_fill_the_event_are_refused(self):
        with pytest.raises(ValueError, match=r"^links is .* bytes: .* 512000 bytes"):
            alert(links=[LINK] * 10_000, custom_details="x")


class TestMending:
    def test_a_summary_of_1024_characters_is_left_alone(self):
        assert alert(summary="é" * 1024)["payload"]["summary"] == "é" * 1024

    @pytest.mark.parametrize("build", [prepare_event_data, prepare_change_event_data])
    def test_a_longer_summary_is_cut_with_an_ellipsis(self, build):
        data, warning = mended(build, summary="ab" * 512 + "c")
        assert data["payload"]["summary"] == ("ab" * 512)[:1023] + "…"
        assert "summary: cut from 1025 to 1024 characters" in warning

    def test_a_dedup_key_of_255_characters_is_left_alone(self):
        assert alert(dedup_key="é" * 255)["dedup_key"] == "é" * 255

    def test_a_longer_dedup_key_keeps_its_start_and_gets_a_hash(self):
        data, warning = mended(dedup_key="dag/" + "é" * 252)
        digest = "6fc44fdc53255834cf70f8dbebbf805f2b4a3acbc6a1a108ad9e23d42e7ac969"
        assert data["dedup_key"] == "dag/" + "é" * 186 + "-" + digest
        assert "dedup_key: 256 characters made 255" in warning

    def test_long_dedup_keys_that_differ_at_their_ends_stay_different(self):
        keys = {mended(dedup_key="x" * 300 + end)[0]["dedup_key"] for end in ("a", "b", "\udc80", "\udc81")}
        assert len(keys) == 4
        assert {len(key) for key in keys} == {255}

    def test_a_long_dedup_key_is_the_same_for_each_action(self):
        keys = {
            mended(dedup_key="x" * 300, action=action)[0]["dedup_key"]
            for action in ("trigger", "acknowledge", "resolve")
        }
        assert len(keys) == 1

    @pytest.mark.parametrize("build", [prepare_event_data, prepare_change_event_data])
    def test_details_that_are_no_json_become_texts_that_say_the_same(self, build):
        details = {
            "at": NOON,
            "price": Decimal("1.10"),
            "ratio": math.nan,
            "tags": {"b", "a"},
            "rows": np.int64(3),
            "raw": b"\xff1",
            "error": ValueError("bad row"),
            7: "seven",
        }
        data, warning = mended(build, custom_details=details)
        assert data["payload"]["custom_details"] == {
            "at": "2026-08-01T12:00:00+00:00",
            "price": "1.10",
            "ratio": "NaN",
            "tags": ["a", "b"],
            "rows": 3,
            "raw": "\\xff1",
            "error": "ValueError: bad row",
            "7": "seven",
        }
        types = "Decimal, ValueError, bytes, datetime, float, int keys, int64, set"
        assert warning.endswith(f"custom_details: made JSON of {types}.")

    @pytest.mark.parametrize(("number", "text"), [(7, "7"), (0.5, "0.5"), (True, "true"), (np.int64(7), "7")])
    def test_a_number_alone_is_sent_as_its_text(self, number, text):
        data, warning = mended(custom_details=number)
        assert data["payload"]["custom_details"] == text
        assert "custom_details: made JSON of" in warning

    def test_what_a_link_or_image_holds_besides_passes_through_as_json(self):
        data, warning = mended(
            links=[LINK, {"href": "x", "text": NOON}], images=[{**IMAGE, "width": Decimal(3)}]
        )
        assert data["links"] == [LINK, {"href": "x", "text": "2026-08-01T12:00:00+00:00"}]
        assert data["images"] == [{**IMAGE, "width": "3"}]
        assert "links[1]: made JSON of datetime" in warning
        assert "images[0]: made JSON of Decimal" in warning

    def test_spaces_around_an_address_are_taken_off(self):
        data = alert(links=[{"href": " https://x\n"}], images=[{"src": " HTTPS://x/1.png"}])
        assert data["links"] == [{"href": "https://x"}]
        assert data["images"] == [{"src": "HTTPS://x/1.png"}]

    def test_lists_and_dictionaries_of_other_kinds_are_taken(self):
        assert alert(links=UserList([UserDict(LINK)]), images=(IMAGE,)) == alert(links=[LINK], images=[IMAGE])

    def test_all_that_was_mended_is_one_warning(self):
        details = {"at": NOON, "dump": "x" * 600_000}
        _, warning = mended(summary="x" * 2000, dedup_key="y" * 300, custom_details=details)
        for change in ("summary: cut", "dedup_key: 300", "made JSON of datetime", "left out the largest"):
            assert change in warning
        assert "xxx" not in warning

    def test_surrogates_are_written_out(self):
        data = alert(summary="a\udc80", source="\ud800", dedup_key="k\udfff", component="c\udc80")
        assert data["payload"]["summary"] == "a\\udc80"
        assert data["dedup_key"] == "k\\udfff"
        body_of(data)


class TestSize:
    def test_details_that_just_fit_are_left_alone(self):
        room = payload.MAX_BODY - payload.ENVELOPE - len(encode(alert(custom_details="")))
        data = alert(custom_details="x" * room)
        assert data["payload"]["custom_details"] == "x" * room
        cut, _ = mended(custom_details="x" * (room + 1))
        assert cut["payload"]["custom_details"].endswith(f"x… [cut: {room + 1} characters in all]")

    @pytest.mark.parametrize("character", ["x", "é", "\0", "\U0001f525", '"', "\udc80"])
    def test_a_long_text_keeps_as_much_of_its_start_as_fits(self, character):
        data, _ = mended(custom_details=character * 700_000)
        text = data["payload"]["custom_details"]
        limit = payload.MAX_BODY - payload.ENVELOPE
        assert limit - len(encode(character.encode("utf-8", "ignore").decode())) < len(encode(data)) <= limit
        assert re.search(r"… \[cut: \d+ characters in all\]$", text)

    def test_the_largest_details_give_way_first_and_the_note_says_which(self):
        details = {"small": [1] * 100, "large": ["x"] * 50_000, "larger": ["x"] * 100_000, "text": "y" * 900}
        data, warning = mended(custom_details=details)
        del details["larger"]
        note = {"left out": "larger (400012 bytes)"}
        assert data["payload"]["custom_details"] == details | note
        assert "custom_details: left out the largest, as the body had" in warning

    def test_a_large_text_among_the_details_keeps_its_start(self):
        details = {"log": "line\n" * 200_000, "rows": 3}
        data, _ = mended(custom_details=details)
        kept = data["payload"]["custom_details"]
        assert kept["rows"] == 3
        assert kept["log"].startswith("line\nline\n")
        assert kept["log"].endswith("… [cut: 1000000 characters in all]")
        assert kept["left out"] == "log (over 1000000 bytes)"
        assert payload.MAX_BODY - 6_000 < len(body_of(data)) <= payload.MAX_BODY

    def test_many_small_details_give_way_only_as_far_as_they_must(self):
        details = {f"{number:05} {'x' * 100}": number for number in range(10_000)}
        data, _ = mended(custom_details=details)
        kept = data["payload"]["custom_details"]
        gone = len(details) - (len(kept) - 1)
        assert payload.MAX_BODY - 8_000 < len(body_of(data)) <= payload.MAX_BODY
        assert kept["left out"].startswith("01000 xxx")  # the first of the largest, by a digit
        assert kept["left out"].endswith(f"and {gone - 20} more")

    @pytest.mark.parametrize(("count", "more"), [(20, ""), (21, ", and 1 more")])
    def test_the_note_names_twenty_details_and_counts_the_others(self, count, more):
        data, _ = mended(custom_details={f"dump {number:02}": ["x" * 520_000] for number in range(count)})
        named = ", ".join(f"dump {number:02} (520016 bytes)" for number in range(20))
        assert data["payload"]["custom_details"] == {"left out": named + more}

    @pytest.mark.parametrize(("length", "shown"), [(100, "k" * 100), (101, "k" * 99 + "…")])
    def test_the_note_shortens_long_names(self, length, shown):
        data, _ = mended(custom_details={"k" * length: ["x" * 600_000]})
        assert data["payload"]["custom_details"]["left out"].startswith(f"{shown} (600")

    def test_of_a_list_that_is_too_large_the_largest_items_are_left_out(self):
        data, _ = mended(custom_details=["first", "x" * 600_000, "last"])
        assert data["payload"]["custom_details"] == ["first", "last", {"left out": "the largest 1 of 3 items"}]

    def test_of_a_list_of_many_small_items_as_many_stay_as_fit(self):
        data, _ = mended(custom_details=["x"] * 200_000)
        *kept, note = data["payload"]["custom_details"]
        limit = payload.MAX_BODY - payload.ENVELOPE
        assert limit - 250 < len(encode(data)) <= limit
        assert note == {"left out": f"the largest {200_000 - len(kept)} of 200000 items"}

    def test_a_detail_of_the_notes_name_keeps_its_place(self):
        data, _ = mended(custom_details={"left out": "mine", "dump": ["x" * 600_000]})
        kept = data["payload"]["custom_details"]
        assert kept == {"left out": "mine", "left out by size": "dump (600013 bytes)"}

    def test_details_that_share_lists_are_left_out_in_moderate_time(self):
        doubling = ["x" * 100]
        for _ in range(40):
            doubling = [doubling, doubling]
        data, _ = mended(custom_details={"doubling": doubling, "rows": 3})
        assert data["payload"]["custom_details"] == {"rows": 3, "left out": "doubling (over 1000000 bytes)"}

    def test_the_note_itself_fits_where_little_room_is_left(self):
        # Twenty names of a hundred characters are a note of 2 kB; the source leaves 1.2 kB.
        details = {f"{number:02} {'é' * 97}": "x" * 400 for number in range(20)}
        data, _ = mended(source="s" * (payload.MAX_BODY - payload.ENVELOPE - 1_350), custom_details=details)
        assert len(body_of(data)) <= payload.MAX_BODY

    def test_there_is_room_for_what_is_added_on_the_way_out(self):
        data, _ = mended(custom_details={"dump": "x" * 600_000})
        data["dedup_key"] = "k" * 255
        assert len(body_of(data)) <= payload.MAX_BODY


# What callers might hand in.


class Team(str, Enum):
    DATA = "data"


class Level(IntEnum):
    HIGH = 3


class Colour(Enum):
    RED = 1


class Unprintable:
    def __str__(self):
        raise KeyError("no text")

    __repr__ = __str__


class UnreadableDict(dict):
    def items(self):
        raise OSError("gone")


class UnreadableList(list):
    def __iter__(self):
        raise OSError("gone")


class UnreadableMapping(Mapping):
    def __getitem__(self, key):
        raise OSError("gone")

    __iter__ = __len__ = __getitem__


class Secretive:
    @property
    def __class__(self):
        raise RuntimeError("working outside of a context")


class OddText(str):
    __slots__ = ()

    def strip(self, *_):
        raise OSError("gone")

    lower = startswith = __str__ = __repr__ = __len__ = strip


def fingerprint(value):
    """Say of every container in ``value`` what it holds, by identity: equal only if nothing was touched."""
    marks, waiting, seen = [], [value], set()
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        kind = type(item)
        if issubclass(kind, dict):
            inner = [part for pair in dict.items(item) for part in pair]
        elif issubclass(kind, list):
            inner = list(list.__iter__(item))
        elif issubclass(kind, (tuple, set, frozenset, deque)):
            inner = list(item)
        elif issubclass(kind, (UserDict, UserList)):
            inner = [item.data]
        else:
            content = bytes(item) if issubclass(kind, (bytearray, np.ndarray)) else None
            marks.append((id(item), content))
            continue
        marks.append((id(item), [id(part) for part in inner]))
        waiting.extend(inner)
    return marks


any_text = st.text() | st.text(st.characters() | st.characters(categories=["Cs"]))
moments = st.datetimes(timezones=st.none() | st.timezones())
hashable = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), any_text, st.binary(), st.dates()),
    *(
        st.datetimes(timezones=st.none() | st.timezones()),
        st.times(),
        st.timedeltas(),
        st.fractions(),
        st.uuids(),
    ),
    st.integers(4_290, 5_000).map(lambda digits: 10**digits),
    st.sampled_from([Team.DATA, Level.HIGH, Colour.RED, np.int64(3), np.float32("nan")]),
    st.sampled_from([np.datetime64("2026-08-01T12", "ns"), np.longdouble(1), ..., int, len]),
    st.builds(Unprintable),
    any_text.map(OddText),
)
leaf = hashable | st.one_of(
    st.decimals(),  # a signalling NaN cannot be hashed
    st.builds(bytearray, st.binary()),
    st.builds(ValueError, hashable),
    st.builds(lambda numbers: np.array(numbers, dtype=object), st.lists(hashable)),
    st.builds(np.array, st.lists(st.floats())),
    st.builds(lambda: Mock(spec=dict)),
    st.builds(lambda: Mock(spec=datetime)),
    st.builds(UnreadableMapping),
    st.builds(iter, st.lists(hashable)),
)


def in_a_circle(value):
    circle = [value]
    circle.append({"again": circle})
    return circle


def nested(value, depth):
    for _ in range(depth):
        value = [value]
    return value


anything = st.recursive(
    leaf,
    lambda inner: st.one_of(
        st.lists(inner),
        st.tuples(inner, inner),
        st.dictionaries(hashable, inner),
        st.sets(hashable),
        st.frozensets(hashable),
        st.lists(inner).map(deque),
        st.lists(inner).map(UserList),
        st.lists(inner).map(UnreadableList),
        st.dictionaries(hashable, inner).map(UserDict),
        st.dictionaries(hashable, inner).map(UnreadableDict),
        inner.map(in_a_circle),
        st.builds(nested, inner, st.integers(1, 3_000)),
    ),
    max_leaves=15,
)
long_text = st.builds(str.__mul__, st.text(min_size=1, max_size=3), st.sampled_from([1, 900, 100_000, 400_000]))


def mostly(good):
    return st.integers(0, 19).flatmap(lambda number: anything if number == 19 else good)


def items(required):
    address = mostly(st.sampled_from(["https://x", "HTTPS://X", " https://x\udc80"]))
    return st.lists(
        mostly(st.fixed_dictionaries({required: address}, optional={"text": anything, "alt": anything}))
    )


texts = mostly(st.just("disk full") | any_text | st.text(min_size=200, max_size=400).map(lambda text: text * 4))
alerts = st.fixed_dictionaries(
    {"summary": texts, "severity": mostly(st.sampled_from(["critical", "info"]))},
    optional={
        "source": texts,
        "custom_details": anything,
        "component": texts,
        "group": texts,
        "class_type": texts,
        "action": mostly(st.sampled_from(["trigger", "acknowledge", "resolve"])),
        "dedup_key": texts,
        "images": mostly(items("src")),
        "links": mostly(items("href")),
        "action_key_name": st.sampled_from(["action", "event_action"]),
    },
)
changes = st.fixed_dictionaries(
    {"summary": texts},
    optional={
        "source": texts,
        "custom_details": anything,
        "timestamp": mostly(moments),
        "links": mostly(items("href")),
    },
)
patiently = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def plain(value):
    """Say whether a value is of JSON's own types throughout, not of others that resemble them."""
    if type(value) is dict:
        return all(type(key) is str for key in value) and all(map(plain, value.values()))
    if type(value) is list:
        return all(map(plain, value))
    return value is None or type(value) in (str, int, float, bool)


def check(build, arguments):
    """Build an event of any arguments and check all promises; return it, or None if it was refused."""
    before = fingerprint(arguments)
    with what_is_logged() as records:
        try:
            data = build(**arguments)
        except ValueError as error:
            data, refusal = None, error
        else:
            refusal = None
    if refusal is not None:
        assert type(refusal) is ValueError
        assert 20 < len(str(refusal).encode()) < 1_000
    assert fingerprint(arguments) == before
    assert [record.levelname for record in records] in ([], ["WARNING"])
    for record in records:
        assert record.getMessage().encode()
    if data is not None:
        assert plain(data)
        assert len(body_of(data)) <= 512_000
        assert 0 < len(data["payload"]["summary"]) <= 1024
        assert len(data.get("dedup_key", "")) <= 255
    return data


class TestAnyInput:
    @given(alerts)
    @settings(patiently, max_examples=200)
    def test_an_alert_is_valid_or_refused_with_a_value_error(self, arguments):
        check(prepare_event_data, arguments)

    @given(changes)
    @settings(patiently, max_examples=100)
    def test_a_change_is_valid_or_refused_with_a_value_error(self, arguments):
        check(prepare_change_event_data, arguments)

    @given(anything)
    @settings(patiently, max_examples=400)
    def test_details_of_any_kind_never_cost_the_event(self, details):
        data = check(prepare_event_data, {"summary": "s", "severity": "info", "custom_details": details})
        assert data is not None
        assert ("custom_details" in data["payload"]) is (details is not None)

    @given(
        st.one_of(
            long_text,
            st.lists(long_text, max_size=5),
            st.dictionaries(any_text | st.integers(), long_text | st.lists(long_text, max_size=3), max_size=8),
            st.dictionaries(long_text, anything, max_size=3),
        ),
        st.sampled_from([0, 300_000, 505_000, 508_000, 509_000]) | st.integers(0, 509_000),
    )
    @settings(patiently, max_examples=100)
    def test_details_of_any_size_are_cut_to_fit(self, details, taken):
        fields = {"summary": "s", "severity": "info", "source": "s" * (taken + 1), "custom_details": details}
        data = check(prepare_event_data, fields)
        assert data is not None
        if type(details) is dict:
            kept = data["payload"]["custom_details"].keys()
            gone = {to_text(key) for key in details if is_text(key)} - kept
            assert not gone or any(key.startswith("left out") for key in kept)

    @pytest.mark.parametrize("kind", [Unprintable, Secretive, UnreadableMapping, UnreadableList])
    @pytest.mark.parametrize("build", [prepare_event_data, prepare_change_event_data])
    def test_a_value_that_breaks_when_it_is_read_is_a_detail_or_refused(self, build, kind):
        odd = kind()
        required = {"summary": "s", "severity": "info"} if build is prepare_event_data else {"summary": "s"}
        for name in inspect.signature(build).parameters.keys() - {"action_key_name"}:
            for value in (odd, [odd], [{"href": odd, "src": odd}]):
                data = check(build, required | {name: value})
                assert (data is None) is (name != "custom_details")
        links = [{"href": "https://x", "src": "https://x", "text": odd}]
        for name in ("links", "images") if build is prepare_event_data else ("links",):
            assert check(build, required | {name: links})[name][0]["href"] == "https://x"


def test_a_callers_dictionaries_are_never_changed():
    arguments = {
        "custom_details": {"at": NOON, "dump": ["x" * 600_000], 1: {"a": {2}}},
        "links": [{"href": " https://x ", "text": NOON}],
        "images": [{"src": " https://x ", "alt": b"x"}],
    }
    before = deepcopy(arguments)
    data, _ = mended(**arguments)
    assert arguments == before
    data["links"][0]["href"] = data["payload"]["custom_details"]["1"]["a"] = "changed"
    assert arguments == before


def test_an_iterator_among_the_details_is_not_used_up():
    rows = iter([1, 2, 3])
    mended(custom_details={"rows": rows})
    assert list(rows) == [1, 2, 3]
