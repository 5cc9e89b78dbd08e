"""Custom fields of incidents: their definitions, their choices, and what incidents have in them."""

from __future__ import annotations

import re
from typing import Any

from starlette.responses import Response

from airflow_provider_pagerduty.sandbox.account import PagerDuty
from airflow_provider_pagerduty.sandbox.rest import errors, fields
from airflow_provider_pagerduty.sandbox.rest.call import Call, Endpoint
from airflow_provider_pagerduty.sandbox.rest.fields import Field
from airflow_provider_pagerduty.sandbox.rest.incidents import incident_of
from airflow_provider_pagerduty.sandbox.rest.moments import moment, parsed_moment
from airflow_provider_pagerduty.sandbox.rest.people import entries_of, entry_of

Json = dict[str, Any]

DATA_TYPES = ("boolean", "integer", "float", "string", "datetime", "url")
FIELD_TYPES = ("single_value", "single_value_fixed", "multi_value", "multi_value_fixed")
#: Characters of a text, and values of a field of several.
#: https://developer.pagerduty.com/api-reference/ (Custom Fields)
LONGEST, MOST_VALUES = 200, 10


def _field_name(pagerduty: PagerDuty, value: Any) -> str:
    name: str = fields.text(longest=50)(pagerduty, value)
    if not re.fullmatch(r"[a-z0-9_]+", name):
        raise ValueError("may have lowercase letters, digits and underscores only")
    return name


_CHANGEABLE = (
    Field("display_name", fields.text(longest=50), required=True),
    Field("description", fields.text(0, 1000), nullable=True),
    Field("default_value", lambda _, value: value, nullable=True),
)
_DEFINITION = (
    Field("name", _field_name, required=True),
    Field("data_type", fields.one_of(*DATA_TYPES), required=True),
    Field("field_type", fields.one_of(*FIELD_TYPES), required=True),
    *_CHANGEABLE,
)


def _shown(call: Call, field: Json, *, options: bool) -> Json:
    path = f"{call.show.base}/incidents/custom_fields/{field['id']}"
    own = {key: field.get(key) for key in ("name", "display_name", "description", "data_type", "field_type")}
    shown = own | {
        "id": field["id"],
        "type": "field",
        "namespace": "incidents",
        "summary": field["display_name"],
        "self": path,
        "created_at": moment(field["created_at"]),
        "updated_at": moment(field["updated_at"]),
        "default_value": field.get("default_value"),
    }
    if options:
        shown["field_options"] = [_option(each) for each in field.get("options", {}).values()]
    return shown


def _option(option: Json) -> Json:
    return {
        "id": option["id"],
        "type": "field_option",
        "data": option["data"],
        "created_at": moment(option["created_at"]),
        "updated_at": moment(option["updated_at"]),
    }


def _list(call: Call) -> Json:
    whole = "field_options" in call.show.include
    return {"fields": [_shown(call, each, options=whole) for each in entries_of(call, "custom_fields")]}


def _create(call: Call) -> Json:
    sent = call.body("field")
    attributes = fields.read(call, sent, *_DEFINITION, creating=True)
    for each in entries_of(call, "custom_fields"):
        for name in ("name", "display_name"):
            if each[name] == attributes[name]:
                raise errors.invalid(f"{name} has already been taken")
    options = [_data(call, attributes, each) for each in sent.get("field_options") or []]
    fixed = attributes["field_type"].endswith("_fixed")
    if options and not fixed:
        raise errors.invalid("field_options are for fields of a fixed type only")
    if attributes.get("default_value") is not None:
        check_value(attributes, attributes["default_value"], [each["value"] for each in options])
    field = call.pagerduty.put_entry("custom_fields", None, attributes)
    for data in options:
        call.pagerduty.put_field_option(field["id"], None, data)
    return {"field": _shown(call, field, options=fixed)}


def _data(call: Call, field: Json, sent: Any) -> Json:
    data = sent.get("data") if isinstance(sent, dict) else None
    if not isinstance(data, dict) or data.get("data_type") != "string" or field["data_type"] != "string":
        raise errors.invalid("field_option must have data of the data_type string, as its field")
    return {"data_type": "string", "value": fields.read(call, data, _OPTION_VALUE, creating=True)["value"]}


_OPTION_VALUE = Field("value", fields.text(longest=LONGEST), required=True)


def _get(call: Call) -> Json:
    whole = "field_options" in call.show.include
    return {"field": _shown(call, entry_of(call, "custom_fields", "field_id"), options=whole)}


