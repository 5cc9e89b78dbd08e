"""The connection form on Airflow 2.11, which asks hooks for it; Airflow 3 reads ``provider.yaml`` itself.

Both draw the same fields, because this derives them from that file.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_pagerduty.get_provider_info import get_provider_info

#: Where older connections have their integration key. Airflow puts an extra that it knows no field for into the
#: page as it is; so this one is a field too, which nobody sees.
_UNSEEN = "routing_key"


def _declared(conn_type: str) -> dict[str, Any]:
    types = get_provider_info()["connection-types"]
    declared: dict[str, Any] = next(each for each in types if each["connection-type"] == conn_type)
    return declared


def ui_field_behaviour(conn_type: str) -> dict[str, Any]:
    """Return what ``get_ui_field_behaviour()`` is to return for a connection type."""
    behaviour = {
        key.replace("-", "_"): value for key, value in _declared(conn_type)["ui-field-behaviour"].items()
    }
    # The port is for Airflow 3 alone, and provider.yaml says why.
    for name in ("relabeling", "placeholders"):
        behaviour[name] = {field: text for field, text in behaviour[name].items() if field != "port"}
    hidden = f"extra__{conn_type}__{_UNSEEN}"
    return behaviour | {"hidden_fields": [*behaviour["hidden_fields"], "port", hidden]}


def connection_form_widgets(conn_type: str) -> dict[str, Any]:
    """Return what ``get_connection_form_widgets()`` is to return for a connection type: wtforms fields."""
    from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
    from markupsafe import Markup
    from wtforms import PasswordField, StringField
    from wtforms.validators import Optional

    class KeptPasswordWidget(BS3PasswordFieldWidget):  # type: ignore[misc, unused-ignore]
        """Shows that there is a value, without showing it.

        A password field comes back empty from the browser, and Airflow 2.11 takes that for erased; the
        placeholder is what it takes for "unchanged".
        """

        def __init__(self) -> None:
            super().__init__(hide_value=False)

        def __call__(self, field: Any, **kwargs: Any) -> Any:
            from airflow.www.views import (  # type: ignore[import-not-found, unused-ignore]
                SENSITIVE_FIELD_PLACEHOLDER,
            )

            return super().__call__(field, **kwargs, value=SENSITIVE_FIELD_PLACEHOLDER if field.data else "")

    class ChoiceWidget:
        """Draws a text field as a choice, so that a value which is none of them is shown, and kept."""

        def __init__(self, choices: list[str]) -> None:
            self._choices = choices

        def __call__(self, field: Any, **_: Any) -> Any:
            value = (field.data or "").strip()
            chosen = value.lower() if value.lower() in self._choices else value
            options = Markup("").join(
                Markup('<option value="{0}"{1}>{0}</option>').format(
                    each, Markup(" selected") if each == chosen else ""
                )
                for each in dict.fromkeys(["", *self._choices, chosen])
            )
            return Markup('<select class="form-control" id="{0}" name="{1}">{2}</select>').format(
                field.id, field.name, options
            )

    def draw(declared: dict[str, Any]) -> Any:
        schema = declared["schema"]
        secret = schema.get("format") == "password"
        widget = KeptPasswordWidget() if secret else BS3TextFieldWidget()
        return (PasswordField if secret else StringField)(
            declared["label"],
            description=declared["description"],
            # Airflow 2.11 cannot take the last of the extra fields back, but for one that is null.
            filters=[lambda value: value or None],
            validators=[Optional()],
            widget=ChoiceWidget(schema["enum"]) if "enum" in schema else widget,
        )

    fields = {name: draw(declared) for name, declared in _declared(conn_type)["conn-fields"].items()}
    hidden = PasswordField(validators=[Optional()], widget=KeptPasswordWidget())
    return fields | {_UNSEEN: hidden}
