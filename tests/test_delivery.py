"""What an answer or a failure means for an event, and when, how often and how long it is tried again."""

import asyncio
import json
import random
import socket
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import httpx
import pytest
import requests
import tenacity
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from airflow_provider_pagerduty.delivery import (
    SHORTEST_ATTEMPT,
    Answer,
    Budget,
    Delivered,
    Rejected,
    Retry,
    Unexpected,
    judge,
    judge_failure,
    retrying,
)

URL = "https://events.pagerduty.com/v2/enqueue"
SUCCESS = {"status": "success", "message": "Event processed", "dedup_key": "key-1"}
THROTTLED = {
    "status": "throttle exceeded",
    "message": "Requests for this service are arriving too quickly.  Please retry later.",
    "errors": ["Enhance Your Calm."],
}
INVALID = {
    "status": "invalid event",
    "message": "Event object is invalid",
    "errors": ["'payload.source' is missing or blank", "'payload.severity' is missing or blank"],
}
LOGIN_PAGE = b"<html><title>Sign in</title></html>"
DEEP = b"[" * 100_000
NO_OBJECTS = [b"", LOGIN_PAGE, b"{", b"[]", b'"success"', b"null", b"\xff\xfe\xfa", DEEP]


def verdict_on(status, body=b"", **headers):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return judge(Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body), URL)


class TestJudge:
    def test_202_is_delivered_with_pagerdutys_answer(self):
        assert verdict_on(202, SUCCESS) == Delivered(SUCCESS)

    @pytest.mark.parametrize("body", NO_OBJECTS)
    def test_202_is_delivered_whatever_its_body(self, body):
        assert verdict_on(202, body) == Delivered({})

    @pytest.mark.parametrize("status", [200, 201, 204, 299])
    @pytest.mark.parametrize("body", [SUCCESS, {}, {"dedup_key": "key-1"}, {"status": None}])
    def test_another_2xx_is_delivered_where_it_answers_as_pagerduty_does(self, status, body):
        assert verdict_on(status, body) == Delivered(body)

    @pytest.mark.parametrize("status", [200, 201, 204, 299])
    @pytest.mark.parametrize(
        "body", [*NO_OBJECTS, {"status": "invalid event"}, {"status": False}, {"status": ""}]
    )
    def test_another_2xx_is_no_delivery_where_it_does_not(self, status, body):
        verdict = verdict_on(status, body)
        assert isinstance(verdict, Unexpected)
        assert verdict.cause.startswith(f"HTTP {status} from {URL}: ")
        assert verdict.cause.endswith(" Is that PagerDuty's Events API, or a proxy in between?")

    def test_429_is_tried_again_with_pagerdutys_reason(self):
        assert verdict_on(429, THROTTLED) == Retry(f"HTTP 429 from {URL}: Enhance Your Calm.", None)

    @pytest.mark.parametrize("status", [404, 429, 500])
    def test_all_of_several_reasons_are_in_the_cause(self, status):
        assert (
            "'payload.source' is missing or blank; 'payload.severity' is" in verdict_on(status, INVALID).cause
        )

    @pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
    def test_5xx_is_tried_again(self, status):
        assert verdict_on(status) == Retry(f"HTTP {status} from {URL}: no reason given.", None)

    def test_400_is_rejected_for_each_of_pagerdutys_reasons(self):
        assert verdict_on(400, INVALID) == Rejected(INVALID["errors"])

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"Invalid routing key", "Invalid routing key"),
            (b" Invalid\n  routing key\n", "Invalid routing key"),
            (b"caf\xc3\xa9 \xff", "café \ufffd"),
            (b"x" * 1_000, "x" * 1_000),
            (b"", "no reason given."),
            (b" \n", "no reason given."),
            (b"[]", "[]"),
            ({"message": "Event object is invalid"}, "Event object is invalid"),
            ({"status": "Unrecognized object"}, "Unrecognized object"),
            ({"errors": [], "message": "Event object is invalid"}, "Event object is invalid"),
            ({"errors": "no list", "message": "Event object is invalid"}, "Event object is invalid"),
            ({"errors": [{"code": 7}], "message": "unread"}, "{'code': 7}"),
            ({"error": {"message": "Not Found"}}, '{"error": {"message": "Not Found"}}'),
        ],
    )
    def test_400_is_rejected_with_the_best_reason_that_there_is(self, body, reason):
        assert verdict_on(400, body) == Rejected([reason])

    @pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308, 399])
    @pytest.mark.parametrize("body", [b"", SUCCESS])
    def test_a_redirect_is_unexpected_and_not_followed(self, status, body):
        cause = f"HTTP {status} from {URL}: a redirect, which is not followed. Is the base URL right?"
        assert verdict_on(status, body, Location="https://elsewhere.example.com") == Unexpected(cause)

    @pytest.mark.parametrize("status", [401, 403, 404, 405, 407, 408, 413, 422, 428, 430, 499])
    @pytest.mark.parametrize("body", [LOGIN_PAGE, SUCCESS])
    def test_another_4xx_is_unexpected(self, status, body):
        verdict = verdict_on(status, body, Retry_After="1")
        reason = LOGIN_PAGE.decode() if body is LOGIN_PAGE else "Event processed"
        assert isinstance(verdict, Unexpected)
        assert verdict.cause.startswith(f"HTTP {status} from {URL}: {reason} ")

    @given(
        st.integers(100, 599),
        st.dictionaries(st.sampled_from(["Retry-After", "Date"]), st.text()),
        st.binary() | st.recursive(st.text() | st.floats(), st.lists).map(json.dumps).map(str.encode),
    )
    def test_any_answer_has_a_verdict(self, status, headers, body):
        verdict = judge(Answer(status, headers, body), URL)
        if status == 429 or status >= 500:
            assert isinstance(verdict, Retry)
            assert verdict.after is None or verdict.after >= 0
        else:
            assert not isinstance(verdict, Retry)


