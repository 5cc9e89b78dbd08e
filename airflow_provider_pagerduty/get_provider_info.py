"""Reads ``provider.yaml``, the single source of all that Airflow is told about this package.

Airflow 3 calls :func:`get_provider_info` while it imports itself, so this module may import no airflow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

# The C reader takes under a millisecond here and every Airflow process pays for it; PyYAML may lack it.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def get_provider_info() -> dict[str, Any]:
    """Return what Airflow's providers manager registers: connection types, form fields, notifier, config."""
    text = Path(__file__).with_name("provider.yaml").read_text(encoding="utf-8")
    info: dict[str, Any] = yaml.load(text, Loader=_Loader)  # noqa: S506 (both are safe loaders)
    return info
