"""`/operator/api`: what the operator's pages do, for programs. A bearer token; off unless one is set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import NotFound

from integration_app import operations
from integration_app.bootstrap import Services
from integration_app.operations.checks import every
from integration_app.pipeline.upkeep.replay import DEFAULT_RATE
from integration_app.web import auditing
from integration_app.web.passwords import is_token
from integration_app.web.routes import Route, add_routes

BY = "operator (API)"


def document(services: Services) -> Response:
    return jsonify(openapi())


def overview(services: Services) -> Response:
    return jsonify(operations.overview(services))


def messages(services: Services) -> Response:
    asked = request.args
    return jsonify(
        messages=operations.messages(
            services,
            uid=asked.get("uid", ""),
            state=asked.get("state", ""),
            provider=asked.get("provider", ""),
            sender=asked.get("sender", ""),
            since=operations.moment(asked.get("since", "")),
            limit=min(max(asked.get("limit", 50, type=int), 1), 1000),
        )
    )


def message(services: Services, message_id: str) -> Response:
    found = services.timeline.show(message_id)
    if found is None:
        raise NotFound
    return jsonify(found)


def text(services: Services, message_id: str) -> Response:
    found = operations.text_of(services, message_id, by=BY, whole=request.args.get("whole") == "1")
    if found is None:
        raise NotFound
    return jsonify(text=found)


def dead_letters(services: Services) -> Response:
    uid, reason = request.args.get("uid", ""), request.args.get("reason", "")
    return jsonify(dead_letters=operations.dead_letters(services, uid=uid, reason=reason))


def cost(services: Services) -> Response:
    asked = _json()
    return jsonify(operations.cost(services, _ids(asked), _rate(asked)))


def replay(services: Services) -> tuple[Response, int]:
    asked = _json()
    made = operations.replay(services, _ids(asked), by=BY, rate=_rate(asked), blind=asked.get("without_a_look") is True)
    return (jsonify(replay=made), 202) if made else (jsonify(error="none of these is a dead letter"), 404)


def drop(services: Services, delivery_id: str) -> Response:
    if not services.replays.drop(delivery_id, by=BY):
        raise NotFound
    return jsonify(status="dropped")


def one_replay(services: Services, replay_id: str) -> Response:
    if request.method == "DELETE" and not services.replays.cancel(replay_id):
        raise NotFound
    status = services.replays.status(replay_id)
    if status is None:
        raise NotFound
    return jsonify(
        id=status.id, state=status.state, done=status.done, total=status.total, rate=status.rate, by=status.by
    )


def quarantine(services: Services) -> Response:
    rows = services.quarantine.held(limit=1000)
    return jsonify(quarantine=[{"id": row[0], "uid": row[1], "received_at": row[2].isoformat()} for row in rows])


def settle(services: Services, message_id: str, what: str) -> Response:
    uid, now = str(_json().get("uid", "")), services.clock()
    done = (
        services.quarantine.release(message_id, uid, by=BY, now=now)
        if what == "release"
        else services.quarantine.drop(message_id, uid, why=BY, now=now)
    )
    if not done:
        raise NotFound
    return jsonify(status="done")


def installations(services: Services) -> Response:
    return jsonify(installations=operations.installations(services))


def outboxes(services: Services) -> Response:
    return jsonify(outboxes=operations.outboxes(services))


def outbox(services: Services, uid: str) -> Response:
    found = operations.outbox(services, uid)
    if found is None:
        raise NotFound
    return jsonify(found)


def providers(services: Services) -> Response:
    return jsonify(providers=operations.providers(services))


def test(services: Services, name: str) -> Response:
    return jsonify(outcome=operations.send_test(services, name, str(_json().get("uid", ""))))


def audit(services: Services) -> Response:
    limit = request.args.get("limit", "200")
    rows = services.audit.latest(min(int(limit), 10_000) if limit.isascii() and limit.isdigit() else 200)
    return jsonify(audit=[asdict(row) | {"at": row.at.isoformat()} for row in rows])


def health(services: Services) -> Response:
    return jsonify(checks=[asdict(check) for check in every(services)])


_ROUTES: tuple[Route, ...] = (
    Route("/openapi.json", document),
    Route("/overview", overview),
    Route("/messages", messages),
    Route("/messages/<message_id>", message),
    Route("/messages/<message_id>/text", text),
    Route("/dead-letters", dead_letters),
    Route("/dead-letters/cost", cost, ("POST",)),
    Route("/dead-letters/replay", replay, ("POST",)),
    Route("/dead-letters/<delivery_id>", drop, ("DELETE",)),
    Route("/replays/<replay_id>", one_replay, ("GET", "DELETE")),
    Route("/quarantine", quarantine),
    Route("/quarantine/<message_id>/<any(release, drop):what>", settle, ("POST",)),
    Route("/installations", installations),
    Route("/outboxes", outboxes),
    Route("/outboxes/<uid>", outbox),
    Route("/providers", providers),
    Route("/providers/<name>/test", test, ("POST",)),
    Route("/health", health),
    Route("/audit", audit),
)


def blueprint(services: Services, tokens: Sequence[str]) -> Blueprint:
    api = Blueprint("operator_api", __name__, url_prefix="/operator/api")
    add_routes(api, _ROUTES, services)

    @api.before_request
    def _only_with_the_token() -> tuple[Response, int] | None:
        if request.endpoint == "operator_api.document":
            return None
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not is_token(given.strip(), tokens):
            return jsonify(error="a bearer token is needed"), 401
        return None

    auditing.install(api, services, "API", reads=("text",))

    @api.after_request
    def _private(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return api


def _json() -> dict[str, Any]:
    value = request.get_json(silent=True)
    return value if isinstance(value, dict) else {}


def _ids(asked: dict[str, Any]) -> list[str]:
    ids = asked.get("ids")
    return [str(row) for row in ids[:10_000]] if isinstance(ids, list) else []


def _rate(asked: dict[str, Any]) -> float:
    rate = asked.get("rate", DEFAULT_RATE)
    return float(rate) if isinstance(rate, int | float) and 0.1 <= rate <= 6000 else DEFAULT_RATE


def openapi() -> dict[str, Any]:
    """The document; a test holds its paths to the routes."""
    text: dict[str, Any] = {"type": "string"}

    def operation(words: str, *parameters: dict[str, Any], body: dict[str, Any] | None = None) -> dict[str, Any]:
        found: dict[str, Any] = {
            "summary": words,
            "parameters": list(parameters),
            "responses": {
                "200": {"description": "done", "content": {"application/json": {"schema": {"type": "object"}}}},
                "202": {"description": "begun"},
                "401": {"description": "no token"},
                "404": {"description": "not there"},
            },
        }
        if body is not None:
            schema = {"type": "object", "properties": body}
            found["requestBody"] = {"content": {"application/json": {"schema": schema}}}
        return found

    def path(name: str) -> dict[str, Any]:
        return {"name": name, "in": "path", "required": True, "schema": text}

    def query(name: str) -> dict[str, Any]:
        return {"name": name, "in": "query", "schema": text}

    filters = [query(name) for name in ("uid", "state", "provider", "sender", "since", "limit")]
    chosen = {
        "ids": {"type": "array", "items": text},
        "rate": {"type": "number"},
        "without_a_look": {"type": "boolean"},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Omi Inbox, operator", "version": "1.0.0"},
        "security": [{"token": []}],
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "paths": {
            "/operator/api/openapi.json": {"get": operation("this document") | {"security": []}},
            "/operator/api/overview": {"get": operation("how it stands")},
            "/operator/api/messages": {"get": operation("the newest messages that fit", *filters)},
            "/operator/api/messages/{message_id}": {"get": operation("the story of one", path("message_id"))},
            "/operator/api/messages/{message_id}/text": {
                "get": operation("its text; showing it is logged", path("message_id"), query("whole"))
            },
            "/operator/api/dead-letters": {"get": operation("what was parked", query("uid"), query("reason"))},
            "/operator/api/dead-letters/cost": {"post": operation("what sending again costs", body=chosen)},
            "/operator/api/dead-letters/replay": {"post": operation("send again", body=chosen)},
            "/operator/api/dead-letters/{delivery_id}": {"delete": operation("drop one", path("delivery_id"))},
            "/operator/api/replays/{replay_id}": {
                "get": operation("how far a replay has come", path("replay_id")),
                "delete": operation("cancel a replay", path("replay_id")),
            },
            "/operator/api/quarantine": {"get": operation("what is held")},
            "/operator/api/quarantine/{message_id}/{what}": {
                "post": operation("release or drop", path("message_id"), path("what"), body={"uid": text})
            },
            "/operator/api/installations": {"get": operation("the linked uids")},
            "/operator/api/outboxes": {"get": operation("the outboxes in which messages wait")},
            "/operator/api/outboxes/{uid}": {"get": operation("one outbox: lease, deliveries, gates", path("uid"))},
            "/operator/api/providers": {"get": operation("the doors")},
            "/operator/api/providers/{name}/test": {
                "post": operation("a signed test", path("name"), body={"uid": text})
            },
            "/operator/api/audit": {"get": operation("what operators did", query("limit"))},
            "/operator/api/health": {"get": operation("what doctor checks")},
        },
    }
