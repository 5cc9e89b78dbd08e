"""The wheel and the source distribution, built as a release builds them: by `python -m build`, on its own."""

import os
import sys
import zipfile
from pathlib import Path
from typing import Literal

from installation import PATIENCE_WITH_THE_NETWORK, find_uv, proxies, run

CHECKOUT = Path(__file__).parents[2]
NAME = "airflow-provider-pagerduty"
PACKAGE = "airflow_provider_pagerduty"


def build(kind: Literal["wheel", "sdist"], folder: Path, source: Path = CHECKOUT) -> Path:
    """Build a distribution of some sources into a folder, and return its file.

    What the build itself needs comes from an index, into an environment that is gone afterwards.
    """
    installer = "uv" if find_uv() else "pip"
    # What is built must not depend on the hour, whether or not somebody has set one.
    environment = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"} | proxies()
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', os.defpath)}"
    command = [sys.executable, "-m", "build", f"--{kind}", "--installer", installer, "--outdir", folder, source]
    run(command, environment, folder, timeout=PATIENCE_WITH_THE_NETWORK)
    (built,) = folder.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


def contents(wheel: Path) -> dict[str, bytes]:
    """Return what a wheel holds, by name."""
    with zipfile.ZipFile(wheel) as archive:
        return {each.filename: archive.read(each) for each in archive.infolist() if not each.is_dir()}
