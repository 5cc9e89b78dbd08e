"""Every operation of the sandbox, once at least, with an answer that PagerDuty's own description allows."""

import json
import sys
from pathlib import Path

import pytest
import requests

from airflow_provider_pagerduty.sandbox.account import PagerDuty
from airflow_provider_pagerduty.sandbox.directory import POLICY_ID, USER_ID
from airflow_provider_pagerduty.sandbox.rest import ENDPOINTS
from airflow_provider_pagerduty.sandbox.rest.render_incidents import IncidentRenderer
from airflow_provider_pagerduty.sandbox.server import running

sys.path.append(str(Path(__file__).parent))  # not done by pytest in importlib mode
from pagerduty_contract import FOLDER, IS_AT_HAND, Contract, contract_of

KEY = "0123456789abcdefghijklmnopqrstuv"
TIMEOUT = 20


@pytest.fixture(scope="module")
def contract(request):
    found = contract_of(request.config)
    if found is None:
        pytest.skip(f"PagerDuty's description is not in {FOLDER} (PAGERDUTY_OPENAPI)")
    return found


@pytest.mark.skipif(not IS_AT_HAND, reason=f"PagerDuty's description is not in {FOLDER} (PAGERDUTY_OPENAPI)")
@pytest.mark.parametrize(
    ("method", "path", "status", "body", "wrong"),
    [
        ("GET", "/incidents", 200, b'{"incidents": [{"status": "open"}]}', "status"),
        ("GET", "/incidents", 200, b'{"incidents": [{"created_at": "today"}]}', "created_at"),
        ("GET", "/incidents", 200, b'{"incidents": [{"resolved_at": null}]}', "resolved_at"),
        ("GET", "/incidents", 200, b"{}", "incidents"),
        ("GET", "/incidents", 200, b"", "no body"),
        ("GET", "/incidents", 201, b"{}", "no such status"),
        ("GET", "/incidents", 404, b'{"error": "text"}', "error"),
        ("GET", "/users/PX", 200, b'{"user": {"name": "A"}}', "required"),
        ("DELETE", "/users/PX", 204, b"{}", "body"),
        ("DELETE", "/incidents", 204, b"", "no such operation"),
        ("GET", "/made/up", 200, b"{}", "no such path"),
        ("POST", "/v2/enqueue", 202, b'{"message": "Event processed"}', "status"),
        ("POST", "/v2/enqueue", 400, b'{"status": "invalid event"}', "message"),
    ],
)
def test_the_contract_notices_what_is_not_as_described(method, path, status, body, wrong):
    contract = Contract()
    with pytest.raises(AssertionError, match=wrong):
        contract.check(method, path, status, "application/json", body)


def reference(kind, thing_id):
    return {"id": thing_id, "type": f"{kind}_reference"}


