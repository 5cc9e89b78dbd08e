"""The rows of the table: what each shows, and what it is to be. How it is measured is in ``trials``."""

from dataclasses import dataclass

import trials


@dataclass(frozen=True)
class Goal:
    """Ours is to be at most so much.

    :param of: the side whose figure it is a multiple of; None for a figure as it stands.
    :param side: whose figure it is about.
    """

    at_most: float
    of: str | None = None
    side: str = "ours"


@dataclass(frozen=True)
class Row:
    """One row.

    :param trial: what measures it.
    :param figure: which of the trial's figures it shows.
    :param unit: of that figure.
    :param bare: what the bare client is here.
    :param apache: what is to be known of the Apache package's figure.
    :param because: why a goal is missed, if one is; shown only then.
    """

    name: str
    trial: object
    figure: str
    unit: str = "ms"
    goals: tuple[Goal, ...] = ()
    bare: str = ""
    apache: str = ""
    because: str = ""


SUPERVISOR = (
    "Airflow's own look-up of a connection imports its supervisor, 10 to 14 ms, in a process that has none; "
    "the bare client looks no connection up, and reads no context"
)
TURN = "it was the one callback in each backoff step that tries whether the connection works again"
CUT_OFF = f"cut off after {trials.Size().cut_off:.0f} s"

ROWS = (
    Row("parse: import of the notifier", trials.pages, "import ms", goals=(Goal(1 / 20, "apache"),)),
    Row("parse: modules it adds", trials.pages, "modules", "", (Goal(8),)),
    Row(
        "parse, 500 DAG files: CPU of a dag-processor pass",
        trials.dag_files,
        "pass cpu",
        "s",
        (Goal(1.05, "bare"),),
        "no notifier",
    ),
    Row("the same, by the clock", trials.dag_files, "pass s", "s", bare="no notifier"),
    *(
        Row(
            f"first page, by the {way}",
            trials.pages,
            f"{way} ms",
            goals=(Goal(0.45, "apache"), Goal(1.3, "bare")),
            bare="`requests.post`",
            because=SUPERVISOR,
        )
        for way in ("hook", "notifier")
    ),
    Row(
        "warm, sequential: an event",
        trials.warm,
        "ms",
        goals=(Goal(0.45, "apache"), Goal(1.2, "bare")),
        bare="kept `requests.Session`",
    ),
    Row(
        "warm, concurrent: an event of 32 at once, 50 ms away",
        trials.far,
        "many ms",
        goals=(Goal(0.05, "apache"), Goal(1.2, "bare")),
        bare="`httpx.AsyncClient`",
    ),
    *(
        Row(
            f"warm, concurrent: {width} at once, no delay",
            trials.near,
            f"{width} at once ms",
            bare="`httpx.AsyncClient`",
        )
        for width in trials.WIDTHS
    ),
    Row(
        "round trips of a warm event",
        trials.far,
        "round trips",
        "",
        (Goal(1.25),),  # 1, and what the sending itself takes of 50 ms
        "kept `requests.Session`",
    ),
    *(
        Row(
            f"{name}: worker seconds of {which} callback",
            trial,
            figure,
            "s",
            (Goal(most),),
            "",
            apache,
            because,
        )
        for name, trial, apache in (
            ("unreachable, refused", trials.refused, ""),
            ("unreachable, silent", trials.silent, CUT_OFF),
            ("throttled, 429 for ever", trials.throttled, CUT_OFF),
        )
        for which, figure, most, because in (
            ("the 1st", "first s", 10.5, ""),
            ("the 2nd", "second s", 0.1, ""),
            ("the 10th", "tenth s", 0.1, ""),
            ("the longest later", "longest later s", 0.1, TURN),
        )
    ),
    *(
        Row(f"storm of 1,000 failures: {name}", trials.storm, figure, unit, goals, apache=CUT_OFF)
        for name, figure, unit, goals in (
            ("incidents opened", "incidents", "", (Goal(1),)),
            ("lost, or not out", "not out", "", (Goal(0),)),
            ("requests sent", "requests", "", ()),
            ("worker seconds held", "worker s", "s", ()),
        )
    ),
    Row("memory: peak over `import airflow.sdk`", trials.pages, "MB", "MB", (Goal(1 / 3, "apache"),)),
    *(
        Row(f"growth: to {what} one", trials.outboxes, f"{what} ms", goals=(Goal(1.5, "10", "100000"),))
        for what in ("add", "claim", "drain")
    ),
)
#: Trials that mostly wait run at the same time, after the others.
WAITING = (trials.storm, trials.refused, trials.silent, trials.throttled)
