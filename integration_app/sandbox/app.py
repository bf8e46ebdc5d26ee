"""The sandbox's Flask app: routes, a log of every call, and Omi's own words for unknown paths."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException, InternalServerError
from werkzeug.wrappers import Response as AnyResponse

from integration_app.sandbox import (
    answers,
    apps_api,
    control_api,
    developer_conversations,
    developer_data,
    inspector,
    integrations_api,
    openapi,
    seed,
)
from integration_app.sandbox.developer import Developer
from integration_app.sandbox.fault_injection import Dropped, Faulty
from integration_app.sandbox.faults import Faults
from integration_app.sandbox.limits import Limits
from integration_app.sandbox.state import NEWEST, OLD, Call, State

API = ("/v1/", "/v2/")


def create_app(
    app_id: str,
    api_key: str,
    *,
    boost: float = 1.0,
    clock: Callable[[], float] = time.time,
    file: Path | None = None,
    strict_seed: bool = False,
    omi: str = NEWEST,
) -> Flask:
    state, faults = State(app_id, api_key, clock, file), Faults()
    state.omi = omi
    limits, faulty = (
        Limits(state.clock, boost, old=omi == OLD),
        Faulty(faults, lambda: state.latency, state.clock, lambda: state.resets),
    )
    app = Flask(__name__)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.url_map.strict_slashes = False
    _keep_log(app, state)
    answers.install(app)
    if strict_seed:
        seed.install(app, state, limits)
    integrations_api.install(app, state, limits, faulty)
    developer = Developer(state, limits, faulty)
    developer_data.install(app, developer)
    developer_conversations.install(app, developer)
    openapi.install(app)
    control_api.install(app, state, limits, faults)
    apps_api.install(app, state)
    inspector.install(app, state, limits, faults)
    _framework_answers(app)
    return app


def _keep_log(app: Flask, state: State) -> None:
    @app.before_request
    def _begin() -> AnyResponse | None:
        g.began, g.resets = time.monotonic(), state.resets
        if not request.path.startswith(API) and not _is_at_home():
            return Response("This sandbox answers its own pages and programs on this machine alone.", 403)
        if request.method in ("HEAD", "OPTIONS") and request.path.startswith(API):
            refused = jsonify(detail="Method Not Allowed")
            refused.status_code = 405
            refused.headers["Allow"] = ", ".join(sorted(_methods(app) - {"HEAD", "OPTIONS"}))
            return refused
        if request.path.startswith(API) and request.path.endswith("/"):
            moved = Response(status=307)
            moved.headers["Location"] = request.url.replace("/?", "?", 1).rstrip("/?")
            moved.autocorrect_location_header = False
            return moved
        return None

    @app.after_request
    def _end(response: Response) -> Response:
        if request.path.startswith(API) and g.resets == state.resets:
            dropped = g.get("dropped", False)
            _log(state, None if dropped else response.status_code, "dropped" if dropped else None)
        if request.method != "GET":
            state.save()
        return response


def _is_at_home() -> bool:
    """Control and inspector take no page's requests from elsewhere: neither by another name for this machine, which a
    page could make up, nor across sites.
    """
    host = urlsplit(f"//{request.host}").hostname or ""
    known = host in ("localhost", "127.0.0.1", "::1") or _is_an_address(host)
    origin = request.headers.get("Origin")
    return known and (origin is None or urlsplit(origin).netloc == request.host)


def _is_an_address(host: str) -> bool:
    """Names can be made to point here; addresses cannot. A container's own name has no dot."""
    return "." not in host or all(part.isdigit() for part in host.split("."))


def _methods(app: Flask) -> set[str]:
    try:
        return set(app.url_map.bind("").allowed_methods(request.path))
    except HTTPException:
        return set()


def _log(state: State, status: int | None, error: str | None) -> None:
    fault = g.get("fault")
    seconds = round(time.monotonic() - g.began, 4)
    call = Call(
        at=state.clock() - seconds,
        method=request.method,
        route=(request.endpoint or "unknown").rpartition(".")[2],
        uid=g.get("uid") or request.args.get("uid"),
        status=status,
        seconds=seconds,
        fault=fault.fault if fault else None,
        error=error,
    )
    with state.lock:
        state.calls.append(call)


def _framework_answers(app: Flask) -> None:
    @app.errorhandler(Dropped)
    def _dropped(_: Dropped) -> Response:
        g.dropped = True  # the socket is shut: no answer reaches the caller
        return Response("", 500)

    @app.errorhandler(InternalServerError)
    def _crash(_: InternalServerError) -> Response:
        return Response("Internal Server Error", 500, mimetype="text/plain")

    @app.errorhandler(HTTPException)
    def _framework(error: HTTPException) -> tuple[Response, int, dict[str, str]]:
        allowed = {"Allow": ", ".join(sorted(_methods(app) - {"HEAD", "OPTIONS"}))} if error.code == 405 else {}
        return jsonify(detail=error.name), error.code or 500, allowed
