"""How each thing is measured. What the figures are to be, and how they are shown, is in ``rows``.

A trial is a generator: each round yields, for every side, its figures. Sides take turns within a round, so that
whatever else the machine does slows them all.
"""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import dag_pass

#: Seconds that the long road takes, there and back.
ROUND_TRIP = 0.050
WIDTHS = (1, 4, 8, 16, 32)
#: Held by what is measured while other trials wait for something.
ALONE = threading.Lock()


@dataclass(frozen=True)
class Size:
    """How much is done.

    :param rounds: how often all sides take their turn; ``slow_rounds`` and ``pages`` where that takes minutes.
    :param cut_off: seconds after which a callback that is still running is stopped.
    :param send_timeout: what we are told that an event may cost; our default with None.
    :param trials_at_once: more than one only where no figure matters.
    """

    rounds: int = 5
    slow_rounds: int = 2
    pages: int = 10
    events: int = 1_000
    far_events: int = 10
    files: int = 500
    callbacks: int = 10
    failures: int = 1_000
    outboxes: tuple[int, ...] = (10, 1_000, 100_000)
    cut_off: float = 60.0
    send_timeout: float | None = None
    trials_at_once: int = 1


SMOKE = Size(
    rounds=1,
    slow_rounds=1,
    pages=1,
    events=4,
    far_events=2,
    files=1,
    callbacks=2,
    failures=4,
    outboxes=(10, 20),
    cut_off=1.0,
    send_timeout=1.0,
    trials_at_once=3,
)


def pages(stage, size, sides):
    """A cold process imports, and sends its first event."""
    with stage.server() as port:
        for _ in range(size.pages):
            figures = {side: stage.client(side, "page_by_hook", port) for side in sides}
            for side in sides:
                if side != "bare":
                    figures[side] |= stage.client(side, "page_by_notifier", port)
            figures["bare"]["notifier ms"] = figures["bare"]["hook ms"]  # it has one way
            yield figures


def warm(stage, size, sides):
    """One hook sends many events, one by one."""
    with stage.server() as port:
        for _ in range(size.rounds):
            yield {side: stage.client(side, "one_by_one", port, count=size.events) for side in sides}


def far(stage, size, sides):
    """The same over a long road: one by one, for which few are enough, and many at once."""
    with stage.server() as port, stage.long_road(port, ROUND_TRIP / 2) as long:
        for _ in range(size.rounds):
            figures = {}
            for side in sides:
                alone = stage.client(side, "one_by_one", long, count=size.far_events)["ms"]
                # The Apache package's loop does one by one however many there are.
                count = size.far_events if side == "apache" else size.events
                crowd = stage.client(side, "many_at_once", long, count=count, widths=[32])
                figures[side] = {"round trips": alone / (ROUND_TRIP * 1_000), "many ms": crowd["32 at once ms"]}
            yield figures


def near(stage, size, sides):
    """Many at once without any delay, at several widths."""
    arguments = {"count": size.events, "widths": WIDTHS}
    others = [side for side in sides if side != "apache"]  # which has no such loop
    with stage.server() as port:
        for _ in range(size.rounds):
            yield {side: stage.client(side, "many_at_once", port, **arguments) for side in others}


def dag_files(stage, size, sides):
    """A dag-processor parses files with each side's notifier; ``bare`` are those without any."""
    stage.run("-m", "airflow", "db", "migrate")
    clean = [(file, file.read_bytes()) for file in stage.home.glob("airflow.db*")]
    folders = {side: stage.folder / side for side in sides}
    for side, folder in folders.items():
        dag_pass.write(folder, side, size.files)
    dag_pass.write(stage.folder / "one", "bare", 1)
    for number in range(size.slow_rounds):
        taken = {}
        # No goal is about the Apache package's, so once is enough.
        now = [side for side in sides if side != "apache" or number == 0]
        for name in ("one", *random.sample(now, len(now))):
            for file in stage.home.glob("airflow.db*"):
                file.unlink()
            for file, content in clean:
                file.write_bytes(content)
            taken[name] = dag_pass.take(stage, stage.folder / name)
        start = taken.pop("one")  # what the dag-processor costs by itself
        yield {side: {f"pass {key}": took[key] - start[key] for key in took} for side, took in taken.items()}


def failing(stage, port, size, sides):
    """Callbacks fail, one after the other; theirs at once, as none has anything from those before it."""

    def callback(side, number):
        cut_off = 60.0 if side == "ours" else size.cut_off
        return stage.client(side, "callback", port, task_id=f"load_{number}", cut_off=cut_off)["s"]

    with ALONE:
        seconds = [callback("ours", number) for number in range(size.callbacks)]
    figures = {"ours": {"first s": seconds[0], "second s": seconds[1], "tenth s": seconds[-1]}}
    figures["ours"]["longest later s"] = max(seconds[1:])
    if "apache" in sides:
        with ThreadPoolExecutor() as pool:
            first, second, tenth = pool.map(callback, ["apache"] * 3, (0, 1, 9))
        later = max(second, tenth)
        figures["apache"] = {"first s": first, "second s": second, "tenth s": tenth, "longest later s": later}
    return figures


def refused(stage, size, sides):
    """Nobody listens at PagerDuty's address."""
    with stage.closed_door() as port:
        yield failing(stage, port, size, sides)


def silent(stage, size, sides):
    """Whoever listens there never answers."""
    with stage.server("--answer", "never") as port:
        yield failing(stage, port, size, sides)


def throttled(stage, size, sides):
    """PagerDuty answers 429 for ever."""
    with stage.server("--answer", "429") as port:
        yield failing(stage, port, size, sides)


def storm(stage, size, sides):
    """Many mapped tasks fail at once, and PagerDuty takes 120 events a minute."""
    figures = {}
    for side in sides:
        if side == "bare":
            continue
        with stage.server("--per-minute", "120") as port:
            # Ours is to end by itself.
            cut_off = 600.0 if side == "ours" else size.cut_off
            with ALONE:
                found = stage.client(side, "storm", port, failures=size.failures, at_once=8, cut_off=cut_off)
            waiting = stage.client(side, "relay", port, seconds=300.0)["left"] if side == "ours" else 0
            figures[side] = found | stage.seen(port)
            figures[side]["not out"] = found["raised"] + found["unfinished"] + waiting
    yield figures


def outboxes(stage, size, sides):
    """The outbox with few and with many events in it."""
    folder = stage.folder / "outboxes"
    folder.mkdir()
    for rows in size.outboxes:
        assert stage.script("growth.py", "fill", folder / f"{rows}.db", rows) == {"rows": rows}
    for _ in range(size.slow_rounds):
        yield stage.script("growth.py", "measure", folder, 4 * size.rounds)
