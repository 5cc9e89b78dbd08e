"""Airflow's own masking of secrets, wherever the Airflow at hand keeps it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: common-compat before 1.22 knows neither function; then come Airflow 3's own module, and Airflow 2's.
_HOMES = ("airflow.providers.common.compat.sdk", "airflow.sdk.log", "airflow.utils.log.secrets_masker")


def mask(secret: str | None) -> None:
    """Have Airflow hide a credential from now on, in its logs and in all that is redacted."""
    if secret:
        _find("mask_secret")(secret)


def redact(value: Any) -> Any:
    """Return the value with every secret that Airflow knows of replaced by ``***``."""
    return _find("redact")(value)


def _find(name: str) -> Callable[[Any], Any]:
    from importlib import import_module

    # common-compat before 1.22 knows neither; then come Airflow 3's own module, and Airflow 2's.
    for module in (
        "airflow.providers.common.compat.sdk",
        "airflow.sdk.log",
        "airflow.utils.log.secrets_masker",
    ):
        try:
            found: Callable[[Any], Any] = getattr(import_module(module), name)
        except (ImportError, AttributeError):
            continue
        return found
    raise ImportError(f"This Airflow has no {name} where any Airflow from 2.11 on has it.")
