"""An Airflow of the tests' own, seen through one small interface; what differs is in airflow3 and airflow2.

Its processes are started in sessions of their own and ended whatever happens, and every wait is bounded.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

DAGS = Path(__file__).with_name("dags")
DEPLOYMENT = "e2e"
#: By connection. The longest names have one each: the keys made of them are known by their service only.
INTEGRATION_KEYS = {
    "pagerduty_events_default": "0123456789abcdef0123456789abcdef",
    "pagerduty_long": "fedcba9876543210fedcba9876543210",
    "pagerduty_longest": "00112233445566778899aabbccddeeff",
    "pagerduty_away": "aabbccddeeff00112233445566778899",
}
#: A task looks it up and says it in an exception: it must not arrive.
WAREHOUSE_PASSWORD = "Zq7xKv9wJp3mTn5rYb8d"
#: Seconds that anything may take; on two busy cores a run with a hundred tasks takes some minutes.
PATIENCE = 180.0


class Run(NamedTuple):
    state: str
    end: str | None


class AirflowFault(Exception):
    """Airflow did not do in time what a case needs; the message says what, and shows its log."""


class LocalAirflow(ABC):
    """A scheduler with all that it needs, in a home of its own.

    :param home: an empty folder.
    :param pagerduty_url: the sandbox's base URL.
    """

    version: str

    def __init__(self, home: Path, pagerduty_url: str) -> None:
        self.home = home
        self.folder = home / "e2e"  # what the DAGs and the tests tell each other
        self.folder.mkdir(parents=True)
        self._copy_dags(home / "dags")
        self._processes: list[subprocess.Popen] = []
        self._closing = threading.Event()
        self._asking = threading.Lock()
        self._runs_lock = threading.Lock()
        self._runs: dict[tuple[str, str], Run] = {}
        self._runs_at = 0.0
        events = {"conn_type": "pagerduty_events", "host": pagerduty_url}
        connections = {
            **{name: events | {"password": key} for name, key in INTEGRATION_KEYS.items()},
            "warehouse": {
                "conn_type": "generic",
                "host": "warehouse",
                "login": "loader",
                "password": WAREHOUSE_PASSWORD,
            },
        }
        self.environment = {
            name: value
            for name, value in os.environ.items()
            # The tests' own Airflow must not leak in; and without bytecode, Airflow starts half as fast.
            if not name.startswith(("AIRFLOW_", "_AIRFLOW")) and name != "PYTHONDONTWRITEBYTECODE"
        }
        self.environment |= {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "6",
            # SQLite has one writer, and the others wait for it no longer than this.
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db?timeout=30",
            "AIRFLOW__PAGERDUTY__DEPLOYMENT": DEPLOYMENT,
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
            "E2E_FOLDER": str(self.folder),
            # Airflow starts its parts by name; this Airflow's own must be found first.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        }
        for name, fields in connections.items():
            self.environment[f"AIRFLOW_CONN_{name.upper()}"] = json.dumps(fields)

    def _copy_dags(self, folder):
        """Copy the DAGs that this Airflow can have: those named ``…_2`` and ``…_3`` are one Airflow's only."""
        other = "_3" if self.version.startswith("2.") else "_2"
        shutil.copytree(DAGS, folder, ignore=shutil.ignore_patterns("__pycache__", f"*{other}.py"))

    @contextmanager
    def started(self):
        """Start Airflow, wait until it takes runs, and end all of its processes afterwards."""
        try:
            self._start()
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            commands = Path(__file__).with_name("airflow_commands.py")
            self._commands = self.launch("commands", str(commands), **pipes)
            yield self
        finally:
            self._end()

    @abstractmethod
    def _start(self) -> None:
        """Start what there is, and return once it takes runs."""

    @abstractmethod
    def backfill(self, dag_id: str, date: str) -> None:
        """Have a run of a scheduled DAG made for an older date."""

    def trigger(self, dag_id: str, run_id: str, logical_date: str | None) -> None:
        """Make a run, as soon as the DAG is known."""
        self.wait(f"Airflow to read {dag_id}", lambda: self._ask("knows", dag_id))
        self._ask("trigger", dag_id, run_id, logical_date)

    def clear(self, dag_id: str, run_id: str) -> None:
        """Clear the run's failed tasks, so that they run again."""
        self._ask("clear", dag_id, run_id)

    def pause(self, dag_id: str, is_paused: bool) -> None:
        """Let a DAG's schedule rest, or run."""
        self.wait(f"Airflow to read {dag_id}", lambda: self._ask("knows", dag_id))
        self._ask("pause", dag_id, is_paused)

    def task_states(self, dag_id: str, run_id: str) -> dict[str, str]:
        """Return the states of a run's tasks; a mapped one is called ``task[index]``."""
        return self._ask("task_states", dag_id, run_id)

    def _ask(self, command, *arguments):
        with self._asking:
            try:
                self._commands.stdin.write(json.dumps([command, *arguments]) + "\n")
                self._commands.stdin.flush()
                line = self._commands.stdout.readline()
            except (OSError, ValueError) as error:
                raise AirflowFault(f"{command}: {error}") from error
        if not line:
            raise AirflowFault(f"{command}: the process for it ended.\n{self.tail()}")
        answer = json.loads(line)
        if "error" in answer:
            raise AirflowFault(f"{command} {arguments}: {answer['error']}")
        return answer["result"]

    def runs(self) -> dict[tuple[str, str], Run]:
        """Return every run, as of the last second: all cases ask, and Airflow has better things to do."""
        with self._runs_lock:
            if time.monotonic() - self._runs_at > 0.7:
                found = self._ask("runs")
                self._runs = {(dag_id, run_id): Run(state, end) for dag_id, run_id, state, end in found}
                self._runs_at = time.monotonic()
            return self._runs

    def run_end(self, dag_id: str, run_id: str, seconds: float = PATIENCE) -> Run:
        """Wait for a run's end."""

        def ended():
            run = self.runs().get((dag_id, run_id))
            return run if run and run.state in ("success", "failed") else None

        return self.wait(
            f"the end of {dag_id} {run_id}", ended, seconds, lambda: str(self.task_states(dag_id, run_id))
        )

    def wait(self, what, is_done, seconds: float = PATIENCE, evidence=lambda: ""):
        """Wait until something is truthy and return it.

        :raises AirflowFault: if it takes too long, or Airflow ends meanwhile.
        """
        deadline = time.monotonic() + seconds
        while not (result := is_done()):
            if self._closing.is_set():
                raise AirflowFault(f"{what}: Airflow was ended meanwhile")
            if any(process.poll() is not None for process in self._processes):
                raise AirflowFault(f"{what}: Airflow ended by itself.\n{self.tail()}")
            if time.monotonic() > deadline:
                raise AirflowFault(f"{what}: not there after {seconds:g} s.\n{evidence()}\n{self.tail()}")
            self._closing.wait(0.2)
        return result

    def tail(self) -> str:
        """Return the ends of Airflow's logs."""
        logs = sorted(self.home.glob("*.log"))
        ends = [
            f"The end of {log.name}:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-25:])
            for log in logs
        ]
        return "\n".join([*ends, "These live:", *map(_command_of, self.processes())])

    def logs(self) -> dict[Path, str]:
        """Return what every part, task and callback wrote."""
        files = [*self.home.glob("*.log"), *(self.home / "logs").rglob("*.log")]
        # What is called latest is there under its date, too.
        return {
            path.relative_to(self.home): path.read_text(errors="replace")
            for path in files
            if "latest" not in path.parts
        }

    def logs_about(self, dag_id: str) -> str:
        """Return the ends of what a DAG's tasks wrote, and its file's callbacks."""
        about = [
            (path, text)
            for path, text in self.logs().items()
            if len(path.parts) > 1 and (f"dag_id={dag_id}" in path.parts or dag_id in text)
        ]
        return "\n".join(
            f"The end of {path}:\n" + "\n".join(line[:600] for line in text.splitlines()[-8:])
            for path, text in about
        )

    def launch(self, name: str, *command: str, **kwargs) -> subprocess.Popen:
        """Start a part of Airflow, in a session of its own; what it says goes to ``<name>.log``."""
        with (self.home / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, *command],
                env=self.environment,
                cwd=self.home,  # which `-m` puts first on Python's path
                **{"stdin": subprocess.DEVNULL, "stdout": log} | kwargs,
                stderr=log,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def run(self, *arguments: str) -> None:
        """Run a command of Airflow's to its end."""
        log = self.home / f"{arguments[0]}.log"
        with log.open("wb") as file:
            done = subprocess.run(
                [sys.executable, "-m", "airflow", *arguments],
                env=self.environment,
                cwd=self.home,
                stdout=file,
                stderr=file,
                timeout=PATIENCE,
                check=False,
            )
        if done.returncode:
            raise AirflowFault(
                f"airflow {' '.join(arguments)} failed:\n{log.read_text(errors='replace')[-3000:]}"
            )

    def processes(self) -> list[int]:
        """Return those of this Airflow that live: by their home, or by their session.

        A process that has named itself may have written over its environment; one that has left its group is
        still of its session.
        """
        sessions = {process.pid for process in self._processes}
        wanted = f"AIRFLOW_HOME={self.home}\0".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                state, *_, session = (process / "stat").read_text().rpartition(")")[2].split()[:4]
                is_ours = int(session) in sessions or wanted in (process / "environ").read_bytes()
            except OSError:
                continue  # it ended meanwhile, or is somebody else's
            if is_ours and state != "Z":
                found.append(int(process.name))
        return found

    def _end(self) -> None:
        self._closing.set()
        for number, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0)):
            for pid in self.processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            deadline = time.monotonic() + patience
            while self.processes() and time.monotonic() < deadline:
                for process in self._processes:
                    process.poll()
                time.sleep(0.1)
        for process in self._processes:
            process.poll()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


def _command_of(pid):
    try:
        return f"{pid} {(Path('/proc') / str(pid) / 'cmdline').read_text().replace(chr(0), ' ')[:120]}"
    except OSError:
        return f"{pid} has just ended"
