"""REST API v2, the part of it that people use from Airflow, with PagerDuty's answers.

https://developer.pagerduty.com/api-reference/. Each room holds the endpoints of a few things; here they become
routes. What PagerDuty has besides is answered with 501, here where a path would take it for an id, else by the
server.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_provider_pagerduty.sandbox.account import PagerDuty, Refused
from airflow_provider_pagerduty.sandbox.directory import Unknown
from airflow_provider_pagerduty.sandbox.rest import (
    audit,
    changes,
    custom_fields,
    errors,
    history,
    incidents,
    maintenance,
    on_call,
    people,
    services,
)
from airflow_provider_pagerduty.sandbox.rest.access import Access, actor_of, caller_of, limit_headers
from airflow_provider_pagerduty.sandbox.rest.call import Call, Endpoint
from airflow_provider_pagerduty.sandbox.rest.errors import Problem
from airflow_provider_pagerduty.sandbox.rest.render_incidents import IncidentRenderer

__all__ = ["ENDPOINTS", "Access", "Endpoint", "routes"]

#: Those with a fixed path come before those where the same place holds an id.
ENDPOINTS: tuple[Endpoint, ...] = (
    *custom_fields.ENDPOINTS,
    *incidents.ENDPOINTS,
    *history.ENDPOINTS,
    *services.ENDPOINTS,
    *people.ENDPOINTS,
    *on_call.ENDPOINTS,
    *maintenance.ENDPOINTS,
    *changes.ENDPOINTS,
    *audit.ENDPOINTS,
)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
#: PagerDuty's operations, not the sandbox's, that look like others of its own.
UNIMPLEMENTED = (
    ("/incidents/types", METHODS),
    ("/incidents/count", METHODS),
    ("/services/custom_fields", METHODS),
    ("/schedules/preview", METHODS),
    ("/change_events", ("POST",)),
)


def routes(pagerduty: PagerDuty, access: Access | None = None) -> list[Route]:
    """Return the endpoints over one account.

    :param access: the tokens that open it; any, as the account's own, if it is not given.
    """
    found = [Route(path, _unimplemented, methods=list(methods)) for path, methods in UNIMPLEMENTED]
    by_path: dict[str, dict[str, Endpoint]] = {}
    for each in ENDPOINTS:
        by_path.setdefault(each.path, {})[each.method] = each
    for path, methods in by_path.items():
        found.append(Route(path, _endpoint(pagerduty, access or Access(), methods), methods=list(methods)))
        # Whatever else is done to these paths, PagerDuty does not know it either.
        others = [each for each in METHODS if each not in methods]
        found.append(Route(path, _not_allowed(list(methods)), methods=others))
    return found


Answering = Callable[[Request], Awaitable[Response]]


async def _unimplemented(request: Request) -> Response:
    message = f"The sandbox does not implement {request.method} {request.url.path}"
    return JSONResponse({"error": {"message": message, "code": 501, "errors": []}}, 501)


def _not_allowed(methods: list[str]) -> Answering:
    async def answer(request: Request) -> Response:
        problem = Problem(405, "Method Not Allowed", 405, f"{request.url.path} takes {', '.join(methods)}")
        response = problem.answer()
        response.headers["allow"] = ", ".join(methods)
        return response

    return answer


def _endpoint(pagerduty: PagerDuty, access: Access, methods: dict[str, Endpoint]) -> Answering:
    async def answer(request: Request) -> Response:
        endpoint = methods["GET" if request.method == "HEAD" else request.method]
        headers: dict[str, str] = {}
        try:
            caller = caller_of(request.headers, access, pagerduty)
            allowance = pagerduty.admits_request(caller.token)
            headers = limit_headers(allowance)
            if allowance and not allowance.admitted:
                raise errors.too_many_requests()
            actor = actor_of(caller, request.headers, pagerduty) if endpoint.acts else caller.user_id or ""
            pagerduty.refresh()
            include = frozenset(
                value for name in ("include[]", "include") for value in request.query_params.getlist(name)
            )
            base = str(request.base_url).rstrip("/")
            show = IncidentRenderer(pagerduty, base, include)
            raw = await request.body()
            call = Call(pagerduty, caller, actor, request.path_params, request.query_params, raw, show)
            answered = endpoint.answer(call)
            response = answered if isinstance(answered, Response) else JSONResponse(answered, endpoint.status)
        except Problem as problem:
            response = problem.answer()
        except Refused as refusal:
            response = errors.refused(*refusal.errors).answer()
        except Unknown:
            response = errors.not_found().answer()
        response.headers.update(headers)
        return response

    return answer