class TestRetryAfter:
    @pytest.mark.parametrize("status", [429, 503])
    @pytest.mark.parametrize(("value", "seconds"), [("0", 0), ("7", 7), (" 30 ", 30), ("3600", 3600)])
    def test_seconds_are_read(self, status, value, seconds):
        assert verdict_on(status, Retry_After=value).after == seconds

    @pytest.mark.parametrize(
        ("date", "then", "seconds"),
        [
            ("Sat, 01 Aug 2026 12:00:00 GMT", "Sat, 01 Aug 2026 12:00:30 GMT", 30),
            ("Sat, 01 Aug 2026 12:00:00 GMT", "Sat, 01 Aug 2026 14:01:00 +0200", 60),
            ("Sat, 01 Aug 2026 12:00:00 GMT", "Sat, 01 Aug 2026 11:00:00 GMT", 0),
            # A server whose clock is years off is still understood.
            ("Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:05 GMT", 5),
        ],
    )
    def test_a_date_is_measured_against_the_answers_own(self, date, then, seconds):
        assert verdict_on(429, Date=date, Retry_After=then).after == seconds

    @given(
        st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1), timezones=st.just(timezone.utc)),  # noqa: DTZ001
        st.integers(0, 86_400),
    )
    def test_any_date_is_measured_to_the_second(self, now, seconds):
        date, then = format_datetime(now), format_datetime(now + timedelta(seconds=seconds), usegmt=True)
        assert verdict_on(429, Date=date, Retry_After=then).after == seconds

    @pytest.mark.parametrize(
        "value",
        [
            *("", "soon", "-5", "1.5", "1e3", "²", "0x10"),
            *("Sat, 32 Aug 2026 12:00:00 GMT", "Sat, 01 Aug 2026 12:00:00 -0000"),
            *("1 Jan 99999999999999999999 00:00:00 GMT", "1 Jan 2026 00:00:00 +99999999999"),
        ],
    )
    def test_what_is_neither_seconds_nor_a_date_is_as_if_it_were_not_there(self, value):
        assert verdict_on(429, Retry_After=value, Date="Sat, 01 Aug 2026 12:00:00 GMT").after is None

    @pytest.mark.parametrize("headers", [{}, {"Date": "today"}, {"Date": ""}])
    def test_a_date_without_a_date_to_measure_it_against_is_measured_by_our_clock(self, headers):
        assert verdict_on(429, Retry_After="Fri, 01 Jan 2100 00:00:00 GMT", **headers).after > 10**6
        assert verdict_on(429, Retry_After="Sat, 01 Jan 2000 00:00:00 GMT", **headers).after == 0

    def test_an_absurd_number_is_a_number(self):
        assert verdict_on(429, Retry_After="9" * 5_000).after > 10_000_000

    @pytest.mark.parametrize("kind", [CaseInsensitiveDict, httpx.Headers])
    def test_both_clients_headers_are_read(self, kind):
        headers = {"date": "Sat, 01 Aug 2026 12:00:00 GMT", "retry-after": "Sat, 01 Aug 2026 12:00:30 GMT"}
        assert judge(Answer(429, kind(headers)), URL).after == 30


class Wrapper(Exception):
    """Carries its cause as urllib3's errors do."""

    def __init__(self, message, reason):
        super().__init__(message)
        self.reason = reason


def caused(outer, inner):
    outer.__cause__ = inner
    return outer