def walk():  # noqa: PLR0915 (it is one way through all of them)
    """Yield requests one by one, and take their answers: every operation of the sandbox."""

    def event(action, dedup_key):
        payload = {"summary": "s", "source": "s", "severity": "info", "custom_details": {"a": [1, None]}}
        body = {"routing_key": KEY, "event_action": action, "dedup_key": dedup_key, "payload": payload}
        return ("POST", "/v2/enqueue", body | {"links": [{"href": "https://example.com"}]})

    for key in "abc":
        yield event("trigger", key)
    yield event("acknowledge", "b")
    yield ("POST", "/v2/enqueue", {})
    yield ("POST", "/v2/change/enqueue", {"routing_key": KEY, "payload": {"summary": "Deployed"}})
    yield ("POST", "/v2/change/enqueue", {})

    first, second, third = [each["id"] for each in (yield ("GET", "/incidents", None))["incidents"]]
    [service] = (yield ("GET", "/services", None))["services"]
    one = f"/incidents/{first}"
    yield ("GET", one, None)
    made = {"type": "incident", "title": "By hand", "service": reference("service", service["id"])}
    yield ("POST", "/incidents", {"incident": made})
    yield ("PUT", one, {"incident": {"type": "incident", "urgency": "low"}})
    yield ("PUT", "/incidents", {"incidents": [{"id": second, "type": "incident", "status": "resolved"}]})
    note = yield ("POST", f"{one}/notes", {"note": {"content": "n"}})
    yield ("GET", f"{one}/notes", None)
    yield ("PUT", f"{one}/notes/{note['note']['id']}", {"note": {"content": "m"}})
    yield ("DELETE", f"{one}/notes/{note['note']['id']}", None)
    yield ("POST", f"{one}/snooze", {"duration": 60})
    [alert] = (yield ("GET", f"{one}/alerts", None))["alerts"]
    yield ("PUT", f"{one}/merge", {"source_incidents": [reference("incident", third)]})
    yield ("GET", f"{one}/alerts/{alert['id']}", None)
    yield ("PUT", f"{one}/alerts/{alert['id']}", {"alert": {"status": "resolved"}})
    yield ("PUT", f"{one}/alerts", {"alerts": [{"id": alert["id"], "status": "resolved"}]})
    yield ("GET", f"{one}/related_change_events", None)
    entries = (yield ("GET", f"{one}/log_entries", None))["log_entries"]
    yield ("GET", "/log_entries", None)
    yield ("GET", f"/log_entries/{entries[0]['id']}", None)

    fields = "/incidents/custom_fields"
    field = {"name": "f", "display_name": "F", "data_type": "string", "field_type": "single_value_fixed"}
    field = (yield ("POST", fields, {"field": field}))["field"]
    data = {"field_option": {"data": {"data_type": "string", "value": "v"}}}
    options = f"{fields}/{field['id']}/field_options"
    option = (yield ("POST", options, data))["field_option"]
    yield ("GET", options, None)
    yield ("PUT", f"{options}/{option['id']}", data)
    yield ("GET", fields, None)
    yield ("GET", f"{fields}/{field['id']}", None)
    yield ("PUT", f"{fields}/{field['id']}", {"field": {"display_name": "G"}})
    yield ("PUT", f"{one}/custom_fields/values", {"custom_fields": [{"name": "f", "value": "v"}]})
    yield ("GET", f"{one}/custom_fields/values", None)
    yield ("DELETE", f"{options}/{option['id']}", None)
    yield ("DELETE", f"{fields}/{field['id']}", None)

    new = {"type": "service", "name": "New", "escalation_policy": reference("escalation_policy", POLICY_ID)}
    new = (yield ("POST", "/services", {"service": new}))["service"]
    path = f"/services/{new['id']}"
    yield ("GET", path, None)
    yield ("PUT", path, {"service": {"type": "service", "description": "d"}})
    integration = {"integration": {"type": "events_api_v2_inbound_integration"}}
    made = (yield ("POST", f"{path}/integrations", integration))["integration"]
    yield ("GET", f"{path}/integrations/{made['id']}", None)
    yield ("PUT", f"{path}/integrations/{made['id']}", integration)
    yield ("GET", f"{path}/change_events", None)
    yield ("GET", f"{path}/audit/records", None)

    times = {"start_time": "2100-01-01T00:00:00Z", "end_time": "2100-01-02T00:00:00Z"}
    window = {"type": "maintenance_window", "services": [reference("service", new["id"])], **times}
    window = (yield ("POST", "/maintenance_windows", {"maintenance_window": window}))["maintenance_window"]
    path = f"/maintenance_windows/{window['id']}"
    yield ("GET", "/maintenance_windows", None)
    yield ("GET", path, None)
    yield ("PUT", path, {"maintenance_window": {"description": "d"}})
    yield ("DELETE", path, None)
    yield ("DELETE", f"/services/{new['id']}", None)

    [change] = (yield ("GET", "/change_events", None))["change_events"]
    yield ("GET", f"/change_events/{change['id']}", None)
    yield ("PUT", f"/change_events/{change['id']}", {"change_event": {"summary": "s"}})

    user = {"type": "user", "name": "Ada", "email": "ada@example.com"}
    user = (yield ("POST", "/users", {"user": user}))["user"]
    yield ("GET", "/users", None)
    yield ("GET", "/users/me", None)
    yield ("GET", f"/users/{user['id']}", None)
    yield ("PUT", f"/users/{user['id']}", {"user": {"type": "user", "job_title": "j"}})
    yield ("GET", f"/users/{user['id']}/audit/records", None)
    team = (yield ("POST", "/teams", {"team": {"type": "team", "name": "T"}}))["team"]
    path = f"/teams/{team['id']}"
    yield ("GET", "/teams", None)
    yield ("GET", path, None)
    yield ("PUT", path, {"team": {"type": "team", "description": "d"}})
    yield ("PUT", f"{path}/users/{user['id']}", {"role": "manager"})
    yield ("GET", f"{path}/members", None)
    yield ("DELETE", f"{path}/users/{user['id']}", None)
    yield ("PUT", f"{path}/escalation_policies/{POLICY_ID}", None)
    yield ("GET", one, None)
    yield ("DELETE", f"{path}/escalation_policies/{POLICY_ID}", None)
    yield ("GET", f"{path}/audit/records", None)
    yield ("DELETE", path, None)
    yield ("DELETE", f"/users/{user['id']}", None)

    start = "2026-01-01T00:00:00Z"
    layer = {"start": start, "rotation_virtual_start": start, "rotation_turn_length_seconds": 3600}
    layers = [layer | {"users": [{"user": reference("user", USER_ID)}]}]
    schedule = {"type": "schedule", "name": "S", "time_zone": "Etc/UTC", "schedule_layers": layers}
    schedule = (yield ("POST", "/schedules", {"schedule": schedule}))["schedule"]
    path = f"/schedules/{schedule['id']}"
    yield ("GET", "/schedules", None)
    yield ("GET", path, None)
    yield ("PUT", path, {"schedule": {"description": "d"}})
    yield ("GET", f"{path}/users", None)
    yield ("GET", f"{path}/audit/records", None)
    rule = {"escalation_delay_in_minutes": 1, "targets": [reference("schedule", schedule["id"])]}
    policy = {"type": "escalation_policy", "name": "P", "escalation_rules": [rule]}
    policy = (yield ("POST", "/escalation_policies", {"escalation_policy": policy}))["escalation_policy"]
    path = f"/escalation_policies/{policy['id']}"
    yield ("GET", "/escalation_policies", None)
    yield ("GET", path, None)
    yield ("PUT", path, {"escalation_policy": {"description": "d"}})
    yield ("GET", "/oncalls", None)
    yield ("GET", f"{path}/audit/records", None)
    yield ("DELETE", path, None)
    yield ("DELETE", f"/schedules/{schedule['id']}", None)
    yield ("GET", "/audit/records?limit=3", None)
    yield ("GET", "/priorities", None)
    yield ("GET", "/abilities", None)
    yield ("GET", "/abilities/teams", None)


