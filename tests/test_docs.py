"""The README's and the docs' code does what they say."""

import json
import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[1]


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


def test_the_readmes_dag_is_one_and_carries_its_callbacks():
    from airflow.providers.common.compat.sdk import DAG

    code, relay, _ = blocks("README.md", "python")
    assert len([line for line in code.splitlines() if line.strip()]) == 8
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    dag = names["pipeline"]()
    assert isinstance(dag, DAG)
    assert dag.on_failure_callback
    assert dag.on_success_callback
    exec(compile(relay, "README.md", "exec"), names)
    assert isinstance(names["dag"], DAG)


def test_every_dag_in_the_docs_is_one():
    import airflow

    for code in [*blocks("docs/alerts.md", "python"), *blocks("docs/outbox.md", "python")]:
        if "AsyncCallback" in code and airflow.__version__.startswith("2."):
            continue  # Airflow 2 has no deadlines
        exec(compile(code, "alerts.md", "exec"), {})


def test_the_readmes_connection_is_one(monkeypatch):
    from airflow_provider_pagerduty.hooks.pagerduty_events import PagerdutyEventsHook

    (line,) = (block for block in blocks("README.md", "shell") if block.startswith("export"))
    name, _, value = shlex.split(line)[1].partition("=")
    assert json.loads(value)
    monkeypatch.setenv(name, value)
    hook = PagerdutyEventsHook()
    assert len(hook.integration_key) == 32


def test_every_link_in_the_docs_leads_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_readmes_commands_are_the_makefiles():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"\bmake ([a-z-]+)", (ROOT / "README.md").read_text())
    assert {"demo", "test"} <= set(named) <= set(targets)
