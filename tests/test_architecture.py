"""The rooms of the house, and which may import which: what docs/design.md says, checked."""

import ast
import subprocess
import sys
from pathlib import Path

import airflow
import pytest

import airflow_provider_pagerduty

NAME = "airflow_provider_pagerduty"
PACKAGE = Path(airflow_provider_pagerduty.__file__).parent

#: What a room may import of this package; and whether it may import Airflow.
MAY_IMPORT = {
    "__init__": (set(), False),
    "get_provider_info": (set(), False),
    "jsonable": (set(), False),
    "payload": ({"jsonable"}, False),
    "delivery": (set(), False),
    "exceptions": (set(), True),
    "settings": ({"payload"}, True),
    "masking": (set(), True),
    "hooks": (
        {
            "",
            "payload",
            "jsonable",
            "delivery",
            "exceptions",
            "settings",
            "masking",
            "get_provider_info",
            "hooks",
        },
        True,
    ),
    "deployment": ({"hooks", "settings"}, True),
    "exception_text": (set(), False),
    "history": (set(), True),
    "occasion": ({"history", "payload"}, False),
    "alert": ({"", "deployment", "exception_text", "history", "masking", "occasion", "payload"}, False),
    "recovery": ({"history", "occasion"}, True),
    "metrics": (set(), True),
    "outbox": ({"", "outbox", "exceptions", "metrics", "settings"}, False),
    "notifications": (
        {
            "",
            "hooks",
            "alert",
            "occasion",
            "recovery",
            "deployment",
            "settings",
            "masking",
            "jsonable",
            "payload",
        }
        | {"notifications", "outbox", "exceptions", "metrics"},
        True,
    ),
    "relay_dag": ({"hooks", "outbox"}, True),
    "sandbox": ({"sandbox"}, False),
    "pytest_plugin": ({"sandbox"}, False),
    "demo": ({"sandbox"}, False),
    "commands": ({"commands", "hooks", "outbox", "delivery", "deployment", "masking", "settings"}, True),
    "cli": ({"sandbox", "demo", "commands"}, False),
    "example_dags": ({"hooks", "notifications"}, True),
}


def modules():
    return [path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts]


def imports_of(path):
    """Return every module that a file imports, wherever it does."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_import_points_upstream(path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    rooms, airflow_too = MAY_IMPORT[room]
    for imported in imports_of(path):
        top, _, rest = imported.partition(".")
        if top == NAME:
            other = rest.partition(".")[0]
            assert (other if (PACKAGE / other).exists() or (PACKAGE / f"{other}.py").exists() else "") in rooms
        if top == "airflow":
            assert airflow_too


def test_pdpyras_is_imported_in_one_place():
    importers = [
        path.name for path in modules() if any(name.startswith("pdpyras") for name in imports_of(path))
    ]
    # The hook names it for the type of what it returns, under TYPE_CHECKING.
    assert sorted(importers) == ["pagerduty.py", "rest_session.py"]
    assert "pdpyras" not in run("import airflow_provider_pagerduty.hooks.pagerduty as _")


def run(code):
    command = [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules, sep='\\n')"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.split()


FOR_DAGS = {
    True: "from airflow.decorators import dag, task",
    False: "from airflow.sdk import dag, task",
}[airflow.__version__.startswith("2.")]


def added_by(code):
    return set(run(f"{FOR_DAGS}\n{code}")) - set(run(FOR_DAGS))


@pytest.mark.skipif(airflow.__version__.startswith("2."), reason="the bound is for airflow.sdk")
def test_the_notifier_adds_at_most_eight_modules_to_a_dag_file():
    added = added_by(f"from {NAME}.notifications.pagerduty import PagerdutyNotifier")
    assert f"{NAME}.notifications.pagerduty" in added
    assert len(added) <= 8, sorted(added)


@pytest.mark.skipif(airflow.__version__.startswith("2."), reason="Airflow 2 has loaded requests itself")
def test_a_page_takes_neither_requests_nor_sqlalchemy_nor_httpx(connections):
    added = added_by(f"from {NAME}.notifications.pagerduty import PagerdutyNotifier; PagerdutyNotifier()({{}})")
    assert len(connections.pagerduty.incidents) == 1
    assert "urllib3" in added
    assert not added & {"requests", "httpx", "sqlalchemy", "pdpyras"}


def test_hooks_and_notifier_load_nothing_that_sends_until_something_is_sent():
    added = added_by(f"import {NAME}.notifications.pagerduty, {NAME}.hooks.pagerduty")
    assert f"{NAME}.hooks.pagerduty" in added
    assert not added & {"requests", "urllib3", "httpx", "aiohttp", "pdpyras", "starlette", "rich", "sqlalchemy"}
