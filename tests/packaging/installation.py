"""Clean environments as users have them: one Airflow, of the version that these tests run under, and its pip.

Airflow itself comes from uv, which takes seconds where pip takes minutes; this package is put in and taken out
by pip, as people do it.
"""

import csv
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from base64 import urlsafe_b64encode
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

import airflow

AIRFLOW = f"apache-airflow=={airflow.__version__}"
#: Seconds that a command may take; one that fetches Airflow from a slow network takes minutes.
PATIENCE, PATIENCE_WITH_THE_NETWORK = 120, 900


@dataclass(frozen=True, slots=True)
class Installation:
    """A virtual environment.

    :param folder: where it is.
    :param environment: the variables for what is run in it: an Airflow home of its own, and none of the tests'.
    """

    folder: Path
    environment: dict[str, str]

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    @property
    def site_packages(self) -> Path:
        return next(self.folder.glob("lib/python*/site-packages"))

    def run(self, *command, check=True, timeout=PATIENCE, **variables) -> subprocess.CompletedProcess[str]:
        """Run one of its commands to the end, with more variables; a failure shows what was printed."""
        program, *arguments = map(str, command)
        environment = self.environment | variables
        return run([self.bin / program, *arguments], environment, self.folder, check=check, timeout=timeout)

    def airflow(self, *arguments, **more) -> str:
        """Return what a command of Airflow's prints."""
        return self.run("airflow", *arguments, **more).stdout

    def said(self, *command, **variables) -> set[str]:
        """Return the lines of all that a command prints, less where and when that was."""
        done = self.run(*command, **variables)
        lines = f"{done.stdout}\n{done.stderr}".replace(str(self.folder), "")
        return set(re.sub(r"\d{4}-\d\d-\d\d[T ]\S+", "", lines).splitlines())

    def pip(self, *arguments) -> str:
        """Let its pip do something, and return what that prints."""
        pip = ("python", "-m", "pip", "--disable-pip-version-check", "--no-input")
        return self.run(*pip, *arguments, timeout=PATIENCE_WITH_THE_NETWORK, **proxies()).stdout

    @contextmanager
    def started(self, program, *arguments):
        """Start a program in a group of its own, and end all of that."""
        process = subprocess.Popen(
            [self.bin / program, *arguments],
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    @contextmanager
    def with_more(self, *requirements):
        """Have more in it for a while; what is there already must stay as it is."""
        before = self.versions()
        self.pip("install", "--quiet", *requirements)
        after = self.versions()
        assert after.items() > before.items()
        try:
            yield
        finally:
            self.pip("uninstall", "--quiet", "--yes", *(after.keys() - before.keys()))

    @contextmanager
    def without(self, name, source=None):
        """Remove a distribution for a while; afterwards it comes from its file, or from an index."""
        source = source or f"{name}=={self.versions()[name]}"
        self.pip("uninstall", "--quiet", "--yes", name)
        try:
            yield
        finally:
            self.pip("install", "--quiet", source)

    def files(self, name) -> set[str]:
        """Return what a distribution has installed; nothing if it is not there."""
        return {path for path, _ in self._recorded(name)}

    def damaged_files(self, name) -> list[str]:
        """Return which of a distribution's files are gone, or not as they were when they were installed."""
        recorded = [(path, hashed) for path, hashed in self._recorded(name) if hashed]
        return [path for path, hashed in recorded if _hash_of(self.site_packages / path) != hashed]

    def _recorded(self, name):
        """Return paths and hashes as recorded; Python's own list would leave out what is gone."""
        found = distributions(name=name, path=[str(self.site_packages)])
        return [line[:2] for each in found for line in csv.reader(each.read_text("RECORD").splitlines())]

    def versions(self) -> dict[str, str]:
        """Return the version of everything that is installed."""
        return {each.name: each.version for each in distributions(path=[str(self.site_packages)])}


def make_clean_environment(folder: Path, *instead: str) -> Installation:
    """Make an environment of an Airflow and its pip.

    :param instead: what to install in the place of this Airflow, as arguments for uv.
    """
    uv = find_uv()
    if uv:
        _fetch(folder.parent, uv, "venv", "--quiet", "--seed", "--python", sys.executable, folder)
        install = [uv, "pip", "install", "--quiet", "--python", folder / "bin" / "python"]
    else:
        _fetch(folder.parent, sys.executable, "-m", "venv", folder)
        install = [folder / "bin" / "python", "-m", "pip", "install", "--quiet"]
    _fetch(folder, *install, *(instead or (AIRFLOW,)))
    home = folder / "airflow-home"
    home.mkdir()
    variables = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "VIRTUAL_ENV": str(folder),
    }
    return Installation(folder, _without_the_tests_own() | variables)


def find_uv() -> str | None:
    """Return where uv is: on the path, or in the tests' own environment."""
    return shutil.which("uv") or shutil.which("uv", path=Path(sys.executable).parent)


def run(command, environment, folder, *, check=True, timeout=PATIENCE) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; a failure shows what was printed.

    :param folder: where to run it: not in the checkout, which Python would import from.
    """
    done = subprocess.run(
        list(map(str, command)),
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if check:
        assert done.returncode == 0, f"{done.args} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done


def proxies() -> dict[str, str]:
    """Return the way to a package index, which tests/conftest.py has taken from the environment."""
    started_with = (line.partition("=") for line in Path("/proc/self/environ").read_text().split("\0"))
    names = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "requests_ca_bundle", "curl_ca_bundle")
    return {name: value for name, _, value in started_with if name.lower() in names}


def _hash_of(file):
    """Return a file's hash as wheels record it."""
    digest = hashlib.sha256(file.read_bytes()).digest() if file.exists() else b""
    return f"sha256={urlsafe_b64encode(digest).decode().rstrip('=')}"


def _fetch(folder, *command):
    run(command, _without_the_tests_own() | proxies(), folder, timeout=PATIENCE_WITH_THE_NETWORK)


def _without_the_tests_own():
    """Return the environment less what leads to another Airflow, or to one without bytecode, which is slow."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW_", "_AIRFLOW", "PYTEST_"))
        and name not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    }