class TestJudgeFailure:
    def test_a_failure_is_tried_again_and_named(self):
        cause = f"no answer from {URL}: OSError: cable cut"
        assert judge_failure(OSError("cable cut"), URL) == Retry(cause, None)

    def test_a_failure_without_words_is_named_by_its_type(self):
        assert judge_failure(TimeoutError(), URL).cause == f"no answer from {URL}: TimeoutError"

    @pytest.mark.parametrize(
        "failure",
        [
            caused(ValueError("outer"), OSError("cable cut")),
            ValueError("outer", OSError("cable cut")),
            Wrapper("outer", OSError("cable cut")),
            caused(Wrapper("a", ValueError("b", caused(KeyError("c"), OSError("cable cut")))), OSError("d")),
        ],
        ids=["cause", "argument", "reason", "all of them"],
    )
    def test_the_innermost_cause_is_named(self, failure):
        assert judge_failure(failure, URL).cause == f"no answer from {URL}: OSError: cable cut"

    def test_a_reason_that_is_a_text_is_no_cause(self):
        failure = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
        assert "UnicodeDecodeError: 'utf-8' codec" in judge_failure(failure, URL).cause

    def test_causes_in_a_circle_end(self):
        one, other = OSError("one"), OSError("other")
        one.__cause__, other.__cause__ = other, one
        assert judge_failure(one, URL).cause.startswith(f"no answer from {URL}: OSError: o")

    @pytest.mark.parametrize("client", [requests.Session, httpx.Client])
    def test_a_clients_own_error_is_named_by_what_the_system_said(self, client):
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{deaf.getsockname()[1]}/v2/enqueue"
            with client() as session, pytest.raises((OSError, httpx.HTTPError)) as failure:
                session.post(url)
        cause = judge_failure(failure.value, url).cause
        assert cause.startswith(f"no answer from {url}: ConnectionRefusedError: [Errno ")


class FakeTime:
    """A clock that only sleep and work move."""

    def __init__(self):
        self.now = 1_000.0
        self.sleeps = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.sleeps.append(seconds)
        self.now += seconds

    async def sleep_async(self, seconds):
        self.sleep(seconds)


class TestBudget:
    def test_it_counts_from_its_beginning(self):
        clock = FakeTime()
        budget = Budget(10, clock)
        clock.now += 4
        assert (budget.spent(), budget.left()) == (4, 6)

    def test_nothing_less_than_nothing_is_left(self):
        clock = FakeTime()
        budget = Budget(10, clock)
        clock.now += 11
        assert (budget.spent(), budget.left()) == (11, 0)


class Story:
    """An event's attempts: each takes its seconds, as far as the budget goes, and has its verdict."""

    def __init__(self, seconds, attempts):
        self.time = FakeTime()
        self.budget = Budget(seconds, self.time)
        self.started = []
        self._attempts = iter(attempts)

    def attempt(self):
        self.started.append(self.budget.left())
        verdict, seconds = next(self._attempts)
        self.time.now += min(seconds, self.budget.left())
        if isinstance(verdict, BaseException):
            raise verdict
        return verdict

    async def attempt_async(self):
        return self.attempt()

    def run(self):
        return tenacity.Retrying(sleep=self.time.sleep, **retrying(self.budget))(self.attempt)

    def run_async(self):
        policy = tenacity.AsyncRetrying(sleep=self.time.sleep_async, **retrying(self.budget))
        return asyncio.run(policy(self.attempt_async))


@pytest.fixture(params=["run", "run_async"])
def run(request):
    """Return a function that runs a story to its end, once for each of the two drivers."""
    return lambda story: getattr(story, request.param)()


@pytest.fixture
def _the_same_chance():
    state = random.getstate()
    random.seed(20260801)
    yield
    random.setstate(state)


DONE = Delivered(SUCCESS)
AGAIN = Retry("not now")
budgets = st.floats(0, 60)
retries = st.builds(Retry, st.just("not now"), st.none() | st.integers(0, 40))
scripts = st.lists(st.tuples(retries, st.floats(0, 20)), max_size=30)


