"""What Airflow is told, and whether it believes it."""

import json
import subprocess
import sys
import warnings
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import airflow
import pytest
import yaml

import airflow_provider_pagerduty
from airflow_provider_pagerduty.get_provider_info import get_provider_info

IS_AIRFLOW_2 = airflow.__version__.startswith("2.")
PACKAGE = Path(airflow_provider_pagerduty.__file__).parent


def run(code):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def test_reading_it_in_a_fresh_interpreter_loads_no_airflow():
    loaded = run(
        "import sys\n"
        "from airflow_provider_pagerduty.get_provider_info import get_provider_info\n"
        "assert get_provider_info()['name'] == 'PagerDuty'\n"
        "print([name for name in sys.modules if name.partition('.')[0] == 'airflow'])"
    )
    assert loaded.strip() == "[]"


def test_the_file_is_the_single_source():
    assert get_provider_info() == yaml.safe_load((PACKAGE / "provider.yaml").read_text())


def test_airflow_finds_it_by_its_entry_point():
    (found,) = (
        each
        for each in entry_points(group="apache_airflow_provider")
        if "pagerduty" in each.value.partition(".")[0]
    )
    assert found.load()() == get_provider_info()


def test_it_is_valid_by_airflows_own_schema():
    import jsonschema

    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_every_connection_type_carries_its_form():
    for each in get_provider_info()["connection-types"]:
        assert {"hook-class-name", "hook-name", "conn-fields", "ui-field-behaviour"} <= set(each)


def test_every_name_in_it_leads_to_what_it_names():
    info = get_provider_info()
    for each in info["connection-types"]:
        module, _, name = each["hook-class-name"].rpartition(".")
        hook = getattr(import_module(module), name)
        assert (hook.conn_type, hook.hook_name) == (each["connection-type"], each["hook-name"])
    for name in info["notifications"]:
        module, _, notifier = name.rpartition(".")
        assert getattr(import_module(module), notifier)
    for each in info["hooks"]:
        for module in each["python-modules"]:
            import_module(module)


def test_airflow_registers_both_connection_types():
    from airflow.providers_manager import ProvidersManager

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 3.3 has moved this, for tasks, to where 2.11 has nothing
        hooks = ProvidersManager().hooks
    for conn_type, attribute in (
        ("pagerduty", "pagerduty_conn_id"),
        ("pagerduty_events", "pagerduty_events_conn_id"),
    ):
        assert hooks[conn_type].package_name == "airflow-provider-pagerduty"
        assert hooks[conn_type].connection_id_attribute_name == attribute
        assert hooks[conn_type].connection_testable


def test_airflow_draws_the_same_form_on_every_version():
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()
    widgets = {
        name: widget for name, widget in manager.connection_form_widgets.items() if "__pagerduty" in name
    }
    # Not to be seen on Airflow 2, which would put what it knows no field for into the page as it is.
    unseen = {f"extra__{name}__routing_key": True for name in ("pagerduty", "pagerduty_events")}
    assert {name: widget.is_sensitive for name, widget in widgets.items()} == {
        "extra__pagerduty__routing_key_secret": True,
        "extra__pagerduty__region": False,
        "extra__pagerduty__from_email": False,
        "extra__pagerduty_events__region": False,
        **(unseen if IS_AIRFLOW_2 else {}),
    }
    for conn_type, password in (("pagerduty", "API token"), ("pagerduty_events", "Integration key")):
        behaviour = manager.field_behaviours[conn_type]
        assert behaviour["relabeling"]["password"] == password
        assert behaviour["relabeling"]["host"] == "Base URL"
        hidden = {"login", "schema", "extra"}
        more = {"port", f"extra__{conn_type}__routing_key"} if IS_AIRFLOW_2 else set()
        assert set(behaviour["hidden_fields"]) == hidden | more


@pytest.mark.skipif(IS_AIRFLOW_2, reason="Airflow 2 takes its form from the hooks; see test_connection_form.py")
def test_the_region_is_a_choice():
    from airflow.providers_manager import ProvidersManager

    field = ProvidersManager().connection_form_widgets["extra__pagerduty__region"].field
    assert field["schema"]["enum"] == ["us", "eu"]


def test_airflow_knows_the_config_section():
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()
    manager.initialize_providers_configuration()
    options = dict(manager.provider_configs)["airflow-provider-pagerduty"]["pagerduty"]["options"]
    assert {name: option["default"] for name, option in options.items()} == {
        "send_timeout": "10",
        "region": "us",
        "base_url": "",
        "severity": "error",
        "deployment": "",
        "outbox": "",
        "outbox_max_age": "72",
    }


def test_the_package_says_that_it_is_typed_and_which_version_it_is():
    from importlib.metadata import version

    assert (PACKAGE / "py.typed").exists()
    assert version("airflow-provider-pagerduty") == airflow_provider_pagerduty.__version__
