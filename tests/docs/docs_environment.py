"""Environments to install into: this test run's own Airflow and libraries, but not this package.

`pip` finds the wheel that was built from this checkout, as it would find it in the index, and all else in its
place. It finds nothing else to install, so it takes nothing away either: what it would take is not its own. An
environment with nothing but an Airflow is for the packaging tests.
"""

import os
import re
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

_OURS = re.compile(r"_?(editable_impl_)?airflow_provider_pagerduty\b")


def make(folder: Path) -> None:
    """Make a virtual environment with pip in it, and furnish it."""
    # Bringing a pip takes seconds, and mostly there is one among the furniture.
    without = ["--without-pip"] if find_spec("pip") else []
    command = [sys.executable, "-m", "venv", *without, str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    furnish(folder)


def furnish(folder: Path) -> None:
    """Put all that a virtual environment would take from the network into it: links to what this one has."""
    own = Path(sysconfig.get_path("purelib"))
    theirs = folder / own.relative_to(sys.prefix)
    for each in own.iterdir():
        if not _OURS.match(each.name) and each.name != "__pycache__" and not (theirs / each.name).exists():
            (theirs / each.name).symlink_to(each)
    for script in Path(sys.executable).parent.iterdir():
        if not (folder / "bin" / script.name).exists() and script.name != "airflow-pagerduty":
            _copy_script(script, folder / "bin" / script.name)


def _copy_script(script: Path, target: Path) -> None:
    """Copy a command so that it runs in the environment that it is copied into."""
    content = script.read_bytes()
    here, there = (os.fsencode(f"{path}{os.sep}") for path in (Path(sys.executable).parent, target.parent))
    first_lines = content[:400]
    if not first_lines.startswith(b"#!") or here not in first_lines:
        return
    target.write_bytes(first_lines.replace(here, there) + content[400:])
    target.chmod(0o755)
