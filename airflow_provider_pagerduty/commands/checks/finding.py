"""What one check has found, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "note", "warning", "failure"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    :param check: which part was looked at.
    :param status: a ``failure`` costs alerts, or will; a ``warning`` may; a ``note`` is only to be known.
    :param found: what is so.
    :param cure: what to do about it; empty where there is nothing to do.
    """

    check: str
    status: Status
    found: str
    cure: str = ""
