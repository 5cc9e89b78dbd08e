"""No page is lost to what happens to the outbox's file, or to the machine's clock."""

import contextlib
import errno
import os
import shutil
import subprocess
import time

import pytest
import trial_workers
from trial_events import Said, conversation
from trial_world import world

trial = pytest.mark.trial
HOUR = 3600.0


def path_of(world):
    return world.store._database.path


@trial("outbox file deleted: while events are pending, and when none is")
def test_a_deleted_file_takes_only_what_was_pending_in_it(on_sqlite):
    gone = conversation(10, 2, seed=20, prefix="gone")
    later = conversation(10, 4, seed=21, prefix="later")
    last = conversation(10, 4, seed=22, prefix="last")
    store = on_sqlite.store  # a process that has it open all the time
    with on_sqlite.fault(kind="refuse"):
        assert on_sqlite.say(gone) == {}
        assert store.counts()["pending"] > 0
        _delete(path_of(on_sqlite))
        assert on_sqlite.say(later) == {}
    assert store.counts()["pending"] > 0
    assert path_of(on_sqlite).stat().st_mode & 0o777 == 0o600
    on_sqlite.drain()
    _delete(path_of(on_sqlite))
    assert on_sqlite.say(last[:20]) == {}
    assert not path_of(on_sqlite).exists(), "made for nothing"
    with on_sqlite.fault(kind="refuse"):
        assert on_sqlite.say(last[20:]) == {}
    on_sqlite.drain()
    on_sqlite.judge(
        gone + later + last,
        excused=gone,
        note=f"the {len(gone)} events that were pending are gone with the file",
    )


def _delete(path):
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(place, marks=trial(f"outbox file damaged, {place}, while events are pending"))
        for place in ("at its head", "in its middle", "all of it")
    ],
)
def test_a_damaged_file_is_moved_aside_and_a_new_one_begun(on_sqlite, place):
    gone, later = conversation(30, 3, seed=23, prefix="gone"), conversation(10, 4, seed=24, prefix="later")
    path = path_of(on_sqlite)
    with on_sqlite.fault(kind="refuse"):
        assert on_sqlite.say(gone) == {}
        damage = _damaged(path, place)
        assert on_sqlite.say(later) == {}
    (kept,) = [each for each in path.parent.glob("*.damaged-*") if not each.name.endswith(("-wal", "-shm"))]
    assert damage in kept.read_bytes()
    assert f"It was moved to {kept}" in on_sqlite.log
    on_sqlite.drain()
    on_sqlite.judge(
        gone + later,
        excused=gone,
        note=f"the {len(gone)} events that were pending are in the file, which is kept; an error says so",
    )


def _damaged(path, place):
    import sqlite3

    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        root = "SELECT rootpage FROM sqlite_master WHERE name = 'pagerduty_outbox_key'"
        (page,) = connection.execute(root).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    whole = path.stat().st_size
    places = {"at its head": (0, 100), "in its middle": ((page - 1) * size, size), "all of it": (0, whole)}
    begin, length = places[place]
    damage = os.urandom(length)
    with path.open("r+b") as file:
        file.seek(begin)
        file.write(damage)
    return damage


