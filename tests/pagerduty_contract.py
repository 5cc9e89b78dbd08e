"""Holds answers against PagerDuty's own description of its APIs, and counts them. No tests are here.

The description is looked for in the folder PAGERDUTY_OPENAPI, by default ``../shared/pagerduty-openapi`` beside
the repository; without it, nothing is checked, and the summary of the test run says so.
"""

import json
import os
import re
from collections import Counter
from copy import deepcopy
from datetime import datetime
from functools import cached_property
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import jsonschema
from jsonschema import Draft4Validator, FormatChecker
from referencing import Registry, Resource

DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "pagerduty-openapi"
FOLDER = Path(os.environ.get("PAGERDUTY_OPENAPI") or DEFAULT)
IS_AT_HAND = (FOLDER / "REST.json").is_file() and (FOLDER / "events-v2.json").is_file()

#: Paths of the sandbox that PagerDuty has not.
OWN = re.compile(r"/(sandbox(/.*)?|page(/.*)?|favicon\.ico)?")
#: Answers with an error that the description gives most operations, and forgot at the others.
ERRORS = {400, 401, 404, 405, 413, 429}
#: Their form, by API: that of REST, that of Events.
GENERIC = ("NotFound", "Error")
#: What is not as the description says, operation and status, and why.
EXCEPTIONS = {
    (
        "GET /users/me",
        400,
    ): "both of PagerDuty's Python clients read `error` as a text here, to know an account's token",
}
#: Places in the description that no answer can satisfy, where anything is taken. Each is a path of keys.
CONTRADICTIONS = [
    # An acknowledge_log_entry by LogEntry's list of types, an acknowledgement_log_entry by its own: never both.
    ("components", "schemas", "AcknowledgeLogEntry", "allOf", 1, "properties", "type"),
    # By the schema an object with a `value` in it; by the description's own examples the value itself.
    ("components", "schemas", "CustomFieldsFieldValue", "properties", "value"),
    ("components", "schemas", "IncidentTypeCustomFields", "properties", "default_value"),
]
#: Marks them.
ANYTHING = "x-anything"

#: What comes in the place of a reference when ``include[]`` asks for it, which only the parameter's text says.
INCLUDABLE = {
    "ServiceReference": ["Service"],
    "UserReference": ["User"],
    "TeamReference": ["Team"],
    "EscalationPolicyReference": ["EscalationPolicy"],
    "EscalationTargetReference": ["User", "Schedule"],
    "ScheduleReference": ["Schedule"],
    "IncidentReference": ["Incident"],
    "IntegrationReference": ["Integration"],
    "LogEntryReference": ["TriggerLogEntry"],
}

formats = FormatChecker(formats=())


@formats.checks("date-time")
def is_moment(value):
    if not isinstance(value, str):
        return True
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", value):
        return False
    return bool(datetime.fromisoformat(value.replace("Z", "+00:00")))


@formats.checks("url")
@formats.checks("uri")
def is_address(value):
    return not isinstance(value, str) or bool(urlsplit(value).scheme)


@formats.checks("email")
def is_email(value):
    return not isinstance(value, str) or re.fullmatch(r"[^@\s]+@[^@\s]+", value) is not None


def lenient(check):
    """Return a keyword's check as OpenAPI 3.0 has it: what is nullable may be null; or anything, see above."""

    def checked(validator, value, instance, schema):
        if not (instance is None and schema.get("nullable") is True) and not schema.get(ANYTHING):
            yield from check(validator, value, instance, schema)

    return checked


#: ``oneOf`` is taken for ``anyOf``, because the alternatives that PagerDuty lists overlap: a channel that is an
#: APIChannel is a NagiosChannel as well, and an integer is a number.
KEYWORDS = Draft4Validator.VALIDATORS | {"oneOf": Draft4Validator.VALIDATORS["anyOf"]}
Validator = jsonschema.validators.extend(
    Draft4Validator, {keyword: lenient(check) for keyword, check in KEYWORDS.items()}
)


