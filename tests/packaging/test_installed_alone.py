"""The wheel in a clean environment, asked by the commands that people ask with."""

import json
import re
import select

import airflow
import pytest
import yaml
from distribution import CHECKOUT, NAME, PACKAGE

import airflow_provider_pagerduty

IS_AIRFLOW_2 = airflow.__version__.startswith("2.")
VERSION = airflow_provider_pagerduty.__version__
PROVIDER = yaml.safe_load((CHECKOUT / PACKAGE / "provider.yaml").read_text())
OPTIONS = PROVIDER["config"]["pagerduty"]["options"]
REST_HOOK = f"{PACKAGE}.hooks.pagerduty.PagerdutyHook"
EVENTS_HOOK = f"{PACKAGE}.hooks.pagerduty_events.PagerdutyEventsHook"
#: Imports every module of a package, and writes down which it could, and what the others miss.
IMPORT_ALL = """
import airflow, importlib, json, pathlib, pkgutil, sys

package = importlib.import_module(sys.argv[1])
result = {"file": package.__file__, "imported": [], "missing": {}}
for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.", onerror=lambda name: None):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as missing:
        result["missing"][module.name] = missing.name
    else:
        result["imported"].append(module.name)
pathlib.Path(sys.argv[2]).write_text(json.dumps(result))
"""


def rows(installation, *command):
    """Return the rows of one of Airflow's tables that are this package's."""
    table = json.loads(installation.airflow(*command, "--output", "json"))
    return [row for row in table if "pagerduty" in json.dumps(row).lower()]


def test_installing_it_adds_itself_and_one_client_and_changes_nothing_of_airflows(bare, alone):
    assert alone.versions() == bare.versions | {NAME: VERSION, "pdpyras": alone.versions()["pdpyras"]}


def test_pip_finds_nothing_broken(alone):
    assert alone.pip("check").strip() == "No broken requirements found."


def test_its_files_are_in_its_own_folders_and_whole(alone):
    files = alone.files(NAME)
    assert len(files) > 100
    folders = (f"{PACKAGE}/", f"{PACKAGE}-{VERSION}.dist-info/")
    assert {name for name in files if not name.startswith(folders)} == {"../../../bin/airflow-pagerduty"}
    assert alone.damaged_files(NAME) == []


def test_airflow_lists_the_provider(alone):
    (row,) = rows(alone, "providers", "list")
    assert row["package_name"] == NAME
    assert row["version"] == VERSION
    assert row["description"].strip() == "PagerDuty https://www.pagerduty.com/ alerting for Airflow"


def test_airflow_shows_the_provider_whole(alone):
    assert "PagerDuty" in alone.airflow("providers", "get", "--full", NAME)


def test_airflow_has_our_hooks_for_both_connection_types(alone):
    found = {row.pop("connection_type"): row for row in rows(alone, "providers", "hooks")}
    assert {name: (row["class"], row["conn_id_attribute_name"]) for name, row in found.items()} == {
        "pagerduty": (REST_HOOK, "pagerduty_conn_id"),
        "pagerduty_events": (EVENTS_HOOK, "pagerduty_events_conn_id"),
    }
    assert {row["package_name"] for row in found.values()} == {NAME}
    assert {row["hook_name"] for row in found.values()} == {"Pagerduty", "Pagerduty Events"}


def test_airflow_has_every_field_of_the_forms(alone):
    declared = {
        f"extra__{each['connection-type']}__{field}"
        for each in PROVIDER["connection-types"]
        for field in each["conn-fields"]
    }
    found = rows(alone, "providers", "widgets")
    assert {row["connection_parameter_name"] for row in found} >= declared
    assert {row["package_name"] for row in found} == {NAME}


def test_airflow_lists_the_notifier(alone):
    (row,) = rows(alone, "providers", "notifications")
    assert list(row.values()) == [f"{PACKAGE}.notifications.pagerduty.PagerdutyNotifier"]


def test_airflow_lists_every_option_of_the_section(alone):
    # Airflow 3 lists the options as comments, since it hides their values; Airflow 2 shows the defaults.
    sections = re.split(r"(?m)^\[(.+)\]$", alone.airflow("config", "list"))
    listed = sections[sections.index("pagerduty") + 1]
    assert set(re.findall(r"(?m)^(?:# )?(\w+) =", listed)) == set(OPTIONS)


def test_airflow_knows_an_options_default(alone):
    assert alone.airflow("config", "get-value", "pagerduty", "outbox_max_age").strip() == "72"


def test_the_command_is_there_and_says_what_it_can_do(alone):
    shown = alone.run("airflow-pagerduty", "--help").stdout
    assert {"sandbox", "demo", "outbox", "doctor", "send"} <= set(re.findall(r"(?m)^    (\w+)", shown))


@pytest.mark.skipif(IS_AIRFLOW_2, reason="Airflow 2 has no commands of providers'")
def test_airflow_has_the_commands_too(alone):
    shown = alone.airflow("pagerduty", "--help")
    assert {"outbox", "doctor", "send"} <= set(re.findall(r"(?m)^    (\w+)", shown))


def test_every_module_imports_with_no_warning_that_bare_airflow_does_not_give(alone, bare, tmp_path):
    said = alone.said("python", "-W", "always", "-c", IMPORT_ALL, PACKAGE, tmp_path / "result.json")
    assert said - bare.says["always"] == set()
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["file"] == str(alone.site_packages / PACKAGE / "__init__.py")
    assert len(result["imported"]) > 40
    # These are for those who have the extra, and for pytest.
    assert {name.split(".")[1] for name in result["missing"]} <= {"sandbox", "demo", "pytest_plugin"}
    assert set(result["missing"].values()) <= {"starlette", "uvicorn", "trustme", "pytest"}


def test_airflow_says_nothing_that_it_does_not_say_without_it(alone, bare):
    for warnings, said in bare.says.items():
        assert alone.said("airflow", "version", PYTHONWARNINGS=warnings) == said


def test_the_sandbox_without_its_extra_says_what_to_install_and_with_that_it_runs(alone, wheel):
    sandbox = ("airflow-pagerduty", "sandbox", "--tls", "--port", "0")
    refused = alone.run(*sandbox, check=False)
    assert refused.returncode == 1
    assert refused.stdout == ""
    (line,) = refused.stderr.splitlines()
    (asked_for,) = re.findall(rf"pip install '({NAME}\[\w+\])'$", line)
    with alone.with_more(asked_for.replace(NAME, str(wheel))), alone.started(*sandbox) as process:
        assert select.select([process.stdout], [], [], 30)[0]
        assert process.stdout.readline().startswith("PagerDuty sandbox at https://127.0.0.1:")
