"""The outbox's table: what is kept, in which order it goes, and who may send it."""

import os
import sqlite3
import stat
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_pagerduty.outbox import database, location, store
from airflow_provider_pagerduty.outbox.database import Database, OutboxError
from airflow_provider_pagerduty.outbox.store import FURTHEST, LEASE, Store, Waiting, backoff


class Clock:
    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outbox.db"


@pytest.fixture
def outbox(path, clock):
    return Store(Database(f"sqlite:///{path}"), clock)


def event(action="trigger", key="k", summary="boom"):
    return {
        "event_action": action,
        "dedup_key": key,
        "payload": {"summary": summary, "severity": "error", "source": "airflow"},
    }


def sent(outbox, conn_id="pd"):
    """Deliver all that is due, and return it as it went."""
    order = []
    while (kept := outbox.claim(conn_id)) is not None:
        assert outbox.delivered(kept)
        order.append((kept.action, kept.dedup_key, kept.event["payload"]["summary"], kept.triggers))
    return order


class TestItsFile:
    def test_is_made_when_something_is_kept_and_for_its_owner_only(self, outbox, path):
        assert not outbox.waiting("pd", "k").first
        assert outbox.claim("pd") is None
        assert outbox.counts()["pending"] == outbox.tidy() == 0
        assert not path.exists()
        outbox.keep("pd", event())
        with sqlite3.connect(path) as reader:  # which brings the companions
            reader.execute("SELECT * FROM pagerduty_outbox").fetchall()
            for each in path.parent.iterdir():
                assert stat.S_IMODE(each.stat().st_mode) == 0o600, each.name
            assert reader.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        reader.close()

    def test_that_is_taken_away_is_made_again(self, outbox, path):
        outbox.keep("pd", event(summary="first"))
        for each in path.parent.iterdir():
            each.unlink()
        assert not outbox.waiting("pd", "k").first
        outbox.keep("pd", event(summary="second"))
        assert [each[2] for each in sent(outbox)] == ["second"]

    def test_that_lost_its_tables_gets_them_again(self, outbox, path):
        outbox.keep("pd", event(summary="first"))
        with sqlite3.connect(path) as other:
            other.execute("DROP TABLE pagerduty_outbox")
        other.close()
        outbox.keep("pd", event(summary="second"))
        assert [each[2] for each in sent(outbox)] == ["second"]

    def test_that_is_damaged_is_moved_aside_and_kept_and_said_loudly(self, outbox, path, caplog):
        path.write_bytes(b"this is no database, and never was one" * 100)
        outbox.keep("pd", event())
        assert len(sent(outbox)) == 1
        (kept,) = path.parent.glob("*.damaged-*")
        assert b"never was one" in kept.read_bytes()
        (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
        assert str(kept) in record.getMessage()

    def test_that_is_damaged_somewhere_in_the_middle_is_moved_aside_too(self, outbox, path):
        for number in range(200):
            outbox.keep("pd", event(key=str(number), summary="x" * 900))
        with sqlite3.connect(path) as whole:
            whole.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        whole.close()
        content = path.read_bytes()
        for page in range(1, len(content) // 4096, 7):
            path.write_bytes(content[: page * 4096] + b"\xa5" * 4096 + content[(page + 1) * 4096 :])
            for suffix in ("-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            outbox.keep("pd", event(key=f"after {page}"))
            outbox.claim("pd")

    def test_that_one_may_only_read_can_be_asked(self, outbox, path):
        outbox.keep("pd", event())
        for each in path.parent.iterdir():
            each.chmod(0o400)
        fresh = Store(Database(f"sqlite:///{path}"))
        assert fresh.waiting("pd", "k").first
        assert fresh.counts()["pending"] == 1

    def test_that_nobody_may_write_to_is_an_error_that_says_so(self, outbox, path):
        if os.geteuid() == 0:
            pytest.skip("root may write to everything")
        outbox.keep("pd", event())
        path.chmod(0o400)
        with pytest.raises(OutboxError, match=f"the outbox {path} cannot be used: .*readonly"):
            outbox.keep("pd", event())

    def test_in_a_folder_that_cannot_be_made_is_an_error_that_says_so(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(OutboxError, match="cannot be used: "):
            Store(Database(f"sqlite:///{tmp_path}/file/outbox.db")).keep("pd", event())

    def test_of_a_newer_version_is_left_alone(self, outbox, path):
        outbox.keep("pd", event())
        with sqlite3.connect(path) as newer:
            newer.execute("UPDATE pagerduty_outbox_fact SET value = 99 WHERE name = 'version'")
        newer.close()
        with pytest.raises(OutboxError, match="made by a newer version of airflow-provider-pagerduty"):
            Store(Database(f"sqlite:///{path}")).keep("pd", event())

    def test_of_an_older_version_is_led_forward(self, outbox, path, monkeypatch):
        outbox.keep("pd", event())
        monkeypatch.setattr(database, "VERSION", 2)
        monkeypatch.setattr(database, "MIGRATIONS", {1: ("ALTER TABLE pagerduty_outbox ADD COLUMN note TEXT",)})
        Store(Database(f"sqlite:///{path}")).keep("pd", event())
        with sqlite3.connect(path) as after:
            assert "note" in {row[1] for row in after.execute("PRAGMA table_info(pagerduty_outbox)")}
            assert after.execute("SELECT value FROM pagerduty_outbox_fact").fetchone() == (2,)
        after.close()


class TestItsUrl:
    @pytest.mark.parametrize(
        ("url", "error"),
        [
            ("no url", "is no database URL"),
            ("sqlite:///relative.db", "absolute path, with four slashes"),
            ("nosuchdatabase://user:hunter-two@host/x", "cannot be used"),
        ],
    )
    def test_that_leads_nowhere_is_an_error_without_its_password(self, url, error):
        with pytest.raises(OutboxError, match=error) as refusal:
            Store(Database(url)).keep("pd", event())
        assert "hunter-two" not in str(refusal.value)

    def test_is_shown_without_its_password(self):
        shown = str(Database("postgresql://me:hunter-two@host/x?password=hunter-two"))
        assert shown == "postgresql://me@host/x"

    def test_is_a_file_in_airflows_home_or_what_is_configured_or_none(self, configure):
        configure(outbox="")
        assert location.url() == f"sqlite:///{os.environ['AIRFLOW_HOME']}/pagerduty-outbox.db"
        configure(outbox="postgresql://host/x")
        assert location.url() == "postgresql://host/x"
        assert not location.is_surely_empty()
        configure(outbox="None")
        assert location.url() is None
        assert location.open_outbox() is None
        assert location.is_surely_empty()

    def test_tells_at_a_glance_whether_something_waits(self, outbox, path, configure):
        configure(outbox=f"sqlite:///{path}")
        assert location.is_surely_empty()
        outbox.keep("pd", event())
        assert not location.is_surely_empty()
        sent(outbox)
        assert location.is_surely_empty()
        path.write_bytes(b"damaged" * 1000)
        assert not location.is_surely_empty()


class TestOrder:
    def test_of_one_key_is_first_in_first_out(self, outbox):
        for action in ("trigger", "acknowledge", "resolve", "trigger"):
            outbox.keep("pd", event(action))
        assert [each[0] for each in sent(outbox)] == ["trigger", "acknowledge", "resolve", "trigger"]

    def test_the_next_waits_until_the_one_before_has_arrived(self, outbox, clock):
        outbox.keep("pd", event("trigger"))
        outbox.keep("pd", event("resolve"))
        first = outbox.claim("pd")
        assert outbox.claim("pd") is None
        outbox.put_back(first, "no answer")
        assert outbox.claim("pd") is None
        clock.now += store.LONGEST_WAIT
        assert outbox.claim("pd").action == "trigger"

    @pytest.mark.parametrize("end", ["delivered", "rejected", "expired", "dropped"])
    def test_whatever_becomes_of_one_the_next_may_go(self, outbox, end):
        outbox.keep("pd", event("trigger"))
        outbox.keep("pd", event("resolve"))
        first = outbox.claim("pd")
        if end == "dropped":
            assert not outbox.drop(first.id)  # it is being sent
            outbox.put_back(first, "no answer")
            assert outbox.drop(first.id)
        else:
            assert getattr(outbox, end)(*((first,) if end == "delivered" else (first, "why")))
        assert outbox.claim("pd").action == "resolve"

    def test_keys_and_connections_do_not_wait_for_each_other(self, outbox):
        for conn_id, key in (("pd", "a"), ("pd", "b"), ("other", "a")):
            outbox.keep(conn_id, event(key=key))
        assert {outbox.claim("pd").dedup_key, outbox.claim("pd").dedup_key} == {"a", "b"}
        assert outbox.claim("other").dedup_key == "a"
        assert outbox.connections() == ["other", "pd"]


class TestWhatANewEventWaitsFor:
    def test_is_one_of_its_own_key(self, outbox):
        outbox.keep("pd", event(key="a"))
        assert outbox.waiting("pd", "a") == Waiting(first=True, others=True)
        assert outbox.waiting("pd", "b") == Waiting(first=False, others=True)
        assert outbox.waiting("another", "a") == Waiting(first=False, others=True)
        sent(outbox)
        assert outbox.waiting("pd", "a") == Waiting(first=False, others=False)

    def test_is_any_of_its_connection_while_nothing_gets_through_to_that(self, outbox):
        outbox.keep("pd", event(key="a"))
        outbox.failed("pd")
        assert outbox.waiting("pd", "b").first
        assert not outbox.waiting("another", "b").first
        outbox.succeeded("pd")
        assert not outbox.waiting("pd", "b").first


class TestFolding:
    def test_triggers_fold_into_one_with_the_latest_content_the_first_time_and_their_number(
        self, outbox, clock
    ):
        first = clock.now
        for summary in ("one", "two", "three"):
            outbox.keep("pd", event(summary=summary))
            clock.now += 60
        (kept,) = outbox.find(["pending"])
        assert (kept.event["payload"]["summary"], kept.triggers) == ("three", 3)
        assert (kept.first_at, kept.latest_at) == (first, first + 120)

    def test_a_resolve_between_them_stays_between_them(self, outbox):
        for action in ("trigger", "trigger", "resolve", "trigger", "trigger"):
            outbox.keep("pd", event(action))
        assert [(each[0], each[3]) for each in sent(outbox)] == [("trigger", 2), ("resolve", 1), ("trigger", 2)]

    def test_nothing_folds_into_one_that_is_being_sent(self, outbox):
        outbox.keep("pd", event(summary="old"))
        claimed = outbox.claim("pd")
        outbox.keep("pd", event(summary="new"))
        assert outbox.delivered(claimed)
        assert [each[2] for each in sent(outbox)] == ["new"]

    def test_one_whose_sender_is_gone_takes_more_and_its_sender_cannot_end_it(self, outbox, clock):
        outbox.keep("pd", event(summary="old"))
        claimed = outbox.claim("pd")
        clock.now += LEASE + 1
        outbox.keep("pd", event(summary="new"))
        assert not outbox.delivered(claimed)
        assert sent(outbox) == [("trigger", "k", "new", 2)]


class TestLeases:
    def test_one_that_runs_out_is_taken_over_and_its_holder_can_do_nothing_more(self, outbox, clock):
        outbox.keep("pd", event())
        mine = outbox.claim("pd")
        clock.now += LEASE - 1
        assert outbox.claim("pd") is None
        clock.now += 1
        theirs = outbox.claim("pd")
        assert not outbox.delivered(mine)
        assert not outbox.put_back(mine, "x")
        assert not outbox.rejected(mine, "x")
        assert outbox.delivered(theirs)

    def test_a_clock_that_is_a_little_behind_takes_nobodys(self, outbox, clock):
        outbox.keep("pd", event())
        outbox.claim("pd")
        clock.now -= 30
        assert outbox.claim("pd") is None

    def test_one_can_be_held_for_longer(self, outbox, clock):
        outbox.keep("pd", event())
        mine = outbox.claim("pd")
        clock.now += LEASE - 1
        assert outbox.renew(mine)
        clock.now += LEASE - 1
        assert outbox.claim("pd") is None
        clock.now += 1
        assert outbox.claim("pd") is not None
        assert not outbox.renew(mine)

    def test_the_first_sender_holds_what_it_keeps_unless_something_is_before_it(self, outbox):
        held = outbox.keep("pd", event("acknowledge"), error="no answer", hold=True)
        assert held.lease
        assert outbox.claim("pd") is None
        behind = outbox.keep("pd", event("resolve"), error="no answer", hold=True)
        assert behind.lease is None
        assert outbox.delivered(held)
        assert outbox.claim("pd").action == "resolve"

    def test_a_clock_that_is_put_back_holds_nothing_up(self, outbox, clock):
        for key in ("due", "leased", "failed"):
            outbox.keep("pd", event(key=key))
        outbox.put_back(outbox.claim("pd"), "no answer", 60)
        outbox.claim("pd")
        outbox.failed("pd", 60)
        assert not outbox.may_try("pd")
        clock.now -= FURTHEST + 1
        assert outbox.may_try("pd")
        assert len(sent(outbox)) == 3

    def test_two_threads_never_claim_the_same(self, outbox):
        for number in range(60):
            outbox.keep("pd", event(key=str(number)))
        claimed = []

        def claim():
            while (kept := outbox.claim("pd")) is not None:
                claimed.append(kept.id)

        threads = [threading.Thread(target=claim) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(claimed) == sorted(set(claimed))
        assert len(claimed) == 60


class TestTheCircuit:
    def test_a_connection_that_fails_is_tried_again_later_and_by_one_alone(self, outbox, clock):
        assert outbox.may_try("pd")
        assert not outbox.take_turn("pd")
        outbox.failed("pd")
        assert not outbox.may_try("pd")
        assert not outbox.take_turn("pd")
        clock.now += store.FIRST_WAIT + 1
        assert outbox.take_turn("pd")
        assert not outbox.take_turn("pd")
        assert outbox.may_try("other")

    def test_it_waits_longer_each_time_and_as_long_as_it_is_asked_to(self, outbox, clock):
        for failures in range(1, 6):
            outbox.failed("pd")
            clock.now += store.FIRST_WAIT * 2 ** (failures - 1) / 2 - 1
            assert not outbox.may_try("pd")
            clock.now += store.LONGEST_WAIT
            assert outbox.may_try("pd")
        outbox.failed("pd", 800)
        clock.now += 799
        assert not outbox.may_try("pd")
        clock.now += 1
        assert outbox.may_try("pd")

    def test_many_that_fail_in_one_moment_are_one_failure(self, outbox, clock):
        for _ in range(8):
            outbox.failed("pd")
        clock.now += store.FIRST_WAIT
        assert outbox.may_try("pd")
        outbox.failed("pd")
        outbox.failed("pd", 800)
        clock.now += 799
        assert not outbox.may_try("pd")

    def test_a_turn_that_was_taken_makes_the_next_wait_longer(self, outbox, clock):
        outbox.failed("pd")
        clock.now += store.FIRST_WAIT
        assert outbox.take_turn("pd")
        outbox.failed("pd")
        clock.now += store.FIRST_WAIT - 1
        assert not outbox.take_turn("pd")
        clock.now += store.FIRST_WAIT + 1
        assert outbox.take_turn("pd")

    def test_a_success_closes_it(self, outbox):
        outbox.failed("pd")
        outbox.succeeded("pd")
        assert outbox.may_try("pd")

    def test_the_waits_grow_to_five_minutes(self):
        assert all(5 <= backoff(0) <= 10 for _ in range(50))
        assert all(150 <= backoff(failures) <= 300 for failures in (5, 10, 1_000))


class TestWhatIsOver:
    def test_goes_after_a_day_and_what_was_never_delivered_after_thirty(self, outbox, clock):
        for key in "abcd":
            outbox.keep("pd", event(key=key))
        outbox.delivered(outbox.claim("pd"))
        outbox.rejected(outbox.claim("pd"), "not valid")
        outbox.expired(outbox.claim("pd"), "too old")
        clock.now += 24 * 3600 + 1
        assert outbox.tidy() == 1
        clock.now += 29 * 24 * 3600
        assert outbox.tidy() == 2
        assert outbox.counts() == {"pending": 1, "delivered": 0, "rejected": 0, "expired": 0}

    def test_can_be_tried_again_behind_what_came_since(self, outbox):
        outbox.keep("pd", event("trigger", summary="rejected"))
        rejected = outbox.claim("pd")
        outbox.rejected(rejected, "not valid")
        outbox.keep("pd", event("resolve"))
        assert outbox.retry(rejected.id)
        assert [each[0] for each in sent(outbox)] == ["resolve", "trigger"]
        assert not outbox.retry(rejected.id)
        assert not outbox.drop(12_345)

    def test_one_that_waits_can_be_tried_at_once(self, outbox):
        outbox.keep("pd", event())
        kept = outbox.claim("pd")
        outbox.put_back(kept, "no answer", 800)
        assert outbox.claim("pd") is None
        assert outbox.retry(kept.id)
        assert outbox.claim("pd").last_error == "no answer"

    def test_refused_at_the_first_try_is_there_to_be_looked_at(self, outbox):
        outbox.reject("pd", event(), "'summary' is missing")
        (kept,) = outbox.find(["rejected"])
        assert kept.last_error == "'summary' is missing"
        assert not outbox.waiting("pd", "k").first


def test_a_relay_leaves_word_that_it_was_here(outbox, clock):
    assert outbox.last_look_in() is None
    outbox.look_in()
    clock.now += 60
    outbox.look_in()
    assert outbox.last_look_in() == clock.now


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["keep", "deliver", "fail", "die", "wait"]),
        st.sampled_from("ab"),
        st.sampled_from(["trigger", "resolve", "acknowledge"]),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_whatever_happens_each_key_arrives_in_order_and_whole(tmp_path_factory, steps):
    clock = Clock()
    outbox = Store(Database(f"sqlite:///{tmp_path_factory.mktemp('outbox')}/o.db"), clock)
    given, arrived = {"a": [], "b": []}, {"a": [], "b": []}
    claimed = []

    def deliver(kept):
        assert outbox.delivered(kept)
        arrived[kept.dedup_key].append((kept.action, kept.triggers, kept.event["payload"]["summary"]))

    for number, (step, key, action) in enumerate(steps):
        if step == "keep":
            outbox.keep("pd", event(action, key, str(number)))
            given[key].append((action, str(number)))
        elif step == "wait":
            clock.now += store.LONGEST_WAIT
            claimed.clear()  # their leases are over
        elif (kept := outbox.claim("pd")) is not None:
            if step == "deliver":
                deliver(kept)
            elif step == "fail":
                outbox.put_back(kept, "no answer")
    clock.now += store.LONGEST_WAIT
    while (kept := outbox.claim("pd")) is not None:
        deliver(kept)
    for key, events in given.items():
        assert_stand_for(arrived[key], events)


def assert_stand_for(arrived, given):
    """Check that what arrived is all that was given, in its order, with triggers folded at most."""
    position = 0
    for action, triggers, summary in arrived:
        stands_for = given[position : position + triggers]
        assert {each[0] for each in stands_for} == {action}
        assert stands_for[-1][1] == summary
        assert triggers == 1 or action == "trigger"
        position += triggers
    assert position == len(given)