def replayed(journal):
    """Return an account to which the same was done, out of what a file could have kept."""
    account = PagerDuty()
    for name, at, seed, *arguments in journal:
        account.replay(name, at, seed, *json.loads(json.dumps(arguments)))
    return account


def shown(account):
    """Return all that the REST API would show of an account."""
    show = IncidentRenderer(account, "", frozenset(["custom_fields"]))
    return [
        [show.incident(each) for each in account.incidents],
        [show.alert(alert) for each in account.incidents for alert in each.alerts],
        [show.note(note) for each in account.incidents for note in each.notes],
        [show.log_entry(each) for each in account.log],
        [show.service(each) for each in account.services.values()],
        [show.integration(each) for each in account.integrations.values()],
        [show.change_event(each) for each in account.changes],
        account.directory.entries,
        account.audit,
    ]


def test_every_operation_answers_as_pagerduty_describes_it(contract, capsys):
    own, journal = Contract(), []
    account = PagerDuty()
    account.listeners.append(lambda *done: journal.append(done))
    with running(account) as sandbox, requests.Session() as session:
        own.watch(session)
        session.headers.update({"Authorization": f"Token token={sandbox.user_token}"})
        steps, answer = walk(), None
        while True:
            try:
                method, path, body = steps.send(answer)
            except StopIteration:
                break
            response = session.request(method, sandbox.url + path, json=body, timeout=TIMEOUT)
            assert response.ok or body == {}, f"{method} {path}: {response.text}"
            answer = response.json() if response.content else None
    assert shown(replayed(journal)) == shown(account)
    fine = {operation for operation, status in own.checked if status < 300}
    assert {f"{each.method} {each.path}" for each in ENDPOINTS} <= fine
    contract.checked.update(own.checked)
    answers, operations = own.counts()
    with capsys.disabled():
        sys.stdout.write(f" [{answers} answers checked, over {operations} operations] ")


def test_what_pagerduty_can_do_to_a_path_of_the_sandbox_is_done_or_501(contract):
    with running(PagerDuty()) as sandbox, requests.Session() as session:
        session.headers["Authorization"] = "Token token=t"
        for path in sorted({each.path for each in ENDPOINTS}):
            _, _, described = contract.operations(path)
            done = {each.method.lower() for each in ENDPOINTS if each.path == path}
            for method in {"get", "post", "put", "patch", "delete"} - done:
                status = session.request(method, sandbox.url + path, timeout=TIMEOUT).status_code
                assert status == (501 if method in described else 405), f"{method} {path}"
