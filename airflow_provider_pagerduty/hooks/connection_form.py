"""The connection form on Airflow 2.11, which asks hooks for it; Airflow 3 reads ``provider.yaml`` itself.

Both draw the same fields, because this derives them from that file.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_pagerduty.get_provider_info import get_provider_info


def _declared(conn_type: str) -> dict[str, Any]:
    types = get_provider_info()["connection-types"]
    declared: dict[str, Any] = next(each for each in types if each["connection-type"] == conn_type)
    return declared


def ui_field_behaviour(conn_type: str) -> dict[str, Any]:
    """Return what ``get_ui_field_behaviour()`` is to return for a connection type."""
    behaviour = _declared(conn_type)["ui-field-behaviour"]
    return {key.replace("-", "_"): value for key, value in behaviour.items()}


def connection_form_widgets(conn_type: str) -> dict[str, Any]:
    """Return what ``get_connection_form_widgets()`` is to return for a connection type: wtforms fields."""
    from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
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

    def draw(declared: dict[str, Any]) -> Any:
        secret = declared["schema"].get("format") == "password"
        return (PasswordField if secret else StringField)(
            declared["label"],
            description=declared["description"],
            validators=[Optional()],
            widget=KeptPasswordWidget() if secret else BS3TextFieldWidget(),
        )

    return {name: draw(declared) for name, declared in _declared(conn_type)["conn-fields"].items()}