class Description:
    """One of PagerDuty's OpenAPI files."""

    def __init__(self, path):
        document = json.loads(path.read_text())
        server = urlsplit(document["servers"][0]["url"]).path
        for place in CONTRADICTIONS if "AcknowledgeLogEntry" in document["components"]["schemas"] else ():
            node = document
            for key in place:
                node = node[key]
            node[ANYTHING] = True
        server = urlsplit(document["servers"][0]["url"]).path
        for *parents, last in CONTRADICTIONS:
            node = document
            for key in parents:
                node = node.get(key, {}) if isinstance(node, dict) else node[key]
            if node:
                node[last] = {}
        self.document = document
        # The most literal first: /users/me before /users/{id}.
        paths = sorted(document["paths"], key=lambda path: [part.startswith("{") for part in path.split("/")])
        self.paths = [(path, re.compile(server + re.sub(r"\{[^}]+\}", "[^/]+", path))) for path in paths]

    def find(self, path):
        return next((template for template, pattern in self.paths if pattern.fullmatch(path)), None)

    def follow(self, pointer):
        """Return where a place of the document really is, after references, and what is there."""
        node, place = self.document, []
        for part in pointer:
            node, place = node[int(part)] if isinstance(node, list) else node[part], [*place, part]
            while isinstance(node, dict) and "$ref" in node:
                target = [unquote(each) for each in node["$ref"].removeprefix("#/").split("/")]
                place, node = self.follow([each.replace("~1", "/").replace("~0", "~") for each in target])
        return place, node

    def response(self, template, method, status):
        """Return where the answer to an operation is described, and how; None if it is not."""
        responses = self.document["paths"][template][method]["responses"]
        found = responses.get(str(status))
        # The Events API says "#/components/responses/ArgumentError" as a description, and has no such thing.
        if found is None or str(found.get("description")).startswith("#/"):
            named = self.document["components"]["responses"]
            return (
                self.follow(["components", "responses", next(n for n in GENERIC if n in named)])
                if status in ERRORS
                else None
            )
        return self.follow(["paths", template, method, "responses", str(status)])

    def errors_in(self, pointer, value, *, including):
        """Return what is wrong with a value, by the schema at a place of the document."""
        escaped = "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in pointer)
        schema = {"$ref": f"urn:pagerduty#/{quote(escaped)}"}
        registry = self._including if including else self._registry
        validator = Validator(schema, registry=registry, format_checker=formats)
        return [f"{error.json_path}: {explained(error)}" for error in validator.iter_errors(value)]

    @cached_property
    def _registry(self):
        return Registry().with_resource("urn:pagerduty", Resource.opaque(self.document))

    @cached_property
    def _including(self):
        document = deepcopy(self.document)
        schemas = document["components"]["schemas"]
        for reference, wholes in INCLUDABLE.items():
            alternatives = [{"$ref": f"#/components/schemas/{whole}"} for whole in wholes]
            schemas[reference] = {"anyOf": [schemas[reference], *alternatives]}
        return Registry().with_resource("urn:pagerduty", Resource.opaque(document))


def explained(error):
    best = jsonschema.exceptions.best_match([error])
    return f"{best.json_path}: {best.message[:300]}"


class Contract:
    """What PagerDuty promises of its answers.

    :ivar checked: how many answers were held against it, by operation and status.
    """

    def __init__(self):
        self.checked = Counter()
        self.descriptions = [Description(FOLDER / "REST.json"), Description(FOLDER / "events-v2.json")]

    def operations(self, path):
        """Return the methods that PagerDuty has for a path, with its name for the path; None if it has none."""
        for description in self.descriptions:
            template = description.find(path)
            if template:
                methods = {"get", "post", "put", "patch", "delete"}
                return description, template, sorted(methods & description.document["paths"][template].keys())
        return None

    def check(self, method, address, status, content_type, body):
        """Hold an answer against the description.

        :param body: None for HEAD, where it is not sent.
        :raises AssertionError: saying what of it is not as described.
        """
        parts = urlsplit(address)
        path, including = unquote(parts.path), "include" in parts.query
        if status == 501 or OWN.fullmatch(path):
            return
        found = self.operations(path)
        assert found, f"{method} {path} was answered {status}, and PagerDuty has no such path"
        description, template, methods = found
        operation = f"{method} {template}"
        # PagerDuty does not describe HEAD.
        if (operation, status) not in EXCEPTIONS and method != "HEAD":
            errors = self._errors(
                description, template, method.lower(), methods, status, content_type, body, including
            )
            assert not errors, f"{operation} {status} is not as PagerDuty describes it:\n" + "\n".join(errors)
        self.checked[operation, status] += 1

    def _errors(self, description, template, method, methods, status, content_type, body, including):
        if method not in methods:
            return [] if status == 405 else ["PagerDuty has no such operation"]
        found = description.response(template, method, status)
        if found is None:
            return ["no such status is described"]
        place, response = found
        content = response.get("content", {}).get("application/json", {})
        if bool(body) != ("schema" in content):
            return ["it has a body" if body else "it has no body"]
        if not body:
            return []
        if not content_type.startswith("application/json"):
            return [f"it is {content_type}"]
        return description.errors_in(
            [*place, "content", "application/json", "schema"], json.loads(body), including=including
        )

    def counts(self):
        """Return how many answers were checked, and over how many operations."""
        return sum(self.checked.values()), len({operation for operation, _ in self.checked})

    def watch(self, session):
        """Check every answer that a session of requests gets; return the session."""
        session.hooks["response"].append(self._seen_by_requests)
        return session

    def _seen_by_requests(self, response, *args, **kwargs):
        request = response.request
        content = None if request.method == "HEAD" else response.content
        self.check(
            request.method, request.url, response.status_code, response.headers.get("content-type", ""), content
        )


class Summary:
    """Says at the end of the test run what was checked."""

    def __init__(self, contract):
        self.contract = contract

    def pytest_terminal_summary(self, terminalreporter):
        terminalreporter.section("PagerDuty's own description")
        if self.contract is None:
            terminalreporter.line(f"not at hand in {FOLDER} (PAGERDUTY_OPENAPI): no answer was held against it")
            return
        answers, operations = self.contract.counts()
        terminalreporter.line(
            f"{answers} answers of the sandbox were held against it, over {operations} operations"
        )


def contract_of(config):
    """Return the contract of a test run, which reports at its end; None if the description is not at hand."""
    plugin = config.pluginmanager.get_plugin("pagerduty-contract")
    if plugin is None:
        plugin = Summary(Contract() if IS_AT_HAND else None)
        config.pluginmanager.register(plugin, "pagerduty-contract")
    return plugin.contract