class TestRetrying:
    @pytest.mark.parametrize("verdict", [DONE, Rejected(["no"]), Unexpected("what?")])
    def test_only_retry_is_tried_again(self, run, verdict):
        story = Story(10, [(verdict, 0.2)])
        assert run(story) is verdict
        assert story.time.sleeps == []

    def test_it_is_tried_until_there_is_another_verdict(self, run):
        story = Story(1_000, [(AGAIN, 0.1)] * 5 + [(Rejected(["no"]), 0.1)])
        assert run(story) == Rejected(["no"])
        assert len(story.started) == 6

    def test_the_last_verdict_is_returned_when_the_budget_is_spent(self, run):
        verdicts = [Retry(f"attempt {number}") for number in range(100)]
        story = Story(10, [(verdict, 0.5) for verdict in verdicts])
        assert run(story) is verdicts[len(story.started) - 1]
        assert 1 < len(story.started) < 100

    def test_an_error_that_is_no_verdict_is_raised_at_once(self, run):
        story = Story(10, [(KeyError("a bug"), 0.1)])
        with pytest.raises(KeyError, match="a bug"):
            run(story)
        assert len(story.started) == 1

    @pytest.mark.usefixtures("_the_same_chance")
    def test_waits_are_anything_up_to_a_bound_that_doubles(self, run):
        waits = []
        for _ in range(200):
            story = Story(1_000, [(AGAIN, 0)] * 7 + [(DONE, 0)])
            run(story)
            waits.append(story.time.sleeps)
        for bound, nth in zip((0.5, 1, 2, 4, 8, 8, 8), zip(*waits, strict=True), strict=True):
            assert 0 <= min(nth) < 0.1 * bound
            assert 0.9 * bound < max(nth) <= bound
            assert 0.4 * bound < sum(nth) / len(nth) < 0.6 * bound

    @pytest.mark.usefixtures("_the_same_chance")
    @pytest.mark.parametrize(("after", "longest"), [(1, 1.1), (5, 5.5), (10, 11), (60, 61), (3600, 3601)])
    def test_pagerduty_is_given_the_time_it_asks_for_and_a_little_more(self, run, after, longest):
        story = Story(10**6, [(Retry("throttled", after), 0)] * 100 + [(DONE, 0)])
        assert run(story) is DONE
        assert after <= min(story.time.sleeps) < after + 0.1 * (longest - after)
        assert longest - 0.1 * (longest - after) < max(story.time.sleeps) <= longest

    @pytest.mark.usefixtures("_the_same_chance")
    def test_no_wait_asked_for_is_the_usual_wait(self, run):
        story = Story(10, [(Retry("throttled", 0.0), 0)] * 1_000)
        run(story)
        assert len(story.started) < 20

    def test_a_wait_that_would_leave_no_time_for_an_attempt_is_not_begun(self, run):
        story = Story(10, [(Retry("throttled", 30), 0.2)])
        assert run(story) == Retry("throttled", 30)
        assert story.time.sleeps == []

    @pytest.mark.parametrize(("spent", "attempts"), [(8.7, 1), (8.3, 2)])
    def test_a_wait_that_leaves_time_for_an_attempt_is_taken(self, run, spent, attempts):
        # Asked for 1 s: 1 to 1.1 s of waiting, and 0.5 s for the attempt.
        story = Story(10, [(Retry("throttled", 1), spent), (DONE, 0)])
        run(story)
        assert len(story.started) == attempts

    def test_an_attempt_that_takes_the_whole_budget_is_the_last(self, run):
        story = Story(10, [(AGAIN, 60)])
        assert run(story) is AGAIN
        assert (story.budget.spent(), story.time.sleeps) == (10, [])

    @given(budgets, scripts)
    def test_no_story_overruns_its_budget_or_ends_before_it_must(self, seconds, attempts):
        story = Story(seconds, [*attempts, (DONE, 0)])
        verdict = story.run()
        count = len(story.started)
        assert verdict is ([retry for retry, _ in attempts] + [DONE])[count - 1]
        assert story.budget.spent() <= seconds + 1e-6
        worth_a_start = min(SHORTEST_ATTEMPT, 0.1 * seconds)
        assert all(left >= worth_a_start - 1e-6 for left in story.started[1:])
        for number, ((retry, _), slept) in enumerate(zip(attempts, story.time.sleeps, strict=False)):
            assert slept >= (retry.after or 0)
            assert slept <= longest_wait(number, retry) + 1e-6
        if verdict is not DONE:
            longest = longest_wait(count - 1, verdict) if verdict.after else 0.5 * worth_a_start
            assert story.budget.left() < max(longest, 0.5 * worth_a_start) + worth_a_start + 1e-5

    @given(budgets, scripts, st.integers())
    @settings(max_examples=50)
    def test_both_drivers_decide_the_same(self, seconds, attempts, chance):
        stories = [Story(seconds, [*attempts, (DONE, 0)]) for _ in range(2)]
        random.seed(chance)
        verdict = stories[0].run()
        random.seed(chance)
        assert stories[1].run_async() is verdict
        assert stories[0].started == stories[1].started
        assert stories[0].time.sleeps == stories[1].time.sleeps


def longest_wait(number, retry):
    if not retry.after:
        return min(8, 0.5 * 2**number)
    return retry.after + min(1, 0.1 * retry.after)
