"""A reader's terminal: shell blocks run one after the other, and find what those before them exported.

Python blocks run in one interpreter, which starts in the terminal's folder with what was exported by then.
Every wait is bounded, and whatever was started is ended when the terminal is closed.
"""

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

#: Seconds; nothing that a page does takes long, but machines are busy.
PATIENCE = 120.0
#: Commands that run until Ctrl-C, and what they say once they are up.
LONG_RUNNING = {"airflow-pagerduty sandbox": "What it holds:"}

_INTERPRETER = Path(__file__).with_name("docs_interpreter.py")
_DONE = "\x1e"


class Fault(Exception):
    """A block did not do what its page says; the message shows what it did."""


class Terminal:
    """One page's terminal.

    :param folder: an empty folder, where it opens.
    :param environment: what it starts with.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self._state = folder.with_name(f"{folder.name}.state")
        self._processes: list[subprocess.Popen] = []
        self._interpreter: subprocess.Popen | None = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self._processes:
            _end(process)

    def run(self, script: str) -> str:
        """Run a script to its end and return what it printed.

        :raises Fault: if a command of it fails, or takes too long.
        """
        ending = f'\n{{ pwd; env -0; }} > "{self._state}"\n'
        command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script + ending]
        output = self.folder.with_name(f"{self.folder.name}.output")
        with output.open("wb") as file:
            process = self._launch(command, stdout=file)
            try:
                status = process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                status = f"not over after {PATIENCE:g} s"
            finally:
                _end(process)
        said = output.read_text(errors="replace")
        if status != 0:
            raise Fault(f"it ended with {status}:\n{said[-4000:]}")
        self._take_over(self._state.read_text(errors="replace"))
        return said

    def _take_over(self, state: str) -> None:
        folder, _, variables = state.partition("\n")
        self.folder = Path(folder)
        self.environment = dict(each.split("=", 1) for each in variables.split("\0") if each)

    def start(self, command: str, is_up: str) -> str:
        """Start a command that goes on until the terminal is closed; return what it says until it is up.

        :param is_up: what it prints then.
        :raises Fault: if it never does.
        """
        output = self.folder.with_name(f"{self.folder.name}.{len(self._processes)}.log")
        with output.open("wb") as file:
            process = self._launch(["bash", "--noprofile", "--norc", "-c", f"exec {command}"], stdout=file)
        deadline = time.monotonic() + PATIENCE
        while is_up not in (said := output.read_text(errors="replace")):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Fault(f"it never said {is_up!r}:\n{said}")
            time.sleep(0.05)
        return said

    def python(self, file: Path) -> str:
        """Run a file in the page's interpreter, where the names of the files before it are known.

        :raises Fault: if it raises.
        """
        if self._interpreter is None:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            self._interpreter = self._launch(["python", "-u", str(_INTERPRETER)], **pipes)
        interpreter = self._interpreter
        alarm = threading.Timer(PATIENCE, _end, [interpreter])
        alarm.start()
        said = []
        try:
            interpreter.stdin.write(f"{file}\n")
            interpreter.stdin.flush()
            for line in interpreter.stdout:
                if line.startswith(_DONE):
                    break
                said.append(line)
            else:
                line = "the interpreter ended"
        except OSError as error:
            line = str(error)
        finally:
            alarm.cancel()
        if line != f"{_DONE}fine\n":
            raise Fault(
                f"it raised, or took over {PATIENCE:g} s ({line.strip(_DONE).strip()}):\n{''.join(said)}"
            )
        return "".join(said)

    def _launch(self, command, **kwargs) -> subprocess.Popen:
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            **{"stdin": subprocess.DEVNULL} | kwargs,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._processes.append(process)
        return process


def _end(process: subprocess.Popen) -> None:
    """End a process and all that it started."""
    for number, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0)):
        deadline = time.monotonic() + patience
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
            while time.monotonic() < deadline:
                process.poll()
                os.killpg(process.pid, 0)
                time.sleep(0.02)
            continue
        break
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
