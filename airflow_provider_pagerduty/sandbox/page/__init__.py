"""The incidents in a browser: the page at ``/``, what it reads, and its two buttons.

What it is told stands in ``board``, how it hears of news in ``updates``; who may come at all is ``guard``'s.
"""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_provider_pagerduty.sandbox.account import PagerDuty, Refused
from airflow_provider_pagerduty.sandbox.directory import Unknown
from airflow_provider_pagerduty.sandbox.page import board
from airflow_provider_pagerduty.sandbox.page.updates import Updates

FILES = {
    "/": ("index.html", "text/html"),
    "/sandbox/page/page.css": ("page.css", "text/css"),
    "/sandbox/page/page.js": ("page.js", "text/javascript"),
    "/sandbox/page/icon.svg": ("icon.svg", "image/svg+xml"),
}
#: No script but ours, and none made of text, even by ours. Images come from anywhere, once they are asked for.
POLICY = (
    "default-src 'none'; script-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'; "
    "style-src 'self'; img-src 'self' https:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
#: What a button does, by the last word of its address.
ACTIONS = {"acknowledge": "acknowledged", "resolve": "resolved"}


def routes(pagerduty: PagerDuty) -> list[Route]:
    """Return the page and its endpoints over one account."""

    async def show_board(request: Request) -> Response:
        return _board(pagerduty, request.query_params.get("show", "open"))

    async def show_incident(request: Request) -> Response:
        limit = request.query_params.get("limit", str(board.LIMIT))
        return _incident(pagerduty, request.path_params["incident_id"], limit)

    async def act(request: Request) -> Response:
        return _refused_act(request) or _act(
            pagerduty, request.path_params["incident_id"], request.url.path.rpartition("/")[2]
        )

    async def updates(request: Request) -> Response:
        # Whoever runs the application may say there when it is about to end.
        return Updates(pagerduty, getattr(request.app.state, "stopping", lambda: False))

    return [
        *(_file(path, name, kind) for path, (name, kind) in FILES.items()),
        Route("/sandbox/board", show_board, methods=["GET"]),
        Route("/sandbox/board/{incident_id}", show_incident, methods=["GET"]),
        *(Route(f"/sandbox/incidents/{{incident_id}}/{each}", act, methods=["POST"]) for each in ACTIONS),
        Route("/sandbox/updates", updates, methods=["GET"]),
    ]


def _board(pagerduty: PagerDuty, show: str) -> Response:
    if show == "changes":
        return _answer(board.changes(pagerduty))
    if show not in board.SHOWN:
        return _refusal(400, f"show is {show!r}: take one of {', '.join((*board.SHOWN, 'changes'))}")
    return _answer(board.board(pagerduty, show))


def _incident(pagerduty: PagerDuty, incident_id: str, limit: str) -> Response:
    if not (limit.isascii() and limit.isdigit() and len(limit) < 7):
        return _refusal(400, f"limit is {limit!r}: take a number from 0 to 999999")
    try:
        return _answer(board.incident(pagerduty, pagerduty.incident(incident_id), int(limit)))
    except Unknown:
        return _refusal(404, f"there is no incident {incident_id!r}")


def _refused_act(request: Request) -> Response | None:
    # Another site's page can send neither without a preflight, which nobody here answers.
    if request.headers.get("x-sandbox") != "page":
        return _refusal(403, "the header X-Sandbox is missing: send 'X-Sandbox: page'")
    kind = request.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != "application/json":
        return _refusal(415, f"Content-Type is {kind!r}: send application/json")
    return None


def _act(pagerduty: PagerDuty, incident_id: str, action: str) -> Response:
    try:
        changed = pagerduty.update_incident(
            incident_id, {"status": ACTIONS[action]}, by=pagerduty.directory.default_user_id
        )
    except Unknown:
        return _refusal(404, f"there is no incident {incident_id!r}")
    except Refused as refused:
        return _refusal(409, str(refused))
    return _answer(board.card(pagerduty, changed))


def _file(path: str, name: str, kind: str) -> Route:
    content = (Path(__file__).parent / name).read_bytes()

    async def send(request: Request) -> Response:
        return Response(content, media_type=kind, headers=HEADERS)

    return Route(path, send, methods=["GET"])


def _answer(content: object, code: int = 200) -> Response:
    return JSONResponse(content, code, {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})


def _refusal(code: int, message: str) -> Response:
    return _answer({"error": {"message": message}}, code)