@pytest.fixture
def on_small_disk(tmp_path):
    """A world with its outbox on a disk of its own, of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    tried = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", folder],
        check=False,
        capture_output=True,
        timeout=20,
    )
    if not tried or tried.returncode:
        pytest.skip("a small disk can be mounted by root only, and not in every container")
    try:
        with world(tmp_path, f"sqlite:///{folder / 'outbox.db'}") as made:
            yield made
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True, timeout=20)


@trial("outbox on a full disk")
def test_a_full_disk_loses_nothing_that_was_kept_and_says_what_it_cannot_keep(on_small_disk):
    before, during = conversation(10, 3, seed=25, prefix="before"), conversation(4, 2, seed=26, prefix="during")
    lost = conversation(3, 1, seed=27, prefix="refused")
    with on_small_disk.fault(kind="refuse"):
        assert on_small_disk.say(before) == {}
    with _full(on_small_disk):
        _assert_one_attempt_more(on_small_disk, during)
        with on_small_disk.fault(kind="status", status=503):
            errors = on_small_disk.say(lost, at_once=1)
    assert set(errors) == {each.summary for each in lost}
    for error in errors.values():
        assert "HTTP 503" in error
        assert "is not kept for later" in error
        assert "full" in error
    on_small_disk.drain()
    on_small_disk.judge(
        before + during + lost,
        excused=lost,
        note=f"{len(lost)} more came while PagerDuty was away too: each ends in an error that says so",
    )


@contextlib.contextmanager
def _full(world):
    junk = path_of(world).with_name("junk")
    try:
        with junk.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        yield
    finally:
        junk.unlink()


@trial("outbox file read-only")
def test_a_read_only_file_costs_one_attempt_more(on_small_disk):
    before, during = conversation(10, 3, seed=28, prefix="before"), conversation(4, 2, seed=29, prefix="during")
    with on_small_disk.fault(kind="refuse"):
        assert on_small_disk.say(before) == {}
    disk = path_of(on_small_disk).parent
    _remount(disk, "ro")
    try:
        _assert_one_attempt_more(on_small_disk, during)
        with pytest.raises(OSError, match=os.strerror(errno.EROFS)):
            path_of(on_small_disk).touch()
    finally:
        _remount(disk, "rw")
    on_small_disk.drain()
    on_small_disk.judge(before + during)


def _remount(disk, mode):
    subprocess.run(["mount", "-o", f"remount,{mode}", disk], check=True, timeout=20)


def _assert_one_attempt_more(world, said):
    """Say each while PagerDuty fails once: what cannot be kept goes out at the second attempt."""
    for each in said:
        with world.fault(kind="status", status=503, times=1):
            assert world.say([each], at_once=1, send_timeout=3) == {}


@pytest.mark.parametrize(
    "back",
    [
        pytest.param(HOUR, marks=trial("clock put back by an hour, events pending")),
        pytest.param(5.0, marks=trial("clock put back by 5 s, events pending")),
    ],
)
def test_a_clock_that_goes_back_holds_nothing_up(on_each, back):
    said = conversation(10, 4, seed=30)
    with on_each.fault(kind="refuse"):
        assert on_each.say(said[:20]) == {}
        on_each.clock.put_back(back)
        assert on_each.say(said[20:]) == {}
    _assert_drained_soon(on_each)
    on_each.judge(said)


@trial("clock put back by an hour, a killed worker's lease held")
def test_a_clock_that_goes_back_frees_the_lease_of_the_dead(on_each):
    trigger, resolve = Said("killed", 0, "trigger"), Said("killed", 1, "resolve")
    with on_each.fault(kind="status", status=503):
        on_each.say_and_die([trigger], "after the row")
    on_each.clock.put_back(HOUR)
    assert on_each.say([resolve], at_once=1) == {}
    _assert_drained_soon(on_each)
    on_each.judge([trigger, resolve])


@trial("clock put back by an hour, a worker waiting for an answer")
def test_a_clock_that_goes_back_while_a_send_is_under_way_doubles_nothing(on_each):
    trigger, resolve = Said("slow", 0, "trigger"), Said("slow", 1, "resolve")
    with on_each.fault(kind="status", status=503, times=1), on_each.fault(kind="slow", delay=1.0, times=1):
        job = on_each.start(trial_workers.say, [trigger], send_timeout=5)
        deadline = time.monotonic() + 10
        while not on_each.pagerduty.events:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    on_each.clock.put_back(HOUR)
    assert on_each.say([resolve], at_once=1) == {}
    _assert_drained_soon(on_each)
    assert job.result() == {}
    on_each.drain()
    on_each.judge([trigger, resolve])


def _assert_drained_soon(world):
    begun = world.clock.true()
    world.drain()
    assert world.clock.true() - begun < 15 * 60
