"""The pytest fixture ``pagerduty_sandbox``, which every test session has and none pays for until it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_pagerduty.sandbox.server import RunningSandbox
    from airflow_provider_pagerduty.sandbox.testing import PagerdutySandbox


@pytest.fixture(scope="session")
def _pagerduty_sandbox_server() -> Iterator[RunningSandbox]:
    try:
        from airflow_provider_pagerduty.sandbox.server import running
    except ImportError as missing:
        pytest.fail(f"{missing}. pagerduty_sandbox needs: pip install 'airflow-provider-pagerduty[sandbox]'")
    with running() as server:
        yield server


@pytest.fixture
def pagerduty_sandbox(
    _pagerduty_sandbox_server: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PagerdutySandbox]:
    """Give a PagerDuty of this machine's own, empty, to which both default connections lead.

    ``PagerdutyHook()``, ``PagerdutyEventsHook()`` and ``PagerdutyNotifier(...)`` page it as they stand; what
    arrived is at ``pagerduty_sandbox.incidents()`` and its siblings.
    """
    from airflow_provider_pagerduty.sandbox.testing import PagerdutySandbox

    sandbox = PagerdutySandbox(_pagerduty_sandbox_server)
    sandbox.clear()
    for name, connection in sandbox.connections.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", connection)
    yield sandbox
    sandbox.clear()
