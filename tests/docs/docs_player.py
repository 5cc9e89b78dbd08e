"""Plays a page from top to end, as a reader would, and says which block does not do what the page says.

- `shell`: runs in the page's terminal. What runs until Ctrl-C is started, waited for, ended last.
- `python`: a file that the paragraph before it names is saved under that name: a DAG in the DAGs folder, others
  in the terminal's folder. Another test is run by pytest; another DAG is saved in the DAGs folder (and read by
  `test_dags.py`, as all are); everything else runs in the page's interpreter.
- `ini`: its sections and options must be there.
- `json`: must be JSON.
- `text`: after a shell or Python block of the same section it is what that prints; `…` stands for anything.
  Elsewhere it is a drawing.

Any other language is a fault, so that nothing stands there untried. The sandbox's port is a free one.
"""

import configparser
import json
import os
import re
import shlex
from pathlib import Path

import docs_environment
import yaml
from docs_page import ROOT, Block, Page
from docs_terminal import LONG_RUNNING, Fault, Terminal

#: The sandbox's own port, which pages name; each play has a free one in its place.
PORT = "8765"
#: Commands that cannot be run in a test; of each it is seen that `make` knows it.
NOT_RUN = {
    "make demo": "it makes an environment from the network; tests/test_real_runs.py runs the rest of it",
    "make test": "it is what runs this",
}
#: How a line of Airflow's log begins, on 3 and on 2.
_LOG = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z \[|\[\d{4}-\d\d-\d\dT[\d:.]+[+-]\d{4}\] \{")
PROVIDER = yaml.safe_load((ROOT / "airflow_provider_pagerduty" / "provider.yaml").read_text())


class Player:
    """Plays one page in one terminal.

    :param environment: where to make a virtual environment, if the page installs into none of its own.
    :param port: a free port for the sandbox that the page starts.
    """

    def __init__(self, page: Page, terminal: Terminal, environment: Path, port: int) -> None:
        self._page = page
        self._terminal = terminal
        self._environment = environment
        self._port = str(port)
        self._is_furnished = False
        self._printed: str | None = None

    def play(self) -> None:
        """Play the page.

        :raises Fault: names the block.
        """
        for block in self._page.blocks:
            if block.opens_section:
                self._printed = None
            try:
                self._play_block(block)
            except Fault as fault:
                raise Fault(f"{self._page.name}:{block.line}: {fault}") from None

    def _play_block(self, block: Block) -> None:
        kinds = {
            "shell": self._shell,
            "python": self._python,
            "ini": self._ini,
            "json": self._json,
            "text": self._text,
        }
        if block.language not in kinds:
            raise Fault(f"a block is one of {', '.join(kinds)}, and this is {block.language or 'nothing'!r}")
        printed = kinds[block.language](block, block.text.replace(PORT, self._port))
        if printed is not None:
            self._printed = printed.replace(self._port, PORT)

    def _shell(self, _: Block, script: str) -> str:
        if script.strip() in NOT_RUN:
            target = shlex.split(script)[1:]
            return self._terminal.run(f"make -C {ROOT} -n {shlex.join(target)}")
        if re.search(r"\bpip install\b", script) and not self._is_furnished:
            self._furnish()
        lines = script.rstrip("\n").split("\n")
        for command, is_up in LONG_RUNNING.items():
            if lines[-1].startswith(command):
                printed = self._terminal.run("\n".join(lines[:-1]))
                own_port = f" --port {self._port}" if command == "airflow-pagerduty sandbox" else ""
                return printed + self._terminal.start(lines[-1] + own_port, is_up)
        return self._terminal.run(script)

    def _furnish(self) -> None:
        """Give the page an environment to install into: its own, if it made one, or a new one."""
        variables = self._terminal.environment
        if "VIRTUAL_ENV" in variables:
            docs_environment.furnish(Path(variables["VIRTUAL_ENV"]))
        else:
            docs_environment.make(self._environment)
            variables["VIRTUAL_ENV"] = str(self._environment)
            variables["PATH"] = f"{self._environment / 'bin'}{os.pathsep}{variables['PATH']}"
        self._is_furnished = True

    def _python(self, block: Block, code: str) -> str | None:
        folder = self._terminal.folder
        own_name = f"block_{block.line}.py"
        if block.is_dag and not block.is_test:
            folder = self._dags_folder()
        if block.file and "/" in block.file:
            folder = self._terminal.folder
        kind = "test_" if block.is_test else ""
        file = folder / (block.file or f"{kind}{Path(self._page.name).stem}_{own_name}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(code)
        if block.file or (block.is_dag and not block.is_test):
            return None
        if block.is_test:
            return self._terminal.run(f"python -m pytest -q -p no:cacheprovider {shlex.quote(str(file))}")
        return self._terminal.python(file)

    def _dags_folder(self) -> Path:
        variables = self._terminal.environment
        return Path(variables.get("AIRFLOW_HOME", f"{variables['HOME']}/airflow")) / "dags"

    def _ini(self, _: Block, text: str) -> None:
        parser = configparser.ConfigParser(interpolation=None, strict=True)
        parser.optionxform = str
        parser.read_string(text)
        for name in parser.sections():
            if name == "Service":
                self._service(parser[name])
            else:
                _require_options(name, parser[name])

    def _service(self, unit: configparser.SectionProxy) -> None:
        """Run what a systemd unit would run, as far as its help."""
        self._terminal.run(f"{unit['ExecStart'].replace('/path/to/', '')} --help")

    def _json(self, _: Block, text: str) -> None:
        try:
            json.loads(text)
        except ValueError as error:
            raise Fault(str(error)) from None

    def _text(self, _: Block, text: str) -> None:
        if self._printed is None:
            return
        shown = text.replace(self._port, PORT)
        if not shows(shown, self._printed):
            raise Fault(f"the page shows\n{shown}\nand what came was\n{self._printed[-4000:]}")


def _require_options(section: str, options) -> None:
    known = PROVIDER["config"].get(section, {}).get("options")
    if known is None:
        from airflow.configuration import conf

        known = conf.getsection(section) or {}
    for name in options:
        if name not in known:
            raise Fault(f"there is no option {name} in [{section}]")


def shows(shown: str, printed: str) -> bool:
    """Say whether these lines are among the printed ones, Airflow's log aside.

    `…` stands for anything, alone on a line for any lines.
    """
    lines = [
        r"(?:.*\n)*?" if line.strip() == "…" else ".*".join(map(re.escape, line.rstrip().split("…"))) + r"\n"
        for line in shown.splitlines()
    ]
    printed = "".join(f"{line.rstrip()}\n" for line in printed.splitlines() if not _LOG.match(line))
    return re.search(f"^{''.join(lines)}", printed, re.MULTILINE) is not None
