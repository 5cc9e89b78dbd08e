"""Airflow's own masking of secrets, wherever the Airflow at hand keeps it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

#: common-compat before 1.22 knows neither function; then come Airflow 3's own module, and Airflow 2's.
_HOMES = ("airflow.providers.common.compat.sdk", "airflow.sdk.log", "airflow.utils.log.secrets_masker")


def mask(secret: str | None) -> None:
    """Have Airflow hide a credential from now on, in its logs and in all that is redacted."""
    if secret:
        _find("mask_secret")(secret)


def redact(value: Any) -> Any:
    """Return JSON with every secret that Airflow knows of replaced by ``***``, however deep it stands.

    Airflow itself looks five levels deep, and at no key. What stands under a name like ``password`` is hidden,
    as Airflow hides it.
    """
    return _redacted(value, _find("redact"))


def _redacted(value: Any, hide: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        return {hide(key): _under(key, item, hide) for key, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item, hide) for item in value]
    return hide(value)


def _under(key: Any, item: Any, hide: Callable[[Any], Any]) -> Any:
    if isinstance(item, (dict, list)):
        return _redacted(item, hide) if hide({key: "shown"})[key] == "shown" else "***"
    return hide({key: item})[key]


def _find(name: str) -> Callable[[Any], Any]:
    for module in _HOMES:
        try:
            found: Callable[[Any], Any] = getattr(import_module(module), name)
        except (ImportError, AttributeError):
            continue
        return found
    raise ImportError(f"This Airflow has no {name} where any Airflow from 2.11 on has it.")