def _update(call: Call) -> Json:
    field = entry_of(call, "custom_fields", "field_id")
    attributes = fields.read(call, call.body("field"), *_CHANGEABLE)
    if attributes.get("default_value") is not None:
        check_value(field, attributes["default_value"], _choices(field))
    changed = call.pagerduty.put_entry("custom_fields", field["id"], attributes)
    return {"field": _shown(call, changed, options=False)}


def _delete(call: Call) -> Response:
    call.pagerduty.delete_entry("custom_fields", call.path["field_id"])
    return Response(status_code=204)


def _list_options(call: Call) -> Json:
    field = entry_of(call, "custom_fields", "field_id")
    return {"field_options": [_option(each) for each in field.get("options", {}).values()]}


def _create_option(call: Call) -> Json:
    field = entry_of(call, "custom_fields", "field_id")
    if not field["field_type"].endswith("_fixed"):
        raise errors.invalid("field_options are for fields of a fixed type only")
    data = _data(call, field, call.body("field_option"))
    return {"field_option": _option(call.pagerduty.put_field_option(field["id"], None, data))}


def _update_option(call: Call) -> Json:
    field = entry_of(call, "custom_fields", "field_id")
    data = _data(call, field, call.body("field_option"))
    option = call.pagerduty.put_field_option(field["id"], call.path["field_option_id"], data)
    return {"field_option": _option(option)}


def _delete_option(call: Call) -> Response:
    field = entry_of(call, "custom_fields", "field_id")
    call.pagerduty.delete_field_option(field["id"], call.path["field_option_id"])
    return Response(status_code=204)


def _choices(field: Json) -> list[str]:
    return [each["data"]["value"] for each in field.get("options", {}).values()]


def check_value(field: Json, value: Any, choices: list[str]) -> None:
    """Refuse what a field cannot hold.

    :raises Problem: 400.
    """
    several = field["field_type"].startswith("multi_value")
    if several and (not isinstance(value, list) or len(value) > MOST_VALUES):
        raise errors.invalid(f"{field['name']} must be an array of at most {MOST_VALUES} values")
    for each in value if several else [value]:
        if not _fits(field["data_type"], each):
            raise errors.invalid(f"{field['name']} {each!r} is no {field['data_type']}")
        if field["field_type"].endswith("_fixed") and each not in choices:
            raise errors.invalid(f"{field['name']} {each!r} is none of its field_options")


def _fits(data_type: str, value: Any) -> bool:
    if data_type == "boolean":
        return isinstance(value, bool)
    if data_type in ("integer", "float"):
        kinds = (int,) if data_type == "integer" else (int, float)
        return isinstance(value, kinds) and not isinstance(value, bool)
    if not isinstance(value, str) or len(value) > LONGEST:
        return False
    if data_type == "datetime":
        parsed_moment(value, "value")
    return data_type != "url" or value.lower().startswith(("http://", "https://"))


def _get_values(call: Call) -> Json:
    incident = incident_of(call)
    return {
        "custom_fields": [call.show.field_value(each, incident) for each in entries_of(call, "custom_fields")]
    }


def _put_values(call: Call) -> Json:
    incident = incident_of(call)
    values: Json = {}
    for sent in call.body("custom_fields", list):
        field = next(
            (
                each
                for each in entries_of(call, "custom_fields")
                if isinstance(sent, dict) and (sent.get("id") == each["id"] or sent.get("name") == each["name"])
            ),
            None,
        )
        if field is None or "value" not in sent:
            raise errors.invalid("Each of custom_fields must have the id or the name of a field, and a value")
        if sent["value"] is not None:
            check_value(field, sent["value"], _choices(field))
        values[field["id"]] = sent["value"]
    call.pagerduty.set_custom_values(incident.id, values, call.caller.user_id)
    return _get_values(call)


ENDPOINTS = (
    Endpoint("GET", "/incidents/custom_fields", _list),
    Endpoint("POST", "/incidents/custom_fields", _create, 201),
    Endpoint("GET", "/incidents/custom_fields/{field_id}", _get),
    Endpoint("PUT", "/incidents/custom_fields/{field_id}", _update),
    Endpoint("DELETE", "/incidents/custom_fields/{field_id}", _delete),
    Endpoint("GET", "/incidents/custom_fields/{field_id}/field_options", _list_options),
    Endpoint("POST", "/incidents/custom_fields/{field_id}/field_options", _create_option, 201),
    Endpoint("PUT", "/incidents/custom_fields/{field_id}/field_options/{field_option_id}", _update_option),
    Endpoint("DELETE", "/incidents/custom_fields/{field_id}/field_options/{field_option_id}", _delete_option),
    Endpoint("GET", "/incidents/{id}/custom_fields/values", _get_values),
    Endpoint("PUT", "/incidents/{id}/custom_fields/values", _put_values, 201),
)
